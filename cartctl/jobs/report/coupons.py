"""Codes: how many were shown, and what the orders that bear them came to."""

from cartctl.domain.money import Money
from cartctl.jobs.report.asking import Asked, folded, read, rows
from cartctl.jobs.report.results import CouponCount, Takings, Tier
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database


def run(database: Database, *, rules: Rules, asked: Asked) -> list[CouponCount]:
    """Count each coupon's codes, in the order of their names."""
    with database.read() as connection:
        frame = folded(read(connection, "coupons", asked, rules), ["coupon", "currency"])
    found: dict[str, CouponCount] = {}
    for row in rows(frame):
        known = found.get(row.coupon, CouponCount(coupon=row.coupon, shown=0, bought=0, redeemed=Tier()))
        gross, net = (Money.from_minor(int(minor), row.currency) for minor in (row.gross_minor, row.net_minor))
        taken = {row.currency: Takings(gross, net)} if int(row.orders) else {}
        found[row.coupon] = CouponCount(
            coupon=row.coupon,
            shown=known.shown + int(row.shown),
            bought=known.bought + int(row.bought),
            redeemed=Tier(known.redeemed.orders + int(row.orders), {**known.redeemed.revenue, **taken}),
        )
    return [found[name] for name in sorted(found)]

"""Results as plain tables: what is shown on a terminal, written as CSV, and stands behind each chart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cartctl.domain.money import Money
from cartctl.jobs.report.results import (
    RATED,
    Counted,
    CouponCount,
    Delivered,
    Lift,
    Report,
    StepFigures,
    Takings,
    Tier,
)

Cell = str | int | float | Money | date | None


class Kind(StrEnum):
    """What stands in a column."""

    KEY = "key"
    COUNT = "count"
    RATE = "rate"
    MONEY = "money"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """`name` is for programs: recovery_rate. Money has a column for each currency."""

    name: str
    kind: Kind
    currency: str = ""

    @property
    def title(self) -> str:
        return f"{self.name}_{self.currency}" if self.currency else self.name


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of cells, in the order of the columns; the keys come first and tell the rows apart."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def keys(self, row: Sequence[Cell]) -> tuple[Cell, ...]:
        return tuple(cell for column, cell in zip(self.columns, row, strict=True) if column.kind is Kind.KEY)

    def beside(self, before: "Sheet") -> "Sheet":
        """Put behind each number that of the same row `before`, as a column NAME_before."""
        known = {before.keys(row): dict(zip(before.columns, row, strict=True)) for row in before.rows}
        mine = {self.keys(row): dict(zip(self.columns, row, strict=True)) for row in self.rows}
        numbers = [column for column in dict.fromkeys((*self.columns, *before.columns)) if column.kind is not Kind.KEY]
        keys = [column for column in self.columns if column.kind is Kind.KEY]
        columns = [*keys]
        for column in numbers:
            columns += [column, Column(f"{column.name}_before", column.kind, column.currency)]
        rows = []
        for key in dict.fromkeys((*mine, *known)):
            row: list[Cell] = [*key]
            for column in numbers:
                row += [mine.get(key, {}).get(column), known.get(key, {}).get(column)]
            rows.append(tuple(row))
        return Sheet(tuple(columns), tuple(rows))


def cohorts(groups: Mapping[tuple[Cell, ...], Counted], keys: Sequence[str]) -> Sheet:
    """Show carts by these keys, with each of their currencies."""
    currencies = sorted({currency for one in groups.values() for currency in (*one.left, *one.bought.revenue)})
    counts = ("carts", "abandoned", "recovered", "immature")
    orders = ("orders_clicked", "orders_sent")
    money = ("left", "gross", "net", "clicked_gross", "clicked_net", "sent_gross", "sent_net")
    columns = (
        *(Column(name, Kind.KEY) for name in keys),
        *(Column(name, Kind.COUNT) for name in counts),
        Column("recovery_rate", Kind.RATE),
        *(Column(name, Kind.COUNT) for name in orders),
        *(Column(name, Kind.MONEY, currency) for currency in currencies for name in money),
    )
    rows = []
    for key, one in groups.items():
        row: list[Cell] = [*key, *(getattr(one, name) for name in counts), one.recovery_rate]
        row += [one.clicked.orders, one.sent.orders]
        for currency in currencies:
            row.append(one.left.get(currency, Money.from_minor(0, currency)))
            for tier in (one.bought, one.clicked, one.sent):
                row += _takings(tier, currency)
        rows.append(tuple(row))
    return Sheet(columns, tuple(rows))


def of_report(report: Report) -> Sheet:
    """Show the carts of a report: by period where it was asked for, else by channel and together."""
    if report.by_period:
        return cohorts({(begins,): one for begins, one in report.by_period.items()}, ("period",))
    channels: dict[tuple[Cell, ...], Counted] = {(channel,): one for channel, one in report.by_channel.items()}
    return cohorts({**channels, ("all",): report.all}, ("channel",))


def totals(report: Report) -> Sheet:
    """Show the numbers of all carts of a report, in one row."""
    return cohorts({(): report.all}, ())


def steps(figures: Iterable[tuple[tuple[Cell, ...], StepFigures]], keys: Sequence[str]) -> Sheet:
    """Show steps, and behind further keys (a period) what they are of."""
    found = list(figures)
    currencies = sorted({currency for _, one in found for currency in one.count.recovered.revenue})
    columns = (
        *(Column(name, Kind.KEY) for name in (*keys, "sequence", "step")),
        *(Column(name, Kind.COUNT) for name in ("sent", "reached", "immature", "late_orders")),
        Column("clicked_rate", Kind.RATE),
        *(Column(name, Kind.COUNT) for name in ("orders_sent", "orders_clicked")),
        Column("orders_rate", Kind.RATE),
        *(
            Column(name, Kind.MONEY, currency)
            for currency in currencies
            for name in ("sent_gross", "sent_net", "per_recipient")
        ),
    )
    rows = []
    for key, one in found:
        count, delivery = one.count, one.delivery
        row: list[Cell] = [*key, count.sequence, count.step, count.sent, delivery.reached, count.immature, count.late]
        row += [delivery.rate("clicked"), count.recovered.orders, count.clicked.orders, count.rate]
        for currency in currencies:
            row += [*_takings(count.recovered, currency), one.per_recipient.get(currency)]
        rows.append(tuple(row))
    return Sheet(columns, tuple(rows))


def coupons(counts: Iterable[tuple[tuple[Cell, ...], CouponCount]], keys: Sequence[str]) -> Sheet:
    found = list(counts)
    currencies = sorted({currency for _, one in found for currency in one.redeemed.revenue})
    columns = (
        *(Column(name, Kind.KEY) for name in (*keys, "coupon")),
        *(Column(name, Kind.COUNT) for name in ("shown", "bought", "redeemed")),
        *(Column(name, Kind.MONEY, currency) for currency in currencies for name in ("gross", "net")),
    )
    rows = []
    for key, one in found:
        row: list[Cell] = [*key, one.coupon, one.shown, one.bought, one.redeemed.orders]
        for currency in currencies:
            row += _takings(one.redeemed, currency)
        rows.append(tuple(row))
    return Sheet(columns, tuple(rows))


def deliverability(parts: Iterable[tuple[tuple[Cell, ...], Delivered]], keys: Sequence[str]) -> Sheet:
    """Show what became of messages; the transport is the last part of each key."""
    counts = ("accepted", "delivered", "bounced", "complained", "unsubscribed", "opened", "opened_by_machine")
    clicks = ("clicked", "clicked_raw")
    columns = (
        *(Column(name, Kind.KEY) for name in (*keys, "transport")),
        *(Column(name, Kind.COUNT) for name in (*counts, *clicks)),
        *(Column(f"{name}_rate", Kind.RATE) for name in RATED),
        Column("rates_of", Kind.TEXT),
    )
    rows = []
    for key, one in parts:
        numbers = [getattr(one, name) for name in (*counts, *clicks)]
        rows.append((*key, *numbers, *(one.rate(name) for name in RATED), one.basis))
    return Sheet(columns, tuple(rows))


def lift(lifts: Iterable[tuple[tuple[Cell, ...], Lift]], keys: Sequence[str]) -> Sheet:
    columns = (
        *(Column(name, Kind.KEY) for name in (*keys, "sequence")),
        *(Column(name, Kind.COUNT) for name in ("treated", "treated_bought", "holdout", "holdout_bought")),
        *(Column(name, Kind.RATE) for name in ("treated_rate", "holdout_rate", "difference", "low", "high")),
        Column("more_needed", Kind.COUNT),
    )
    rows = [
        (
            *(*key, one.sequence),
            *(one.treated.contacts, one.treated.converted, one.holdout.contacts, one.holdout.converted),
            *(one.treated.rate, one.holdout.rate, one.difference, one.low, one.high, one.more_needed),
        )
        for key, one in lifts
    ]
    return Sheet(columns, tuple(rows))


def _takings(tier: Tier, currency: str) -> tuple[Money, Money]:
    nothing = Money.from_minor(0, currency)
    takings = tier.revenue.get(currency, Takings(nothing, nothing))
    return takings.gross, takings.net

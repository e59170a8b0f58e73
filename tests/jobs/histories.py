"""Histories made up by chance, as rows of the tables: for reports, which only read."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Connection

from cartctl.store.tables import carts, contacts, coupons, enrollments, events, imports, messages, orders
from tests.shop import T0

STORES = ("kiwi", "main")
DAYS = 24


@dataclass
class History:
    """Rows by table, in the order in which they are written."""

    imports: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    carts: list[dict[str, Any]] = field(default_factory=list)
    enrollments: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    coupons: list[dict[str, Any]] = field(default_factory=list)

    def write(self, connection: Connection) -> None:
        for table in (imports, contacts, orders, carts, enrollments, messages, events, coupons):
            if rows := getattr(self, table.name):
                connection.execute(table.insert(), rows)


def a_moment(chance: Random, *, after: datetime = T0, hours: int = DAYS * 24) -> datetime:
    """Within so many hours; often a whole hour, so that things fall together and windows end just then."""
    minutes = chance.choice((0, 0, chance.randrange(60)))
    return after + timedelta(hours=chance.randrange(hours), minutes=minutes)


def a_history(chance: Random, *, most: int) -> History:
    """Make one with at most so many carts."""
    made = History()
    made.imports = [
        {"identity": f"{n}", "kind": "carts", "store": store, "format": "", "name": "", "counts": "{}", "at": T0}
        for n, store in enumerate(STORES, start=1)
    ]
    made.contacts = [{"id": n, "email_normalised": f"shopper{n}@example.com"} for n in range(1, 5)]
    for id_ in range(1, 1 + chance.randrange(most + 1)):
        _a_cart(chance, made, id_)
    for order in made.orders:
        closed = [cart for cart in made.carts if cart["order_id"] == order["id"]]
        chance.choice(closed)["credited"] = True
    return made


def _a_cart(chance: Random, made: History, id_: int) -> None:
    began = a_moment(chance)
    status = chance.choice(("active", "abandoned", "expired", "recovered", "recovered", "recovered", "converted"))
    abandoned = began + timedelta(hours=chance.randrange(3)) if status != "active" or chance.random() < 0.3 else None
    store = chance.choice(STORES)
    order = None
    if status in ("recovered", "converted"):
        order = _an_order(chance, made, store, abandoned or began)
    made.carts.append(
        {
            "id": id_,
            "store": store,
            "external_id": f"c-{id_}",
            "channel": chance.choice(("tiktok", "website")),
            "contact_id": chance.randint(1, 4),
            "currency": chance.choice(("EUR", "JPY")),
            "total_minor": chance.randrange(10_000),
            "total_given": True,
            "is_empty": chance.random() < 0.2,
            "first_activity_at": began,
            "last_activity_at": began,
            "fingerprint": "",
            "status": status,
            "first_abandoned_at": abandoned,
            "recovered_at": order["placed_at"] if order and status == "recovered" else None,
            "order_id": order["id"] if order else None,
            "credited": False,
        }
    )
    for sequence in ("cart-recovery", "winter"):
        if chance.random() < 0.6:
            _an_enrollment(chance, made, made.carts[-1], sequence)


def _an_order(chance: Random, made: History, store: str, after: datetime) -> dict[str, Any]:
    known = [order for order in made.orders if order["store"] == store and order["placed_at"] >= after]
    if known and chance.random() < 0.4:
        return chance.choice(known)
    total = chance.randrange(10_000)
    made.orders.append(
        {
            "id": len(made.orders) + 1,
            "store": store,
            "external_id": f"o-{len(made.orders)}",
            "channel": "website",
            "is_purchase": True,
            "currency": chance.choice(("EUR", "JPY")),
            "total_minor": total,
            "net_minor": chance.randrange(total + 1),
            "coupon": chance.choice(("", "back10", "A-1")),
            "placed_at": a_moment(chance, after=after, hours=16 * 24),
            "imported_at": T0,
        }
    )
    return made.orders[-1]


def _an_enrollment(chance: Random, made: History, cart: dict[str, Any], sequence: str) -> None:
    arm = chance.choice(("", "treated", "treated", "holdout"))
    made.enrollments.append(
        {
            "id": len(made.enrollments) + 1,
            "sequence": sequence,
            "cart_id": cart["id"],
            "contact_id": cart["contact_id"],
            "store": cart["store"],
            "status": "holdout" if arm == "holdout" else "finished",
            "arm": arm,
            "is_test": chance.random() < 0.1,
            "enrolled_at": cart["first_activity_at"],
        }
    )
    for step in ("reminder", "urgency", "offer") if arm != "holdout" else ():
        if chance.random() < 0.6:
            _a_message(chance, made, cart, step)


def _a_message(chance: Random, made: History, cart: dict[str, Any], step: str) -> None:
    owner = made.enrollments[-1]
    state = chance.choice(("accepted", "accepted", "accepted", "unknown", "skipped"))
    sent_at = a_moment(chance, after=cart["first_activity_at"], hours=80)
    made.messages.append(
        {
            "id": len(made.messages) + 1,
            "enrollment_id": owner["id"],
            "step": step,
            "contact_id": cart["contact_id"],
            "state": state,
            "due_at": sent_at,
            "attempt_at": sent_at,
            "transport": chance.choice(("sendgrid", "smtp")),
            "delivers": chance.random() < 0.8,
            "coupon": chance.choice(("", "BACK10", "A-1")),
            "sent_at": None if state == "skipped" else sent_at,
            "is_test": owner["is_test"],
        }
    )
    message = made.messages[-1]
    if message["coupon"] == "A-1" and not any(row["coupon"] == "pool" for row in made.coupons):
        made.coupons.append({"coupon": "pool", "code": "A-1", "imported_at": T0, "message_id": message["id"]})
    for _ in range(chance.randrange(4)):
        kind = chance.choice(("click", "click", "delivered", "bounce", "spamreport", "unsubscribe", "open"))
        made.events.append(
            {
                "content_hash": f"{len(made.events)}",
                "source": "endpoint",
                "kind": kind,
                "at": a_moment(chance, after=sent_at, hours=100),
                "message_id": message["id"],
                "detail": chance.choice(("", "machine")) if kind == "open" else "",
                "scanner_score": chance.choice((None, 0, 49, 50, 100)) if kind == "click" else None,
            }
        )

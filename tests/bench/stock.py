"""Databases full of carts for benchmarks: one INSERT … SELECT a table, so that a million rows take seconds."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    String,
    Table,
    and_,
    case,
    cast,
    insert,
    literal,
    or_,
    select,
    true,
)

from cartctl.store.database import EngineDatabase
from cartctl.store.instants import from_micros, to_micros
from cartctl.store.tables import cart_items, carts, contacts, enrollments, events, imports, messages, orders

NAMES = ("Blue mug, large", "Tea, 250 g", "Tea strainer of steel")


def fill(database: EngineDatabase, count: int, *, now: datetime, due: timedelta | None, items: int = 3) -> None:
    """Write `count` carts of as many shoppers, abandoned an hour before `now`, their reminders due at `now + due`.

    Without `due`: carts that are idle since then and not yet noticed.
    """
    for statement in _statements(count, left=now - timedelta(hours=1), due=now + due if due else None, items=items):
        with database.write() as connection:
            connection.execute(statement)
    with database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def _statements(count: int, *, left: datetime, due: datetime | None, items: int) -> Iterator[Insert]:
    people = _numbers("people", 1, count)
    n = people.c.n
    yield _insert(contacts, {"id": n, "email_normalised": _named("shopper", n, "@example.com")}, people)
    yield _insert(carts, _cart(n, left, detected=due is not None), people)
    if items:
        lines = _numbers("lines", 0, items - 1)
        yield _insert(cart_items, _item(n, lines.c.n), people, lines)
    if due is not None:
        about = {"sequence": "cart-recovery", "store": "main", "status": "live", "enrolled_at": left}
        yield _insert(enrollments, {"id": n, "cart_id": n, "contact_id": n} | about, people)
        step = {"step": "reminder", "state": "scheduled", "due_at": due, "attempt_at": due}
        yield _insert(messages, {"enrollment_id": n, "contact_id": n} | step, people)


def fill_history(database: EngineDatabase, count: int, *, now: datetime) -> None:
    """Write `count` carts of the year before `now`, with what became of them.

    Of ten carts three were abandoned and four were bought at once. Of ten abandoned ones two were bought 30 hours later
    and one is held out; the others had 2.6 messages on average, of which every eighth of the first was clicked.
    """
    for statement in _history(count, first=to_micros(now - timedelta(days=365))):
        with database.write() as connection:
            connection.execute(statement)
    with database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def _history(count: int, *, first: int) -> Iterator[Insert]:
    people = _numbers("people", 1, count)
    n = people.c.n
    hour = 3_600_000_000
    left = literal(first, BigInteger) + n * (365 * 24 * hour // count)
    nth = n // 10
    is_abandoned, is_held, is_bought = n % 10 < 3, nth % 10 == 0, nth % 5 == 1
    at_once = n % 10 >= 6
    about: dict[str, Any] = {"kind": "carts", "store": "main", "format": "", "name": "", "counts": "{}"}
    once = _numbers("once", 1, 1)
    yield _insert(imports, about | {"identity": "stock", "at": from_micros(first)}, once)
    yield _insert(contacts, {"id": n, "email_normalised": _named("shopper", n, "@example.com")}, people)
    sold = {"id": n, "store": "main", "external_id": _named("order-", n), "channel": "website", "is_purchase": True}
    placed = {"placed_at": left + 30 * hour, "imported_at": left + 31 * hour}
    money = {"currency": "USD", "total_minor": 6180, "net_minor": 6180 - n % 3 * 1000}
    yield _insert(orders, sold | placed | money, people, where=or_(and_(is_abandoned, is_bought), at_once))
    gone = {
        "status": case(
            (is_abandoned, case((is_bought, "recovered"), else_="abandoned")), (at_once, "converted"), else_="active"
        )
    }
    yield _insert(
        carts,
        _cart(n, from_micros(first), detected=False)
        | dict.fromkeys(("first_activity_at", "last_activity_at"), left)
        | {name: case((is_abandoned, left)) for name in ("abandoned_at", "first_abandoned_at", "detected_at")}
        | gone
        | {"recovered_at": case((and_(is_abandoned, is_bought), left + 30 * hour))}
        | {
            "order_id": case((or_(and_(is_abandoned, is_bought), at_once), n)),
            "credited": and_(is_abandoned, is_bought),
        },
        people,
    )
    arm = case((is_held, "holdout"), else_="treated")
    where = {"id": n, "cart_id": n, "contact_id": n, "sequence": "cart-recovery", "store": "main", "enrolled_at": left}
    status = case((is_held, "holdout"), else_="finished")
    yield _insert(enrollments, where | {"arm": arm, "status": status}, people, where=is_abandoned)
    steps = _numbers("steps", 0, 2)
    step = steps.c.n
    sent_at = left + case((step == 0, hour // 2), (step == 1, 24 * hour), else_=48 * hour)
    mail = {"id": n * 3 + step, "enrollment_id": n, "contact_id": n, "state": "accepted", "delivers": True}
    key = case((step == 0, "reminder"), (step == 1, "urgency"), else_="offer")
    times = {"sent_at": sent_at, "due_at": sent_at, "attempt_at": sent_at}
    written = and_(is_abandoned, ~is_held, or_(step < 2, nth % 5 < 3))
    yield _insert(messages, mail | times | {"step": key, "transport": "sendgrid"}, people, steps, where=written)
    click = {"content_hash": _named("click-", n), "source": "endpoint", "kind": "click", "scanner_score": 0}
    clicked = and_(is_abandoned, ~is_held, nth % 8 == 3)
    yield _insert(events, click | {"at": left + hour, "message_id": n * 3}, people, where=clicked)


def _numbers(name: str, first: int, last: int) -> CTE:
    """Return the rows `n` = first … last."""
    numbers = select(literal(first).label("n")).cte(name, recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < last))


def _insert(table: Table, values: Mapping[str, Any], *sources: CTE, where: ColumnElement[bool] | None = None) -> Insert:
    """Insert a row for each row of the sources; values are the same for all, or made of a source's columns."""
    columns = [
        value if isinstance(value, ColumnElement) else literal(value, table.c[name].type)
        for name, value in values.items()
    ]
    rows: FromClause = sources[0]
    for other in sources[1:]:
        rows = rows.join(other, true())
    chosen = select(*columns).select_from(rows)
    return insert(table).from_select(list(values), chosen if where is None else chosen.where(where))


def _named(before: str, n: ColumnElement[int], after: str = "") -> ColumnElement[str]:
    return literal(before) + cast(n, String) + literal(after)


def _cart(n: ColumnElement[int], left: datetime, *, detected: bool) -> dict[str, Any]:
    return {
        "id": n,
        "store": "main",
        "external_id": _named("cart-", n),
        "channel": "website",
        "contact_id": n,
        "first_name": "Anna",
        "locale": "en_US",
        "currency": "USD",
        "total_minor": 6180,
        "total_given": False,
        "is_empty": False,
        "cart_url": _named("https://shop.example.com/cart/", n),
        "first_activity_at": left,
        "last_activity_at": left,
        "fingerprint": "",
        "status": "abandoned" if detected else "active",
        "abandoned_at": left if detected else None,
        "first_abandoned_at": left if detected else None,
        "detected_at": left if detected else None,
    }


def _item(n: ColumnElement[int], position: ColumnElement[int]) -> dict[str, Any]:
    return {
        "cart_id": n,
        "position": position,
        "name": case(*((position % len(NAMES) == at, name) for at, name in enumerate(NAMES))),
        "quantity": position + 1,
        "unit_price_minor": 1030,
        "image_url": _named("https://shop.example.com/images/", position, ".jpg"),
        "product_url": _named("https://shop.example.com/products/", position),
    }

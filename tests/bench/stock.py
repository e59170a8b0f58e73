"""Databases full of carts for benchmarks: one INSERT … SELECT a table, so that a million rows take seconds."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Insert, String, Table, case, cast, insert, literal, select, true

from cartctl.store.database import EngineDatabase
from cartctl.store.tables import cart_items, carts, contacts, enrollments, messages

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


def _numbers(name: str, first: int, last: int) -> CTE:
    """Return the rows `n` = first … last."""
    numbers = select(literal(first).label("n")).cte(name, recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < last))


def _insert(table: Table, values: Mapping[str, Any], *sources: CTE) -> Insert:
    """Insert a row for each row of the sources; values are the same for all, or made of a source's columns."""
    columns = [
        value if isinstance(value, ColumnElement) else literal(value, table.c[name].type)
        for name, value in values.items()
    ]
    rows: FromClause = sources[0]
    for other in sources[1:]:
        rows = rows.join(other, true())
    return insert(table).from_select(list(values), select(*columns).select_from(rows))


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

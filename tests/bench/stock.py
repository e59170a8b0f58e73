"""Databases full of carts for benchmarks, written straight into the tables."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert

from cartctl.store.database import EngineDatabase
from cartctl.store.tables import cart_items, carts, contacts, enrollments, messages

CHUNK = 20_000


def fill(database: EngineDatabase, count: int, *, now: datetime, due: timedelta | None, items: int = 3) -> None:
    """Write `count` carts of as many shoppers, abandoned an hour before `now`, their reminders due at `now + due`.

    Without `due`: carts that are idle since then and not yet noticed.
    """
    for table, rows in _rows(count, now=now, due=due, items=items):
        with database.write() as connection:
            connection.execute(insert(table), rows)
    with database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def _rows(
    count: int, *, now: datetime, due: timedelta | None, items: int
) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    left = now - timedelta(hours=1)
    for start in range(1, count + 1, CHUNK):
        ids = range(start, min(start + CHUNK, count + 1))
        yield contacts, [{"id": n, "email_normalised": f"shopper{n}@example.com"} for n in ids]
        yield carts, [_cart(n, left, detected=due is not None) for n in ids]
        lines = [_item(n, position) for n in ids for position in range(items)]
        if lines:
            yield cart_items, lines
        if due is None:
            continue
        about = {"sequence": "cart-recovery", "store": "main", "status": "live", "enrolled_at": left}
        yield enrollments, [{"id": n, "cart_id": n, "contact_id": n} | about for n in ids]
        at = now + due
        step = {"step": "reminder", "state": "scheduled", "due_at": at, "attempt_at": at}
        yield messages, [{"enrollment_id": n, "contact_id": n} | step for n in ids]


def _cart(n: int, left: datetime, *, detected: bool) -> dict[str, Any]:
    return {
        "id": n,
        "store": "main",
        "external_id": f"cart-{n}",
        "channel": "website",
        "contact_id": n,
        "first_name": "Anna",
        "locale": "en_US",
        "currency": "USD",
        "total_minor": 6180,
        "total_given": False,
        "is_empty": False,
        "cart_url": f"https://shop.example.com/cart/{n}",
        "first_activity_at": left,
        "last_activity_at": left,
        "fingerprint": "",
        "status": "abandoned" if detected else "active",
        "abandoned_at": left if detected else None,
        "first_abandoned_at": left if detected else None,
        "detected_at": left if detected else None,
    }


def _item(n: int, position: int) -> dict[str, Any]:
    return {
        "cart_id": n,
        "position": position,
        "name": ("Blue mug, large", "Tea, 250 g", "Tea strainer of steel")[position % 3],
        "quantity": position + 1,
        "unit_price_minor": 1030,
        "image_url": f"https://shop.example.com/images/{position}.jpg",
        "product_url": f"https://shop.example.com/products/{position}",
    }

"""What `cartctl explain` asks for: one cart or one person, and all that is recorded of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from cartctl.store.tables import (
    enrollments,
    events,
    imports,
    message_transitions,
    messages,
    orders,
    suppressions,
)


def enrollments_of(connection: Connection, cart_ids: Sequence[int]) -> list[Row[Any]]:
    return _all(connection, select(enrollments).where(enrollments.c.cart_id.in_(cart_ids)).order_by(enrollments.c.id))


def enrollments_without_cart(connection: Connection, contact_id: int, store: str | None) -> list[Row[Any]]:
    """Return what a contact is, or was, in without a cart."""
    found = select(enrollments).where(enrollments.c.contact_id == contact_id, enrollments.c.cart_id.is_(None))
    if store is not None:
        found = found.where(enrollments.c.store == store)
    return _all(connection, found.order_by(enrollments.c.id))


def messages_of(connection: Connection, enrollment_ids: Sequence[int]) -> list[Row[Any]]:
    found = select(messages).where(messages.c.enrollment_id.in_(enrollment_ids))
    return _all(connection, found.order_by(messages.c.id))


def transitions_of(connection: Connection, message_ids: Sequence[int]) -> list[Row[Any]]:
    found = select(message_transitions).where(message_transitions.c.message_id.in_(message_ids))
    return _all(connection, found.order_by(message_transitions.c.id))


def events_of(connection: Connection, message_ids: Sequence[int]) -> list[Row[Any]]:
    return _all(connection, select(events).where(events.c.message_id.in_(message_ids)).order_by(events.c.at))


def orders_called(connection: Connection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    return {row.id: row for row in connection.execute(select(orders).where(orders.c.id.in_(ids)))}


def suppressions_of(connection: Connection, hash_: str) -> list[Row[Any]]:
    return _all(connection, select(suppressions).where(suppressions.c.email_hash == hash_))


def import_at(connection: Connection, store: str, at: datetime) -> Row[Any] | None:
    """Return the import that ran at this very time."""
    return connection.execute(select(imports).where(imports.c.store == store, imports.c.at == at)).first()


def first_carts_import(connection: Connection, store: str, since: datetime) -> Row[Any] | None:
    """Return the first import of carts since then."""
    found = select(imports).where(imports.c.store == store, imports.c.kind.in_(("carts", "tiktok")))
    return connection.execute(found.where(imports.c.at >= since).order_by(imports.c.at, imports.c.id).limit(1)).first()


def _all(connection: Connection, statement: Select[Any]) -> list[Row[Any]]:
    return list(connection.execute(statement))

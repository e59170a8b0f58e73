"""Which personal data is old: contacts with whom nothing happened since, and carts and orders that bear no address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, String, and_, cast, or_, select

from cartctl.domain.identity import NOBODY
from cartctl.store import enrollments as enrollments_store
from cartctl.store.tables import cart_aliases, carts, contacts, enrollments, messages, orders


def contacts_before(connection: Connection, before: datetime, *, after_id: int, limit: int) -> Sequence[Row[Any]]:
    """Return (id, email_normalised, consent) of contacts of whom nothing is newer, in the order of ids.

    Newer is a cart's last activity, an order's placing or last state, a message, a word about consent, a list with
    them in it, and whatever still runs for them.
    """
    seen_in = cast(contacts.c.id, String)
    signs: tuple[Select[Any], ...] = (
        select(carts.c.id).where(carts.c.contact_id == contacts.c.id, carts.c.last_activity_at >= before),
        select(carts.c.id)
        .join(cart_aliases, cart_aliases.c.cart_id == carts.c.id)
        .where(
            cart_aliases.c.kind == "contact_id",
            cart_aliases.c.value == seen_in,
            carts.c.last_activity_at >= before,
        ),
        select(orders.c.id).where(
            orders.c.contact_id == contacts.c.id, or_(orders.c.placed_at >= before, orders.c.updated_at >= before)
        ),
        select(messages.c.id).where(messages.c.contact_id == contacts.c.id, messages.c.sent_at >= before),
        select(enrollments.c.id).where(
            enrollments.c.contact_id == contacts.c.id,
            enrollments.c.status.in_((enrollments_store.LIVE, enrollments_store.SUSPENDED)),
        ),
    )
    statement = (
        select(contacts.c.id, contacts.c.email_normalised, contacts.c.consent)
        .where(
            contacts.c.id > after_id,
            contacts.c.email_normalised.not_like(f"%{NOBODY}"),
            or_(contacts.c.consent_at.is_(None), contacts.c.consent_at < before),
            or_(contacts.c.listed_at.is_(None), contacts.c.listed_at < before),
            *(~sign.exists() for sign in signs),
        )
        .order_by(contacts.c.id)
        .limit(limit)
    )
    return list(connection.execute(statement))


def carts_before(connection: Connection, before: datetime, *, after_id: int, limit: int) -> Sequence[int]:
    """Return the ids of older carts that bear no address and are not erased yet."""
    old = and_(carts.c.contact_id.is_(None), ~carts.c.erased, carts.c.last_activity_at < before)
    return (
        connection.execute(select(carts.c.id).where(carts.c.id > after_id, old).order_by(carts.c.id).limit(limit))
        .scalars()
        .all()
    )


def orders_before(connection: Connection, before: datetime, *, after_id: int, limit: int) -> Sequence[int]:
    """The same of orders."""
    recent = or_(orders.c.placed_at >= before, orders.c.updated_at >= before)
    old = and_(orders.c.contact_id.is_(None), ~orders.c.erased, or_(orders.c.updated_at.is_(None), ~recent))
    old = and_(old, orders.c.placed_at < before)
    return (
        connection.execute(select(orders.c.id).where(orders.c.id > after_id, old).order_by(orders.c.id).limit(limit))
        .scalars()
        .all()
    )

"""Making rows anonymous: what says whose they are goes, what reports count stays.

A cart keeps the shop's id of it, its times, its money and its products; an order likewise. Both are marked `erased`: no
import of what was known before brings the person back. Messages and enrollments go on to refer to a contact, which then
has no address.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, Table, and_, cast, delete, or_, select, text, update

from cartctl.domain.identity import NOBODY, address_pattern, names_pattern
from cartctl.store import enrollments as enrollments_store
from cartctl.store.people import Belongings
from cartctl.store.sql import chunks
from cartctl.store.tables import (
    cart_aliases,
    cart_items,
    carts,
    contacts,
    enrollments,
    events,
    message_transitions,
    messages,
    metadata,
    orders,
)

CART_BLANKS = {
    "phone": None,
    **dict.fromkeys(
        ("first_name", "last_name", "locale", "timezone", "cart_url", "checkout_token", "cart_token"),
        "",
    ),
}
CONTACT_BLANKS = dict.fromkeys(("first_name", "business_name", "locale", "timezone", "attributes"), "")
ORDER_BLANKS = {"phone": None, "checkout_token": "", "cart_token": ""}
ITEM_TEXTS = ("name", "variant", "image_url", "product_url")
"""A product that was made for somebody may bear their name."""
_NOT_SWEPT = {("contacts", "email_normalised"), ("marks", "name"), ("marks", "value")}
"""Where addresses are whole and were dealt with; where keys are."""


def erase(connection: Connection, own: Belongings, *, reason: str, at: datetime) -> int:
    """Make all of it anonymous; return how many open messages were cancelled, for this reason.

    Belongs into a transaction with `carts="change"`. What is being sent cannot be called back, and is settled as ever.
    """
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA secure_delete = ON"))  # what is freed in the file is overwritten at once
    cancelled = enrollments_store.stop(connection, _running(connection, own.contacts), reason=reason, at=at)
    for chunk in chunks(own.carts):
        _name_nobody_in_items(connection, chunk)
        connection.execute(
            update(carts)
            .where(carts.c.id.in_(chunk))
            .values(contact_id=None, fingerprint="", erased=True, **CART_BLANKS)
        )
        connection.execute(delete(cart_aliases).where(cart_aliases.c.cart_id.in_(chunk)))
    for chunk in chunks(own.orders):
        connection.execute(
            update(orders).where(orders.c.id.in_(chunk)).values(contact_id=None, erased=True, **ORDER_BLANKS)
        )
    for chunk in chunks(own.contacts):
        _erase_contacts(connection, chunk)
    return cancelled


def _running(connection: Connection, contact_ids: Sequence[int]) -> list[int]:
    found: list[int] = []
    for chunk in chunks(contact_ids):
        live = (enrollments_store.LIVE, enrollments_store.SUSPENDED)
        running = select(enrollments.c.id).where(enrollments.c.contact_id.in_(chunk), enrollments.c.status.in_(live))
        found += connection.execute(running).scalars()
    return found


def _name_nobody_in_items(connection: Connection, cart_ids: Sequence[int]) -> None:
    rows = connection.execute(select(carts.c.id, carts.c.first_name, carts.c.last_name).where(carts.c.id.in_(cart_ids)))
    named = {row.id: pattern for row in rows if (pattern := names_pattern((row.first_name, row.last_name)))}
    for chunk in chunks(sorted(named)):
        for item in connection.execute(select(cart_items).where(cart_items.c.cart_id.in_(chunk))).all():
            if changed := without_names(item, named[item.cart_id]):
                place = and_(cart_items.c.cart_id == item.cart_id, cart_items.c.position == item.position)
                connection.execute(update(cart_items).where(place).values(changed))


def without_names(item: Any, names: re.Pattern[str]) -> dict[str, str]:
    """Return the texts of a line in which one of these names stood, without it; an address on the web goes whole."""
    texts = {name: getattr(item, name) for name in ITEM_TEXTS}
    return {
        name: "" if name.endswith("_url") else names.sub("…", value)
        for name, value in texts.items()
        if names.search(value)
    }


def _erase_contacts(connection: Connection, ids: Sequence[int]) -> None:
    once = select(cart_aliases.c.cart_id).where(
        cart_aliases.c.kind == "contact_id", cart_aliases.c.value.in_([str(id_) for id_ in ids])
    )
    # Which of a cart's other aliases were theirs is not known.
    connection.execute(delete(cart_aliases).where(cart_aliases.c.cart_id.in_(once)))
    theirs = select(messages.c.id).where(messages.c.contact_id.in_(ids))
    connection.execute(update(message_transitions).where(message_transitions.c.message_id.in_(theirs)).values(facts=""))
    connection.execute(update(events).where(events.c.message_id.in_(theirs)).values(detail=""))
    connection.execute(update(messages).where(messages.c.contact_id.in_(ids)).values(receipt=""))
    needed = set(connection.execute(select(messages.c.contact_id).where(messages.c.contact_id.in_(ids))).scalars())
    needed |= set(
        connection.execute(select(enrollments.c.contact_id).where(enrollments.c.contact_id.in_(ids))).scalars()
    )
    connection.execute(
        update(contacts)
        .where(contacts.c.id.in_(sorted(needed)))
        .values(
            email_normalised=cast(contacts.c.id, String) + NOBODY,
            consent="unknown",
            consent_at=None,
            consent_source="",
            listed_at=None,
            **CONTACT_BLANKS,
        )
    )
    connection.execute(delete(contacts).where(contacts.c.id.in_(sorted(set(ids) - needed))))


def stand_in(email_hash: str) -> str:
    """Return what is written where an address stood in an id or another text: always the same, so that it is known."""
    return f"erased-{email_hash[:12]}"


def traces(connection: Connection, email: str) -> list[tuple[Table, ColumnElement[bool], str, str]]:
    """Return (table, row, column, text) of every text that holds the address, wherever it is. Reads every table."""
    wanted = address_pattern(email)
    local, _, domain = email.rpartition("@")
    like = f"%{_like(local)}%{_like(domain)}%"
    found: list[tuple[Table, ColumnElement[bool], str, str]] = []
    for table in metadata.tables.values():
        columns = [
            column
            for column in table.c
            if isinstance(column.type, String) and (table.name, column.name) not in _NOT_SWEPT
        ]
        if not columns:
            continue
        hits = select(table).where(or_(*(column.ilike(like, escape="\\") for column in columns)))
        for row in connection.execute(hits).all():
            values = row._mapping  # noqa: SLF001 - its public name
            place = and_(*(column == values[column.name] for column in table.primary_key))
            found += [
                (table, place, column.name, values[column.name])
                for column in columns
                if values[column.name] and wanted.search(values[column.name])
            ]
    return found


def _like(text_: str) -> str:
    """A pattern in SQL that finds at least this; letters outside ASCII are compared afterwards."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text_)
    return "".join(letter if letter.isascii() else "%" for letter in escaped)


def wipe(connection: Connection, email: str, email_hash: str) -> int:
    """Write something else wherever the address still stands in a text; return in how many places it stood."""
    wanted = address_pattern(email)
    # A key may be among what is changed, and then names the row no more: the last columns first.
    found = sorted(traces(connection, email), key=lambda trace: trace[2] in trace[0].primary_key)
    for table, place, column, old in found:
        new = wanted.sub(stand_in(email_hash), old)
        length = getattr(table.c[column].type, "length", None)
        connection.execute(update(table).where(place).values({column: new[:length] if length else new}))
    return len(found)

"""One person: which rows are about them, and all that stands in these.

What is said here to be somebody's is what an export shows and what erasing makes anonymous.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, select

from cartctl.domain.identity import address_pattern
from cartctl.store.sql import chunks
from cartctl.store.tables import (
    alerts,
    cart_aliases,
    cart_items,
    carts,
    contacts,
    coupons,
    enrollments,
    events,
    forgotten,
    intake,
    message_transitions,
    messages,
    mirrored,
    orders,
    suppressions,
)

_BY_CONTACT = "contact_id"
"""The kind of an alias that says whose address a cart was seen with."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """Ids of what is about some contacts."""

    contacts: tuple[int, ...]
    carts: tuple[int, ...]
    orders: tuple[int, ...]


def find(connection: Connection, email: str) -> Row[Any] | None:
    """Return the contact of a normalised address."""
    return connection.execute(select(contacts).where(contacts.c.email_normalised == email)).one_or_none()


def of_contacts(connection: Connection, contact_ids: Sequence[int]) -> Belongings:
    """Return what bears these contacts; and carts without one that were once seen with theirs."""
    found_carts: set[int] = set()
    found_orders: set[int] = set()
    for chunk in chunks(list(contact_ids)):
        found_carts.update(connection.execute(select(carts.c.id).where(carts.c.contact_id.in_(chunk))).scalars())
        found_orders.update(connection.execute(select(orders.c.id).where(orders.c.contact_id.in_(chunk))).scalars())
        once = (
            select(carts.c.id)
            .join(cart_aliases, cart_aliases.c.cart_id == carts.c.id)
            .where(
                carts.c.contact_id.is_(None),
                cart_aliases.c.kind == _BY_CONTACT,
                cart_aliases.c.value.in_([str(id_) for id_ in chunk]),
            )
        )
        found_carts.update(connection.execute(once).scalars())
    return Belongings(tuple(contact_ids), tuple(sorted(found_carts)), tuple(sorted(found_orders)))


def of_contact(connection: Connection, contact_id: int) -> Belongings:
    """Do the same for one contact; also what bears no address, but a phone number that is theirs alone."""
    own = of_contacts(connection, [contact_id])
    phones = _phones_of_nobody_else(connection, own)
    found: dict[str, set[int]] = {"carts": set(own.carts), "orders": set(own.orders)}
    for table in (carts, orders):
        for chunk in chunks(phones):
            nameless = select(table.c.id).where(table.c.contact_id.is_(None), table.c.phone.in_(chunk))
            found[table.name].update(connection.execute(nameless).scalars())
    return Belongings(own.contacts, tuple(sorted(found["carts"])), tuple(sorted(found["orders"])))


def _phones_of_nobody_else(connection: Connection, own: Belongings) -> list[str]:
    """Two people may share a telephone: what bears its number and no address could be either's."""
    phones: set[str] = set()
    for table, ids in ((carts, own.carts), (orders, own.orders)):
        for some in chunks(ids):
            rows = connection.execute(select(table.c.phone).distinct().where(table.c.id.in_(some)))
            phones.update(phone for (phone,) in rows if phone)
    for table in (carts, orders):
        for chunk in chunks(sorted(phones)):
            others = (
                select(table.c.phone)
                .distinct()
                .where(table.c.phone.in_(chunk), table.c.contact_id.not_in(own.contacts))
            )
            phones.difference_update(connection.execute(others).scalars())
    return sorted(phones)


def held(connection: Connection, email: str, *, email_hash: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return all that is held about a person: {table: its rows, with every column}.

    Times are ISO 8601, money is whole minor units beside its currency. `email_hash`: that of suppressions; None where
    no address was ever hashed.
    """
    contact = find(connection, email)
    own = Belongings((), (), ()) if contact is None else of_contact(connection, contact.id)
    hashes = [email_hash] if email_hash else []
    found: dict[str, list[dict[str, Any]]] = {"contacts": _rows(connection, contacts, contacts.c.id, own.contacts)}
    found["carts"] = _rows(connection, carts, carts.c.id, own.carts)
    found["cart_items"] = _rows(connection, cart_items, cart_items.c.cart_id, own.carts)
    found["cart_aliases"] = _rows(connection, cart_aliases, cart_aliases.c.cart_id, own.carts) + [
        alias
        for alias in _rows(
            connection,
            cart_aliases,
            cart_aliases.c.value,
            [str(id_) for id_ in own.contacts],
            cart_aliases.c.kind == _BY_CONTACT,
        )
        if alias["cart_id"] not in own.carts
    ]
    found["orders"] = _rows(connection, orders, orders.c.id, own.orders)
    found["enrollments"] = _rows(connection, enrollments, enrollments.c.contact_id, own.contacts)
    enrollment_ids = [enrollment["id"] for enrollment in found["enrollments"]]
    found["alerts"] = _rows(connection, alerts, alerts.c.enrollment_id, enrollment_ids)
    found["messages"] = _rows(connection, messages, messages.c.contact_id, own.contacts)
    message_ids = [message["id"] for message in found["messages"]]
    for table in (message_transitions, events, coupons):
        found[table.name] = _rows(connection, table, table.c.message_id, message_ids)
    found["mirrored"] = [
        page
        for kind, ids in (("contact", enrollment_ids), ("message", message_ids))
        for page in _rows(connection, mirrored, mirrored.c.subject, [str(id_) for id_ in ids], mirrored.c.kind == kind)
    ]
    found["events"] += _told_by_shop(connection, found["carts"] + found["orders"])
    found["suppressions"] = _rows(connection, suppressions, suppressions.c.email_hash, hashes)
    found["forgotten"] = _rows(connection, forgotten, forgotten.c.email_hash, hashes)
    found["intake"] = _rows(connection, intake, intake.c.id, intake_of(connection, email))
    return found


def intake_of(connection: Connection, email: str) -> list[int]:
    """Return the ids of what the web endpoint took in and no run has read yet, where it holds the address."""
    wanted = address_pattern(email)
    return [row.id for row in connection.execute(select(intake.c.id, intake.c.body)) if wanted.search(_text(row.body))]


def _text(body: bytes) -> str:
    """JSON without its escapes; anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "replace")


def _told_by_shop(connection: Connection, things: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that name a cart or an order instead of a message."""
    by_store: dict[str, set[str]] = {}
    for thing in things:
        by_store.setdefault(thing["store"], set()).add(thing["external_id"])
    found: list[dict[str, Any]] = []
    for store, names in sorted(by_store.items()):
        nobodys = and_(events.c.store == store, events.c.message_id.is_(None))
        found += _rows(connection, events, events.c.subject, sorted(names), nobodys)
    return found


def _rows(
    connection: Connection, table: Table, column: Column[Any], values: Sequence[Any], *more: ColumnElement[bool]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for chunk in chunks(values):
        statement = select(table).where(column.in_(chunk), *more).order_by(*table.primary_key)
        found += [dict(_plain(row)) for row in connection.execute(statement)]
    return found


def _plain(row: Row[Any]) -> Iterator[tuple[str, Any]]:
    """What JSON can hold."""
    for name, value in row._mapping.items():  # noqa: SLF001 - its public name
        if isinstance(value, datetime):
            yield name, value.isoformat()
        else:
            yield name, value.decode("utf-8", "replace") if isinstance(value, bytes) else value

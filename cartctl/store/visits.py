"""Links of mails that were followed: the message that a link names, and the events of it.

Kinds of these events: `click` (the recovery link), `view` (the unsubscribe page), `probe` (HEAD of either).
"""

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Select, bindparam, func, select, update

from cartctl.errors import DatabaseBusyError
from cartctl.store.instants import UtcTime, from_micros
from cartctl.store.sql import chunks
from cartctl.store.tables import carts, contacts, enrollments, events, messages

SOURCE = "endpoint"
CLICK, VIEW, PROBE = "click", "view", "probe"


@dataclass(frozen=True, slots=True)
class Visit:
    """One link of a message, followed at `at`."""

    message_id: int
    kind: str
    at: datetime
    scanner_score: int


_LOCALE = func.coalesce(func.nullif(carts.c.locale, ""), contacts.c.locale).label("locale")
_CART: Select[Any] = (
    select(
        messages.c.id,
        messages.c.step,
        messages.c.coupon,
        messages.c.sent_at,
        enrollments.c.sequence,
        enrollments.c.cart_id,
        enrollments.c.store,
        carts.c.status.label("cart_status"),
        func.coalesce(carts.c.cart_url, "").label("cart_url"),
        _LOCALE,
        carts.c.currency,
        carts.c.total_minor,
    )
    .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .join(contacts, contacts.c.id == messages.c.contact_id)
    .outerjoin(carts, carts.c.id == enrollments.c.cart_id)
)
_NAMED = _CART.where(messages.c.id.in_(bindparam("ids", expanding=True)))
_ADDRESSED: Select[Any] = (
    select(
        messages.c.id,
        messages.c.contact_id,
        messages.c.sent_at,
        enrollments.c.sequence,
        enrollments.c.store,
        _LOCALE,
        contacts.c.email_normalised,
    )
    .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .outerjoin(carts, carts.c.id == enrollments.c.cart_id)
    .join(contacts, contacts.c.id == messages.c.contact_id)
    .where(messages.c.id == bindparam("message_id"))
)
_AT_ONCE = (
    select(events.c.message_id)
    .where(
        events.c.message_id.in_(bindparam("ids", expanding=True)),
        events.c.source == SOURCE,
        events.c.at >= bindparam("since", type_=UtcTime),
        events.c.kind.in_((CLICK, VIEW, PROBE)),
    )
    .group_by(events.c.message_id)
    .having(func.min(events.c.kind) != func.max(events.c.kind))
)


def carts_of(connection: Connection, message_ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Return message, enrollment and cart (`cart_id` None: there is none) of these messages, by message id."""
    found: dict[int, Row[Any]] = {}
    for chunk in chunks(sorted(set(message_ids))):
        for row in connection.execute(_NAMED, {"ids": chunk}):
            found[row.id] = row
    return found


class CartRow(NamedTuple):
    """The columns of `_CART`, in its order."""

    id: int
    step: str
    coupon: str
    sent_at: Any
    sequence: str
    cart_id: int | None
    store: str
    cart_status: str | None
    cart_url: str
    locale: str
    currency: str | None
    total_minor: int | None


class CartsAtOnce:
    """Reads the cart of one message from SQLite in the thread that asks, in a tenth of the time of any other way.

    Such a reader waits for no writer, and here for nothing else: what cannot be had at once is asked for elsewhere.
    """

    def __init__(self, engine: Engine) -> None:
        own = engine.raw_connection()
        assert own.driver_connection is not None
        self._connection = own.driver_connection
        own.detach()
        self._connection.execute("PRAGMA busy_timeout = 0")
        self._query = str(_CART.where(messages.c.id == bindparam("id")).compile(dialect=engine.dialect))

    def read(self, message_id: int) -> "CartRow | None":
        """Return what `carts_of` does for one message. Raises DatabaseBusyError."""
        try:
            found = self._connection.execute(self._query, (message_id,)).fetchone()
        except sqlite3.Error:
            raise DatabaseBusyError("the database does not answer at once") from None
        if found is None:
            return None
        row = CartRow._make(found)
        return row if row.sent_at is None else row._replace(sent_at=from_micros(row.sent_at))

    def close(self) -> None:
        self._connection.close()


def person_of(connection: Connection, message_id: int) -> Row[Any] | None:
    """Return whom a message was addressed to, with its sequence and store."""
    return connection.execute(_ADDRESSED, {"message_id": message_id}).one_or_none()


def note(connection: Connection, message_id: int, kind: str, *, at: datetime, detail: str = "") -> None:
    """Keep what was done by a link of a message."""
    connection.execute(
        events.insert(), [_event(kind=kind, at=at, message_id=message_id, detail=detail, scanner_score=None)]
    )


def remember(connection: Connection, visits: Sequence[Visit], *, at_once: timedelta, at_once_score: int) -> None:
    """Keep visits, each of them, however alike they are.

    Where links of one message, or a link and its HEAD, were followed within `at_once`, all of them score at least
    `at_once_score`; the earlier ones may have been kept by another process.
    """
    connection.execute(
        events.insert(),
        [
            _event(kind=visit.kind, at=visit.at, message_id=visit.message_id, scanner_score=visit.scanner_score)
            for visit in visits
        ],
    )
    since = min(visit.at for visit in visits) - at_once
    for chunk in chunks(sorted({visit.message_id for visit in visits})):
        hasty = connection.execute(_AT_ONCE, {"ids": chunk, "since": since}).scalars().all()
        if not hasty:
            continue
        connection.execute(
            update(events)
            .where(
                events.c.message_id.in_(hasty),
                events.c.source == SOURCE,
                events.c.at >= since,
                events.c.scanner_score < at_once_score,
            )
            .values(scanner_score=at_once_score)
        )


def _event(**columns: Any) -> dict[str, Any]:
    """No two of these are the same event, so what makes an event the same is made up."""
    return {"content_hash": secrets.token_hex(32), "source": SOURCE} | columns

"""Enrollments: one cart, or one contact, in one sequence, and what ends or suspends it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update

from cartctl.domain.money import UNKNOWN_CURRENCY
from cartctl.store import messages
from cartctl.store.sql import among, chunks
from cartctl.store.tables import carts, contacts, enrollments

LIVE, SUSPENDED, FINISHED, CANCELLED = "live", "suspended", "finished", "cancelled"
HELD_OUT = "holdout"
"""For good: nothing is ever scheduled for it."""
_WITH_CART = (
    select(
        enrollments,
        contacts.c.email_normalised,
        contacts.c.consent,
        contacts.c.attributes,
        carts.c.status.label("cart_status"),
        func.coalesce(carts.c.abandoned_at, enrollments.c.began_at).label("counts_from"),
        func.coalesce(carts.c.channel, "").label("channel"),
        func.coalesce(func.nullif(carts.c.timezone, ""), contacts.c.timezone).label("timezone"),
        func.coalesce(carts.c.total_minor, 0).label("total_minor"),
        func.coalesce(carts.c.currency, UNKNOWN_CURRENCY).label("currency"),
    )
    .outerjoin(carts, carts.c.id == enrollments.c.cart_id)
    .join(contacts, contacts.c.id == enrollments.c.contact_id)
    .where(among(enrollments.c.id))
    .order_by(enrollments.c.id)  # in which next steps are numbered: not as PostgreSQL happens to plan it
)


def of_carts(connection: Connection, sequence: str, cart_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return the enrollments of these carts in one sequence, by cart."""
    found: dict[int, Row[Any]] = {}
    for chunk in chunks(list(cart_ids)):
        rows = connection.execute(
            select(enrollments).where(enrollments.c.sequence == sequence, enrollments.c.cart_id.in_(chunk))
        )
        found.update((row.cart_id, row) for row in rows)
    return found


def of_contacts(connection: Connection, sequence: str, contact_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Return what these contacts have in one sequence themselves, and what is live there about a cart, by contact."""
    found: dict[int, list[Row[Any]]] = {}
    for chunk in chunks(list(contact_ids)):
        theirs = (enrollments.c.cart_id.is_(None)) | (enrollments.c.status == LIVE)
        rows = select(enrollments).where(
            enrollments.c.contact_id.in_(chunk), enrollments.c.sequence == sequence, theirs
        )
        for row in connection.execute(rows.order_by(enrollments.c.id)):
            found.setdefault(row.contact_id, []).append(row)
    return found


def live_without_cart(connection: Connection, contact_ids: Sequence[int]) -> list[Row[Any]]:
    """Return the live enrollments of contacts themselves, in whatever sequence."""
    found: list[Row[Any]] = []
    for chunk in chunks(list(contact_ids)):
        live = select(enrollments).where(
            enrollments.c.contact_id.in_(chunk), enrollments.c.cart_id.is_(None), enrollments.c.status == LIVE
        )
        found += connection.execute(live.order_by(enrollments.c.id)).all()
    return found


def live_of(connection: Connection, contact_ids: Sequence[int], sequences: Iterable[str]) -> list[int]:
    """Return the ids of what these contacts have running in these sequences, about carts too."""
    found: list[int] = []
    for chunk in chunks(list(contact_ids)):
        running = select(enrollments.c.id).where(
            enrollments.c.contact_id.in_(chunk),
            enrollments.c.sequence.in_(sorted(sequences)),
            enrollments.c.status.in_((LIVE, SUSPENDED)),
        )
        found += connection.execute(running).scalars()
    return found


def add_contact(connection: Connection, row: dict[str, Any]) -> int:
    """Insert the enrollment of a contact; return its id."""
    made: int = connection.execute(insert(enrollments).values(row).returning(enrollments.c.id)).scalar_one()
    return made


def put_into_segment(connection: Connection, enrollment_id: int, segment: str) -> None:
    connection.execute(update(enrollments).where(enrollments.c.id == enrollment_id).values(segment=segment))


def shift(connection: Connection, enrollment_id: int, *, began_at: datetime) -> None:
    """Let a contact's sequence count from another time."""
    connection.execute(update(enrollments).where(enrollments.c.id == enrollment_id).values(began_at=began_at))


def live_of_contacts(
    connection: Connection, sequence: str, contact_ids: Sequence[int]
) -> dict[tuple[int, str], Row[Any]]:
    """Return each contact's live enrollment per store, with its cart's `abandoned_at`."""
    found: dict[tuple[int, str], Row[Any]] = {}
    for chunk in chunks(list(contact_ids)):
        rows = connection.execute(
            select(enrollments, carts.c.abandoned_at)
            .join(carts, carts.c.id == enrollments.c.cart_id)
            .where(
                enrollments.c.sequence == sequence,
                enrollments.c.status == LIVE,
                enrollments.c.contact_id.in_(chunk),
            )
        )
        found.update(((row.contact_id, row.store), row) for row in rows)
    return found


def arms(connection: Connection, sequence: str, contact_ids: Sequence[int]) -> dict[int, str]:
    """Return what each contact was drawn for in a sequence; who never was is missing."""
    found: dict[int, str] = {}
    for chunk in chunks(sorted(set(contact_ids))):
        drawn = (enrollments.c.sequence == sequence, enrollments.c.contact_id.in_(chunk), text("arm <> ''"))
        rows = connection.execute(
            select(enrollments.c.contact_id, enrollments.c.arm).where(*drawn).order_by(enrollments.c.id.desc())
        )
        found.update((contact_id, arm) for contact_id, arm in rows)  # the first one stands
    return found


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert enrollments of one sequence; return their ids in the same order."""
    if not rows:
        return []
    connection.execute(insert(enrollments), list(rows))
    made = of_carts(connection, rows[0]["sequence"], [row["cart_id"] for row in rows])
    return [made[row["cart_id"]].id for row in rows]


def resume(connection: Connection, enrollment_id: int, *, contact_id: int, at: datetime) -> None:
    """Make an enrollment live again: its cart is idle once more, and may by now have another address."""
    connection.execute(
        update(enrollments)
        .where(enrollments.c.id == enrollment_id)
        .values(status=LIVE, reason="", contact_id=contact_id, resumed_at=at, ended_at=None)
    )


def revive(connection: Connection, enrollment_id: int) -> None:
    """Make a finished enrollment live: its last step is to be sent after all."""
    connection.execute(
        update(enrollments)
        .where(enrollments.c.id == enrollment_id, enrollments.c.status == FINISHED)
        .values(status=LIVE, reason="", ended_at=None)
    )


def another_is_live(connection: Connection, enrollment_id: int) -> bool:
    """Say whether this contact has a live enrollment in the same sequence and store, other than this one."""
    other = enrollments.alias("other")
    same = (other.c.contact_id, other.c.store, other.c.sequence)
    return bool(
        connection.execute(
            select(
                select(other.c.id)
                .where(
                    *(column == enrollments.c[column.name] for column in same),
                    enrollments.c.id == enrollment_id,
                    other.c.id != enrollment_id,
                    other.c.status == LIVE,
                )
                .exists()
            )
        ).scalar_one()
    )


def finish(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """Note that every step is behind these enrollments."""
    for chunk in chunks(list(ids)):
        connection.execute(
            update(enrollments)
            .where(enrollments.c.id.in_(chunk), enrollments.c.status == LIVE)
            .values(status=FINISHED, reason="", ended_at=at)
        )


def stop(connection: Connection, enrollment_ids: Sequence[int], *, reason: str, at: datetime) -> int:
    """End enrollments and cancel what is scheduled or claimed for them. Returns how many messages were cancelled."""
    return _end(connection, enrollment_ids, CANCELLED, (LIVE, SUSPENDED), reason=reason, at=at)


def give_reason(connection: Connection, ids: Sequence[int], *, reason: str) -> None:
    """Say anew why enrollments were cancelled: whether they may go on hangs on it."""
    for chunk in chunks(list(ids)):
        ours = update(enrollments).where(enrollments.c.id.in_(chunk), enrollments.c.status == CANCELLED)
        connection.execute(ours.values(reason=reason))


def stop_carts(connection: Connection, cart_ids: Sequence[int], *, reason: str, at: datetime) -> int:
    return stop(connection, _of_carts(connection, cart_ids, (LIVE, SUSPENDED)), reason=reason, at=at)


def suspend_carts(connection: Connection, cart_ids: Sequence[int], *, at: datetime) -> int:
    """The shopper is back at these carts: cancel what is scheduled, until they are idle again."""
    ids = _of_carts(connection, cart_ids, (LIVE,))
    return _end(connection, ids, SUSPENDED, (LIVE,), reason="reactivated", at=at)


def _of_carts(connection: Connection, cart_ids: Sequence[int], statuses: tuple[str, ...]) -> list[int]:
    found: list[int] = []
    for chunk in chunks(list(cart_ids)):
        found += connection.execute(
            select(enrollments.c.id).where(enrollments.c.cart_id.in_(chunk), enrollments.c.status.in_(statuses))
        ).scalars()
    return found


def _end(
    connection: Connection,
    ids: Sequence[int],
    status: str,
    from_statuses: tuple[str, ...],
    *,
    reason: str,
    at: datetime,
) -> int:
    for chunk in chunks(list(ids)):
        connection.execute(
            update(enrollments)
            .where(enrollments.c.id.in_(chunk), enrollments.c.status.in_(from_statuses))
            .values(status=status, reason=reason, ended_at=at)
        )
    return messages.cancel_open(connection, ids, reason=reason, at=at)


def with_cart(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """Return enrollments with what scheduling and the gate need of cart and contact; `cart_status` None: no cart."""
    found: list[Row[Any]] = []
    for chunk in chunks(list(ids)):
        found += connection.execute(_WITH_CART, {"ids": chunk}).all()
    return found

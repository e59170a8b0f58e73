"""Who is to be told that a contact has entered a segment: once for each enrollment and segment."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from cartctl.store.sql import insert_missing
from cartctl.store.tables import alerts, contacts, enrollments


def announce(connection: Connection, enrollment_id: int, segment: str, *, at: datetime) -> None:
    """Note that somebody is to be told. Whoever enters a segment a second time is not told of again."""
    row = {"enrollment_id": enrollment_id, "segment": segment, "attempt_at": at}
    insert_missing(connection, alerts, [row], ["enrollment_id", "segment"])


def any_waiting(connection: Connection, *, due_by: datetime) -> bool:
    waiting = select(alerts.c.attempt_at).where(alerts.c.done_at.is_(None), alerts.c.attempt_at <= due_by)
    return connection.execute(waiting.limit(1)).first() is not None


def waiting(connection: Connection, *, due_by: datetime) -> Sequence[Row[Any]]:
    """Return what is to be told now, the oldest first, each with its enrollment and contact."""
    return connection.execute(
        select(
            alerts,
            enrollments.c.sequence,
            enrollments.c.is_test,
            enrollments.c.contact_id,
            contacts.c.email_normalised,
            contacts.c.first_name,
            contacts.c.business_name,
        )
        .join(enrollments, enrollments.c.id == alerts.c.enrollment_id)
        .join(contacts, contacts.c.id == enrollments.c.contact_id)
        .where(alerts.c.done_at.is_(None), alerts.c.attempt_at <= due_by)
        .order_by(alerts.c.attempt_at, alerts.c.enrollment_id)
    ).all()


def take(connection: Connection, row: Row[Any], *, again_at: datetime) -> bool:
    """Take an alert in hand, as one more attempt; of two runs one gets it. Dies this one, it is tried `again_at`."""
    taken = update(alerts).where(_is(row), alerts.c.attempts == row.attempts, alerts.c.done_at.is_(None))
    return connection.execute(taken.values(attempts=row.attempts + 1, attempt_at=again_at)).rowcount == 1


def put_off(connection: Connection, row: Row[Any], *, until: datetime, reason: str) -> None:
    """Let it be tried again at `until`. What was told meanwhile stays told."""
    still = update(alerts).where(_is(row), alerts.c.done_at.is_(None))
    connection.execute(still.values(attempt_at=until, reason=reason[:200]))


def done(connection: Connection, row: Row[Any], *, at: datetime, reason: str = "") -> None:
    """Note that it was told, or for what reason it never will be."""
    connection.execute(update(alerts).where(_is(row)).values(done_at=at, reason=reason[:200]))


def _is(row: Row[Any]) -> Any:
    return and_(alerts.c.enrollment_id == row.enrollment_id, alerts.c.segment == row.segment)

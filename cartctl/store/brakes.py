"""Brakes as they are remembered, and the messages that they hold.

A held message stays `scheduled`, and so does its `due_at`; its next attempt is put off to HELD, so that no claim meets
it again and again. `let_all_go` takes that back whenever any brake lets go; the others then hold theirs anew. The
reason stays: what another brake held is no burst when it comes back.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, not_, or_, select, text, update

from cartctl.domain.brakes import Brake, Kind, Scope
from cartctl.domain.messages import MessageState
from cartctl.store.sql import chunks
from cartctl.store.tables import brakes, carts, contacts, enrollments, events, message_transitions, messages

S = MessageState
HELD = datetime(9999, 1, 1, tzinfo=UTC)
"""`attempt_at` of a message that a brake holds."""
_LOOK_BACK = 20_000
"""Among so many messages of all sequences those of one are looked for."""
_SCHEDULED = messages.c.state == text("'scheduled'")  # spelt as in the partial index
_BY_OTHERS = [f"held-{kind.value}" for kind in Kind if kind.holds and kind != Kind.BURST]


def known(connection: Connection) -> dict[tuple[Kind, str], Brake]:
    """Return all that is remembered, brakes that were let go too."""
    rows = connection.execute(select(brakes).order_by(brakes.c.kind, brakes.c.subject))
    return {
        (Kind(row.kind), row.subject): Brake(
            kind=Kind(row.kind),
            subject=row.subject,
            since=row.since,
            told_at=row.told_at,
            why=row.detail,
            released_at=row.released_at,
        )
        for row in rows
    }


def holding(connection: Connection) -> list[Brake]:
    """Return the brakes that hold now."""
    return [brake for brake in known(connection).values() if brake.holds]


def keep(connection: Connection, brake: Brake) -> None:
    """Remember a brake, in the place of what was known of it."""
    drop(connection, brake.kind, brake.subject)
    connection.execute(
        insert(brakes).values(
            kind=brake.kind.value,
            subject=brake.subject,
            since=brake.since,
            told_at=brake.told_at,
            detail=brake.why,
            released_at=brake.released_at,
        )
    )


def drop(connection: Connection, kind: Kind, subject: str) -> None:
    connection.execute(delete(brakes).where(brakes.c.kind == kind.value, brakes.c.subject == subject))


def hold(connection: Connection, scope: Scope, *, reason: str, now: datetime, grace: timedelta) -> None:
    """Put off what is due of `scope`; what is past its grace goes on, to be skipped."""
    due = _of(scope, messages.c.attempt_at <= now, messages.c.due_at >= now - grace)
    statement = update(messages).where(messages.c.id.in_(due), messages.c.state == S.SCHEDULED.value)
    connection.execute(statement.values(attempt_at=HELD, reason=reason))


def any_held(connection: Connection) -> bool:
    held = select(messages.c.id).where(_SCHEDULED, messages.c.attempt_at >= HELD)
    return bool(connection.execute(select(held.exists())).scalar_one())


def let_all_go(connection: Connection) -> None:
    """Make every held message due again, as it was."""
    _wake(connection)


def end_overdue(connection: Connection, *, now: datetime, grace: timedelta) -> None:
    """Let go what has been held beyond its grace: the gate skips it, and its sequence goes on."""
    _wake(connection, messages.c.due_at < now - grace)


def _wake(connection: Connection, *conditions: ColumnElement[bool]) -> None:
    held = update(messages).where(_SCHEDULED, messages.c.attempt_at >= HELD, *conditions)
    connection.execute(held.values(attempt_at=messages.c.due_at))


def waiting(
    connection: Connection,
    scope: Scope,
    *,
    now: datetime,
    grace: timedelta,
    limit: int = 1,
    after: datetime | None = None,
) -> int:
    """Count what is due of `scope` and not past its grace, held or not: `limit` at most.

    `after`: only what makes a burst. It became due since then, and is met for the first time: neither did another brake
    hold it, nor has a run claimed it and put it off for another reason. Tests make none.
    """
    found = 0
    more = () if after is None else (messages.c.due_at > after, ~messages.c.is_test, *_is_new())
    for attempt in (messages.c.attempt_at <= now, messages.c.attempt_at >= HELD):
        due = _of(scope, attempt, messages.c.due_at >= now - grace, *more).limit(limit - found)
        found += connection.execute(select(func.count()).select_from(due.subquery())).scalar_one()
        if found >= limit:
            break
    return found


def _is_new() -> tuple[ColumnElement[bool], ...]:
    claimed = select(message_transitions.c.id).where(
        message_transitions.c.message_id == messages.c.id,
        message_transitions.c.from_state == S.CLAIMED.value,
        message_transitions.c.to_state.in_([S.SCHEDULED.value, S.SENDING.value]),
        ~message_transitions.c.reason.startswith("held-"),  # the step after a held one, claimed in the very run
    )
    return (messages.c.reason.not_in(_BY_OTHERS), ~claimed.exists())


def _of(scope: Scope, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Select ids of scheduled messages of `scope`."""
    found = select(messages.c.id).where(_SCHEDULED, *conditions)
    found = found.join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    if scope.sequences is not None:
        found = found.where(enrollments.c.sequence.in_(sorted(scope.sequences)))
    if scope.place is not None:
        found = found.outerjoin(carts, carts.c.id == enrollments.c.cart_id)
        # A contact without a cart may buy through any channel.
        here = or_(carts.c.channel == scope.place[1], carts.c.id.is_(None))
        found = found.where(enrollments.c.store == scope.place[0], here)
    if scope.but_tests_to is not None:
        found = found.join(contacts, contacts.c.id == enrollments.c.contact_id)
        recipients = contacts.c.email_normalised.in_(sorted(scope.but_tests_to))
        found = found.where(not_(and_(enrollments.c.is_test, recipients)))
    return found


def recent(connection: Connection, sequence: str, *, since: datetime | None, limit: int) -> list[int]:
    """Return the sequence's latest messages that were handed to a delivering transport (`since`: after it)."""
    states = [S.ACCEPTED.value, S.UNKNOWN.value, S.FAILED.value]
    handed = select(messages.c.id, messages.c.enrollment_id, messages.c.sent_at).where(
        messages.c.sent_at.is_not(None), messages.c.state.in_(states), messages.c.delivers, ~messages.c.is_test
    )
    if since is not None:
        handed = handed.where(messages.c.sent_at > since)
    latest = handed.order_by(messages.c.sent_at.desc()).limit(_LOOK_BACK).subquery()
    ours = (
        select(latest.c.id)
        .join(enrollments, enrollments.c.id == latest.c.enrollment_id)
        .where(enrollments.c.sequence == sequence)
        .order_by(latest.c.sent_at.desc())
        .limit(limit)
    )
    return list(connection.execute(ours).scalars())


def bounced_and_complained(connection: Connection, message_ids: Iterable[int]) -> Mapping[str, set[int]]:
    """Return which of these messages bounced for good ("bounce"), and which were called spam ("spamreport")."""
    found: dict[str, set[int]] = {"bounce": set(), "spamreport": set()}
    for chunk in chunks(sorted(message_ids)):
        rows = connection.execute(
            select(events.c.kind, events.c.detail, events.c.message_id).where(
                events.c.message_id.in_(chunk), events.c.kind.in_(found)
            )
        )
        for row in rows:
            if row.kind != "bounce" or row.detail == "hard":
                found[row.kind].add(row.message_id)
    return found

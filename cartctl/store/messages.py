"""Messages: every change of state goes through `move`, which writes the transition beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Row,
    and_,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)

from cartctl.domain.messages import OPEN, REACHED, RESUMABLE, TRANSITIONS, MessageState
from cartctl.store.sql import chunks
from cartctl.store.tables import message_transitions, messages

S = MessageState


def move(
    connection: Connection,
    ids: Iterable[int],
    from_state: MessageState,
    to_state: MessageState,
    *,
    at: datetime,
    reason: str = "",
    held_by: str | None = None,
    expired_at: datetime | None = None,
    **values: Any,
) -> list[int]:
    """Compare-and-set the state of messages; return the ids that were indeed in `from_state`.

    `held_by`: only while this lease token is on it. `expired_at`: only where the lease ran out before it.
    """
    assert to_state in TRANSITIONS[from_state], (from_state, to_state)
    moved: list[int] = []
    for chunk in chunks(sorted(ids)):
        condition = [messages.c.id.in_(chunk), messages.c.state == from_state.value]
        if held_by is not None:
            condition.append(messages.c.lease_token == held_by)
        if expired_at is not None:
            condition.append(messages.c.lease_until < expired_at)
        statement = update(messages).where(and_(*condition))
        changed = connection.execute(
            statement.values(state=to_state.value, reason=reason, **values).returning(messages.c.id)
        )
        moved += [id_ for (id_,) in changed]
    _record(connection, [(id_, reason) for id_ in moved], from_state.value, to_state, at)
    return moved


def _record(
    connection: Connection, changes: Sequence[tuple[int, str]], from_state: str, to_state: MessageState, at: datetime
) -> None:
    if changes:
        connection.execute(
            insert(message_transitions),
            [
                {"message_id": id_, "at": at, "from_state": from_state, "to_state": to_state.value, "reason": reason}
                for id_, reason in changes
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The next step of an enrollment, to be put into the queue."""

    enrollment_id: int
    contact_id: int
    step: str
    due_at: datetime
    reason: str = ""
    """The rule that moved `due_at`, if any did."""


def schedule(connection: Connection, planned: Sequence[Planned], *, at: datetime) -> None:
    """Put steps into the queue; one that was cancelled for a while comes back instead of being made twice."""
    known = _ids(connection, planned)
    fresh = [plan for plan in planned if (plan.enrollment_id, plan.step) not in known]
    if fresh:
        rows = [
            {
                "enrollment_id": plan.enrollment_id,
                "contact_id": plan.contact_id,
                "step": plan.step,
                "state": S.SCHEDULED.value,
                "reason": plan.reason,
                "due_at": plan.due_at,
                "attempt_at": plan.due_at,
            }
            for plan in fresh
        ]
        connection.execute(insert(messages), rows)
        made = _ids(connection, fresh)
        changes = [(made[plan.enrollment_id, plan.step], plan.reason) for plan in fresh]
        _record(connection, changes, "", S.SCHEDULED, at)
    for plan in planned:
        if id_ := known.get((plan.enrollment_id, plan.step)):
            values: dict[str, Any] = {"due_at": plan.due_at, "attempt_at": plan.due_at, "attempts": 0}
            values["contact_id"] = plan.contact_id
            move(connection, [id_], S.CANCELLED, S.SCHEDULED, at=at, reason=plan.reason, **values)


def _ids(connection: Connection, planned: Sequence[Planned]) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    for chunk in chunks([plan.enrollment_id for plan in planned]):
        rows = connection.execute(
            select(messages.c.enrollment_id, messages.c.step, messages.c.id).where(messages.c.enrollment_id.in_(chunk))
        )
        found.update(((enrollment_id, step), id_) for enrollment_id, step, id_ in rows)
    return found


def done_steps(connection: Connection, enrollment_ids: Sequence[int]) -> dict[int, set[str]]:
    """Return the steps of each enrollment that are behind it: all but those a resumption would send."""
    done: dict[int, set[str]] = {id_: set() for id_ in enrollment_ids}
    for chunk in chunks(list(enrollment_ids)):
        rows = connection.execute(
            select(messages.c.enrollment_id, messages.c.step, messages.c.state, messages.c.reason).where(
                messages.c.enrollment_id.in_(chunk)
            )
        )
        for enrollment_id, step, state, reason in rows:
            if not (state == S.CANCELLED and reason in RESUMABLE):
                done[enrollment_id].add(step)
    return done


def with_open_message(connection: Connection, enrollment_ids: Sequence[int]) -> set[int]:
    """Return those enrollments that have a message scheduled, claimed or being sent."""
    found: set[int] = set()
    for chunk in chunks(list(enrollment_ids)):
        found.update(
            connection.execute(
                select(messages.c.enrollment_id).where(
                    messages.c.enrollment_id.in_(chunk), messages.c.state.in_(_values(OPEN))
                )
            ).scalars()
        )
    return found


def cancel_open(connection: Connection, enrollment_ids: Sequence[int], *, reason: str, at: datetime) -> int:
    """Cancel what is scheduled or claimed for these enrollments; what is being sent cannot be called back."""
    count = 0
    for chunk in chunks(list(enrollment_ids)):
        for state in (S.SCHEDULED, S.CLAIMED):
            ids = connection.execute(
                select(messages.c.id).where(messages.c.enrollment_id.in_(chunk), messages.c.state == state.value)
            ).scalars()
            count += len(move(connection, ids, state, S.CANCELLED, at=at, reason=reason))
    return count


def reached(connection: Connection, contact_ids: Sequence[int], *, latest: int) -> dict[int, tuple[datetime, ...]]:
    """Return when each contact was last written to (at most `latest` times, at least one), oldest first."""
    times: dict[int, list[datetime]] = {id_: [] for id_ in contact_ids}
    age = func.row_number().over(partition_by=messages.c.contact_id, order_by=messages.c.sent_at.desc())
    for chunk in chunks(list(times)):
        ranked = (
            select(messages.c.contact_id, messages.c.sent_at, age.label("age"))
            .where(messages.c.contact_id.in_(chunk), messages.c.state.in_(_values(REACHED)))
            .subquery()
        )
        rows = connection.execute(
            select(ranked.c.contact_id, ranked.c.sent_at)
            .where(ranked.c.age <= max(1, latest))
            .order_by(ranked.c.contact_id, ranked.c.sent_at)
        )
        for contact_id, sent_at in rows:
            times[contact_id].append(sent_at)
    return {contact_id: tuple(sent) for contact_id, sent in times.items()}


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages that this process alone may work on until the lease runs out."""

    token: str
    rows: Sequence[Row[Any]]

    @property
    def ids(self) -> list[int]:
        return [row.id for row in self.rows]


def any_due(connection: Connection, *, due_by: datetime) -> bool:
    """Say whether there is anything to claim or to reap, without taking a lock: most ticks have nothing."""
    due = select(messages.c.id).where(messages.c.state == text("'scheduled'"), messages.c.attempt_at <= due_by)
    expired = select(messages.c.id).where(_leased(), messages.c.lease_until < due_by)
    return bool(connection.execute(select(or_(due.exists(), expired.exists()))).scalar_one())


def _leased() -> ColumnElement[bool]:
    # Spelt out as in the partial index, so that the planner can use it.
    return literal_column("messages.state IN ('claimed', 'sending')", Boolean)


def claim(
    connection: Connection, *, due_by: datetime, limit: int, token: str, lease_until: datetime, at: datetime
) -> Claim:
    """Claim at most `limit` scheduled messages by time of attempt, one per contact."""
    candidates = connection.execute(
        select(messages.c.id, messages.c.contact_id)
        .where(messages.c.state == text("'scheduled'"), messages.c.attempt_at <= due_by)
        .order_by(messages.c.attempt_at, messages.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    one_each = {row.contact_id: row.id for row in reversed(candidates)}
    ids = move(
        connection,
        one_each.values(),
        S.SCHEDULED,
        S.CLAIMED,
        at=at,
        lease_token=token,
        lease_until=lease_until,
    )
    rows = connection.execute(select(messages).where(messages.c.id.in_(ids)).order_by(messages.c.attempt_at)).all()
    return Claim(token, rows)


def still_claimed(connection: Connection, claim: Claim) -> list[Row[Any]]:
    """Lock and return those of the claimed messages that are still claimed by us: an import may have cancelled some."""
    return list(
        connection.execute(
            select(messages)
            .where(
                messages.c.id.in_(claim.ids),
                messages.c.state == S.CLAIMED.value,
                messages.c.lease_token == claim.token,
            )
            .order_by(messages.c.id)
            .with_for_update()
        )
    )


def expired_leases(connection: Connection, *, before: datetime) -> Mapping[MessageState, Sequence[Row[Any]]]:
    """Return the messages whose lease ran out, by state."""
    rows = connection.execute(select(messages).where(_leased(), messages.c.lease_until < before)).all()
    return {state: [row for row in rows if row.state == state] for state in (S.CLAIMED, S.SENDING)}


def _values(states: Iterable[MessageState]) -> list[str]:
    return sorted(state.value for state in states)

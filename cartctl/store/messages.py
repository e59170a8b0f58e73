"""Messages: every change of state goes through `move`, `move_each` or `queue.claim`, which write down the transition
beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Update,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from cartctl.domain.messages import COUNTED, OPEN, RESUMABLE, TRANSITIONS, MessageState
from cartctl.store import coupons, events
from cartctl.store.sql import among, as_rows, chunks, given
from cartctl.store.tables import message_transitions, messages

S = MessageState
_WAITING = "cartctl.transitions"
LEASED = frozenset({S.CLAIMED, S.SENDING})
"""Whoever holds one has a lease on it; every other state ends the lease."""


def spelt(states: Iterable[MessageState]) -> list[ColumnElement[str]]:
    """Return states to compare with, as part of the statement: lists of parameters are put together at each asking."""
    return [literal_column(f"'{state.value}'") for state in sorted(states)]


# What every turn of the sending loop asks is put together once: that takes longer than the asking.
_TRANSITION = [
    message_transitions.c[name] for name in ("message_id", "at", "from_state", "to_state", "reason", "facts")
]
_INSERT_TRANSITIONS = insert(message_transitions).from_select(_TRANSITION, select(given(*_TRANSITION)))
_PLANNED = [
    messages.c[name] for name in ("enrollment_id", "contact_id", "step", "reason", "due_at", "attempt_at", "is_test")
]
_SCHEDULE = (
    insert(messages)
    .from_select([*_PLANNED, messages.c.state], select(given(*_PLANNED), literal(S.SCHEDULED.value)))
    .returning(messages.c.id, messages.c.reason)
)
_OF_ENROLLMENTS = select(
    messages.c.id, messages.c.enrollment_id, messages.c.step, messages.c.state, messages.c.reason
).where(among(messages.c.enrollment_id))


def _reached(*conditions: ColumnElement[bool]) -> Select[Any]:
    age = func.row_number().over(partition_by=messages.c.contact_id, order_by=messages.c.sent_at.desc())
    ranked = (
        select(messages.c.contact_id, messages.c.sent_at, age.label("age"))
        .where(
            among(messages.c.contact_id),
            messages.c.sent_at.is_not(None),  # as in the partial index
            messages.c.state.in_(spelt(COUNTED)),
            messages.c.is_test == bindparam("is_test"),
            *conditions,
        )
        .subquery()
    )
    latest = ranked.c.age <= bindparam("latest", type_=Integer)
    return select(ranked.c.contact_id, ranked.c.sent_at).where(latest).order_by(ranked.c.contact_id, ranked.c.sent_at)


_REACHED = _reached()
_REACHED_BY_OTHERS = _reached(messages.c.id.not_in(bindparam("but_not", expanding=True)))


def move(
    connection: Connection,
    ids: Iterable[int],
    from_state: MessageState,
    to_state: MessageState,
    *,
    at: datetime,
    reason: str = "",
    expired_at: datetime | None = None,
    facts: Mapping[int, str] | None = None,
    **values: Any,
) -> list[int]:
    """Compare-and-set the state of messages; return the ids that were indeed in `from_state`.

    `expired_at`: only where the lease ran out before it. `facts`: by message, what whoever decided it knew.
    """
    assert to_state in TRANSITIONS[from_state], (from_state, to_state)
    if to_state not in LEASED:
        values |= {"lease_token": None, "lease_until": None}
    statement = _update_all(tuple(values), if_expired=expired_at is not None)
    values |= {"state": to_state.value, "reason": reason}
    parameters = {f"new_{name}": value for name, value in values.items()} | {"from_state": from_state.value}
    if expired_at is not None:
        parameters["expired_at"] = expired_at
    moved: list[int] = []
    for chunk in chunks(sorted(ids)):
        changed = connection.execute(statement, parameters | {"ids": chunk})
        moved += changed.scalars()
    known = facts or {}
    record(connection, from_state.value, [(id_, to_state.value, reason, known.get(id_, "")) for id_ in moved], at=at)
    if to_state == S.UNKNOWN:
        _heed_events(connection, moved, at=at)
    return moved


def _heed_events(connection: Connection, unknown: Iterable[int], *, at: datetime) -> None:
    """Accept those of which there is an event already: no provider has events of a mail that it never took."""
    taken = events.have_any(connection, unknown)
    move(connection, taken, S.UNKNOWN, S.ACCEPTED, at=at, reason="event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The next state of one message, the reason, and what else changes with it."""

    id: int
    to_state: MessageState
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    facts: str = ""
    """What whoever decided it knew: JSON, see `jobs.facts`."""


def move_each(connection: Connection, from_state: MessageState, changes: Sequence[Change], *, at: datetime) -> None:
    """Change messages of which each has its own outcome; all bring the same `values`, by name.

    They must be known to be in `from_state`, and locked: see `queue.held`.
    """
    if not changes:
        return
    for change in changes:
        assert change.to_state in TRANSITIONS[from_state], (from_state, change.to_state)
    names = tuple(changes[0].values)
    changes = sorted(changes, key=lambda change: change.id)
    rows = [
        (change.id, change.to_state.value, change.reason, *(change.values[name] for name in names))
        for change in changes
    ]
    connection.execute(_update_each(names), {"rows": as_rows(rows), "from_state": from_state.value})
    made = [(change.id, change.to_state.value, change.reason, change.facts) for change in changes]
    record(connection, from_state.value, made, at=at)
    _heed_events(connection, [change.id for change in changes if change.to_state == S.UNKNOWN], at=at)


@lru_cache(maxsize=64)
def _update_each(names: tuple[str, ...]) -> Update:
    changed = [messages.c[name] for name in ("state", "reason", *names)]
    rows = given(messages.c.id, *changed)
    new = {column: rows.c[column.name] for column in changed}
    is_it = (messages.c.id == rows.c.id, messages.c.state == bindparam("from_state"))
    return update(messages).values(new).where(*is_it)


@lru_cache(maxsize=64)
def _update_all(names: tuple[str, ...], *, if_expired: bool) -> ReturningUpdate[Any]:
    statement = setting(names).where(among(messages.c.id), messages.c.state == bindparam("from_state"))
    if if_expired:
        statement = statement.where(messages.c.lease_until < bindparam("expired_at"))
    return statement.returning(messages.c.id)


def setting(names: tuple[str, ...]) -> Update:
    """Return an update of state, reason and these columns, to `new_state` and so on. A transition belongs beside it."""
    return update(messages).values({name: bindparam(f"new_{name}") for name in ("state", "reason", *names)})


def record(connection: Connection, from_state: str, made: Sequence[tuple[int, str, str, str]], *, at: datetime) -> None:
    """Write down transitions: (message, state, reason, facts). Who has left without a mail gives back their code."""
    if gone := [id_ for id_, to_state, _, _ in made if to_state in (S.SKIPPED, S.CANCELLED)]:
        coupons.release(connection, gone)
    rows = [(id_, at, from_state, to_state, reason, facts) for id_, to_state, reason, facts in made]
    if (waiting := connection.info.get(_WAITING)) is not None:
        waiting += rows
    else:
        _insert_transitions(connection, rows)


@contextmanager
def transitions_at_once(connection: Connection) -> Iterator[None]:
    """Write down the transitions of the block in one statement, at its end. The block reads none of them."""
    info = connection.info  # a connection that is lost meanwhile has none to ask for
    waiting = info[_WAITING] = []
    try:
        yield
        _insert_transitions(connection, waiting)
    finally:
        info.pop(_WAITING, None)


def _insert_transitions(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.execute(_INSERT_TRANSITIONS, {"rows": as_rows(rows)})


Past = Mapping[int, Sequence[Row[Any]]]
"""The messages of enrollments, by enrollment: id, step, state and reason of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The next step of an enrollment, to be put into the queue."""

    enrollment_id: int
    contact_id: int
    step: str
    due_at: datetime
    reason: str = ""
    """The rule that moved `due_at`, if any did."""
    is_test: bool = False


def schedule(connection: Connection, planned: Sequence[Planned], past: Past, *, at: datetime) -> None:
    """Put steps into the queue; one that was cancelled for a while comes back instead of being made twice."""
    known = {(plan.enrollment_id, row.step): row.id for plan in planned for row in past.get(plan.enrollment_id, ())}
    fresh = [plan for plan in planned if (plan.enrollment_id, plan.step) not in known]
    if fresh:
        rows = [
            (plan.enrollment_id, plan.contact_id, plan.step, plan.reason, plan.due_at, plan.due_at, plan.is_test)
            for plan in fresh
        ]
        made = connection.execute(_SCHEDULE, {"rows": as_rows(rows)}).all()
        record(connection, "", [(id_, S.SCHEDULED.value, reason, "") for id_, reason in made], at=at)
    for plan in planned:
        if id_ := known.get((plan.enrollment_id, plan.step)):
            values: dict[str, Any] = {"due_at": plan.due_at, "attempt_at": plan.due_at, "attempts": 0}
            values["contact_id"] = plan.contact_id
            move(connection, [id_], S.CANCELLED, S.SCHEDULED, at=at, reason=plan.reason, **values)


def past(connection: Connection, enrollment_ids: Sequence[int]) -> Past:
    """Return what there is of each enrollment's messages: one read for all that scheduling must know of them."""
    found: dict[int, list[Row[Any]]] = {}
    for chunk in chunks(list(enrollment_ids)):
        rows: Iterable[Row[Any]] = connection.execute(_OF_ENROLLMENTS, {"ids": chunk})
        for row in rows:
            found.setdefault(row.enrollment_id, []).append(row)
    return found


def done_steps(rows: Iterable[Row[Any]]) -> set[str]:
    """Return the steps of one enrollment's past that are behind it: all but those a resumption would send."""
    return {row.step for row in rows if not (row.state == S.CANCELLED and row.reason in RESUMABLE)}


def any_open(rows: Iterable[Row[Any]]) -> bool:
    """Say whether one enrollment's past has a message scheduled, claimed or being sent."""
    return any(row.state in OPEN for row in rows)


def cancel_open(connection: Connection, enrollment_ids: Sequence[int], *, reason: str, at: datetime) -> int:
    """Cancel what is scheduled or claimed for these enrollments; what is being sent cannot be called back.

    One that waits to be handed over again, its answer having been lost, may be with the shopper: it becomes unknown.
    """
    count = 0
    for chunk in chunks(list(enrollment_ids)):
        rows = connection.execute(
            select(messages.c.id, messages.c.state, messages.c.sent_at).where(
                messages.c.enrollment_id.in_(chunk), messages.c.state.in_([S.SCHEDULED.value, S.CLAIMED.value])
            )
        ).all()
        for state in (S.SCHEDULED, S.CLAIMED):
            ours = [row for row in rows if row.state == state]
            doubtful = [row.id for row in ours if row.sent_at is not None]
            move(connection, doubtful, state, S.UNKNOWN, at=at, reason=reason)
            rest = [row.id for row in ours if row.sent_at is None]
            count += len(move(connection, rest, state, S.CANCELLED, at=at, reason=reason))
    return count


def reached(
    connection: Connection,
    contact_ids: Sequence[int],
    *,
    latest: int,
    is_test: bool = False,
    but_not: Sequence[int] = (),
) -> dict[int, tuple[datetime, ...]]:
    """Return when each contact was last written to (at most `latest` times, at least one), oldest first.

    Tests count among themselves alone (`is_test`): they put off no mail that is meant. `but_not`: messages in doubt
    that are to be handed over once more; each must not wait for itself.
    """
    times: dict[int, list[datetime]] = {id_: [] for id_ in contact_ids}
    statement, more = (_REACHED_BY_OTHERS, {"but_not": list(but_not)}) if but_not else (_REACHED, {})
    for chunk in chunks(list(times)):
        about = {"ids": chunk, "latest": max(1, latest), "is_test": is_test}
        for contact_id, sent_at in connection.execute(statement, about | more):
            times[contact_id].append(sent_at)
    return {contact_id: tuple(sent) for contact_id, sent in times.items()}


def by_id(connection: Connection, ids: Iterable[int]) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for chunk in chunks(sorted(set(ids))):
        found += connection.execute(select(messages).where(messages.c.id.in_(chunk))).all()
    return found


def of_enrollment(connection: Connection, enrollment_id: int) -> list[Row[Any]]:
    """Lock and return them: a run may be about to claim one, and locks no contact for that."""
    found = select(messages).where(messages.c.enrollment_id == enrollment_id).order_by(messages.c.id)
    return list(connection.execute(found.with_for_update()))

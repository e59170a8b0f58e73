"""The queue: which messages are due, and who holds them. Claiming them, and finding leases that ran out.

A lease is a token and a time: only the process that bears the token may work on the message, until then.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, bindparam, literal_column, or_, select, text

from cartctl.domain.messages import COUNTED, MessageState
from cartctl.store.carried import Carried
from cartctl.store.instants import UtcTime
from cartctl.store.messages import LEASED, record, setting, spelt
from cartctl.store.sql import among
from cartctl.store.tables import messages

S = MessageState
_SCHEDULED = messages.c.state == text("'scheduled'")
"""Spelt as in the partial index."""
_IS_LEASED = messages.c.state.in_(spelt(LEASED))
# What every turn of the sending loop asks is put together once: that takes longer than the asking.
_CLAIM = (
    setting(("lease_token", "lease_until"))
    .where(among(messages.c.id), messages.c.state == S.SCHEDULED.value)
    .returning(messages)
)
_HELD = (
    select(messages.c.id, messages.c.lease_token, messages.c.state)
    .where(among(messages.c.id))
    .order_by(messages.c.id)
    .with_for_update()
)


def _candidates_due() -> Select[Any]:
    due_by = bindparam("due_by", type_=UtcTime)
    earlier = messages.alias("earlier")
    written_to = (
        select(earlier.c.id)
        .where(
            earlier.c.contact_id == messages.c.contact_id,
            earlier.c.sent_at >= due_by,
            earlier.c.state.in_(spelt(COUNTED)),
            earlier.c.id != messages.c.id,
        )
        .offset(literal_column("0"))  # without it PostgreSQL compares each with all that the run has sent
    )
    return (
        select(messages.c.id, messages.c.contact_id)
        .where(_SCHEDULED, messages.c.attempt_at <= due_by, ~written_to.exists())
        .order_by(messages.c.attempt_at, messages.c.id)
        .limit(bindparam("limit", type_=Integer))
        .with_for_update(skip_locked=True)
    )


_CANDIDATES = _candidates_due()


def any_due(connection: Connection, *, due_by: datetime, carried: Carried | None = None) -> bool:
    """Say whether there is anything to claim or to reap, without taking a lock: most ticks have nothing.

    `carried`: anything to claim of these.
    """
    due = _due(due_by, carried)
    if carried is not None:
        return bool(connection.execute(select(due.exists())).scalar_one())
    expired = select(messages.c.id).where(_IS_LEASED, messages.c.lease_until < due_by)
    return bool(connection.execute(select(or_(due.exists(), expired.exists()))).scalar_one())


def are_due(connection: Connection, *, due_by: datetime, at_least: int, carried: Carried | None = None) -> bool:
    """Say whether so many are due, looking at no more."""
    due = _due(due_by, carried).order_by(messages.c.attempt_at).offset(at_least - 1).limit(1)
    return connection.execute(due).first() is not None


def _due(due_by: datetime, carried: Carried | None) -> Select[Any]:
    due = select(messages.c.id).where(_SCHEDULED, messages.c.attempt_at <= due_by)
    return due if carried is None else due.where(carried.condition)


def claim(
    connection: Connection,
    *,
    due_by: datetime,
    limit: int,
    token: str,
    lease_until: datetime,
    at: datetime,
    carried: Carried | None = None,
) -> list[Row[Any]]:
    """Claim at most `limit` messages due at `due_by`, when the run began, by time of attempt; one per contact.

    The rows bear `token`: this process alone may work on them until the lease runs out.
    """
    chosen: dict[int, int] = {}
    while len(chosen) < limit:
        found = _candidates(connection, due_by=due_by, limit=limit, but_not=chosen, carried=carried)
        for row in found:
            if len(chosen) < limit:
                chosen.setdefault(row.contact_id, row.id)
        if len(found) < limit:
            break
    if not chosen:
        return []
    lease = {"new_lease_token": token, "new_lease_until": lease_until}
    about = {"ids": sorted(chosen.values()), "new_state": S.CLAIMED.value, "new_reason": ""} | lease
    claimed = connection.execute(_CLAIM, about).all()
    record(connection, S.SCHEDULED.value, [(row.id, S.CLAIMED.value, "", "") for row in claimed], at=at)
    return sorted(claimed, key=lambda row: (row.attempt_at, row.id))


def _candidates(
    connection: Connection, *, due_by: datetime, limit: int, but_not: Iterable[int], carried: Carried | None
) -> list[Row[Any]]:
    """Lock the next due messages. `but_not`: contacts whose thousand due messages must not make others wait.

    Nor must those of a contact who was written to since the run began (at `due_by`): the gate would put each off.
    """
    others = list(but_not)
    statement = _CANDIDATES.where(messages.c.contact_id.not_in(others)) if others else _CANDIDATES
    if carried is not None:
        statement = statement.where(carried.condition)
    return list(connection.execute(statement, {"due_by": due_by, "limit": limit}))


def held(connection: Connection, rows: Iterable[Row[Any]]) -> dict[int, str]:
    """Lock our messages; return the state of each that is still under the lease it was claimed with, by its id.

    An import may have cancelled some of them; another process may have taken back those whose lease ran out. All else
    about a message stands still while the lease is on it.
    """
    tokens = {row.id: row.lease_token for row in rows}
    if not tokens:
        return {}
    found = connection.execute(_HELD, {"ids": list(tokens)})
    return {id_: state for id_, token, state in found if token is not None and token == tokens[id_]}


def held_by_run(connection: Connection, run_token: str) -> list[Row[Any]]:
    """Return what a run has claimed or begun to send: every lease token of it starts with `run_token`."""
    leased = select(messages).where(messages.c.lease_until.is_not(None), _IS_LEASED)
    return list(connection.execute(leased.where(messages.c.lease_token.startswith(run_token))))


def expired_leases(connection: Connection, *, before: datetime) -> Sequence[Row[Any]]:
    """Return the messages whose lease ran out: claimed ones, and ones being sent."""
    found = select(messages).where(_IS_LEASED, messages.c.lease_until < before)
    return connection.execute(found.order_by(messages.c.lease_until, messages.c.id)).all()

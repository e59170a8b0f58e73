"""Tell whom a segment names that a contact has entered it. After the mails, for a few seconds at most.

1. What waits is taken in hand one by one, in a transaction of its own: of two runs at once one tells of it.
2. The message leaves while no transaction is open.
3. It is done; or it is put off, five times at most, and then given up and said so.

Whoever does not answer is not asked a second time in the same run: what else waits for them is put off. A run that
dies while it tells may tell once more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from cartctl.domain.identity import NOBODY
from cartctl.domain.messages import MAX_ATTEMPTS, backoff
from cartctl.domain.segments import Segment
from cartctl.jobs.rules import Clock, Rules
from cartctl.mail.alerts import Alert, Fault, Told
from cartctl.store import alerts
from cartctl.store.database import Database

AT_MOST = 10
"""Told of in one run. Each may take as long as its time-out; what is left waits for the next run."""


@dataclass(frozen=True, kw_only=True)
class Messenger:
    """How somebody is told. `targets` are those of the configuration by name: `webhook:URL` or `mail:ADDRESS`."""

    targets: Mapping[str, str] = field(repr=False)
    tell: Callable[[str, Alert], Told]


def run(database: Database, rules: Rules, messenger: Messenger, *, clock: Clock) -> list[str]:
    """Tell of what waits. Returns what was given up, by ids alone."""
    with database.read() as connection:
        rows = alerts.waiting(connection, due_by=clock())
    problems: list[str] = []
    silent: set[str] = set()
    asked = 0
    for at, row in enumerate(rows):
        if asked == AT_MOST:
            break
        segment = _segment(rules, row)
        target = _target(messenger, segment)
        if target in silent:
            continue
        with database.write() as connection:
            now = clock()
            wait = backoff(row.attempts + 1, message_id=row.enrollment_id)
            if not alerts.take(connection, row, again_at=now + wait):
                continue
            if reason := _pointless(row, segment):
                alerts.done(connection, row, at=now, reason=reason)
                continue
        assert segment
        told: Told = messenger.tell(target, _alert(row, segment))
        asked += 1
        if isinstance(told, Fault):
            silent.add(target)
            theirs = [one for one in rows[at + 1 :] if _target(messenger, _segment(rules, one)) == target]
            _put_off(database, theirs, told, again_at=now + wait)
        if problem := _settle(database, row, told, now=clock(), again_at=now + wait):
            problems.append(problem)
    return problems


def _target(messenger: Messenger, segment: Segment | None) -> str:
    name = segment.alert if segment else ""
    return messenger.targets.get(name, name)


def _put_off(database: Database, rows: Sequence[Row[Any]], why: Fault, *, again_at: datetime) -> None:
    """Let others be told first in the next run too: the oldest of those who do not answer would fill it."""
    with database.write() as connection:
        for row in rows:
            alerts.put_off(connection, row, until=max(again_at, why.until or again_at), reason=why.reason)


def _segment(rules: Rules, row: Row[Any]) -> Segment | None:
    sequence = rules.sequences.get(row.sequence)
    return sequence.segment(row.segment) if sequence else None


def _pointless(row: Row[Any], segment: Segment | None) -> str:
    if segment is None or not segment.alert:
        return "nobody is to be told"  # it named somebody when the contact entered it
    return "forgotten" if row.email_normalised.endswith(NOBODY) else ""


def _settle(database: Database, row: Row[Any], told: Told, *, now: datetime, again_at: datetime) -> str:
    """Note how it went; return what is to be said."""
    with database.write() as connection:
        if not isinstance(told, Fault):
            alerts.done(connection, row, at=now)
            return ""
        if not told.is_final and row.attempts + 1 < MAX_ATTEMPTS:
            alerts.put_off(connection, row, until=max(again_at, told.until or again_at), reason=told.reason)
            return ""
        alerts.done(connection, row, at=now, reason=f"given up: {told.reason}")
    return (
        f"alert: enrollment {row.enrollment_id} entered segment {row.segment} of {row.sequence}, and nobody could be "
        f"told: {told.reason}. It is not tried again"
    )


def _alert(row: Row[Any], segment: Segment) -> Alert:
    return Alert(
        enrollment_id=row.enrollment_id,
        sequence=row.sequence,
        segment=segment.key,
        description=segment.description,
        action=segment.action,
        contact_id=row.contact_id,
        first_name=row.first_name,
        business_name=row.business_name,
        email=row.email_normalised,
        is_test=bool(row.is_test),
    )

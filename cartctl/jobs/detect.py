"""Notice which carts were left behind, and put them into their sequences.

`abandon` marks idle carts; `run` does that and then looks at each newly abandoned cart once. Both work in chunks,
each in one short transaction: whatever dies, every cart is either as it was or wholly done.
"""

from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.carts import CartStatus
from cartctl.domain.messages import RESUMABLE
from cartctl.domain.sequences import CART_ABANDONED, HOLDOUT, Sequence
from cartctl.jobs import holdout
from cartctl.jobs.rules import Clock, Rules
from cartctl.jobs.steps import schedule_next
from cartctl.store import carts, enrollments, keys
from cartctl.store.database import Database

CHUNK = 1000


@dataclass(slots=True)
class Detected:
    """Carts `abandoned` and `expired` now; of them `enrolled`, or `held_out`; older carts' messages `superseded`."""

    abandoned: int = 0
    expired: int = 0
    enrolled: int = 0
    held_out: int = 0
    superseded: int = 0

    @property
    def total(self) -> int:
        return self.abandoned + self.expired


def run(database: Database, *, rules: Rules, clock: Clock) -> Detected:
    """Mark every idle cart, then enroll what awaits it."""
    result = abandon(database, rules=rules, clock=clock)
    while _enroll_chunk(database, rules, clock(), result):
        pass
    return result


def abandon(database: Database, *, rules: Rules, clock: Clock) -> Detected:
    """Mark every idle cart as abandoned, or as expired where it is too old."""
    result = Detected()
    while _abandon_chunk(database, rules, clock(), result):
        pass
    return result


def _abandon_chunk(database: Database, rules: Rules, now: datetime, result: Detected) -> bool:
    """Return whether there may be more."""
    with database.read() as connection:
        if not carts.any_idle(connection, now=now, idle_after=rules.purchase.idle_after):
            return False
    with database.write(carts="change") as connection:
        found = carts.abandon_idle(
            connection, now=now, idle_after=rules.purchase.idle_after, max_age=rules.max_age, limit=CHUNK
        )
    result.abandoned += found[CartStatus.ABANDONED]
    result.expired += found[CartStatus.EXPIRED]
    return sum(found.values()) == CHUNK


def _enroll_chunk(database: Database, rules: Rules, now: datetime, result: Detected) -> bool:
    with database.read() as connection:
        if not carts.any_awaiting(connection):
            return False
    with database.write(carts="change") as connection:
        rows = carts.awaiting_enrollment(connection, limit=CHUNK)
        since = keys.restored_since(connection)  # who was left behind before may have had their mails
        fresh = [row for row in rows if since is None or row.abandoned_at >= since]
        for sequence in rules.sequences.values():
            if sequence.trigger == CART_ABANDONED:
                _enroll(connection, sequence, fresh, rules, now, result)
        carts.enrollment_done(connection, [row.id for row in rows])
    return len(rows) == CHUNK


def _enroll(
    connection: Connection,
    sequence: Sequence,
    rows: Ordered[Row[Any]],
    rules: Rules,
    now: datetime,
    result: Detected,
) -> None:
    """Enroll carts, resume those that were enrolled before. A shopper's newest cart alone stays in the sequence."""
    reachable = [row for row in rows if row.email_normalised and rules.may_write_to(row.email_normalised)]
    reachable = [row for row in reachable if sequence.start_at is None or row.abandoned_at >= sequence.start_at]
    known = enrollments.of_carts(connection, sequence.name, [row.id for row in reachable])
    arms = _draw(connection, sequence, reachable, known, rules, now)
    held = [row for row in reachable if arms.get(row.contact_id) == HOLDOUT]
    _hold_out(connection, sequence, held, known, rules, now, result)
    reachable = [row for row in reachable if arms.get(row.contact_id) != HOLDOUT]
    live = enrollments.live_of_contacts(connection, sequence.name, sorted({row.contact_id for row in reachable}))
    newest: dict[tuple[int, str], Row[Any]] = {}
    older: list[Row[Any]] = []
    for row in sorted(reachable, key=lambda row: (row.abandoned_at, row.id)):
        place = (row.contact_id, row.store)
        if place in newest:
            older.append(newest[place])
        newest[place] = row
    for place, row in list(newest.items()):
        other = live.get(place)
        if (
            other is not None
            and other.cart_id != row.id
            and (other.abandoned_at, other.cart_id) > (row.abandoned_at, row.id)
        ):
            older.append(newest.pop(place))
    overtaken = [live[place].id for place, row in newest.items() if place in live and live[place].cart_id != row.id]
    result.superseded += enrollments.stop(connection, overtaken, reason="superseded", at=now)
    fresh = [_new(sequence, row, rules, now, arms) for row in newest.values() if row.id not in known]
    overtaken_again = [known[row.id].id for row in older if row.id in known]
    enrollments.stop(connection, overtaken_again, reason="superseded", at=now)
    late = [
        _new(sequence, row, rules, now, arms)
        | {"status": enrollments.CANCELLED, "reason": "superseded", "ended_at": now}
        for row in older
        if row.id not in known
    ]
    enrollments.add(connection, late)
    ids = enrollments.add(connection, fresh)
    result.enrolled += len(ids)
    for row in newest.values():
        if row.id in known and _may_resume(known[row.id]):
            enrollments.resume(connection, known[row.id].id, contact_id=row.contact_id, at=now)
            ids.append(known[row.id].id)
    schedule_next(connection, ids, rules, now=now)


def _draw(
    connection: Connection,
    sequence: Sequence,
    rows: Ordered[Row[Any]],
    known: Mapping[int, Row[Any]],
    rules: Rules,
    now: datetime,
) -> dict[int, str]:
    """Draw for whoever comes in with these carts. Who was in it before there was a holdout goes on."""
    if not sequence.holdout:
        return {}
    meant = [row for row in rows if not rules.enrolls_as_test(row.email_normalised)]
    fresh = [row for row in meant if row.id not in known or known[row.id].contact_id != row.contact_id]
    return holdout.draw(connection, sequence, meant, fresh, rules, now=now)


def _hold_out(
    connection: Connection,
    sequence: Sequence,
    rows: Ordered[Row[Any]],
    known: Mapping[int, Row[Any]],
    rules: Rules,
    now: datetime,
    result: Detected,
) -> None:
    """Note the carts of those who are never written to; what was under way for them before ends."""
    before = enrollments.live_of_contacts(connection, sequence.name, sorted({row.contact_id for row in rows}))
    ended = [row.id for row in before.values()] + [known[row.id].id for row in rows if row.id in known]
    enrollments.stop(connection, ended, reason=HOLDOUT, at=now)
    arms = {row.contact_id: HOLDOUT for row in rows}
    fresh = [_new(sequence, row, rules, now, arms) for row in rows if row.id not in known]
    enrollments.add(connection, [row | {"status": enrollments.HELD_OUT} for row in fresh])
    result.held_out += len(fresh)


def _new(sequence: Sequence, row: Row[Any], rules: Rules, now: datetime, arms: Mapping[int, str]) -> dict[str, Any]:
    return {
        "sequence": sequence.name,
        "cart_id": row.id,
        "contact_id": row.contact_id,
        "store": row.store,
        "status": enrollments.LIVE,
        "reason": "",
        "arm": arms.get(row.contact_id, ""),
        "is_test": rules.enrolls_as_test(row.email_normalised),
        "enrolled_at": now,
        "ended_at": None,
    }


def _may_resume(enrollment: Row[Any]) -> bool:
    """It was interrupted, not ended: the shopper came back to the cart, or to another one meanwhile."""
    return enrollment.status == enrollments.SUSPENDED or (
        enrollment.status == enrollments.CANCELLED and enrollment.reason in RESUMABLE
    )

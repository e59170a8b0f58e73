"""Putting the next step of an enrollment into the queue. Called wherever an enrollment begins, resumes, or has had a
step: so a live enrollment always has exactly one open message, or is finished.
"""

from collections.abc import Collection
from collections.abc import Sequence as Ordered
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.decide import due
from cartctl.domain.sequences import Step
from cartctl.jobs.rules import Rules
from cartctl.store import enrollments, messages
from cartctl.store.messages import Planned


def schedule_next(
    connection: Connection,
    enrollment_ids: Ordered[int],
    rules: Rules,
    *,
    now: datetime,
    past_grace: Collection[int] = (),
) -> None:
    """Schedule the next step of each live enrollment, or finish it when there is none.

    An enrollment that still has an open message waits for it: one that was being sent when the shopper came back
    could not be called, and its own end schedules what follows.

    `past_grace`: these have just lost a step to their grace, see `_shifted`.
    """
    if not enrollment_ids:
        return
    past = messages.past(connection, enrollment_ids)
    idle = [id_ for id_ in enrollment_ids if not messages.any_open(past.get(id_, ()))]
    rows = [row for row in enrollments.with_cart(connection, idle) if row.status == enrollments.LIVE]
    reached = {
        is_test: messages.reached(
            connection,
            sorted({row.contact_id for row in rows if row.is_test == is_test}),
            latest=rules.time.cap,
            is_test=is_test,
        )
        for is_test in (False, True)
    }
    planned: list[Planned] = []
    finished: list[int] = []
    for row in rows:
        sequence = rules.sequences.get(row.sequence)
        if sequence is None:
            enrollments.stop(connection, [row.id], reason="sequence-removed", at=now)
            continue
        step = sequence.next_step(messages.done_steps(past.get(row.id, ())))
        if step is None:
            finished.append(row.id)
            continue
        paced, time = rules.paced(step, is_test=row.is_test), rules.time_for(is_test=row.is_test)
        when = due(
            paced,
            counts_from=_shifted(connection, row, paced, time.grace, now) if row.id in past_grace else row.counts_from,
            enrolled_at=row.resumed_at or row.enrolled_at,
            reached=reached[row.is_test][row.contact_id],
            rules=time,
            zone=rules.zone(row.store, row.timezone),
        )
        planned.append(
            Planned(
                enrollment_id=row.id,
                contact_id=row.contact_id,
                step=step.key,
                due_at=when.at,
                reason=when.moved_by,
                is_test=row.is_test,
            )
        )
    enrollments.finish(connection, finished, at=now)
    messages.schedule(connection, planned, past, at=now)


def _shifted(connection: Connection, row: Row[Any], step: Step, grace: timedelta, now: datetime) -> datetime:
    """Let a contact's sequence go on whole days later, with its intervals as they were, if this step is too late too.

    Else an outage of days would cost them every letter that was due in it. Whole days: each letter keeps its hour, so
    those of many people leave as far apart as ever, and brakes see them first. Tests, whose days are minutes, go on at
    once. A cart's sequence goes on as it was planned: its mails are about a cart of a certain age.
    """
    counts_from: datetime = row.counts_from
    late = now - (counts_from + step.after)
    if row.cart_id is not None or late <= grace:
        return counts_from
    unit = timedelta(minutes=1) if row.is_test else timedelta(days=1)
    shifted = counts_from + (late // unit + 1) * unit
    enrollments.shift(connection, row.id, began_at=shifted)
    return shifted


def drop_if_stopped(connection: Connection, enrollment_ids: Ordered[int], *, now: datetime) -> dict[int, str]:
    """Cancel messages that came back into the queue while their enrollment was stopped or suspended.

    Returns the reasons, by enrollment.
    """
    stopped: dict[int, str] = {}
    for row in enrollments.with_cart(connection, enrollment_ids):
        if row.status != enrollments.LIVE:
            stopped[row.id] = row.reason or "stopped"
            messages.cancel_open(connection, [row.id], reason=stopped[row.id], at=now)
    return stopped

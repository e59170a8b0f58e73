"""Taking back what a dead process left: messages whose lease ran out while they were claimed or being sent."""

from typing import Any

from cartctl.domain.messages import MessageState
from cartctl.jobs.sending import SendJob, Sent
from cartctl.jobs.steps import drop_if_stopped, schedule_next
from cartctl.jobs.turn import may_ask_again, never_in_doubt
from cartctl.store import contacts, events, messages, queue

S = MessageState


def reap(job: SendJob, result: Sent) -> None:
    """Claimed: back into the queue. Sending: nobody knows, so `unknown`; an idempotent transport is asked again."""
    now = job.clock()
    with job.database.read() as connection:
        seen = queue.expired_leases(connection, before=now)
    if not seen:
        return
    with job.database.write(carts="rely") as connection:
        contacts.lock(connection, [row.contact_id for row in seen])
        owners = {row.id: row.enrollment_id for row in seen}
        claimed: list[int] = []
        again: list[int] = []
        sure: list[int] = []
        lost: list[int] = []
        for row in queue.expired_leases(connection, before=now):
            if row.id not in owners:
                continue  # come since the first look: its contact is not locked, and the next run sees it
            if row.state == S.CLAIMED:
                claimed.append(row.id)
            elif never_in_doubt(row.transport):
                sure.append(row.id)
            else:
                (again if may_ask_again(row.transport, row.first_sent_at, now) else lost).append(row.id)
        unsent: dict[str, Any] = {"sent_at": None, "first_sent_at": None}
        for ids, state, values in ((claimed, S.CLAIMED, {}), (again, S.SENDING, {}), (sure, S.SENDING, unsent)):
            messages.move(connection, ids, state, S.SCHEDULED, at=now, reason="lease-expired", expired_at=now, **values)
        drop_if_stopped(connection, [owners[id_] for id_ in (*claimed, *again, *sure)], now=now)
        moved = messages.move(connection, lost, S.SENDING, S.UNKNOWN, at=now, reason="died-sending", expired_at=now)
        # Its events may have been imported while the lease ran: then it has been accepted meanwhile.
        taken = events.have_any(connection, moved)
        schedule_next(connection, [owners[id_] for id_ in moved], job.rules, now=now)
        job.at("in-reap")
    moved = [id_ for id_ in moved if id_ not in taken]
    result.unknown += len(moved)
    for id_ in moved:
        unknown = f"message {id_} is unknown: the process died while sending it"
        result.problems.add(id_, "messages are unknown: the process died while sending them", unknown)

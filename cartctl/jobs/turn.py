"""One transaction of the sending loop: settle what was answered, judge what is ready to leave, claim what comes next.

They are one transaction because each frees the way for the next: so no more messages of a transport than
`concurrency` are ever between the commit of `sending` and that of their answer, and a chunk waits for the disk once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.decide import PAST_GRACE, Cancel, Hold, Later, Send, Skip
from cartctl.domain.messages import MAX_ATTEMPTS, MessageState, backoff
from cartctl.jobs import compose, gate
from cartctl.jobs.gate import Verdict
from cartctl.jobs.sending import Equipment, Flown, Overslept, Ready, SendJob
from cartctl.jobs.steps import drop_if_stopped, schedule_next
from cartctl.mail.message import (
    IDEMPOTENT_TRANSPORTS,
    Accepted,
    Misconfigured,
    Rejected,
    Throttled,
    Transport,
    Unavailable,
    Unknown,
)
from cartctl.store import brakes, contacts, enrollments, events, messages, queue
from cartctl.store.carried import Carried
from cartctl.store.messages import Change

S = MessageState
FREE: dict[str, Any] = {"lease_token": None, "lease_until": None}
TEMPLATE_RETRY = timedelta(minutes=15)


@dataclass(slots=True)
class Turned:
    """What one turn did. Nothing here counts before its transaction has committed."""

    settled: list[tuple[Flown, Change]] = field(default_factory=list)
    lost: list[tuple[Flown, str]] = field(default_factory=list)
    """Answered too late: the lease had run out, and somebody else has put the message into this state."""
    cleared: list[Ready] = field(default_factory=list)
    turned_away: list[tuple[Ready, Verdict]] = field(default_factory=list)
    claimed: list[tuple[Row[Any], compose.Content]] = field(default_factory=list)
    lease_until: datetime | None = None


def turn(
    job: SendJob,
    equipment: Equipment,
    *,
    flown: Sequence[Flown],
    ready: Sequence[Ready],
    give_back: Sequence[Ready],
    want: int,
    token: str,
    started_at: datetime,
    carried: Carried | None = None,
) -> Turned:
    """Settle `flown`, gate `ready`, put `give_back` into the queue again, claim `want` messages. Commits once."""
    turned = Turned()
    with job.database.write(carts="rely") as connection:
        with messages.transitions_at_once(connection):
            people = [flight.ready.row.contact_id for flight in flown]
            contacts.lock(connection, [*people, *(one.row.contact_id for one in ready)])
            # Only here: an import may have held the database for longer than a lease, or into the night.
            now = job.clock()
            turned.lease_until = now + job.rules.lease
            held = queue.held(connection, _rows(flown, [*ready, *give_back]))
            _settle(connection, job, equipment, flown, turned, held=held, now=now)
            claimed = [one for one in ready if held.get(one.row.id) == S.CLAIMED]
            _gate(connection, job, equipment, claimed, turned, now=now, started_at=started_at)
            unused = [one.row.id for one in give_back if held.get(one.row.id) == S.CLAIMED]
            messages.move(connection, unused, S.CLAIMED, S.SCHEDULED, at=now, reason="run-stopped")
            if want > 0:
                rows = queue.claim(
                    connection,
                    due_by=min(started_at, now),  # the clock may have been set back: what is due later would come again
                    limit=want,
                    token=token,
                    lease_until=now + job.rules.lease,
                    at=now,
                    carried=carried,
                )
                content = compose.load(connection, rows, job.rules, now=now)
                turned.claimed = [(row, content[row.id]) for row in rows]
        job.at("in-turn")
    return turned


def _rows(flown: Iterable[Flown], ready: Iterable[Ready]) -> list[Row[Any]]:
    return [*(flight.ready.row for flight in flown), *(one.row for one in ready)]


def give_back_all(
    job: SendJob, equipment: Equipment, flown: Sequence[Flown], *, run_token: str, unlaunched: Mapping[int, Ready]
) -> Turned:
    """Settle `flown`, and put all else that this run holds into the queue, as it was claimed: it has not left.

    `unlaunched`: what the last turn may have cleared, and was not handed over. Of what else is being sent nobody knows.
    """
    turned = Turned()
    with job.database.write(carts="rely") as connection:
        contacts.lock(connection, [row.contact_id for row in queue.held_by_run(connection, run_token)])
        now = job.clock()
        _settle(connection, job, equipment, flown, turned, held=queue.held(connection, _rows(flown, ())), now=now)
        left = queue.held_by_run(connection, run_token)
        claimed = [row.id for row in left if row.state == S.CLAIMED]
        messages.move(connection, claimed, S.CLAIMED, S.SCHEDULED, at=now, reason="never-left")
        before = {row.id: unlaunched[row.id].row for row in left if row.state == S.SENDING and row.id in unlaunched}
        unsent = [
            Change(
                id=id_,
                to_state=S.SCHEDULED,
                reason="never-left",
                values=FREE | {"sent_at": row.sent_at, "first_sent_at": row.first_sent_at, "coupon": row.coupon},
            )
            for id_, row in before.items()
        ]
        messages.move_each(connection, S.SENDING, unsent, at=now)
        drop_if_stopped(connection, [row.enrollment_id for row in left], now=now)
    return turned


def put_off(job: SendJob, faulty: Sequence[tuple[Row[Any], str]]) -> None:
    """Put messages that could not be rendered into the queue again, each with its reason. None waits past its grace."""
    reasons = {row.id: reason for row, reason in faulty}
    with job.database.write() as connection:
        held = queue.held(connection, [row for row, _ in faulty])
        now = job.clock()
        changes = []
        for row in [row for row, _ in faulty if held.get(row.id) == S.CLAIMED]:
            latest = max(now, row.due_at + job.rules.time_for(is_test=row.is_test).grace)
            values = FREE | {"attempt_at": min(now + TEMPLATE_RETRY, latest)}
            changes.append(Change(id=row.id, to_state=S.SCHEDULED, reason=reasons[row.id], values=values))
        messages.move_each(connection, S.CLAIMED, changes, at=now)


def _settle(
    connection: Connection,
    job: SendJob,
    equipment: Equipment,
    flown: Sequence[Flown],
    turned: Turned,
    *,
    held: Mapping[int, str],
    now: datetime,
) -> None:
    """Write the answers down, and what follows. A lease that was lost meanwhile settles nothing: this process slept."""
    if not flown:
        return
    lost: list[Flown] = []
    for flight in flown:
        row = flight.ready.row
        if held.get(row.id) == S.SENDING:
            turned.settled.append((flight, outcome(flight, row, equipment.transport, job, now=now)))
        else:
            lost.append(flight)
    messages.move_each(connection, S.SENDING, [change for _, change in turned.settled], at=now)
    for flight, _ in turned.settled:
        if isinstance(flight.answer, Rejected) and flight.answer.bad_recipient:
            hash_ = contacts.email_hash(equipment.hashing_key, flight.ready.content.row.email_normalised)
            contacts.suppress(connection, hash_, scope="all", reason="rejected-recipient", at=now)
    back = [flight for flight, change in turned.settled if change.to_state == S.SCHEDULED]
    stopped = drop_if_stopped(connection, [flight.ready.row.enrollment_id for flight in back], now=now)
    if stopped:
        turned.settled = [(flight, _unless_stopped(flight, change, stopped)) for flight, change in turned.settled]
    _tell_of_events(connection, turned)
    done = [flight.ready.row.enrollment_id for flight, change in turned.settled if change.to_state != S.SCHEDULED]
    schedule_next(connection, done, job.rules, now=now)
    if lost:
        _look_again(connection, job, equipment, lost, turned, now=now)


def _look_again(
    connection: Connection,
    job: SendJob,
    equipment: Equipment,
    lost: Sequence[Flown],
    turned: Turned,
    *,
    now: datetime,
) -> None:
    """Tell what an earlier turn has settled, whose commit came through though the news of it did not."""
    rows = {row.id: row for row in messages.by_id(connection, [flight.ready.row.id for flight in lost])}
    for flight in lost:
        row = rows[flight.ready.row.id]
        change = outcome(flight, flight.ready.row, equipment.transport, job, now=now)
        if (row.state, row.reason, row.receipt) == (change.to_state, change.reason, change.values["receipt"]):
            turned.settled.append((flight, change))
        else:
            turned.lost.append((flight, row.state))


def _unless_stopped(flight: Flown, change: Change, stopped: Mapping[int, str]) -> Change:
    """What was to be tried again, and was dropped instead: in doubt it is unknown, else nobody has had it."""
    reason = stopped.get(flight.ready.row.enrollment_id)
    if reason is None or change.to_state != S.SCHEDULED:
        return change
    return replace(change, to_state=S.UNKNOWN if change.values["sent_at"] else S.CANCELLED, reason=reason)


def _tell_of_events(connection: Connection, turned: Turned) -> None:
    """Tell of what became unknown, and has events by now, imported while it was being sent, that it was accepted."""
    unknown = [change.id for _, change in turned.settled if change.to_state == S.UNKNOWN]
    if not unknown:
        return
    taken = events.have_any(connection, unknown)
    turned.settled = [
        (flight, replace(change, to_state=S.ACCEPTED, reason="event") if change.id in taken else change)
        for flight, change in turned.settled
    ]


def outcome(flight: Flown, row: Row[Any], transport: Transport, job: SendJob, *, now: datetime) -> Change:
    """Translate a transport's answer into the message's next state, the reason, and what else changes.

    No wait reaches beyond the message's grace. A doubt that an earlier attempt has left stays, whatever this one was
    told, until an acceptance ends it.
    """
    attempts = row.attempts + 1
    in_doubt = row.sent_at is not None
    tried_at = flight.ready.sent_at
    values = FREE | {"receipt": row.receipt, "attempts": row.attempts, "attempt_at": row.attempt_at}

    def handed(sent_at: datetime | None) -> dict[str, Any]:
        return {"sent_at": sent_at, "first_sent_at": flight.since if sent_at else None}

    def final(state: MessageState, reason: str = "", *, receipt: str = "", sent: bool = True) -> Change:
        state = S.UNKNOWN if in_doubt and state == S.FAILED else state
        changed = {"receipt": _kept(receipt)} | handed(tried_at if sent else row.sent_at)
        return Change(id=row.id, to_state=state, reason=_kept(reason), values=values | changed)

    def again(
        reason: str, at: datetime, *, tries: int = row.attempts, sent_at: datetime | None = row.sent_at
    ) -> Change:
        at = min(at, max(now, row.due_at + job.rules.time.grace))
        changed = {"attempts": tries, "attempt_at": at} | handed(sent_at)
        return Change(id=row.id, to_state=S.SCHEDULED, reason=_kept(reason), values=values | changed)

    wait = backoff(attempts, message_id=row.id)
    match flight.answer:
        case Accepted(receipt):
            return final(S.ACCEPTED, receipt=receipt)
        case Rejected(reason):
            return final(S.FAILED, reason)
        case Unknown(reason, for_good=for_good):
            if not for_good and attempts < MAX_ATTEMPTS and may_ask_again(transport.name, flight.since, now):
                may_be_there = None if never_in_doubt(transport.name) else tried_at
                return again(reason, now + wait, tries=attempts, sent_at=may_be_there)
            return final(S.UNKNOWN, reason)
        case Throttled(until, pause):
            return again("throttled", max(until or now + (pause or wait), now + timedelta(seconds=1)))
        case Misconfigured():
            # Behind all that the run leaves due. Should it be one recipient after all, nobody waits for him for long.
            return again("misconfigured", now + timedelta(seconds=1))
        case Overslept():
            return again("lease-expired", now)
        case Unavailable(reason):
            if attempts >= MAX_ATTEMPTS:
                return final(S.FAILED, f"gave up after {attempts} tries: {reason}", sent=False)
            return again(reason, now + wait, tries=attempts)


def _kept(told: str) -> str:
    """What a provider told, as every database takes it: PostgreSQL refuses NUL, and with it the whole turn."""
    return "".join(character if character.isprintable() else " " for character in told[:200])


def may_ask_again(transport_name: str, since: datetime, now: datetime) -> bool:
    """Say whether handing over again a message that was first handed over at `since` has no second effect."""
    window = IDEMPOTENT_TRANSPORTS.get(transport_name)
    return window is not None and now - since < window


def never_in_doubt(transport_name: str) -> bool:
    """Say whether a message may be asked for again without end: nobody needs to know that it was asked before."""
    return IDEMPOTENT_TRANSPORTS.get(transport_name) == timedelta.max


def _gate(
    connection: Connection,
    job: SendJob,
    equipment: Equipment,
    ready: Sequence[Ready],
    turned: Turned,
    *,
    now: datetime,
    started_at: datetime,
) -> None:
    """Judge what is ready to leave, and carry out the verdicts."""
    if not ready:
        return
    by_id = {one.row.id: one for one in ready}
    rows = [one.row for one in ready]
    verdicts = gate.judge(
        connection, rows, rules=job.rules, hashing_key=equipment.hashing_key, now=now, run_started_at=started_at
    )
    sending: list[Change] = []
    for verdict in verdicts:
        one = by_id[verdict.message.id]
        if isinstance(verdict.decision, Send):
            verdict = _unless_asked_too_late(verdict, equipment.transport, now)  # noqa: PLW2901 - the last word on it
        if isinstance(verdict.decision, Send) and one.mail is not None:
            # It may have been rendered, or handed over, long before: gaps and caps count from when it leaves.
            values = {
                "sent_at": now,
                "first_sent_at": one.mail.date,
                "transport": equipment.transport.name,
                "delivers": equipment.transport.delivers,
                "coupon": verdict.coupon_code,
                "lease_until": now + job.rules.lease,
            }
            sending.append(Change(id=one.row.id, to_state=S.SENDING, values=values, facts=verdict.facts))
            turned.cleared.append(replace(one, sent_at=now))
        else:
            turned.turned_away.append((one, verdict))
    messages.move_each(connection, S.CLAIMED, sending, at=now)
    _turn_away(connection, job, [verdict for _, verdict in turned.turned_away], now=now)


def _unless_asked_too_late(verdict: Verdict, transport: Transport, now: datetime) -> Verdict:
    """A message whose earlier answer was lost goes out again only to the transport that can tell a repeat."""
    since, asked = verdict.message.first_sent_at, verdict.message.transport
    if since is None or (asked == transport.name and may_ask_again(asked, since, now)):
        return verdict
    return replace(verdict, decision=Skip("asked-too-late"))


def _turn_away(connection: Connection, job: SendJob, verdicts: Sequence[Verdict], *, now: datetime) -> None:
    """Carry out the gate's no. What may have been taken in an earlier attempt becomes unknown, not skipped."""
    later: list[Change] = []
    over: list[tuple[MessageState, str, Row[Any]]] = []
    stopped: dict[str, list[int]] = {}
    facts = {verdict.message.id: verdict.facts for verdict in verdicts}
    for verdict in verdicts:
        row = verdict.message
        match verdict.decision:
            case Later(until, reason):
                values = FREE | {"due_at": until, "attempt_at": until}
                later.append(Change(id=row.id, to_state=S.SCHEDULED, reason=reason, values=values, facts=verdict.facts))
            case Hold(reason):
                values = FREE | {"due_at": row.due_at, "attempt_at": brakes.HELD}
                later.append(Change(id=row.id, to_state=S.SCHEDULED, reason=reason, values=values, facts=verdict.facts))
            case Skip(reason):
                over.append((S.SKIPPED if row.sent_at is None else S.UNKNOWN, reason, row))
            case Cancel(reason):
                over.append((S.CANCELLED if row.sent_at is None else S.UNKNOWN, reason, row))
                stopped.setdefault(reason, []).append(row.enrollment_id)
    messages.move_each(connection, S.CLAIMED, later, at=now)
    key: Callable[[tuple[MessageState, str, Row[Any]]], tuple[str, str]] = lambda each: each[:2]  # noqa: E731
    for (state, reason), group in groupby(sorted(over, key=key), key):
        ids = [row.id for _, _, row in group]
        messages.move(connection, ids, S.CLAIMED, MessageState(state), at=now, reason=reason, facts=facts)
    for reason, enrollment_ids in stopped.items():
        enrollments.stop(connection, enrollment_ids, reason=reason, at=now)
    past_grace = {row.enrollment_id for _, reason, row in over if reason == PAST_GRACE}
    schedule_next(connection, [row.enrollment_id for _, _, row in over], job.rules, now=now, past_grace=past_grace)

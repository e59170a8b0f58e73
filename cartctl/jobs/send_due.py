"""Send what is due, chunk by chunk. The promise: a step is handed to the provider at most once.

    1. Reap:    leases that ran out. Claimed: back into the queue. Sending: nobody knows, so `unknown`
                (an idempotent transport may simply be asked again).
    2. Claim:   a chunk of due messages, one per contact, under a lease.
    3. Render:  outside any transaction. A template's fault stops that message alone, and costs no step.
    4. Gate:    one transaction, contacts locked in the order of their ids: everything that could forbid the mail is
                looked at again. What passes goes claimed -> sending; the commit comes before the first byte.
    5. Send:    in parallel, each with a timeout.
    6. Settle:  one transaction: the answer, by compare-and-set on the lease; and the next step.

Every step into a final state schedules the enrollment's next step in the same transaction (`schedule_next`).
"""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from cartctl.domain.decide import Cancel, Later, Send, Skip
from cartctl.domain.messages import MAX_ATTEMPTS, MessageState, backoff
from cartctl.errors import DatabaseBusyError, TemplateError
from cartctl.jobs import compose, gate
from cartctl.jobs.compose import Composer
from cartctl.jobs.gate import Verdict
from cartctl.jobs.rules import Clock, Rules
from cartctl.jobs.steps import drop_if_stopped, schedule_next
from cartctl.mail.message import (
    IDEMPOTENT_TRANSPORTS,
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Rejected,
    Throttled,
    Transport,
    Unavailable,
    Unknown,
)
from cartctl.store import enrollments, messages
from cartctl.store.database import Database
from cartctl.store.messages import Claim

S = MessageState
TEMPLATE_RETRY = timedelta(minutes=15)
SETTLE_TRIES = 5
"""Each waits for the database's busy time-out; together they fill a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What became of one claimed message, and why: for the log and the dry run."""

    message_id: int
    sequence: str
    step: str
    store: str
    cart: str
    to: str
    outcome: str
    """sent, failed, unknown, retried, deferred, skipped or cancelled."""
    why: str


@dataclass(slots=True)
class Sent:
    """The numbers of one run. `problems` name each message that needs a look, by id."""

    sent: int = 0
    deferred: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    unknown: int = 0
    retried: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What it takes to send: built once a run, and only if there is something to send."""

    transport: Transport
    composer: Composer
    executor: Executor
    hashing_key: bytes


@dataclass(frozen=True, kw_only=True)
class SendJob:
    """Everything one run of the sending loop works with."""

    database: Database
    rules: Rules
    clock: Clock
    equip: Callable[[Database], "Equipment"]
    """Called when there is something to send: most ticks need none of it."""
    concurrency: int
    limit: int | None = None
    on_note: Callable[[Note], None] = lambda _note: None


def run(job: SendJob, result: Sent) -> Sent:
    """Send what is due at the start of the run, adding to `result`."""
    started_at = job.clock()
    with job.database.read() as connection:
        if not messages.any_due(connection, due_by=started_at):
            return result
    equipment = job.equip(job.database)
    with equipment.executor:
        while job.limit is None or result.sent < job.limit:
            size = job.concurrency if job.limit is None else min(job.concurrency, job.limit - result.sent)
            if not _chunk(job, equipment, result, started_at=started_at, size=size):
                break
    return result


def reap(job: SendJob, result: Sent) -> None:
    """Take back what a dead process left: see the module's text, 1."""
    now = job.clock()
    with job.database.read() as connection:
        if not any(messages.expired_leases(connection, before=now).values()):
            return
    with job.database.write(carts="rely") as connection:
        expired = messages.expired_leases(connection, before=now)
        back = {"lease_token": None, "lease_until": None}
        claimed = [row.id for row in expired[S.CLAIMED]]
        messages.move(
            connection, claimed, S.CLAIMED, S.SCHEDULED, at=now, reason="lease-expired", expired_at=now, **back
        )
        again = [row.id for row in expired[S.SENDING] if row.transport in IDEMPOTENT_TRANSPORTS]
        values = back | {"sent_at": None}
        messages.move(
            connection, again, S.SENDING, S.SCHEDULED, at=now, reason="lease-expired", expired_at=now, **values
        )
        drop_if_stopped(connection, [row.enrollment_id for rows in expired.values() for row in rows], now=now)
        lost = {row.id: row.enrollment_id for row in expired[S.SENDING] if row.transport not in IDEMPOTENT_TRANSPORTS}
        moved = messages.move(
            connection, lost, S.SENDING, S.UNKNOWN, at=now, reason="died-sending", expired_at=now, **back
        )
        result.unknown += len(moved)
        result.problems += [f"message {id_} is unknown: the process died while sending it" for id_ in moved]
        schedule_next(connection, [lost[id_] for id_ in moved], job.rules, now=now)


def _chunk(job: SendJob, equipment: Equipment, result: Sent, *, started_at: datetime, size: int) -> bool:
    """Carry one chunk from claim to settlement; return False when nothing was left to claim."""
    now = job.clock()
    token = secrets.token_hex(8)
    with job.database.write() as connection:
        claim = messages.claim(
            connection, due_by=started_at, limit=size, token=token, lease_until=now + job.rules.lease, at=now
        )
        content = compose.load(connection, claim.rows)
    if not claim.rows:
        return False
    mails = _render(job, equipment.composer, result, claim, content, now)
    cleared, verdicts = _gate(job, equipment, result, claim, mails, started_at=started_at)
    answers = equipment.executor.map(lambda mail: _hand_over(equipment.transport, mail), cleared)
    settled = list(zip(cleared, answers, strict=True))
    _settle_patiently(job, result, claim, settled)
    answered = {mail.id: answer for mail, answer in settled}
    for verdict in verdicts:
        job.on_note(_note_of(verdict, content[verdict.message.id], answered.get(verdict.message.id)))
    for _, answer in settled:
        if isinstance(answer, Misconfigured):
            result.problems.append(f"{answer.reason}. The run stops here; nothing was lost: what is due stays due")
            return False
    return True


def _note_of(verdict: Verdict, content: compose.Content, answer: Answer | None) -> Note:
    match verdict.decision:
        case Later(until, reason):
            outcome, why = "deferred", f"{reason}, until {until:%Y-%m-%d %H:%M} UTC"
        case Skip(reason):
            outcome, why = "skipped", reason
        case Cancel(reason):
            outcome, why = "cancelled", reason
        case Send():
            outcome = _STATE_NAMES[type(answer)]
            why = f"due {verdict.message.due_at:%Y-%m-%d %H:%M} UTC, left {content.row.abandoned_at:%Y-%m-%d %H:%M} UTC"
    return Note(
        message_id=verdict.message.id,
        sequence=content.row.sequence,
        step=verdict.message.step,
        store=content.row.store,
        cart=content.row.external_id,
        to=content.row.email_normalised,
        outcome=outcome,
        why=why,
    )


_STATE_NAMES: dict[type, str] = {
    Accepted: "sent",
    Rejected: "failed",
    Unknown: "unknown",
    Throttled: "retried",
    Unavailable: "retried",
    Misconfigured: "retried",
    type(None): "retried",
}


def _hand_over(transport: Transport, mail: OutgoingMessage) -> Answer:
    """A transport does not raise. Should one, nobody knows what became of the mail; the others still settle."""
    try:
        return transport.send(mail)
    except Exception as error:  # noqa: BLE001 - see above
        return Unknown(f"{type(error).__name__} in the transport")


def _render(
    job: SendJob,
    composer: Composer,
    result: Sent,
    claim: Claim,
    content: dict[int, compose.Content],
    now: datetime,
) -> dict[int, OutgoingMessage]:
    """Render the claimed messages; one whose template is at fault goes back into the queue."""
    mails: dict[int, OutgoingMessage] = {}
    faulty: list[int] = []
    for row in claim.rows:
        about = content[row.id]
        sequence = job.rules.sequences.get(about.row.sequence)
        step = sequence.step(row.step) if sequence else None
        if sequence is None or step is None:
            continue  # the gate says what becomes of it
        try:
            mails[row.id] = composer.compose(row.id, sequence, step, about, now=now)
        except Exception as error:  # noqa: BLE001 - whatever one cart's data does to a template, the others go out
            what = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__} while rendering"
            faulty.append(row.id)
            result.failed += 1
            result.problems.append(f"message {row.id} ({sequence.name}/{step.key}) waits: {what}")
    if faulty:
        with job.database.write() as connection:
            values = {"attempt_at": now + TEMPLATE_RETRY, "lease_token": None, "lease_until": None}
            messages.move(
                connection, faulty, S.CLAIMED, S.SCHEDULED, at=now, reason="template", held_by=claim.token, **values
            )
    return mails


def _gate(
    job: SendJob,
    equipment: Equipment,
    result: Sent,
    claim: Claim,
    mails: dict[int, OutgoingMessage],
    *,
    started_at: datetime,
) -> tuple[list[OutgoingMessage], list[Verdict]]:
    """Decide on every claimed message; return the mails that may leave now, and all verdicts."""
    now = job.clock()
    cleared: list[OutgoingMessage] = []
    verdicts: list[Verdict] = []
    with job.database.write(carts="rely") as connection:
        for verdict in gate.judge(
            connection, claim, rules=job.rules, hashing_key=equipment.hashing_key, now=now, run_started_at=started_at
        ):
            verdicts.append(verdict)
            id_ = verdict.message.id
            if isinstance(verdict.decision, Send) and id_ in mails:
                moved = messages.move(
                    connection,
                    [id_],
                    S.CLAIMED,
                    S.SENDING,
                    at=now,
                    held_by=claim.token,
                    sent_at=now,
                    transport=equipment.transport.name,
                    delivers=equipment.transport.delivers,
                    coupon=verdict.coupon_code,
                    lease_until=now + job.rules.lease,
                )
                cleared += [mails[id_]] if moved else []
            else:
                _turn_away(connection, job, result, claim, verdict, now)
    return cleared, verdicts


def _turn_away(
    connection: Connection, job: SendJob, result: Sent, claim: Claim, verdict: Verdict, now: datetime
) -> None:
    """Carry out the gate's no."""
    row, decision, token = verdict.message, verdict.decision, claim.token
    if isinstance(decision, Later):
        values = {"due_at": decision.until, "attempt_at": decision.until, "lease_token": None, "lease_until": None}
        messages.move(
            connection, [row.id], S.CLAIMED, S.SCHEDULED, at=now, reason=decision.reason, held_by=token, **values
        )
        result.deferred[decision.reason] += 1
    elif isinstance(decision, Skip):
        messages.move(connection, [row.id], S.CLAIMED, S.SKIPPED, at=now, reason=decision.reason, held_by=token)
        result.skipped[decision.reason] += 1
        schedule_next(connection, [row.enrollment_id], job.rules, now=now)
    elif isinstance(decision, Cancel):
        enrollments.stop(connection, [row.enrollment_id], reason=decision.reason, at=now)
        result.cancelled[decision.reason] += 1


def _settle_patiently(
    job: SendJob, result: Sent, claim: Claim, settled: Sequence[tuple[OutgoingMessage, Answer]]
) -> None:
    """What the provider has answered must not be lost because somebody else holds the database for a while."""
    for _ in range(SETTLE_TRIES - 1):
        with suppress(DatabaseBusyError):
            return _settle(job, result, claim, settled)
    return _settle(job, result, claim, settled)


def _settle(job: SendJob, result: Sent, claim: Claim, settled: Sequence[tuple[OutgoingMessage, Answer]]) -> None:
    """Write the answers down. A lease that was lost meanwhile (this process slept) settles nothing."""
    if not settled:
        return
    now = job.clock()
    owners = {row.id: row for row in claim.rows}
    with job.database.write(carts="rely") as connection:
        for mail, answer in settled:
            row = owners[mail.id]
            state, reason, values = _outcome(answer, attempts=row.attempts + 1, now=now)
            if not messages.move(
                connection, [mail.id], S.SENDING, state, at=now, reason=reason, held_by=claim.token, **values
            ):
                result.problems.append(f"message {mail.id}: its lease ran out before the answer came; it is unknown")
                continue
            _tally(result, mail, state, reason)
            if state == S.SCHEDULED:
                drop_if_stopped(connection, [row.enrollment_id], now=now)
            else:
                schedule_next(connection, [row.enrollment_id], job.rules, now=now)


def _outcome(answer: Answer, *, attempts: int, now: datetime) -> tuple[MessageState, str, dict[str, Any]]:
    """Translate a transport's answer into the message's next state, the reason, and what else changes."""
    done: dict[str, Any] = {"lease_token": None, "lease_until": None}
    match answer:
        case Accepted(receipt):
            return S.ACCEPTED, "", done | {"receipt": receipt}
        case Rejected(reason):
            return S.FAILED, reason[:200], done
        case Unknown(reason):
            return S.UNKNOWN, reason[:200], done
        case Throttled(until, wait):
            again = max(until or now + (wait or backoff(attempts)), now + timedelta(seconds=1))
            return S.SCHEDULED, "throttled", done | {"sent_at": None, "attempt_at": again}
        case Misconfigured():
            return S.SCHEDULED, "misconfigured", done | {"sent_at": None, "attempt_at": now}
        case Unavailable(reason):
            if attempts >= MAX_ATTEMPTS:
                return S.FAILED, f"gave up after {attempts} tries: {reason}"[:200], done | {"sent_at": None}
            wait_until = now + backoff(attempts)
            return S.SCHEDULED, reason[:200], done | {"sent_at": None, "attempts": attempts, "attempt_at": wait_until}


def _tally(result: Sent, mail: OutgoingMessage, state: MessageState, reason: str) -> None:
    what = f"message {mail.id} ({mail.sequence}/{mail.step})"
    if state == S.ACCEPTED:
        result.sent += 1
    elif state == S.FAILED:
        result.failed += 1
        result.problems.append(f"{what} failed: {reason}")
    elif state == S.UNKNOWN:
        result.unknown += 1
        result.problems.append(f"{what} is unknown: {reason}; it is not sent again")
    else:
        result.retried += 1
        result.problems.append(f"{what} is tried again: {reason}")

"""What a turn of the sending loop did, in numbers and words: for the run's result, the log and the dry run."""

from datetime import datetime

from cartctl.domain.decide import PAST_GRACE, Cancel, Decision, Hold, Later, Skip
from cartctl.domain.messages import MessageState
from cartctl.jobs.sending import Flown, Note, Ready, SendJob, Sent
from cartctl.jobs.turn import Turned
from cartctl.mail.message import Throttled
from cartctl.store.messages import Change

S = MessageState
_OUTCOMES = {
    S.ACCEPTED: "sent",
    S.FAILED: "failed",
    S.UNKNOWN: "unknown",
    S.SCHEDULED: "retried",
    S.CANCELLED: "cancelled",
}


def tell(job: SendJob, result: Sent, turned: Turned) -> None:
    """Add a committed turn to the result, and call `on_note` for each message it dealt with."""
    for flight, change in turned.settled:
        _count(result, flight, change)
        row = flight.ready.row
        left = flight.ready.content.row.abandoned_at
        why = f"due {_time(row.due_at)}{f', left {_time(left)}' if left else ''}"
        if change.to_state == S.SCHEDULED:
            why = change.reason
        job.on_note(_note(flight.ready, _OUTCOMES[change.to_state], why))
    for flight, state in turned.lost:
        id_ = flight.ready.row.id
        late = f"message {id_}: its lease ran out before the answer came; it is {state}"
        result.problems.add(id_, "messages were answered after their lease", late)
    for ready, verdict in turned.turned_away:
        outcome, why = _turned_away(result, verdict.decision)
        if outcome in ("skipped", "cancelled") and ready.row.sent_at is not None:
            result.unknown += 1
            unknown = f"message {ready.row.id} is unknown: an earlier answer was lost ({why})"
            result.problems.add(ready.row.id, "messages are unknown: an earlier answer was lost", unknown)
        elif outcome:
            job.on_note(_note(ready, outcome, why))
            if why == PAST_GRACE:
                result.past_grace[f"{ready.content.row.sequence}/{ready.row.step}"] += 1
        if ready.content.used_up and why == "no-coupon":
            advice = "import more of them, or name one for all in [coupons]"
            result.problems.append(f'coupon "{ready.content.used_up}": every imported code is taken: {advice}')


def _turned_away(result: Sent, decision: Decision) -> tuple[str, str]:
    match decision:
        case Later(until, reason):
            result.deferred[reason] += 1
            return "deferred", f"{reason}, until {_time(until)}"
        case Hold(reason):
            result.deferred[reason] += 1
            return "deferred", reason
        case Skip(reason):
            result.skipped[reason] += 1
            return "skipped", reason
        case Cancel(reason):
            result.cancelled[reason] += 1
            return "cancelled", reason
    return "", ""


def _count(result: Sent, flight: Flown, change: Change) -> None:
    mail = flight.ready.mail
    assert mail is not None
    step = f"{mail.sequence}/{mail.step}"
    what = f"message {mail.id} ({step})"
    if change.to_state == S.ACCEPTED:
        result.sent += 1
        result.by_sequence[mail.sequence] += 1
    elif change.to_state == S.FAILED:
        result.failed += 1
        result.problems.add(mail.id, f"messages of {step} failed", f"{what} failed: {change.reason}")
    elif change.to_state == S.UNKNOWN:
        result.unknown += 1
        unknown = f"{what} is unknown: {change.reason}; it is not sent again"
        result.problems.add(mail.id, f"messages of {step} are unknown", unknown)
    elif change.to_state == S.CANCELLED:
        result.cancelled[change.reason] += 1
    else:
        result.retried += 1
        again = f"{what} is tried again: {change.reason}"
        if not isinstance(flight.answer, Throttled):  # the run says it once, for all of them
            result.problems.add(mail.id, f"messages of {step} are tried again", again)


def _note(ready: Ready, outcome: str, why: str) -> Note:
    about = ready.content.row
    return Note(
        message_id=ready.row.id,
        sequence=about.sequence,
        step=ready.row.step,
        store=about.store,
        cart=about.cart,
        to=about.email_normalised,
        outcome=outcome,
        why=why,
    )


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"

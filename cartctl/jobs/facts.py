"""What the gate knew of a message when it judged it: kept beside the verdict, so that `cartctl explain` can show it.

One line of JSON in `message_transitions.facts`, without addresses and names. Times are ISO 8601, durations seconds.
What is left out did not bear upon the verdict: no quiet hours are set, the step names no floor, nobody is suppressed.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from cartctl.domain.decide import Candidate, Decision, Later
from cartctl.jobs.rules import Rules

_encode = msgspec.json.Encoder().encode
_SECOND = timedelta(seconds=1)


def keep_facts(message: Candidate, decision: Decision, *, now: datetime, rules: Rules, is_test: bool) -> str:
    """Write down what `message` was judged by. Called for every verdict: it costs a few microseconds."""
    time, step = rules.time_for(is_test=is_test), message.step
    facts: dict[str, Any] = {
        "due": message.due_at,
        "left": message.counts_from,
        "consent": message.consent,
        "required": rules.consent_required,
        "grace": time.grace // _SECOND,
    }
    if message.cart_status is not None:
        facts["cart"] = message.cart_status
        facts["total"] = f"{message.cart_total} {message.currency}"
    if message.bought:
        facts["bought"] = True
    if message.booked:
        facts["booked"] = True
    if message.reached:
        facts["last"] = message.reached[-1]
    if time.cap:
        since = now - time.cap_window
        facts["reached"] = sum(at > since for at in message.reached)
        facts["cap"] = time.cap
    if step is not None:
        facts["after"] = step.after // _SECOND
        facts["gap"] = (time.min_gap if step.min_gap is None else step.min_gap) // _SECOND
        if step.min_total:
            floor = step.min_total.get(message.currency)
            facts["floor"] = None if floor is None else f"{floor} {message.currency}"
        if step.coupon is not None:
            facts["code"] = message.coupon_code is not None
            if message.had_coupon_at is not None:
                facts["shown"] = message.had_coupon_at
    if time.quiet_hours is not None:
        facts["quiet"] = str(time.quiet_hours)
        facts["zone"] = str(message.zone)
    if isinstance(decision, Later):
        facts["until"] = decision.until
    if message.held_by:
        facts["held"] = message.held_by
    if is_test:
        facts["test"] = True
    if message.is_stray_test:
        facts["stray"] = True
    if message.suppressed:
        facts["suppressed"] = True
    if not message.may_be_written_to:
        facts["relay"] = True
    return _encode(facts).decode()


def read_facts(text: str) -> dict[str, Any]:
    """Return what `keep_facts` wrote; {} where nothing was written."""
    return dict(msgspec.json.decode(text)) if text else {}

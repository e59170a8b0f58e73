"""What the gate asked at one decision, in words: each rule, what it looked at, and whether it let the message pass.

Read from the facts that were kept beside the verdict (`jobs.facts`), in the order in which `domain.decide` asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cartctl.domain.times import format_duration


@dataclass(frozen=True, slots=True)
class Asked:
    """One rule at one decision. `outcome`: passed, not asked, or what it made of the message."""

    rule: str
    inputs: str
    outcome: str


_DECIDES = {
    "no-test-recipient": "test",
    "purchased": "purchase",
    "booked": "booking",
    "suppressed": "suppression",
    "relay-address": "relay address",
    "consent-refused": "consent",
    "no-opt-in": "consent",
    "expired": "cart",
    "reactivated": "cart",
    "step-removed": "step",
    "no-coupon": "coupon",
    "coupon-cooldown": "coupon",
    "min-total": "min_total",
    "not-due": "due",
    "gap": "gap",
    "cap": "cap",
    "quiet-hours": "quiet hours",
    "past-grace": "grace",
    "one-per-run": "one a run",
}
"""Which rule a reason comes from. A reason of another kind comes from outside: the sequence had been stopped before."""


def asked(facts: Mapping[str, Any], reason: str, outcome: str, *, at: datetime) -> Iterator[Asked]:
    """Yield the rules of one decision at `at`; `outcome` and `reason` are its own ("" where it was sent)."""
    decider = "brake" if reason.startswith("held-") else _DECIDES.get(reason, reason)
    decided = False
    for rule, inputs in _rules(facts, at):
        if rule == decider:
            decided = True
            yield Asked(rule, inputs, outcome)
        else:
            yield Asked(rule, inputs, "not asked" if decided else "passed")
    if decider and not decided:
        yield Asked(decider, "", outcome)


def _rules(facts: Mapping[str, Any], at: datetime) -> Iterator[tuple[str, str]]:
    if facts.get("test"):
        stray = "the address is none of test_recipients"
        yield "test", stray if facts.get("stray") else "as fast as time_scale says, no cap and no quiet hours"
    of_cart = "cart" in facts
    if of_cart:
        yield "purchase", f"cart {facts['cart']}"
    elif facts.get("bought"):
        yield "purchase", "an order since the enrollment"
    if facts.get("booked"):
        yield "booking", "they have booked"
    yield "suppression", "suppressed" if facts.get("suppressed") else "none"
    if facts.get("relay"):
        yield "relay address", "the configuration does not allow it"
    yield "consent", f"{facts['consent']}, required: {facts['required']}"
    if of_cart:
        yield "cart", f"left {_time(facts['left'])}, {facts['total']}" if facts["left"] else "touched again"
    if "after" not in facts:
        yield "step", "no longer in the sequence"
        return
    if "shown" in facts:
        yield "coupon", f"left out: had one on {_time(facts['shown'])}"
    elif "code" in facts:
        yield "coupon", "a code" if facts["code"] else "no code left"
    if "floor" in facts:
        yield "min_total", f"{facts['total']}, from {facts['floor'] or 'no amount in this currency'}"
    since = "it was left" if of_cart else "the enrollment"
    yield "due", f"{_time(facts['due'])}, {_duration(facts['after'])} after {since} at the earliest"
    last = f"last mail {_time(facts['last'])}" if "last" in facts else "no mail yet"
    yield "gap", f"{last}, {_duration(facts['gap'])} between two"
    if "cap" in facts:
        yield "cap", f"{facts['reached']} mails of {facts['cap']}"
    if "quiet" in facts:
        yield "quiet hours", f"{facts['quiet']} {facts['zone']}"
    yield "grace", f"{_duration(facts['grace'])} from when it was due; now {at:%Y-%m-%d %H:%M} UTC"
    if "held" in facts:
        yield "brake", f"held by {facts['held']}"


def _duration(seconds: int) -> str:
    return format_duration(timedelta(seconds=seconds))


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"

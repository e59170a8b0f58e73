"""Every message to come if nothing else happens: a simulation from now on, and what could still stop each message."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from cartctl.domain.brakes import Brake, Scope
from cartctl.domain.sequences import BOOKED, ENROLLED, PURCHASED, UNSUBSCRIBED, Step
from cartctl.domain.times import format_duration
from cartctl.jobs import brakes
from cartctl.jobs.rules import Rules
from cartctl.jobs.simulate import Simulated
from cartctl.store import message_list

EVERY = timedelta(minutes=5)
"""How often the plan supposes that `run-due` runs."""
_OUTCOMES = {"accepted": "sent", "skipped": "skipped", "cancelled": "cancelled"}
_OF_A_CART = ("purchase", "refusal", "activity in the cart", "a newer cart")
_OF_A_CONTACT = {PURCHASED: "purchase", BOOKED: "booking", UNSUBSCRIBED: "refusal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """One message to come. `outcome`: sent, skipped, cancelled, or held: due, and kept back by a brake or a run."""

    at: datetime
    sequence: str
    step: str
    store: str
    cart: str
    email: str
    due_at: datetime
    outcome: str
    reason: str = ""
    held_by: Brake | None = None
    own: tuple[str, ...] = ()
    """What would keep it from being sent, beside what stops every message: see `always`."""


def first_tick(now: datetime) -> datetime:
    """Return the next whole five minutes: cron's next tick."""
    return now + (datetime.min.replace(tzinfo=now.tzinfo) - now) % EVERY


def messages_to_come(simulated: Simulated, rules: Rules, *, until: datetime) -> Iterator[Coming]:
    """Yield what the simulation sent, skipped or cancelled, in the order of time; then what it could not send."""
    for row in simulated.ended():
        yield _coming(row, rules, at=row.at, outcome=_OUTCOMES[row.outcome], reason=row.why)
    with simulated.database.read() as connection:
        holding = brakes.holding(connection, rules)
        for row in message_list.not_ended(connection, by=until):
            at = min(row.attempt_at, max(row.due_at, simulated.since))
            held_by = _held_by(row, holding)
            yield _coming(row, rules, at=at, outcome="held", reason=row.reason, held_by=held_by)


def _held_by(row: Row[Any], holding: Iterable[tuple[Brake, Scope]]) -> Brake | None:
    place = (row.store, row.channel)
    mail = {"sequence": row.sequence, "place": place, "is_test": row.is_test, "email": row.email_normalised}
    return next((brake for brake, scope in holding if scope.covers(**mail)), None)


def _coming(
    row: Row[Any], rules: Rules, *, at: datetime, outcome: str, reason: str, held_by: Brake | None = None
) -> Coming:
    step = rules.step(row.sequence, row.step)
    return Coming(
        at=at,
        sequence=row.sequence,
        step=row.step,
        store=row.store,
        cart=row.cart,
        email=row.email_normalised,
        due_at=row.due_at,
        outcome=outcome,
        reason="" if outcome == "sent" else reason,
        held_by=held_by,
        own=_own(step, rules) if step is not None and outcome in ("sent", "held") else (),
    )


def always(rules: Rules, sequence: str) -> tuple[str, ...]:
    """Name what would stop any message of a sequence."""
    mine = rules.sequences.get(sequence)
    own: tuple[str, ...] = _OF_A_CART
    if mine and mine.trigger == ENROLLED:
        own = tuple(words for stop, words in _OF_A_CONTACT.items() if stop in mine.stop_when)
    return (*own, "a pause or another brake", f"no run for {format_duration(rules.time.grace)}")


def _own(step: Step, rules: Rules) -> tuple[str, ...]:
    found: list[str] = []
    if step.coupon is not None and rules.coupon_code(step.coupon) is None:
        found.append(f"no code of {step.coupon} is left")
    if step.min_total:
        floors = " or ".join(f"{amount} {currency}" for currency, amount in sorted(step.min_total.items()))
        found.append(f"the cart is below {floors}")
    return tuple(found)

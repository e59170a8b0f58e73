"""When a step is due, and what becomes of a message at the gate: the last look before it is handed over.

The gate asks, in this order:
    1. Must the sequence stop for this shopper?   bought, booked, suppressed, consent, cart touched again  -> Cancel
    2. Does the step apply to this cart?          step still there, coupon, min_total              -> Skip
    3. Is it too early?                           gap, cap, quiet hours, one per contact and run   -> Later
    4. Is it too late?                            past grace                                       -> Skip
    5. Does a brake hold it?                      see domain/brakes.py                             -> Hold
    else                                                                                           -> Send
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from cartctl.domain.carts import CartStatus, Consent
from cartctl.domain.sequences import Step
from cartctl.domain.times import QuietHours, require_aware

PAST_GRACE = "past-grace"
_LEAST_TEST_GRACE = timedelta(minutes=10)
"""A grace shorter than the time between two runs would let no test be sent at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRules:
    """The rules of time that hold across all sequences."""

    min_gap: timedelta
    grace: timedelta
    cap: int
    """At most so many messages per contact within `cap_window`; 0: no cap."""
    cap_window: timedelta
    quiet_hours: QuietHours | None = None

    def faster(self, times: float) -> "TimeRules":
        """Return the rules for tests: so many times as fast, without cap and quiet hours."""
        grace = max(self.grace / times, min(self.grace, _LEAST_TEST_GRACE))
        return replace(self, min_gap=self.min_gap / times, grace=grace, cap=0, quiet_hours=None)


@dataclass(frozen=True, slots=True)
class Due:
    """When a step is due, and the rule that moved it there ("" when none did)."""

    at: datetime
    moved_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Everything the gate knows of one claimed message."""

    step: Step | None
    """None: no longer in the sequence."""
    due_at: datetime
    counts_from: datetime | None
    """When the cart was left, or the contact's sequence began. None: the cart was touched again."""
    enrolled_at: datetime
    reached: tuple[datetime, ...]
    """When this contact's latest messages were handed over, oldest first, at least the last `cap` of them."""
    zone: tzinfo
    cart_status: CartStatus | None
    """None: it is about no cart, but the contact alone."""
    bought: bool = False
    """Of a contact without a cart: an order since they were enrolled, where the sequence stops by it."""
    booked: bool = False
    """They have booked, and the sequence stops by it."""
    cart_total: Decimal
    currency: str
    suppressed: bool
    may_be_written_to: bool = True
    """Not so with a relay address that the configuration does not allow."""
    consent: Consent
    coupon_code: str | None
    had_coupon_at: datetime | None = None
    """This person was shown a code then, so lately that there is none this time."""
    is_stray_test: bool = False
    """A contact's test, and the configuration no longer names their address as one that tests may go to."""
    held_by: str = ""
    """The brake that holds it; "" for none."""


@dataclass(frozen=True, slots=True)
class Send:
    """Hand it over now."""


@dataclass(frozen=True, slots=True)
class Later:
    """Too early: due again at `until`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A brake holds it: it stays due as it is, until the brake lets go."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """This step is not sent; the sequence goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """This step is not sent; the sequence stops here."""

    reason: str


Decision = Send | Later | Hold | Skip | Cancel


def due(
    step: Step,
    *,
    counts_from: datetime,
    enrolled_at: datetime,
    reached: tuple[datetime, ...],
    rules: TimeRules,
    zone: tzinfo,
) -> Due:
    """Say when the step is due: counted from when the cart was left, or the contact's sequence began; never bunched.

    `reached` is oldest first. A late discovery or a cron that slept shifts the sequence. What a run did is dated to
    the whole minute: a gap of 12 h is over at the same tick half a day later, not one tick after it.
    """
    moves = [Due(max(counts_from + step.after, _minute(enrolled_at)))]
    if reached:
        gap = rules.min_gap if step.min_gap is None else step.min_gap
        moves.append(Due(_minute(reached[-1]) + gap, "gap"))
    if rules.cap and len(reached) >= rules.cap:
        moves.append(Due(_minute(reached[-rules.cap]) + rules.cap_window, "cap"))
    latest = max(moves, key=lambda move: move.at)  # the first of equals: no rule is named that moved nothing
    return _outside_quiet_hours(latest, rules, zone)


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _outside_quiet_hours(moved: Due, rules: TimeRules, zone: tzinfo) -> Due:
    if rules.quiet_hours is None:
        return moved
    opens = rules.quiet_hours.next_open(moved.at, zone)
    return Due(opens, "quiet-hours") if opens > moved.at else moved


def decide(
    message: Candidate,
    *,
    now: datetime,
    run_started_at: datetime,
    rules: TimeRules,
    consent_required: str,
) -> Decision:
    """Say what becomes of the message at `now` (aware UTC). `consent_required`: none, not-refused or opt-in."""
    require_aware(now)
    if reason := _must_stop(message, consent_required):
        return Cancel(reason)
    step = message.step
    assert message.counts_from is not None  # _must_stop: the cart is abandoned
    if step is None:
        return Skip("step-removed")
    if reason := _does_not_apply(message, step):
        return Skip(reason)
    moved = due(
        step,
        counts_from=message.counts_from,
        enrolled_at=message.enrolled_at,
        reached=message.reached,
        rules=rules,
        zone=message.zone,
    )
    effective = moved if moved.at > message.due_at else Due(message.due_at)
    if effective.at > now:
        return Later(effective.at, effective.moved_by or "not-due")
    if now > effective.at + rules.grace:
        return Skip(PAST_GRACE)
    opens = _outside_quiet_hours(Due(now), rules, message.zone)
    if opens.at > now:
        return Later(opens.at, opens.moved_by)
    if message.held_by:
        return Hold(f"held-{message.held_by}")
    if message.reached and message.reached[-1] >= run_started_at:
        return Later(now + timedelta(seconds=1), "one-per-run")
    return Send()


def _must_stop(message: Candidate, consent_required: str) -> str:
    if message.is_stray_test:
        return "no-test-recipient"
    if message.cart_status in (CartStatus.RECOVERED, CartStatus.CONVERTED) or message.bought:
        return "purchased"
    if message.booked:
        return "booked"
    if message.suppressed:
        return "suppressed"
    if not message.may_be_written_to:
        return "relay-address"
    if reason := refused(message.consent, consent_required):
        return reason
    if message.cart_status == CartStatus.EXPIRED:
        return "expired"
    if message.cart_status not in (CartStatus.ABANDONED, None) or message.counts_from is None:
        return "reactivated"
    return ""


def refused(consent: Consent, consent_required: str) -> str:
    """Say why what is known of their will forbids to write to somebody; "": it does not."""
    if consent == Consent.REFUSED and consent_required != "none":
        return "consent-refused"
    if consent != Consent.GRANTED and consent_required == "opt-in":
        return "no-opt-in"
    return ""


def _does_not_apply(message: Candidate, step: Step) -> str:
    if step.coupon is not None and message.coupon_code is None:
        if message.had_coupon_at is None:
            return "no-coupon"
        if step.on_cooldown == "skip":
            return "coupon-cooldown"
    if step.min_total:
        floor = step.min_total.get(message.currency)
        if floor is None or message.cart_total < floor:
            return "min-total"
    return ""

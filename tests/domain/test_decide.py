"""When a step is due, and what the gate says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.carts import CartStatus, Consent
from cartctl.domain.decide import Cancel, Candidate, Decision, Later, Send, Skip, TimeRules, decide, due
from cartctl.domain.sequences import Step
from cartctl.domain.times import QuietHours
from tests.shop import T0, at

H = timedelta(hours=1)
RULES = TimeRules(min_gap=12 * H, grace=24 * H, cap=5, cap_window=timedelta(days=7))
STEP = Step(key="urgency", after=24 * H, subject="Hello")


def candidate(**changes: object) -> Candidate:
    """Say what the gate knows of a message that may go: due at 24 h, the reminder sent at 30 min."""
    base = Candidate(
        step=STEP,
        due_at=at("24h"),
        counts_from=T0,
        enrolled_at=at("30m"),
        reached=(at("30m"),),
        zone=UTC,
        cart_status=CartStatus.ABANDONED,
        cart_total=Decimal("49.90"),
        currency="EUR",
        suppressed=False,
        consent=Consent.UNKNOWN,
        coupon_code=None,
    )
    return replace(base, **changes)  # type: ignore[arg-type] # a builder: the names are the candidate's own


def gate(message: Candidate, when: str = "24h", *, rules: TimeRules = RULES, consent: str = "not-refused") -> Decision:
    return decide(message, now=at(when), run_started_at=at(when), rules=rules, consent_required=consent)


def test_a_message_that_nothing_forbids_is_sent() -> None:
    assert gate(candidate()) == Send()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cart_status": CartStatus.RECOVERED}, "purchased"),
        ({"cart_status": CartStatus.CONVERTED}, "purchased"),
        ({"suppressed": True}, "suppressed"),
        ({"consent": Consent.REFUSED}, "consent-refused"),
        ({"cart_status": CartStatus.ACTIVE, "counts_from": None}, "reactivated"),
        ({"cart_status": None, "bought": True}, "purchased"),
        ({"cart_status": None, "booked": True}, "booked"),
        ({"cart_status": CartStatus.EXPIRED}, "expired"),
        ({"cart_status": CartStatus.RECOVERED, "suppressed": True, "step": None}, "purchased"),
    ],
)
def test_what_must_stop_the_sequence_comes_first(changes: dict[str, object], reason: str) -> None:
    assert gate(candidate(**changes), when="100h") == Cancel(reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"step": None}, "step-removed"),
        ({"step": replace(STEP, coupon="recovery10")}, "no-coupon"),
        ({"step": replace(STEP, min_total={"EUR": Decimal(50)})}, "min-total"),
        ({"step": replace(STEP, min_total={"USD": Decimal(1)})}, "min-total"),
    ],
)
def test_a_step_that_does_not_apply_is_skipped(changes: dict[str, object], reason: str) -> None:
    assert gate(candidate(**changes)) == Skip(reason)


def test_grace_runs_from_the_moved_due() -> None:
    assert gate(candidate(due_at=at("30h")), when="54h") == Send()
    assert gate(candidate(due_at=at("30h")), when="54h1s") == Skip("past-grace")


def test_mail_from_another_sequence_moves_a_message() -> None:
    assert gate(candidate(reached=(at("20h"),))) == Later(at("32h"), "gap")


def test_a_full_week_moves_a_message() -> None:
    sent = tuple(at(f"{hours}h") for hours in (1, 2, 3, 4, 5))
    assert gate(candidate(reached=sent)) == Later(at("169h"), "cap")


def test_now_in_quiet_hours_waits_even_if_the_due_was_not() -> None:
    rules = replace(RULES, quiet_hours=QuietHours.parse("10:30-11:30"))
    assert gate(candidate(), when="24h45m", rules=rules) == Later(at("25h30m"), "quiet-hours")


def test_one_message_per_contact_and_run_even_without_a_gap() -> None:
    rules = replace(RULES, min_gap=timedelta(0))
    decision = gate(candidate(reached=(at("24h"),)), rules=rules)
    assert decision == Later(at("24h1s"), "one-per-run")


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        decide(candidate(), now=datetime(2026, 3, 3), run_started_at=T0, rules=RULES, consent_required="none")


OFFSETS = st.integers(0, 30 * 24 * 60).map(lambda minutes: T0 + timedelta(minutes=minutes))


@given(
    abandoned=OFFSETS,
    enrolled=OFFSETS,
    reached=st.lists(OFFSETS, max_size=8).map(lambda times: tuple(sorted(times))),
    quiet=st.sampled_from([None, QuietHours.parse("22:00-08:00"), QuietHours.parse("00:30-03:15")]),
    zone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Pacific/Auckland"]),
)
def test_due_keeps_every_rule_of_time(
    abandoned: datetime, enrolled: datetime, reached: tuple[datetime, ...], quiet: QuietHours | None, zone: str
) -> None:
    rules = replace(RULES, quiet_hours=quiet)
    where = ZoneInfo(zone)
    when = due(STEP, counts_from=abandoned, enrolled_at=enrolled, reached=reached, rules=rules, zone=where).at
    assert when >= abandoned + STEP.after
    assert when >= enrolled
    if reached:
        assert when - reached[-1] >= rules.min_gap
    if len(reached) >= rules.cap:
        assert when - reached[-rules.cap] >= rules.cap_window
    assert quiet is None or not quiet.holds(when, where)

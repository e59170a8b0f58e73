"""A shop in which anything may happen in any order: Hypothesis makes up the days. See `tests.jobs.shopping`.

Carts, orders, refusals, providers that fail in every way, runs that die or meet. Hypothesis leaves out some rules in
each example: so there is mail from the beginning, and whatever happens, a run mostly follows.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from cartctl.domain.times import QuietHours
from tests.jobs.engine import RULES
from tests.jobs.shopping import NOTHING, SHOPPERS, Shopping, Then
from tests.jobs.world import STARTS, Empty, offsets, on_postgresql, on_sqlite

ANSWERS = ("accept", "accept and lose", "accept, tell and lose", "lose", "refuse", "throttle", "unreachable")
POINTS = ("after-claim", "after-render", "in-turn", "after-gate", "after-answer", "before-settle", "after-settle")
SETTINGS = settings(
    phases=set(Phase) - {Phase.shrink},  # a failure is found in seconds; put it back to see the shortest, in minutes
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
LEAST = {
    "taken": 300,
    "scheduled cap": 100,
    "scheduled quiet-hours": 80,
    "clocks were set": 25,
    "ran within a run": 10,
    "acted within a run": 5,
    "slept past the lease": 8,
    "died after-answer": 10,
    "unknown died-sending": 10,
    "handed over again": 10,
    "purchases that called mail back": 5,
    "resolved": 3,
}
"""What must really have happened, and how often in a hundred examples: some fifth of what is usual."""
PLAN = st.lists(st.sampled_from(ANSWERS), max_size=4)
LATER = st.sampled_from([0, 0, 1, 31, 90, 700, 1441])
WITHIN = [(what, when) for when in ("rendering", "sending") for what in ("buy", "unsubscribe", "come back", "sleep")]
BESIDES = st.just(NOTHING) | st.sampled_from([*WITHIN, *[("run", "sending")] * 2, *[("die", "after-answer")] * 2])
THEN = st.none() | st.tuples(LATER, PLAN, BESIDES)
"""What follows most of what happens."""


class Days(Shopping):
    """What may happen."""

    @initialize(
        start=st.sampled_from(list(STARTS)),
        quiet=st.sampled_from(["22:00-08:00", "01:30-03:15", ""]),
        hour=st.sampled_from([0, 4, 8, 11, 14, 18, 21]),
        provider=st.sampled_from(["sendgrid", "resend"]),
    )
    def begin(self, start: str, hour: int, quiet: str, provider: str) -> None:
        """Everybody has left a cart. Resend can tell a repeat, and is asked again; SendGrid tells of its mails."""
        self.engine.provider.name = provider
        self.minute = (STARTS[start] * 24 + hour) * 60
        self.time = replace(RULES.time, cap=2, quiet_hours=QuietHours.parse(quiet) if quiet else None)
        self.engine.rules = replace(RULES, time=self.time)
        self.offsets = offsets(self.now)
        self._leave_carts(*range(SHOPPERS))

    # What shoppers do

    @rule(shopper=st.integers(0, SHOPPERS - 1), ago=st.sampled_from([0, 5, 40, 600, 2400, 5000]), then=THEN)
    def fill_a_cart(self, shopper: int, ago: int, then: Then) -> None:
        """One more; the export may come late."""
        self._touch(f"c-{len(self.carts)}", shopper, max(0, self.minute - ago))
        self._go_on(then)

    @rule(number=st.integers(0, 30), then=THEN)
    def come_back(self, number: int, then: Then) -> None:
        name = self._some_cart(number)
        self._touch(name, self.carts[name].shopper, self.minute)
        self._go_on(then)

    @rule(number=st.integers(0, 30), late=st.booleans(), then=THEN)
    def buy(self, number: int, late: bool, then: Then) -> None:
        self._buy(self._some_cart(number), late=late)
        self._go_on(then)

    @precondition(lambda self: len(self.refused) < SHOPPERS - 2)
    @rule(shopper=st.integers(0, SHOPPERS - 1), then=THEN)
    def unsubscribe(self, shopper: int, then: Then) -> None:
        self._unsubscribe(shopper)
        self._go_on(then)

    # What the shop does

    @rule(keep=st.sampled_from([("reminder", "urgency", "offer"), ("reminder", "offer"), ("urgency",)]), then=THEN)
    def edit_the_sequence(self, keep: tuple[str, ...], then: Then) -> None:
        sequence = RULES.sequences["cart-recovery"]
        edited = replace(sequence, steps=tuple(step for step in sequence.steps if step.key in keep))
        self.engine.rules = replace(self.engine.rules, sequences={"cart-recovery": edited})
        self._go_on(then)

    @rule(
        minutes=st.sampled_from([0, 1, 5, 29, 30, 61, 360, 719, 1440, 1441, 2880]),
        plan=PLAN,
        concurrency=st.integers(1, 4),
    )
    def run(self, minutes: int, plan: list[str], concurrency: int) -> None:
        self.minute += minutes
        self._run(plan, concurrency)

    @rule(plan=PLAN, besides=BESIDES)
    def run_when_something_is_due(self, plan: list[str], besides: tuple[str, str]) -> None:
        self._go_on((0, plan, besides))

    @precondition(lambda self: self.time.quiet_hours)
    @rule(minutes=st.sampled_from([0, 1, 44, 104]))
    def run_in_the_night(self, minutes: int) -> None:
        """A message is due by day, and the next run comes when it is night where the shopper lives."""
        shopper = self._wait_until_something_is_due()
        while not self._is_quiet(shopper):
            self.minute += 1
        self.minute += minutes
        self._run([], 4)

    @rule(late=st.sampled_from([0, 31]), plan=PLAN)
    def two_runs_interleaved(self, late: int, plan: list[str]) -> None:
        self._go_on((late, plan, ("run", "sending")))

    @rule(
        point=st.sampled_from((*POINTS, "after-answer", "after-answer")),
        nth=st.sampled_from([1, 1, 2]),
        late=st.sampled_from([0, 31, 720]),
        plan=PLAN,
        then=st.sampled_from([6, 6, 70, 0]),
    )
    def die(self, point: str, nth: int, late: int, plan: list[str], then: int) -> None:
        """And the next run comes when the lease has run out, or at once."""
        self._wait_until_something_is_due()
        self.minute += late
        self._die(point, nth, plan, then)

    @rule(
        late=st.sampled_from([0, 31]),
        where=st.sampled_from(["rendering", "rendering", "sending"]),
        point=st.sampled_from(["after-claim", "after-render", "after-gate", ""]),
    )
    def sleep_past_the_lease(self, late: int, where: str, point: str) -> None:
        """A run falls asleep; the next one begins, and is at `point` (or done) when the first one wakes."""
        self._wait_until_something_is_due()
        self.minute += late
        self.nap = (where, point)
        self._run([], 2)
        self._calm()

    @rule(plan=st.sampled_from([["lose"], ["accept and lose"], []]), which=st.sampled_from([0, 0, 1, 2]), then=THEN)
    def resolve_an_unknown(self, plan: list[str], which: int, then: Then) -> None:
        """A message just sent, or another."""
        if plan:
            self._go_on((0, plan, NOTHING))
            self.every_transition_is_legal()
        if self.unknown:
            self._resolve(self.unknown[-1 - which % len(self.unknown)])
        self._go_on(then)

    # What the provider does

    @precondition(lambda self: self.taken)
    @rule(number=st.integers(0, 30), then=THEN)
    def an_event_arrives(self, number: int, then: Then) -> None:
        id_ = self.taken[number % len(self.taken)]
        shopper = next(shopper for each, shopper, _ in self.reached if each == id_)
        self._tell_of(id_, f"shopper{shopper}@example.com")
        self._go_on(then)


def go(empty: Empty, *, examples: int) -> None:
    class Here(Days):
        pass

    Here.empty, Here.did = staticmethod(empty), Counter()
    run_state_machine_as_test(Here, settings=settings(SETTINGS, max_examples=examples))
    assert {what: Here.did[what] for what, least in LEAST.items() if Here.did[what] * 100 < least * examples} == {}, (
        Here.did
    )


@pytest.mark.parametrize("examples", [30, pytest.param(1000, marks=pytest.mark.soak)])
def test_on_sqlite(sqlite_template: Path, tmp_path: Path, examples: int) -> None:
    go(on_sqlite(sqlite_template, tmp_path), examples=examples)


@pytest.mark.parametrize("examples", [12, pytest.param(300, marks=pytest.mark.soak)])
def test_on_postgresql(postgres_url: str, tmp_path: Path, examples: int) -> None:
    go(on_postgresql(postgres_url, tmp_path), examples=examples)

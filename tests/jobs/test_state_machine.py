"""A shop in which anything may happen in any order, and what must hold whatever does.

Hypothesis makes up the days: carts, orders, refusals, providers that fail in every way, runs that die or meet. The
model beside the engine keeps only what the outside world knows: what the provider was handed, and what it took.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from cartctl.domain.decide import TimeRules
from cartctl.domain.messages import OPEN, TRANSITIONS, MessageState
from cartctl.domain.times import QuietHours, zone_named
from cartctl.jobs import resolve
from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Rejected, Throttled, Unavailable, Unknown
from cartctl.store import contacts
from cartctl.store.tables import carts, enrollments, message_transitions, messages
from cartctl.store.tables import contacts as contacts_table
from tests.jobs.engine import HASHING_KEY, RULES, Engine, Killed, Provider
from tests.jobs.world import STARTS, ZONES, Empty, Filled, Inline, import_event, on_postgresql, on_sqlite
from tests.shop import T0, at, cart, order

S = MessageState
ANSWERS = ("accept", "accept and lose", "accept, tell and lose", "lose", "refuse", "throttle", "unreachable")
POINTS = ("after-claim", "after-render", "in-turn", "after-gate", "after-answer", "before-settle", "after-settle")
SETTINGS = settings(
    phases=set(Phase) - {Phase.shrink},  # a failure is found in seconds; put it back to see the shortest, in minutes
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


class Shopping(RuleBasedStateMachine):
    """The engine, and the world around it. `minute` is the time, in minutes after T0."""

    empty: Empty

    def __init__(self) -> None:
        super().__init__()
        self.opened = self.empty()
        self.database, folder = self.opened.__enter__()
        self.engine = Engine(self.database, folder, Provider(self.answer))
        self.engine.executor = Inline
        self.engine.while_rendering = lambda: self._sleep("rendering")
        self.minute = 0
        self.time: TimeRules = RULES.time
        self.carts: dict[str, Filled] = {}
        self.refused: set[int] = set()
        self.taken: list[int] = []
        self.reached: list[tuple[int, int, datetime]] = []
        """(message, shopper, time) of everything that may be in a mailbox."""
        self.plan: list[str] = []
        self.inner = False
        self.nap = ("", "")
        """Where the run will fall asleep, and at which point the next one will be when it wakes."""
        self.others: set[int] = set()
        """Messages on which another run, still under way, has its lease."""
        self.wrong: list[AssertionError] = []
        self.told: set[int] = set()
        """Messages of which the provider has sent an event."""

    def teardown(self) -> None:
        """Draining leaves nothing in hand."""
        self.plan, self.inner, self.nap = [], False, ("", "")
        for minutes in (6, 70, 70):
            self.minute += minutes
            self.engine.run(self.now)
        with self.database.read() as connection:
            states = set(connection.execute(select(messages.c.state)).scalars())
        assert not states & {S.CLAIMED, S.SENDING}
        self.opened.__exit__(None, None, None)

    @property
    def now(self) -> str:
        return f"{self.minute}m"

    @initialize(
        start=st.sampled_from(list(STARTS)),
        quiet=st.sampled_from(["22:00-08:00", "01:30-03:15", ""]),
        provider=st.sampled_from(["sendgrid", "resend"]),
    )
    def begin(self, start: str, quiet: str, provider: str) -> None:
        """Resend can tell a repeat, and is asked again; SendGrid tells of its mails in events."""
        self.engine.provider.name = provider
        self.minute = STARTS[start] * 24 * 60
        self.time = replace(RULES.time, cap=3, quiet_hours=QuietHours.parse(quiet) if quiet else None)
        self.engine.rules = replace(RULES, time=self.time)

    # What shoppers do

    @rule(shopper=st.integers(0, 2), ago=st.sampled_from([0, 5, 40, 600, 2400, 5000]))
    def fill_a_cart(self, shopper: int, ago: int) -> None:
        """A first cart, or one more; the export may come late."""
        self._touch(f"c-{len(self.carts)}", shopper, max(0, self.minute - ago))

    @precondition(lambda self: self.carts)
    @rule(number=st.integers(0, 30))
    def come_back(self, number: int) -> None:
        name = self._some_cart(number)
        self._touch(name, self.carts[name].shopper, self.minute)

    def _touch(self, name: str, shopper: int, seen: int) -> None:
        known = self.carts.get(name)
        bought = known.bought_at if known and known.bought_at is not None and seen - known.bought_at <= 60 else None
        self.carts[name] = Filled(shopper, max(seen, known.seen if known else 0), bought)
        email, zone = f"shopper{shopper}@example.com", ZONES[shopper]
        self.engine.carts(cart(name, seen=f"{seen}m", email=email, timezone=zone, product_name=name), when=self.now)

    @precondition(lambda self: self.carts)
    @rule(number=st.integers(0, 30), late=st.booleans())
    def buy(self, number: int, late: bool) -> None:
        """The order names the cart. A late one was placed a while ago, and after the cart was last touched."""
        name = self._some_cart(number)
        filled = self.carts[name]
        placed = max(filled.seen, self.minute - 45) if late else self.minute
        filled.bought_at = placed
        row = order(f"o-{name}-{self.minute}", placed=f"{placed}m", cart_id=name)
        self.engine.orders(row, when=self.now)

    @rule(shopper=st.integers(0, 2))
    def unsubscribe(self, shopper: int) -> None:
        hash_ = contacts.email_hash(HASHING_KEY, f"shopper{shopper}@example.com")
        with self.database.write() as connection:
            contacts.suppress(connection, hash_, scope="all", reason="unsubscribed", at=at(self.now))
        self.refused.add(shopper)

    def _some_cart(self, number: int) -> str:
        return list(self.carts)[number % len(self.carts)]

    # What the shop does

    @rule(minutes=st.sampled_from([1, 5, 29, 30, 60, 360, 719, 1440, 2880]))
    def clock_on(self, minutes: int) -> None:
        self.minute += minutes

    @rule(keep=st.sampled_from([("reminder", "urgency", "offer"), ("reminder", "offer"), ("urgency",)]))
    def edit_the_sequence(self, keep: tuple[str, ...]) -> None:
        sequence = RULES.sequences["cart-recovery"]
        edited = replace(sequence, steps=tuple(step for step in sequence.steps if step.key in keep))
        self.engine.rules = replace(self.engine.rules, sequences={"cart-recovery": edited})

    @rule(plan=st.lists(st.sampled_from(ANSWERS), max_size=6), concurrency=st.integers(1, 4))
    def run(self, plan: list[str], concurrency: int) -> None:
        self._run(plan, concurrency)

    def _run(self, plan: list[str], concurrency: int) -> None:
        self.plan = list(plan)
        self.engine.run(self.now, concurrency=concurrency, clock=lambda: at(self.now))

    @rule(
        late=st.sampled_from([0, 1, 90, 700, 1441]),
        plan=st.lists(st.sampled_from(ANSWERS), max_size=4),
        concurrency=st.integers(1, 4),
    )
    def run_when_something_is_due(self, late: int, plan: list[str], concurrency: int) -> None:
        """Or somewhat later."""
        self._wait_until_something_is_due()
        self.minute += late
        self._run(plan, concurrency)

    @precondition(lambda self: self.time.quiet_hours)
    @rule(minutes=st.sampled_from([0, 1, 44, 104]))
    def run_in_the_night(self, minutes: int) -> None:
        """A message is due by day, and the next run comes when it is night where the shopper lives."""
        if shopper := self._wait_until_something_is_due():
            while not self._is_quiet(int(shopper)):
                self.minute += 1
            self.minute += minutes
            self._run([], 4)

    def _wait_until_something_is_due(self) -> str:
        """Return the number of the shopper who is next; "" where nobody is."""
        with self.database.read() as connection:
            row = connection.execute(
                select(messages.c.attempt_at, contacts_table.c.email_normalised)
                .join(contacts_table, contacts_table.c.id == messages.c.contact_id)
                .where(messages.c.state == S.SCHEDULED)
                .order_by(messages.c.attempt_at)
            ).first()
        if row is None:
            return ""
        self.minute = max(self.minute, -((T0 - row.attempt_at) // timedelta(minutes=1)))
        return str(row.email_normalised).removeprefix("shopper").partition("@")[0]

    def _is_quiet(self, shopper: int) -> bool:
        """Say what the clock on the shopper's wall says, in words of our own."""
        if self.time.quiet_hours is None:
            return False
        wall = at(self.now).astimezone(zone_named(ZONES[shopper])).strftime("%H:%M")
        start, end = (edge.strftime("%H:%M") for edge in (self.time.quiet_hours.start, self.time.quiet_hours.end))
        return start <= wall < end if start < end else wall >= start or wall < end

    @rule(
        minutes=st.sampled_from([30, 61, 720, 1440, 1441]),
        plan=st.lists(st.sampled_from(ANSWERS), max_size=2),
        concurrency=st.integers(1, 4),
    )
    def time_passes(self, minutes: int, plan: list[str], concurrency: int) -> None:
        """What mostly happens: the next run that has something to do."""
        self.minute += minutes
        self._run(plan, concurrency)

    @rule(plan=st.lists(st.sampled_from(ANSWERS), max_size=6))
    def two_runs_interleaved(self, plan: list[str]) -> None:
        self.plan, self.inner = list(plan), True
        self.engine.run(self.now, concurrency=2)
        self.inner = False

    @rule(
        point=st.sampled_from(POINTS),
        nth=st.sampled_from([1, 1, 2]),
        minutes=st.sampled_from([31, 720, 1440, 0]),
        plan=st.lists(st.sampled_from(ANSWERS), max_size=2),
    )
    def die(self, point: str, nth: int, minutes: int, plan: list[str]) -> None:
        """Mostly when there is something to do."""
        self.minute += minutes
        self.plan = list(plan)
        visits = iter(range(1, 1000))

        def reached(name: str) -> None:
            if name == point and next(visits) == nth:
                raise Killed

        with suppress(Killed):
            self.engine.run(self.now, concurrency=2, at=reached)

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
        self.nap, self.others = ("", ""), set()

    def _sleep(self, where: str) -> None:
        if self.nap[0] != where:
            return
        (_, point), self.nap = self.nap, ("", "")
        self.minute += 6

        def reached(name: str) -> None:
            if name == point:
                raise Killed

        with suppress(Killed):
            self.engine.run(self.now, concurrency=2, at=reached)
        with self.database.read() as connection:
            leased = select(messages.c.id).where(messages.c.lease_until > at(self.now))
            self.others = set(connection.execute(leased).scalars())

    @rule(number=st.integers(0, 30))
    def resolve_an_unknown(self, number: int) -> None:
        """The operator looks at the provider's log and says what is true."""
        with self.database.read() as connection:
            ids = list(connection.execute(select(messages.c.id).where(messages.c.state == S.UNKNOWN)).scalars())
        if not ids:
            return
        id_ = ids[number % len(ids)]
        if id_ in self.taken:
            assert resolve.accept(self.database, [id_], now=at(self.now)).resolved == [id_]
        elif resolve.retry(self.database, [id_], rules=self.engine.rules, now=at(self.now)).resolved:
            self.reached = [each for each in self.reached if each[0] != id_]

    # What the provider does

    @precondition(lambda self: self.taken)
    @rule(number=st.integers(0, 30))
    def an_event_arrives(self, number: int) -> None:
        id_ = self.taken[number % len(self.taken)]
        shopper = next(shopper for each, shopper, _ in self.reached if each == id_)
        self._tell_of(id_, f"shopper{shopper}@example.com")

    def _tell_of(self, id_: int, email: str) -> None:
        if self.engine.provider.name == "sendgrid":
            import_event(self.engine, id_, email, when=self.now)
            self.told.add(id_)

    def answer(self, mail: OutgoingMessage) -> Answer:
        """Look at what arrives, then do as planned."""
        shopper = int(mail.to.removeprefix("shopper").partition("@")[0])
        try:
            self._look(mail, shopper)
        except AssertionError as error:  # the loop would take it for a fault of the transport
            self.wrong.append(error)
        what = self.plan.pop(0) if self.plan else "accept"
        first = [when for id_, _, when in self.reached if id_ == mail.id]
        is_repeat = self.engine.provider.name == "resend" and first and at(self.now) - first[0] < timedelta(hours=24)
        if what.startswith("accept") and not (is_repeat and mail.id in self.taken):
            self.taken.append(mail.id)
        if (what.startswith("accept") or what == "lose") and not is_repeat:
            self.reached.append((mail.id, shopper, at(self.now)))
        if what == "accept, tell and lose":
            self._tell_of(mail.id, mail.to)
        if self.inner:
            self.inner = False
            self.engine.run(self.now, concurrency=2)
        self._sleep("sending")
        answers: dict[str, Answer] = {
            "accept": Accepted(f"receipt-{mail.id}"),
            "refuse": Rejected("400"),
            "throttle": Throttled(wait=timedelta(minutes=3)),
            "unreachable": Unavailable("no connection"),
        }
        return answers.get(what, Unknown("answer 503"))

    def _look(self, mail: OutgoingMessage, shopper: int) -> None:
        """Nothing after a purchase or a refusal, nothing in quiet hours, nothing too soon, not too much."""
        with self.database.read() as connection:
            statement = (
                select(carts.c.external_id)
                .join(enrollments, enrollments.c.cart_id == carts.c.id)
                .join(messages, messages.c.enrollment_id == enrollments.c.id)
            )
            name = connection.execute(statement.where(messages.c.id == mail.id)).scalar_one()
        assert self.carts[name].bought_at is None
        assert shopper not in self.refused
        assert mail.id not in self.others, "another run has its lease"
        now = at(self.now)
        rules = self.time
        assert not self._is_quiet(shopper)
        step = RULES.sequences["cart-recovery"].step(mail.step)
        assert step is not None
        before = sorted(when for id_, other, when in self.reached if other == shopper and id_ != mail.id)
        gap = rules.min_gap if step.min_gap is None else step.min_gap
        assert not before or now >= before[-1] + gap
        assert len([when for when in before if when > now - rules.cap_window]) < rules.cap

    # What always holds

    @invariant()
    def nothing_was_handed_over_that_should_not_have_been(self) -> None:
        for error in self.wrong:
            raise error

    @invariant()
    def nothing_was_taken_twice(self) -> None:
        assert len(self.taken) == len(set(self.taken))

    @invariant()
    def every_transition_is_legal(self) -> None:
        with self.database.read() as connection:
            rows = connection.execute(select(message_transitions).order_by(message_transitions.c.id)).all()
        state: dict[int, str] = {}
        for row in rows:
            assert row.from_state == state.get(row.message_id, ""), "each begins where the last one ended"
            assert not row.from_state or MessageState(row.to_state) in TRANSITIONS[MessageState(row.from_state)]
            state[row.message_id] = row.to_state
        assert S.UNKNOWN not in {state[id_] for id_ in self.told}

    @invariant()
    def a_live_enrollment_has_one_open_message(self) -> None:
        with self.database.read() as connection:
            rows = connection.execute(select(enrollments.c.id, enrollments.c.status)).all()
            opened = connection.execute(
                select(messages.c.enrollment_id, messages.c.state).where(messages.c.state.in_([*OPEN]))
            ).all()
        for id_, status in rows:
            states = [state for owner, state in opened if owner == id_]
            assert len(states) == 1 if status == "live" else set(states) <= {S.SENDING}

    @invariant()
    def what_is_due_is_due_outside_quiet_hours(self) -> None:
        quiet = self.time.quiet_hours
        if quiet is None:
            return
        with self.database.read() as connection:
            rows = connection.execute(
                select(messages.c.due_at, contacts_table.c.email_normalised)
                .join(contacts_table, contacts_table.c.id == messages.c.contact_id)
                .where(messages.c.state == S.SCHEDULED, messages.c.reason != "one-per-run")
            ).all()
        for due_at, email in rows:
            assert not quiet.holds(due_at, zone_named(ZONES[int(email.removeprefix("shopper").partition("@")[0])]))


def test_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    class OnSqlite(Shopping):
        empty = staticmethod(on_sqlite(sqlite_template, tmp_path))

    run_state_machine_as_test(OnSqlite, settings=SETTINGS)


def test_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    class OnPostgresql(Shopping):
        empty = staticmethod(on_postgresql(postgres_url, tmp_path))

    run_state_machine_as_test(OnPostgresql, settings=settings(SETTINGS, max_examples=4))

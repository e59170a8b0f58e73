"""The shop of the state machine, and the world around it: what is done there, and what must hold whatever is done.

The model beside the engine keeps only what the outside world knows: what the provider was handed, and what it took.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from hypothesis.stateful import RuleBasedStateMachine, invariant
from sqlalchemy import select

from cartctl.domain.decide import TimeRules
from cartctl.domain.messages import OPEN, MessageState
from cartctl.domain.times import zone_named
from cartctl.jobs import detect, resolve
from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Rejected, Throttled, Unavailable, Unknown
from cartctl.store import contacts
from cartctl.store.tables import carts, enrollments, message_transitions, messages
from cartctl.store.tables import contacts as contacts_table
from tests.jobs.engine import HASHING_KEY, RULES, Engine, Killed, Provider
from tests.jobs.world import LEGAL, ZONES, Empty, Filled, Inline, import_event, number_of, offsets
from tests.shop import T0, at, cart, order

S = MessageState
SHOPPERS = 5
"""Two of them never refuse, so that there is somebody left to write to."""
Then = tuple[int, list[str], tuple[str, str]] | None
"""A run: minutes after the next message is due, what the provider answers, and (what, when) happens within the run."""
NOTHING = ("", "")


class Shopping(RuleBasedStateMachine):
    """The engine, and the world around it. `minute` is the time, in minutes after T0."""

    empty: Empty
    did: Counter[str]
    """What really happened, over all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = self.empty()
        self.database, folder = self.opened.__enter__()
        self.engine = Engine(self.database, folder, Provider(self.answer))
        self.engine.executor = Inline
        self.engine.while_rendering = lambda: self._meanwhile("rendering")
        self.minute = 0
        self.time: TimeRules = RULES.time
        self.carts: dict[str, Filled] = {}
        self.refused: set[int] = set()
        self.taken: list[int] = []
        self.reached: list[tuple[int, int, datetime]] = []
        """(message, shopper, time) of everything that may be in a mailbox."""
        self.plan: list[str] = []
        self.inner = False
        self.nap = NOTHING
        """Where the run will fall asleep, and at which point the next one will be when it wakes."""
        self.sudden = NOTHING
        """Where, in a run, the shopper whose mail it is does something; and what."""
        self.unknown: list[int] = []
        self.others: set[int] = set()
        """Messages on which another run, still under way, has its lease."""
        self.offsets: tuple[object, ...] = ()
        self.wrong: list[AssertionError] = []
        self.told: set[int] = set()
        """Messages of which the provider has sent an event."""

    def teardown(self) -> None:
        """Draining leaves nothing in hand, and is no time for anything else than at all others."""
        try:
            self.plan = []
            self._calm()
            self._go_on((0, [], ("run", "sending")))
            self.every_transition_is_legal()
            for id_ in self.unknown:
                self._resolve(id_)
            for minutes in (6, 70, 70):
                self.minute += minutes
                self.engine.run(self.now)
            with self.database.read() as connection:
                states = set(connection.execute(select(messages.c.state)).scalars())
            assert not states & {S.CLAIMED, S.SENDING}
            for holds in (
                self.nothing_was_handed_over_that_should_not_have_been,
                self.nothing_was_taken_twice,
                self.every_transition_is_legal,
                self.a_live_enrollment_has_one_open_message,
                self.what_is_due_is_due_outside_quiet_hours,
            ):
                holds()
            self._count()
        finally:
            self.opened.__exit__(None, None, None)

    def _count(self) -> None:
        self.did["taken"] += len(self.taken)
        with self.database.read() as connection:
            for row in connection.execute(select(message_transitions)):
                self.did[f"{row.to_state} {row.reason}".strip()] += 1

    @property
    def now(self) -> str:
        return f"{self.minute}m"

    # What shoppers do

    def _leave_carts(self, *shoppers: int) -> None:
        for shopper in shoppers:
            self._touch(f"c-{len(self.carts)}", shopper, self.minute)
        self.minute += 30
        detect.run(self.database, rules=self.engine.rules, clock=lambda: at(self.now))

    def _touch(self, name: str, shopper: int, seen: int) -> None:
        known = self.carts.get(name)
        bought = known.bought_at if known and known.bought_at is not None and seen - known.bought_at <= 60 else None
        self.carts[name] = Filled(shopper, max(seen, known.seen if known else 0), bought)
        email, zone = f"shopper{shopper}@example.com", ZONES[shopper % len(ZONES)]
        self.engine.carts(cart(name, seen=f"{seen}m", email=email, timezone=zone, product_name=name), when=self.now)

    def _some_cart(self, number: int) -> str:
        return list(self.carts)[number % len(self.carts)]

    def _buy(self, name: str, *, late: bool = False) -> None:
        """The order names the cart. A late one was placed a while ago, and after the cart was last touched."""
        filled = self.carts[name]
        placed = max(filled.seen, self.minute - 45) if late else self.minute
        filled.bought_at = placed
        before = self._waiting()
        self.engine.orders(order(f"o-{name}-{self.minute}", placed=f"{placed}m", cart_id=name), when=self.now)
        self.did["purchases that called mail back"] += self._waiting() < before

    def _unsubscribe(self, shopper: int) -> None:
        hash_ = contacts.email_hash(HASHING_KEY, f"shopper{shopper}@example.com")
        with self.database.write() as connection:
            contacts.suppress(connection, hash_, scope="all", reason="unsubscribed", at=at(self.now))
        self.refused.add(shopper)

    def _waiting(self) -> int:
        """Count what is to be sent."""
        with self.database.read() as connection:
            open_ = messages.c.state.in_([S.SCHEDULED, S.CLAIMED])
            return len(connection.execute(select(messages.c.id).where(open_)).all())

    # What the shop does

    def _run(self, plan: list[str], concurrency: int) -> None:
        self.plan = list(plan)
        self.did["clocks were set"] += offsets(self.now) != self.offsets
        self.offsets = offsets(self.now)
        self.engine.run(self.now, concurrency=concurrency, clock=lambda: at(self.now))

    def _go_on(self, then: Then) -> None:
        if then is not None:
            minutes, plan, (what, where) = then
            self._wait_until_something_is_due()
            self.minute += minutes
            self.inner = what == "run"
            self.sudden = (where, what) if what in ("buy", "unsubscribe", "come back") else NOTHING
            self.nap = (where, "after-claim") if what == "sleep" else NOTHING
            if what == "die":
                self._die(where, 1, plan, 6)
            else:
                self._run(plan, 2)
            self._calm()

    def _calm(self) -> None:
        self.inner, self.nap, self.sudden, self.others = False, NOTHING, NOTHING, set()

    def _wait_until_something_is_due(self) -> int:
        """Return the shopper who is next. Where nobody is, somebody leaves one more cart."""
        with self.database.read() as connection:
            row = connection.execute(
                select(messages.c.attempt_at, contacts_table.c.email_normalised)
                .join(contacts_table, contacts_table.c.id == messages.c.contact_id)
                .where(messages.c.state == S.SCHEDULED)
                .order_by(messages.c.attempt_at)
            ).first()
        if row is None:
            shopper = next(shopper for shopper in range(SHOPPERS) if shopper not in self.refused)
            self._leave_carts(shopper)
            return shopper
        self.minute = max(self.minute, -((T0 - row.attempt_at) // timedelta(minutes=1)))
        return number_of(row.email_normalised)

    def _is_quiet(self, shopper: int) -> bool:
        """Say what the clock on the shopper's wall says, in words of our own."""
        if self.time.quiet_hours is None:
            return False
        wall = at(self.now).astimezone(zone_named(ZONES[shopper % len(ZONES)])).strftime("%H:%M")
        start, end = (edge.strftime("%H:%M") for edge in (self.time.quiet_hours.start, self.time.quiet_hours.end))
        return start <= wall < end if start < end else wall >= start or wall < end

    def _die(self, point: str, nth: int, plan: list[str], then: int) -> None:
        """A run dies where it comes to a point for the nth time; the next one comes so many minutes later."""
        self.plan = list(plan)
        visits = iter(range(1, 1000))

        def reached(name: str) -> None:
            if name == point and next(visits) == nth:
                self.did[f"died {point}"] += 1
                raise Killed

        with suppress(Killed):
            self.engine.run(self.now, concurrency=2, at=reached)
        self.minute += then
        self._run([], 2)

    def _resolve(self, id_: int) -> None:
        """The operator looks at the provider's log and says what is true."""
        if id_ in self.taken:
            assert resolve.accept(self.database, [id_], now=at(self.now)).resolved == [id_]
            self.did["resolved"] += 1
        elif resolve.retry(self.database, [id_], rules=self.engine.rules, now=at(self.now)).resolved:
            self.did["resolved"] += 1
            self.reached = [each for each in self.reached if each[0] != id_]

    def _meanwhile(self, where: str, sent: int = 0) -> None:
        self._act(where, sent)
        self._sleep(where)

    def _act(self, where: str, sent: int) -> None:
        """The shopper whose mail it is, and no other: others' may have passed the gate, and cannot be called back."""
        if self.sudden[0] != where:
            return
        (_, what), self.sudden = self.sudden, NOTHING
        ours = (messages.c.state == S.CLAIMED) & (messages.c.lease_until > at(self.now))
        with self.database.read() as connection:
            statement = (
                select(carts.c.external_id)
                .join(enrollments, enrollments.c.cart_id == carts.c.id)
                .join(messages, messages.c.enrollment_id == enrollments.c.id)
                .where(messages.c.id == sent if sent else ours)
            )
            name = connection.execute(statement.order_by(messages.c.id)).scalars().first()
        if name is None:
            return
        self.did["acted within a run"] += 1
        if what == "buy":
            self._buy(name)
        elif what == "come back":
            self._touch(name, self.carts[name].shopper, self.minute)
        elif len(self.refused) < SHOPPERS - 2:
            self._unsubscribe(self.carts[name].shopper)

    def _sleep(self, where: str) -> None:
        if self.nap[0] != where:
            return
        (_, point), self.nap = self.nap, NOTHING
        self.minute += 6

        def reached(name: str) -> None:
            if name == point:
                raise Killed

        with suppress(Killed):
            self.engine.run(self.now, concurrency=2, at=reached)
        with self.database.read() as connection:
            leased = select(messages.c.id).where(messages.c.lease_until > at(self.now))
            self.others = set(connection.execute(leased).scalars())
        self.did["slept past the lease"] += 1

    # What the provider does

    def answer(self, mail: OutgoingMessage) -> Answer:
        """Look at what arrives, then do as planned."""
        shopper = number_of(mail.to)
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
            self.did["ran within a run"] += 1
            self.engine.run(self.now, concurrency=2)
        self.did["handed over again"] += bool(is_repeat)
        self._meanwhile("sending", mail.id)
        answers: dict[str, Answer] = {
            "accept": Accepted(f"receipt-{mail.id}"),
            "refuse": Rejected("400"),
            "throttle": Throttled(wait=timedelta(minutes=3)),
            "unreachable": Unavailable("no connection"),
        }
        return answers.get(what, Unknown("answer 503"))

    def _look(self, mail: OutgoingMessage, shopper: int) -> None:
        """Nothing after a purchase or a refusal, nothing in quiet hours, nothing too soon, not too much.

        And no second time what may have arrived, but to who can tell.
        """
        with self.database.read() as connection:
            statement = (
                select(carts.c.external_id)
                .join(enrollments, enrollments.c.cart_id == carts.c.id)
                .join(messages, messages.c.enrollment_id == enrollments.c.id)
            )
            name = connection.execute(statement.where(messages.c.id == mail.id)).scalar_one()
        assert self.carts[name].bought_at is None
        assert self.minute - self.carts[name].seen >= 30, "they are back"
        assert shopper not in self.refused
        assert mail.id not in self.others, "another run has its lease"
        now = at(self.now)
        first = [when for id_, _, when in self.reached if id_ == mail.id]
        assert not first or self.engine.provider.name == "resend"
        rules = self.time
        assert not self._is_quiet(shopper)
        step = RULES.sequences["cart-recovery"].step(mail.step)
        assert step is not None
        before = sorted(when for id_, other, when in self.reached if other == shopper and id_ != mail.id)
        gap = rules.min_gap if step.min_gap is None else step.min_gap
        assert not before or now >= before[-1] + gap
        assert len([when for when in before if when > now - rules.cap_window]) < rules.cap

    def _tell_of(self, id_: int, email: str) -> None:
        if self.engine.provider.name == "sendgrid":
            import_event(self.engine, id_, email, when=self.now)
            self.told.add(id_)

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
            states = {
                row.id: row.state
                for row in connection.execute(select(messages.c.id, messages.c.state).order_by(messages.c.id))
            }
        path: dict[int, list[str]] = {}
        for row in rows:
            states_before = path.setdefault(row.message_id, [""])
            assert row.from_state == states_before[-1], "each begins where the last one ended"
            assert row.to_state in LEGAL[row.from_state]
            states_before.append(row.to_state)
        assert {id_: states_[-1] for id_, states_ in path.items()} == states
        self.unknown = [id_ for id_, state in states.items() if state == S.UNKNOWN]
        assert not self.told & {*self.unknown}
        self._nothing_in_doubt_is_put_back(path)

    def _nothing_in_doubt_is_put_back(self, path: Mapping[int, list[str]]) -> None:
        """Whoever cannot tell a repeat is not handed again what may have arrived, so nobody waits to do so."""
        if self.engine.provider.name == "sendgrid":
            for id_ in {id_ for id_, _, _ in self.reached}:
                last = max(number for number, state in enumerate(path[id_]) if state == S.SENDING)
                assert S.SCHEDULED not in path[id_][last:], path[id_]

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
                select(messages.c.due_at, messages.c.reason, contacts_table.c.email_normalised)
                .join(contacts_table, contacts_table.c.id == messages.c.contact_id)
                .where(messages.c.state == S.SCHEDULED, messages.c.reason != "one-per-run")
            ).all()
        for due_at, reason, email in rows:
            zone = zone_named(ZONES[number_of(email) % len(ZONES)])
            assert not quiet.holds(due_at, zone)
            if reason == "quiet-hours":
                assert due_at.astimezone(zone).time() == quiet.end, "by the clock on the shopper's wall"

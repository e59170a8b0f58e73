"""Let time pass in a scratch copy: the very `run_due.run` at every tick, with a transport that takes everything.

1. Copy what may matter, as it was at the beginning.                     store.scratch
2. At each tick, let happen what was recorded up to then: orders are matched as an import matches them, suppressions
   and answers about mail are heard, brakes begin to hold.
3. Run. Then go to the next tick at which there is anything to do: the others change nothing.

Nothing is rendered: templates are taken as sound. Nothing of it is written to the shop's database.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from cartctl.domain.brakes import Brake
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.domain.sequences import Step
from cartctl.jobs import restored, run_due
from cartctl.jobs.compose import Composer, Content
from cartctl.jobs.rules import Rules
from cartctl.jobs.sending import Equipment, SendJob
from cartctl.jobs.steps import schedule_next
from cartctl.mail.message import OutgoingMessage, Transport
from cartctl.store import brakes, contacts, keys, message_list, purchases, scratch, suppressions
from cartctl.store.database import Database, EngineDatabase
from cartctl.store.scratch import HeldBack, Period

WIDE = 500
"""Messages in one turn. Only where codes may run out does it matter how many there are: then as many as configured."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What is to be replayed, and with which rules."""

    rules: Rules
    transport: Callable[[str], Transport]
    """Takes everything; bears the name that it is asked for, or ("") that of the one that is configured."""
    hashing_key: bytes
    concurrency: int
    since: datetime
    """Whose state is the beginning."""
    first: datetime
    """The first tick."""
    until: datetime
    """The last tick is at or before it."""
    every: timedelta
    recorded_until: datetime
    """What was recorded later has no part in it."""
    people: Sequence[int] | None = None
    """Only the carts of these contacts."""


@dataclass(slots=True)
class Simulated:
    """What would happen. The numbers are those of all ticks; `timeline` reads while the simulation is open."""

    database: EngineDatabase
    since: datetime
    detected: int = 0
    expired: int = 0
    enrolled: int = 0
    held_out: int = 0
    """Carts of those who are never written to, so that the mails can be measured."""
    bought: int = 0
    """Carts that an order closed meanwhile."""
    sent: int = 0
    deferred: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    problems: dict[str, None] = field(default_factory=dict)
    brakes: dict[Brake, None] = field(default_factory=dict)
    """What held mail, each as it began."""

    def timeline(self) -> Iterator[Row[Any]]:
        """Yield each message that would be handed over, in the order of time: see `message_list.ended`."""
        return (row for row in self.ended() if row.outcome == "accepted")

    def ended(self) -> Iterator[Row[Any]]:
        """Yield each message that would be sent, skipped or cancelled, in the order of time."""
        with self.database.read() as connection:
            yield from message_list.ended(connection)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers of the documented JSON object; the timeline is added by whoever prints it."""
        return {
            "sent": self.sent,
            "detected": self.detected,
            "expired": self.expired,
            "enrolled": self.enrolled,
            "held_out": self.held_out,
            "bought": self.bought,
            "deferred": dict(sorted(self.deferred.items())),
            "skipped": dict(sorted(self.skipped.items())),
            "cancelled": dict(sorted(self.cancelled.items())),
            "brakes": [brake.as_json() for brake in self.brakes],
        }


@contextmanager
def simulated(source: EngineDatabase, simulation: Simulation) -> Iterator[Simulated]:
    """Replay, and lend what came of it."""
    period = Period(
        since=simulation.since,
        until=simulation.recorded_until,
        max_age=simulation.rules.max_age,
        people=simulation.people,
    )
    with scratch.open_scratch() as copy:
        held, opened = scratch.fill(source, copy, period, hashing_key=simulation.hashing_key)
        result = Simulated(copy, simulation.since)
        _Replay(simulation, copy, held, result).run(opened)
        yield result


class _Replay:
    """The clock of one simulation."""

    def __init__(self, simulation: Simulation, database: EngineDatabase, held: HeldBack, result: Simulated) -> None:
        self.simulation, self.database, self.result = simulation, database, result
        # Every feed of orders is fresh, and nobody hears warnings.
        self.rules = replace(simulation.rules, orders_max_age=timedelta(0), coupon_warn_below=0)
        self.said, self.suppressed, self.brakes = held.said, held.suppressed, held.brakes
        with database.read() as connection:
            codes_may_run_out = scratch.has_codes(connection)

        def equip(_database: Database, transport: str) -> Equipment:
            return Equipment(
                transport=simulation.transport(transport),
                composer=Blank(),
                executor=AtOnce(),
                hashing_key=simulation.hashing_key,
            )

        self.job = SendJob(
            database=database,
            rules=self.rules,
            clock=lambda: self.now,
            equip=equip,
            concurrency=simulation.concurrency if codes_may_run_out else WIDE,
            pause=lambda _seconds: None,
        )
        self.now = simulation.first

    def run(self, opened: Sequence[int]) -> None:
        self._begin(opened)
        while self.now <= self.simulation.until:
            self._happen()
            self._tick()
            following = self._next()
            if following is None:
                break
            steps = -((self.now - following) // self.simulation.every)
            self.now += max(1, steps) * self.simulation.every
        self._count_ended()

    def _begin(self, opened: Sequence[int]) -> None:
        """Carts that only a later order closed may have been closed by an earlier one; steps wait as they did.

        What is to come of a restored backup begins as the first run on it does; what is replayed is as it was recorded.
        """
        with self.database.write() as connection:
            now = self.simulation.since
            purchases.match(connection, opened, self.rules.purchase, now=now)
            schedule_next(connection, scratch.waiting(connection), self.rules, now=now)
            is_restored = keys.backup_since(connection) is not None
        if is_restored and self.simulation.recorded_until <= self.now:
            restored.settle(self.database, now=self.now)

    def _happen(self) -> None:
        """Let take effect what was recorded since the last tick, as an import would."""
        said = _take(self.said, self.now)
        suppressed = _take(self.suppressed, self.now)
        with self.database.write() as connection:
            contacts.hear_consent(connection, [(id_, what, at) for at, id_, what in said], source="")
            for at, email, scope, reason in suppressed:
                if scope == suppressions.EVERYWHERE:
                    key = self.simulation.hashing_key
                    suppressions.suppress(connection, {email: reason}, hashing_key=key, now=self.now)
                else:
                    hash_ = contacts.email_hash(self.simulation.hashing_key, email)
                    contacts.suppress(connection, hash_, scope=scope, reason=reason, at=at)
            for _, brake in _take(self.brakes, self.now):
                brakes.keep(connection, brake)
                brakes.let_all_go(connection)
            orders = scratch.placed(connection, by=self.now)
            for store in sorted({order.store for order in orders}):
                ours = [order for order in orders if order.store == store]
                affected = purchases.carts_of_orders(connection, store, ours)
                self.result.bought += len(purchases.match(connection, affected, self.rules.purchase, now=self.now))

    def _tick(self) -> None:
        run = run_due.run(self.job)
        self.result.detected += run.detected.total
        self.result.expired += run.detected.expired
        self.result.enrolled += run.detected.enrolled
        self.result.held_out += run.detected.held_out
        self.result.deferred += run.sent.deferred
        self.result.problems |= dict.fromkeys(run.sent.problems)
        begun = {(brake.kind, brake.subject, brake.since) for brake in self.result.brakes}
        for brake in run.braking.holding:
            if (brake.kind, brake.subject, brake.since) not in begun:
                self.result.brakes[brake] = None

    def _next(self) -> datetime | None:
        """Return when the next run has anything to do: most have not."""
        with self.database.read() as connection:
            moment = scratch.next_moment(
                connection, idle_after=self.rules.purchase.idle_after, grace=self.rules.time.grace
            )
        moments = [moment, *(each[0][0] for each in (self.said, self.suppressed, self.brakes) if each)]
        return min((at for at in moments if at is not None), default=None)

    def _count_ended(self) -> None:
        with self.database.read() as connection:
            counted = message_list.count_ended(connection)
        counts = {"skipped": self.result.skipped, "cancelled": self.result.cancelled}
        for outcome, reason, count in counted:
            if outcome == "accepted":
                self.result.sent += count
            else:
                counts[outcome][reason] += count


def _take(held: list[Any], now: datetime) -> list[Any]:
    """Take out of a list in the order of time what was recorded by `now`."""
    count = next((i for i, each in enumerate(held) if each[0] > now), len(held))
    taken = held[:count]
    del held[:count]
    return taken


class Blank(Composer):
    """Makes empty mails: what they show decides nothing."""

    def __init__(self) -> None:
        pass

    def compose(
        self, message_id: int, sequence: MailSequence, step: Step, content: Content, *, now: datetime
    ) -> OutgoingMessage:
        return OutgoingMessage(
            id=message_id,
            sequence=sequence.name,
            step=step.key,
            sender="",
            to=content.row.email_normalised,
            subject="",
            html="",
            text="",
            date=now,
        )


class AtOnce(Executor):
    """Does everything at once and in its order: nothing is waited for."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*arguments, **options))
        return future

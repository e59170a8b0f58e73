"""Send what is due. The promise: a step is handed to the provider at most once.

    1. Reap:    leases that ran out (`jobs.reap`). Claimed: back into the queue. Sending: nobody knows, so `unknown`.
    2. Claim:   the next due messages, one per contact, under a lease.
    3. Render:  outside any transaction, while others are with the provider. A template's fault stops that message
                alone, and costs no step.
    4. Gate:    contacts locked in the order of their ids: everything that could forbid the mail is looked at again.
                What passes goes claimed -> sending; the commit comes before the first byte.
    5. Send:    in parallel, each with a timeout.
    6. Settle:  the answer, by compare-and-set on the lease; and the next step.

Settle, gate and claim are one transaction, a turn (`jobs.turn`): it settles what was answered since the last one, lets
as many leave as there is room for, and claims what is to be rendered meanwhile. At most `concurrency` messages of each
transport are `sending` at any moment. Every step into a final state schedules the enrollment's next step in the same
transaction.

Where sequences have transports of their own, each transport has such a loop to itself, with its own breaker and rate:
one that is dead, slow or misconfigured keeps nobody waiting for another.
"""

import secrets
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Row

from cartctl.domain.messages import MessageState
from cartctl.errors import ConfigurationError, DatabaseBusyError
from cartctl.jobs import telling
from cartctl.jobs.breaker import Breaker
from cartctl.jobs.drafting import Drafter, Fault, cores, desk
from cartctl.jobs.rules import Rules
from cartctl.jobs.sending import Equipment, Flown, Overslept, Ready, SendJob, Sent
from cartctl.jobs.throttle import Throttle
from cartctl.jobs.turn import Turned, give_back_all, put_off, turn
from cartctl.mail.message import Misconfigured, Unknown
from cartctl.store import queue
from cartctl.store.carried import Carried
from cartctl.store.database import Database

S = MessageState
TURN_TRIES = 5
"""Each waits for the database's busy time-out; together they fill a lease."""
RECOVERY_PAUSES = (0, 1, 2, 4, 8)
"""Seconds between the tries to settle after the database has failed: as long as a server takes to restart."""
LULL_SECONDS = 0.05
"""An answer that comes after such a silence waits for no others to be settled with."""
BREATH_SECONDS = 0.005
"""Nor after this one, with many under way: their connections would lie idle."""
FEW = 8
"""So many answers are all awaited: what they let follow is numbered alike in every run."""
CLEARED_SECONDS = 0.5
"""Of what the gate lets through no more than the rate limit lets leave in this time."""
MANY = 100
"""With fewer due, a child that renders is hardly worth its start."""
CHUNK_SECONDS = 10
"""A chunk is never more than the rate limit lets through in this time."""


def run(job: SendJob, result: Sent) -> Sent:
    """Send what is due at the start of the run, adding to `result`."""
    started_at = job.clock()
    lanes = [lane for lane in _lanes(job.rules) if lane.has_work(job.database, started_at)]
    if len(lanes) < 2 or not job.side_by_side or job.limit is not None:
        for lane in lanes:
            if loop := lane.loop(job, result, started_at):
                loop.run()
        return result
    apart = [Sent() for _ in lanes]
    made = [lane.loop(job, own, started_at, in_thread=True) for lane, own in zip(lanes, apart, strict=True)]
    try:
        _run_all([loop for loop in made if loop])
    finally:
        for own in apart:
            result.add(own)
    return result


def _run_all(loops: "Sequence[_Loop]") -> None:
    """Run them side by side. Where a template that never ends could not be stopped, one after the other."""
    if len(loops) < 2 or not all(loop.desk.apart for loop in loops):
        for loop in loops:
            loop.run()
        return
    from concurrent.futures import ThreadPoolExecutor  # most runs need none

    with ThreadPoolExecutor(len(loops)) as threads:
        runs = [threads.submit(loop.run) for loop in loops]
    for each in runs:
        each.result()


@dataclass(frozen=True, slots=True)
class _Lane:
    """What one transport carries. `transport` "": the configured one. `carried` None: it carries everything."""

    transport: str
    carried: Carried | None

    def has_work(self, database: Database, started_at: datetime) -> bool:
        with database.read() as connection:
            return queue.any_due(connection, due_by=started_at, carried=self.carried)

    def loop(self, job: SendJob, result: Sent, started_at: datetime, *, in_thread: bool = False) -> "_Loop | None":
        """Build what sends it. None: it cannot be sent; `result` says why."""
        try:
            equipment = job.equip(job.database, self.transport)
        except ConfigurationError as error:
            if self.carried is None:
                raise
            result.problems.append(f"{error}. Its mail stays due; what other transports carry is sent")
            return None
        return _Loop(job, equipment, result, started_at, self.carried, in_thread=in_thread)


def _lanes(rules: Rules) -> list[_Lane]:
    apart = rules.elsewhere
    if not apart:
        return [_Lane("", None)]
    others = frozenset(name for names in apart.values() for name in names)
    return [_Lane("", Carried(others, but_not=True)), *(_Lane(name, Carried(names)) for name, names in apart.items())]


class _Loop:
    """One run: what is ready to leave, what is with the provider, and what came back."""

    def __init__(
        self,
        job: SendJob,
        equipment: Equipment,
        result: Sent,
        started_at: datetime,
        carried: Carried | None,
        *,
        in_thread: bool,
    ) -> None:
        """`in_thread`: it will run in one, where no template's time has a limit. A child of its own has that."""
        self.carried = carried
        self.job, self.equipment, self.result, self.started_at = job, equipment, result, started_at
        self.token, self.turns = secrets.token_hex(8), 0
        self.ready: list[Ready] = []
        self.unlaunched: dict[int, Ready] = {}
        self.flying = 0
        self.landed: SimpleQueue[Future[Flown]] = SimpleQueue()
        self.breaker = Breaker.of(job.database, equipment.transport, now=job.clock())
        self.misconfigured = ""
        self.next_at = started_at
        in_time = int(job.rate_per_second * CHUNK_SECONDS) if job.rate_per_second else job.concurrency
        self.widest = max(1, min(job.concurrency, in_time))
        self.throttle = Throttle(equipment.transport.name, self.widest)
        drafter = Drafter(equipment.composer, job.rules, equipment.transport)
        self.desk = desk(drafter, beside=in_thread or self._is_much())

    def _is_much(self) -> bool:
        """Say whether so much is due that a child to render it is worth its start."""
        if not self.job.side_by_side or self.job.limit is not None or cores() < 2:
            return False
        with self.job.database.read() as connection:
            return queue.are_due(connection, due_by=self.started_at, at_least=MANY, carried=self.carried)

    def run(self) -> None:
        """Turn until nothing is due, ready or under way."""
        with self.equipment.executor:
            self._run()

    def _run(self) -> None:
        flown: list[Flown] = []
        try:
            while True:
                turned = self._turn(flown)
                landed, flown = bool(flown), []
                telling.tell(self.job, self.result, turned)
                self._launch(turned)
                self._draft(turned)
                is_over = not (landed or turned.turned_away or self.flying or self.ready or self.desk.pending)
                if is_over and not self._waited():
                    break
                flown = self._land()
                self.ready += self._rendered(wait=self._stopped or not (flown or self.ready))
        except Exception:
            self._recover(flown)
            raise
        finally:
            self.desk.close()
        if self.misconfigured:
            self.result.problems.append(
                f"{self.misconfigured}. The run stops here; nothing was lost: what is due stays due"
            )
        self.breaker.note(self.job.database, self.result, now=self.job.clock())
        self.throttle.note(self.result)

    @property
    def _stopped(self) -> bool:
        return bool(self.misconfigured or self.breaker.stops or self.throttle.until)

    @property
    def _window(self) -> int:
        return int(min(self.widest, self.breaker.window, self.throttle.window))

    def _waited(self) -> bool:
        """Wait for a provider that asked for it. Nothing is claimed or under way by now, so no lease runs meanwhile."""
        if self.misconfigured or self.breaker.stops:
            return False
        now = self.job.clock()
        if (seconds := self.throttle.wait(now=now)) is None or not self._more_is_due():
            return False
        self.job.pause(seconds)
        return True

    def _more_is_due(self) -> bool:
        with self.job.database.read() as connection:
            return queue.any_due(connection, due_by=self.started_at, carried=self.carried)

    def _turn(self, flown: Sequence[Flown]) -> Turned:
        """Take a turn. What was answered must not be lost because somebody else holds the database for a while."""
        window = self._window
        room = 0 if self._stopped else self._paced(window - self.flying, settles=bool(flown))
        leaving, staying = self.ready[:room], self.ready[room:]
        pending = self.desk.pending
        want = min(window, window * self.desk.ahead - len(staying) - pending)
        if self.job.limit is not None:
            want = min(want, self.job.limit - self.result.sent - len(flown) - self.flying - len(self.ready) - pending)
        if want < window // 2 and staying:
            want = 0  # a lot costs hardly more than one: in larger ones
        if flown:
            self.job.at("before-settle")
        self.turns += 1
        self.unlaunched = {one.row.id: one for one in leaving}
        given_back, self.ready = (staying, []) if self._stopped else ([], staying)
        for tries_left in reversed(range(TURN_TRIES)):
            try:
                turned = turn(
                    self.job,
                    self.equipment,
                    flown=flown,
                    ready=leaving,
                    give_back=given_back,
                    want=0 if self._stopped else want,
                    token=f"{self.token}.{self.turns}",
                    started_at=self.started_at,
                    carried=self.carried,
                )
                break
            except DatabaseBusyError:
                if not tries_left:
                    raise
        for happened, point in ((flown, "settle"), (turned.cleared, "gate"), (turned.claimed, "claim")):
            if happened:
                self.job.at(f"after-{point}")
        return turned

    def _paced(self, room: int, *, settles: bool) -> int:
        """Return how many may be cleared now: no more than leave at once, as a purchase may come while others wait."""
        rate = self.job.rate_per_second
        if not rate or not self.ready:
            return room
        wait = (self.next_at - self.job.clock()).total_seconds()
        if wait > 0 and settles:
            return 0
        if wait > 0:
            self.job.pause(min(wait, 1 / rate))  # more only if the clock was set back
        return min(room, max(1, int(rate * CLEARED_SECONDS)))

    def _launch(self, turned: Turned) -> None:
        """Hand over what was cleared, no faster than the rate allows."""
        for ready in turned.cleared:
            if self.job.rate_per_second:
                now = self.job.clock()
                pace = 1 / self.job.rate_per_second
                if self.next_at > now:
                    self.job.pause(min((self.next_at - now).total_seconds(), pace))  # see _paced
                self.next_at = max(now, self.next_at) + timedelta(seconds=pace)
            # In this order: what fails in between may or may not have left, and nobody must wait for it.
            del self.unlaunched[ready.row.id]
            future = self.equipment.executor.submit(self._hand_over, ready, turned.lease_until)
            self.flying += 1
            future.add_done_callback(self.landed.put)

    def _hand_over(self, ready: Ready, lease_until: datetime | None) -> Flown:
        """A transport does not raise. Should one, nobody knows what became of the mail; the others still settle."""
        assert ready.mail is not None
        since = ready.mail.date
        if lease_until is not None and self.job.clock() >= lease_until:
            return Flown(ready, since, Overslept())
        try:
            answer = self.equipment.transport.send(ready.mail)
        except Exception as error:  # noqa: BLE001 - see above
            answer = Unknown(f"{type(error).__name__} in the transport")
        self.job.at("after-answer")
        return Flown(ready, since, answer)

    def _land(self) -> list[Flown]:
        """Wait for answers: a quarter of what is under way, or those before a lull; of a few, all.

        The others are with the provider meanwhile. With more awaited, too little was there during a turn.
        A few together are settled in one order, whichever answer was first.
        """
        flown: list[Flown] = []
        enough = max((self.flying + 3) // 4, min(self.flying, FEW))
        lull = LULL_SECONDS if self.flying <= FEW else BREATH_SECONDS
        # What is nearly rendered does not wait for a provider that is in no hurry.
        first = LULL_SECONDS if self.desk.pending and not self.ready else None
        while self.flying:
            with suppress(Empty):
                future = self.landed.get(timeout=first if not flown else lull if len(flown) < enough else 0)
                self.flying -= 1
                flown.append(future.result())
                self._heed(flown[-1])
                continue
            break
        return flown

    def _heed(self, flight: Flown) -> None:
        if isinstance(flight.answer, Overslept):
            return
        self.breaker.hear(flight.answer)
        self.throttle.hear(flight.answer, under_way=self.flying + 1, now=self.job.clock())
        if isinstance(flight.answer, Misconfigured):
            self.misconfigured = flight.answer.reason

    def _draft(self, turned: Turned) -> None:
        # Handed over once more, it must be the very same mail: the provider compares.
        now = self.job.clock()
        self.desk.put([(row, content, row.first_sent_at or now) for row, content in turned.claimed])

    def _rendered(self, *, wait: bool) -> list[Ready]:
        """Take what was rendered; a message whose template is at fault goes back into the queue."""
        ready: list[Ready] = []
        faulty: list[tuple[Row[Any], str]] = []
        for row, content, draft in self.desk.take(wait=wait):
            if isinstance(draft, Fault):
                faulty.append((row, draft.reason))
                self.result.failed += 1
                name = f"{content.row.sequence}/{row.step}"
                problem = f"message {row.id} ({name}) waits: {draft.what}"
                self.result.problems.add(row.id, f"messages of {name} wait", problem)
            else:
                ready.append(Ready(row, content, draft))
        if faulty:
            put_off(self.job, faulty)
        if ready:
            self.job.at("after-render")
        return ready

    def _recover(self, flown: list[Flown]) -> None:
        """The database failed, or we did, and the turn may or may not have been committed: none of its mails has left.

        Let what is under way come back, write its answers down, and give the rest back. Else the leases run out, and
        the next run calls unknown what was answered.
        """
        while self.flying:
            flown += self._land()
        for seconds in RECOVERY_PAUSES:
            if seconds:
                self.job.pause(seconds)
            with suppress(Exception):  # what went wrong first is what is told
                turned = give_back_all(
                    self.job, self.equipment, flown, run_token=self.token, unlaunched=self.unlaunched
                )
                telling.tell(self.job, self.result, turned)
                return

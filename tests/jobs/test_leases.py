"""A run that sleeps past its lease and wakes beside another: whoever holds the lease alone may touch the message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Rejected, Unknown
from cartctl.store.database import CartsLock, EngineDatabase
from cartctl.store.tables import messages
from tests.jobs.engine import Engine, Killed, Provider
from tests.shop import at, cart


class Night:
    """A run begins at 30 minutes, sleeps for six, and wakes while another, begun meanwhile, has come to `point`."""

    def __init__(self, engine: Engine, point: str) -> None:
        self.engine, self.point, self.now = engine, point, "30m"

    def run(self) -> None:
        self.engine.run("30m", clock=lambda: at(self.now))

    def fall_asleep(self) -> None:
        """The other one stops at its point and comes no further: as good as dead, and its lease runs."""
        self.engine.while_rendering = lambda: None
        self.now = "36m"

        def reached(name: str) -> None:
            if name == self.point:
                raise Killed

        with suppress(Killed):
            self.engine.run("36m", at=reached)


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    engine = Engine(db, tmp_path)
    engine.carts(cart())
    return engine


def test_what_another_run_has_claimed_meanwhile_is_not_handed_over(engine: Engine) -> None:
    night = Night(engine, "after-claim")
    engine.while_rendering = night.fall_asleep
    night.run()
    assert engine.provider.given == []
    assert engine.states == [("reminder", "claimed", "")]
    engine.run("40m")
    assert engine.states == [("reminder", "claimed", "")], "the other's lease of 5 minutes still runs"
    engine.run("41m1s")
    assert len(engine.provider.given) == 1
    assert engine.states[0] == ("reminder", "accepted", "")


def test_what_another_run_has_claimed_meanwhile_is_not_put_back(engine: Engine) -> None:
    """The first one's template fails when it wakes: that is no longer this message's business."""
    night = Night(engine, "after-claim")

    def wake_to_a_fault() -> None:
        night.fall_asleep()
        raise ValueError("a cart nobody thought of")

    engine.while_rendering = wake_to_a_fault
    night.run()
    assert engine.states == [("reminder", "claimed", "")]


def test_a_lease_that_runs_out_between_two_looks_is_left_to_the_next_run(engine: Engine) -> None:
    """Its contact is not locked; the enrollment keeps its one open message, or has the next one."""

    def die(point: str) -> None:
        if point == "after-gate":
            raise Killed

    engine.carts(cart("c-2", email="ben@example.com"))
    with pytest.raises(Killed):
        engine.run("30m", at=die, concurrency=2)
    lease_of_the_second(engine, "40m")
    engine.run("36m", database=Meanwhile(engine.database, lambda: lease_of_the_second(engine, "35m")))
    assert [state for _, state, _ in engine.states] == ["unknown", "sending", "scheduled"]
    engine.run("37m")
    assert [state for _, state, _ in engine.states] == ["unknown", "unknown", "scheduled", "scheduled"]


@pytest.mark.parametrize("point", ["after-claim", "after-gate"])
def test_what_another_run_has_taken_over_between_two_looks_is_its_own(engine: Engine, point: str) -> None:
    """Both saw the lease that had run out. The other one was first, and holds the message under a new one."""
    engine.provider = Provider(name="resend")

    def die(name: str) -> None:
        if name == point:
            raise Killed

    def the_other() -> None:
        with suppress(Killed):
            engine.run("36m", at=die)

    with pytest.raises(Killed):
        engine.run("30m", at=die)
    engine.run("36m", database=Meanwhile(engine.database, the_other))
    assert engine.provider.given == []
    assert engine.states == [("reminder", {"after-claim": "claimed", "after-gate": "sending"}[point], "")]
    engine.run("41m1s")
    assert len(engine.provider.given) == 1
    assert engine.states[0] == ("reminder", "accepted", "")


def lease_of_the_second(engine: Engine, until: str) -> None:
    with engine.database.write() as connection:
        connection.execute(update(messages).where(messages.c.id == 2).values(lease_until=at(until)))


class Meanwhile:
    """A database in which something happens before the first transaction that relies on the carts."""

    def __init__(self, database: EngineDatabase, happens: Callable[[], None]) -> None:
        self._database, self._happens = database, happens

    def read(self) -> Any:
        return self._database.read()

    @contextmanager
    def write(self, *, carts: CartsLock | None = None) -> Iterator[Connection]:
        if carts:
            self._happens()
            self._happens = lambda: None
        with self._database.write(carts=carts) as connection:
            yield connection


@pytest.mark.parametrize("answer", [Rejected("400"), Unknown("answer 503"), Accepted("r")])
def test_an_answer_that_comes_after_the_lease_settles_nothing_of_another_run(engine: Engine, answer: Answer) -> None:
    """Over a transport that can tell a repeat, the other one is sending the same message by then."""
    night = Night(engine, "after-gate")

    def lost_in_sleep(_mail: OutgoingMessage) -> Answer:
        night.fall_asleep()
        return answer

    engine.provider = Provider(lost_in_sleep, name="resend")
    night.run()
    assert engine.states == [("reminder", "sending", "")]
    engine.provider.answer = lambda _mail: Accepted("r")
    engine.run("41m1s")
    assert engine.states[0] == ("reminder", "accepted", "")
    assert len({mail.html for mail in engine.provider.given}) == 1, "each time it was the very same mail"

"""A provider that takes fewer mails than there are: it is waited for, nobody uses up a try, and it is no outage."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cartctl.jobs.run_due import RunResult
from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Throttled, Unknown
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import marks, messages
from tests.jobs.engine import Engine, Provider
from tests.jobs.world import Inline
from tests.shop import at

SECOND = timedelta(seconds=1)


class Limited(Provider):
    """Takes so many mails a second, and puts off all others: by a second, or without saying how long."""

    def __init__(self, clock: Callable[[], datetime], each_second: int, answer: Answer) -> None:
        super().__init__(self._limited)
        self.clock, self.each_second, self.refusal = clock, each_second, answer
        self.taken: list[datetime] = []

    def _limited(self, mail: OutgoingMessage) -> Answer:
        now = self.clock()
        if len([when for when in self.taken if when > now - SECOND]) >= self.each_second:
            return self.refusal
        self.taken.append(now)
        return Accepted(f"receipt-{mail.id}")


class Waiting(Engine):
    """Its time passes only while a run waits."""

    def __init__(self, database: EngineDatabase, folder: Path) -> None:
        super().__init__(database, folder)
        self.executor = Inline
        self.now = at("30m")
        self.pauses: list[float] = []
        self.held: list[int] = []
        """How many messages were claimed or being sent during each wait."""

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.held.append(self.count("claimed", "sending"))

    def count(self, *states: str) -> int:
        with self.database.read() as connection:
            number = select(func.count()).where(messages.c.state.in_(states))
            return connection.execute(number).scalar_one()

    def tick(self, when: str, *, concurrency: int = 16) -> RunResult:
        self.now = at(when)
        self.pauses.clear()
        return self.run(when, clock=lambda: self.now, pause=self.pause, concurrency=concurrency)

    @property
    def tries(self) -> set[int]:
        with self.database.read() as connection:
            return set(connection.execute(select(messages.c.attempts)).scalars())


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Waiting:
    return Waiting(db, tmp_path)


def reminded(engine: Engine) -> int:
    return [(step, state) for step, state, _ in engine.states].count(("reminder", "accepted"))


@pytest.mark.parametrize("refusal", [Throttled(wait=SECOND), Throttled()])
def test_a_provider_that_takes_two_a_second_is_given_most_in_one_run_and_the_rest_in_the_next_few(
    engine: Waiting, refusal: Throttled
) -> None:
    engine.provider = Limited(lambda: engine.now, 2, refusal)
    engine.shoppers(60)
    result = engine.tick("30m")
    assert not result.has_problems
    assert result.sent.sent >= 35, "of three that are handed over each second two are taken"
    assert result.sent.sent + result.sent.retried == 60
    (remark,) = result.sent.remarks
    assert remark.startswith(f"sendgrid wants fewer at a time (throttled): it put off {result.sent.retried} mails and")
    assert 0 < max(engine.pauses) <= 4
    assert engine.tries == {0}
    for tick in ("35m", "40m", "45m", "50m", "55m"):
        assert not engine.tick(tick).has_problems
    assert reminded(engine) == 60


def test_nothing_is_claimed_or_under_way_while_a_run_waits(engine: Waiting) -> None:
    """However often it waits, no lease runs out."""
    engine.provider = Limited(lambda: engine.now, 4, Throttled(wait=timedelta(seconds=30)))
    engine.shoppers(60)
    engine.tick("30m", concurrency=8)
    assert len(engine.pauses) > 5
    assert set(engine.held) == {0}


def test_after_a_wait_half_as_many_are_under_way_and_then_more_again(engine: Waiting) -> None:
    under_way: list[list[int]] = [[]]

    def answer(mail: OutgoingMessage) -> Answer:
        if len(under_way) <= len(engine.pauses):
            under_way.append([])
        under_way[-1].append(engine.count("sending"))
        return Throttled(wait=SECOND) if mail.id == 60 else Accepted("r")

    engine.provider.answer = answer
    engine.shoppers(140)
    assert engine.tick("30m").sent.sent == 139
    before, after = under_way
    assert max(before) == 16
    assert max(after[:8]) == 8
    assert 8 < max(after) < 16


def test_a_long_wait_is_left_to_the_runs_to_come(engine: Waiting) -> None:
    engine.shoppers(40)
    engine.provider.answer = lambda mail: (
        Accepted("r") if mail.id <= 20 else Throttled(until=engine.now + timedelta(seconds=31))
    )
    result = engine.tick("30m", concurrency=8)
    assert (result.sent.sent, result.has_problems, engine.pauses) == (20, False, [])
    assert result.sent.retried <= 8
    assert len(result.sent.remarks) == 1
    assert engine.tries == {0}
    engine.provider.answer = lambda _mail: Accepted("r")
    assert engine.tick("35m").sent.sent == 20


@pytest.mark.parametrize(
    ("refusal", "pauses"),
    [
        (Throttled(wait=SECOND), [1, 1, 1, 1, 1]),
        (Throttled(until=at("29m")), [1, 1, 1, 1, 1]),
        (Throttled(), [2, 4, 8, 16]),
    ],
)
def test_a_run_that_waits_in_vain_ends_and_says_so(engine: Waiting, refusal: Throttled, pauses: list[float]) -> None:
    engine.shoppers(60)
    engine.provider.answer = lambda _mail: refusal
    result = engine.tick("30m")
    assert engine.pauses == pauses
    (problem,) = result.sent.problems
    put_off = f"sendgrid wants fewer at a time (throttled): it put off {result.sent.retried} mails and took 0"
    advice = "sending.rate_per_second keeps to what it allows"
    assert problem == f"{put_off}; what is due stays due. {advice}"
    assert engine.tries == {0}
    with engine.database.read() as connection:
        assert not connection.execute(select(marks).where(marks.c.name.startswith("breaker"))).all(), "no outage"
    engine.provider.answer = lambda _mail: Accepted("r")
    assert engine.tick("35m").sent.sent == 60


def test_a_run_with_nothing_more_to_send_waits_for_nobody(engine: Waiting) -> None:
    engine.shoppers(3)
    engine.provider.answer = lambda mail: Accepted("r") if mail.id == 1 else Throttled(wait=SECOND)
    result = engine.tick("30m")
    assert (result.sent.sent, result.sent.retried, engine.pauses) == (1, 2, [])


def test_a_provider_that_fails_beside_is_left_alone_all_the_same(engine: Waiting) -> None:
    """Neither a wait nor an answer that asks for one ends a row of failures."""
    engine.shoppers(60)
    engine.provider.answer = lambda mail: Throttled(wait=SECOND) if mail.id % 2 else Unknown("answer 503")
    result = engine.tick("30m")
    assert result.sent.unknown == 5
    assert any("sendgrid failed 5 times in a row" in problem for problem in result.sent.problems)

"""Time that passes within a run, which waits for the database or sleeps. What counts is the time afterwards."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from cartctl.domain.times import QuietHours
from cartctl.jobs.run_due import RunResult
from cartctl.store.database import CartsLock, EngineDatabase
from cartctl.store.tables import messages
from tests.jobs.engine import Engine
from tests.jobs.world import Inline
from tests.shop import at, cart


class Held:
    """A database whose every writer waits for somebody else first."""

    def __init__(self, database: EngineDatabase, wait: Callable[[], None]) -> None:
        self._database, self._wait = database, wait

    def read(self) -> Any:
        return self._database.read()

    @contextmanager
    def write(self, *, carts: CartsLock | None = None) -> Iterator[Connection]:
        self._wait()
        with self._database.write(carts=carts) as connection:
            yield connection


class Slept(Inline):
    """A process that sleeps before it hands anything over."""

    def __init__(self, sleep: Callable[[], None]) -> None:
        self._sleep = sleep

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        self._sleep()
        return super().submit(fn, *arguments, **options)


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    return Engine(db, tmp_path)


def run_and_wait_before_the_gate(engine: Engine, when: str, wait: timedelta) -> RunResult:
    now = at(when)

    def hold() -> None:
        nonlocal now
        if {state for _, state, _ in engine.states} == {"claimed"}:
            now += wait

    return engine.run(when, database=Held(engine.database, hold), clock=lambda: now)


def test_an_import_that_holds_the_database_for_longer_than_the_lease_costs_nothing(engine: Engine) -> None:
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(4)))
    result = run_and_wait_before_the_gate(engine, "30m", timedelta(minutes=7))
    assert (result.sent.sent, list(result.sent.problems)) == (4, [])


def test_quiet_hours_that_began_during_the_wait_are_kept(engine: Engine) -> None:
    engine.rules = replace(engine.rules, time=replace(engine.rules.time, quiet_hours=QuietHours.parse("10:31-12:00")))
    engine.carts(cart())
    result = run_and_wait_before_the_gate(engine, "30m", timedelta(minutes=4))
    assert engine.provider.given == []
    assert result.sent.deferred == {"quiet-hours": 1}


def test_grace_that_ended_during_the_wait_is_kept(engine: Engine) -> None:
    engine.carts(cart())
    engine.run("30m", limit=0)
    result = run_and_wait_before_the_gate(engine, "24h29m", timedelta(minutes=4))
    assert [mail.step for mail in engine.provider.given] == ["urgency"], "due by then, and a step of its own"
    assert result.sent.skipped == {"past-grace": 1}


def test_a_mail_whose_lease_ran_out_before_it_left_is_due_again_as_if_it_had_not_been_tried(engine: Engine) -> None:
    now = at("30m")

    def sleep() -> None:
        nonlocal now
        now += timedelta(minutes=6)

    engine.executor = lambda: Slept(sleep)
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(5)))
    engine.run("30m", clock=lambda: now, concurrency=5)
    assert engine.provider.given == []
    with engine.database.read() as connection:
        rows = connection.execute(select(messages.c.state, messages.c.reason, messages.c.attempts, messages.c.sent_at))
        assert set(map(tuple, rows)) == {("scheduled", "lease-expired", 0, None)}
    engine.executor = Inline
    result = engine.run("70m", concurrency=5)
    assert (result.sent.sent, list(result.sent.problems)) == (5, []), "the provider is not to blame: no probe"

"""A simulation sends what real runs send: the same ticks, once in a scratch copy and once for real."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cartctl.domain.brakes import EVERYTHING, Brake, Condition, Kind
from cartctl.domain.times import QuietHours
from cartctl.jobs import pause
from cartctl.jobs.simulate import Simulation, simulated
from cartctl.mail.pretend import Pretend
from cartctl.store import brakes, imports
from cartctl.store import contacts as people
from cartctl.store import coupons as codes
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import carts, contacts, enrollments, messages
from tests.jobs.engine import HASHING_KEY, RULES, Engine
from tests.jobs.world import ZONES, Empty, Inline, on_postgresql, on_sqlite
from tests.shop import at, cart, order

Sends = list[tuple[str, str, str, str]]
"""(time, address, cart, step) in the order of time."""


def simulate(engine: Engine, since: str, until: str, every: int = 30) -> Sends:
    simulation = Simulation(
        rules=engine.rules,
        transport=lambda _name: Pretend(engine.provider.name),
        hashing_key=HASHING_KEY,
        concurrency=4,
        since=at(since),
        first=at(since),
        until=at(until),
        every=timedelta(minutes=every),
        recorded_until=at(until),
    )
    with simulated(engine.database, simulation) as found:
        return sorted((str(row.at), row.email_normalised, row.cart, row.step) for row in found.timeline())


def really_run(engine: Engine, since: int, until: int, every: int = 30) -> Sends:
    """Run at the same ticks; return what was handed over."""
    before = set(_sent(engine))
    for minute in range(since, until + 1, every):
        engine.run(f"{minute}m")
    return sorted(set(_sent(engine)) - before)


def _sent(engine: Engine) -> Sends:
    with engine.database.read() as connection:
        rows = connection.execute(
            select(messages.c.sent_at, contacts.c.email_normalised, carts.c.external_id, messages.c.step)
            .join(contacts, contacts.c.id == messages.c.contact_id)
            .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
            .join(carts, carts.c.id == enrollments.c.cart_id)
            .where(messages.c.sent_at.is_not(None))
        )
        return [(str(row.sent_at), row.email_normalised, row.external_id, row.step) for row in rows]


# minutes after T0; the first day may be past when the simulation begins
_carts = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4 * 24 * 60), st.sampled_from(["main", "other"]), st.booleans()),
    min_size=1,
    max_size=8,
)
_buys = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 24 * 60)), max_size=2)

BEGIN = 24 * 60


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "carts": draw(_carts),
        "buys": draw(_buys),
        "cap": draw(st.sampled_from([0, 1, 2, 5])),
        "quiet": draw(st.sampled_from(["", "22:00-08:00", "09:00-11:30"])),
        "grace": draw(st.sampled_from([2, 24])),
        "codes": draw(st.sampled_from([None, 0, 1, 3])),
        "refused": draw(st.sampled_from([None, 0, 1])),
        "paused": draw(st.sampled_from([None, None, "cart-recovery", EVERYTHING])),
        "paused_until": draw(st.sampled_from([None, None, BEGIN - 60])),
        "history": draw(st.sampled_from([None, 60, 400])),
        "every": draw(st.sampled_from([30, 120])),
        "days": draw(st.sampled_from([1, 3])),
    }


def _check(empty: Empty, world: dict[str, Any]) -> None:
    with empty() as (database, folder):
        engine = Engine(database, folder)
        engine.executor = Inline
        quiet = QuietHours.parse(world["quiet"]) if world["quiet"] else None
        time = replace(RULES.time, cap=world["cap"], quiet_hours=quiet, grace=timedelta(hours=world["grace"]))
        engine.rules = replace(RULES, time=time, coupons=RULES.coupons if world["codes"] is None else {})
        if world["codes"]:
            with database.write() as connection:
                pool = [codes.Code(coupon="recovery10", code=f"X{n}") for n in range(world["codes"])]
                codes.save(connection, pool, now=at("0m"))
        for number, (shopper, seen, store, cheap) in enumerate(world["carts"]):
            engine.store = store
            row = cart(f"c-{number}", seen=f"{seen}m", email=f"shopper{shopper}@example.com")
            engine.carts(row | {"timezone": ZONES[shopper % 3], "unit_price": "1.00" if cheap else "49.90"}, when="0m")
        for number, (shopper, placed) in enumerate(world["buys"]):
            engine.store = "main"
            row = order(f"o-{number}", placed=f"{placed}m", email=f"shopper{shopper}@example.com")
            engine.orders(row, when=f"{BEGIN}m")
        if world["refused"] is not None:
            hash_ = people.email_hash(HASHING_KEY, f"shopper{world['refused']}@example.com")
            with database.write() as connection:
                people.suppress(connection, hash_, scope="all", reason="unsubscribed", at=at(f"{BEGIN}m"))
        if world["paused"] is not None:
            pause.pause(database, world["paused"], now=at("10m"))
        if world["history"] is not None:
            really_run(engine, 0, BEGIN - 60, world["history"])
        if world["paused_until"] is not None:
            pause.resume(database, EVERYTHING, now=at(f"{BEGIN - 60}m"))
        until = BEGIN + world["days"] * 24 * 60
        told = simulate(engine, f"{BEGIN}m", f"{until}m", world["every"])
        assert told == really_run(engine, BEGIN, until, world["every"])


def _try(empty: Empty, *, examples: int) -> None:
    settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])(
        given(worlds())(lambda world: _check(empty, world))
    )()


def test_a_simulation_sends_what_real_runs_send_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    _try(on_sqlite(sqlite_template, tmp_path), examples=8)


def test_a_pause_holds_in_a_simulation_from_when_it_began(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path)
    engine.carts(cart(), cart("c-2", seen="3h", email="ben@example.com"), when="3h")
    pause.pause(db, "cart-recovery", now=at("10h"))
    assert [sent[2:] for sent in simulate(engine, "0m", "60h")] == [("c-1", "reminder"), ("c-2", "reminder")]
    assert simulate(engine, "10h", "60h") == []
    pause.resume(db, "cart-recovery", now=at("11h"))
    assert len(simulate(engine, "0m", "60h")) == 6


def test_what_one_brake_held_and_lets_go_is_sent_while_another_holds(db: EngineDatabase, tmp_path: Path) -> None:
    """Every feed is taken as fresh; what waits for orders in the shop does not wait in a simulation."""
    engine = Engine(db, tmp_path)
    engine.carts(cart())
    engine.rules = replace(engine.rules, orders_max_age=timedelta(hours=26))
    engine.orders(order(placed="-40h", cart_id="x"), when="-40h")
    engine.run("30m")
    assert engine.provider.given == []
    assert len(simulate(engine, "1h", "60h")) == 3
    with db.write() as connection:  # of a sequence that is gone: it holds nothing here
        begun = Brake.begun(Condition(Kind.BOUNCES, "other", "too many"), at("30m"))
        brakes.keep(connection, begun)
    assert len(simulate(engine, "1h", "60h")) == 3


def test_a_burst_holds_in_a_simulation_as_it_does_in_runs(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path)
    engine.carts(*(cart(f"c-{n}", email=f"s{n}@example.com") for n in range(201)))
    assert simulate(engine, "30m", "60h") == []
    with db.write() as connection:
        run = imports.run_started(connection, "run-due", at=at("10m"))
        imports.run_finished(connection, run, {"by_sequence": {"cart-recovery": 60}}, at=at("10m"))
    assert len(simulate(engine, "30m", "60h")) == 603


def test_a_simulation_sends_what_real_runs_send_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    _try(on_postgresql(postgres_url, tmp_path), examples=3)


def _bought(engine: Engine, when: str) -> None:
    engine.orders(order(placed=when, cart_id="c-1"), when="24h")


def _refused(engine: Engine) -> None:
    hash_ = people.email_hash(HASHING_KEY, "anna@example.com")
    with engine.database.write() as connection:
        people.suppress(connection, hash_, scope="all", reason="unsubscribed", at=at("24h"))


HAPPENINGS: dict[str, tuple[Callable[[Engine], object], dict[str, Any], list[str]]] = {
    "nothing": (lambda engine: None, {}, ["reminder", "urgency", "offer"]),
    "bought at the tick": (lambda engine: _bought(engine, "24h"), {}, ["reminder"]),
    "bought since the tick before": (lambda engine: _bought(engine, "23h"), {}, ["reminder"]),
    "refused at the tick": (_refused, {}, ["reminder"]),
    "paused": (lambda engine: pause.pause(engine.database, "cart-recovery", now=at("24h")), {}, ["reminder"]),
    "cap": (lambda engine: None, {"cap": 1}, ["reminder"]),
    "quiet hours": (
        lambda engine: None,
        {"quiet_hours": QuietHours.parse("09:00-19:00")},
        ["reminder", "urgency", "offer"],
    ),
}


@pytest.mark.parametrize("name", HAPPENINGS)
def test_what_happened_meanwhile_is_heard_at_the_tick_at_which_runs_heard_it(
    db: EngineDatabase, tmp_path: Path, name: str
) -> None:
    """Real runs, with something just before the one at 24 h; then a simulation of the whole time."""
    happens, time, steps = HAPPENINGS[name]
    engine = Engine(db, tmp_path)
    engine.executor = Inline
    engine.rules = replace(RULES, time=replace(RULES.time, **time))
    engine.carts(cart(), when="0m")
    really = really_run(engine, 0, 22 * 60, 120)
    happens(engine)
    really += really_run(engine, 24 * 60, 60 * 60, 120)
    assert [step for *_, step in really] == steps
    assert simulate(engine, "0m", "60h", 120) == really

"""Cap, quiet hours, gaps and grace: what each does to a message, and the change of state that names it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.times import QuietHours
from cartctl.store.database import EngineDatabase, open_database
from tests.jobs.engine import Engine
from tests.shop import T0, at, cart

H = timedelta(hours=1)


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    return Engine(db, tmp_path)


def with_time(engine: Engine, **changes: Any) -> None:
    engine.rules = replace(engine.rules, time=replace(engine.rules.time, **changes))


def with_step(engine: Engine, key: str, **changes: Any) -> None:
    sequence = engine.rules.sequences["cart-recovery"]
    steps = tuple(replace(step, **changes) if step.key == key else step for step in sequence.steps)
    engine.rules = replace(engine.rules, sequences={"cart-recovery": replace(sequence, steps=steps)})


def sent(engine: Engine) -> list[tuple[str, timedelta]]:
    """(step, time since T0) of everything that was handed over."""
    return [(mail.step, mail.date - T0) for mail in engine.provider.given]


def first_change(engine: Engine, message_id: int) -> tuple[str, str, str]:
    return engine.transitions(message_id)[0]


def last_change(engine: Engine, message_id: int) -> tuple[str, str, str]:
    return engine.transitions(message_id)[-1]


DEFERRED = ("claimed", "scheduled")
NEW = ("", "scheduled")


# Gaps


def test_a_gap_counts_from_when_a_mail_leaves_however_long_ago_it_was_rendered(engine: Engine) -> None:
    """The machine slept in between, or an import held the database."""
    with_step(engine, "urgency", after=4 * H)
    engine.carts(cart())
    clock = [at("30m")]

    def sleep() -> None:
        clock[0] = at("3h")

    engine.while_rendering = sleep
    engine.run("30m", clock=lambda: clock[0])
    engine.while_rendering = lambda: None
    assert [mail.step for mail in engine.provider.given] == ["reminder"]
    engine.run("12h35m")
    assert len(engine.provider.given) == 1, "it left at three hours, and twelve more must pass"
    engine.run("15h")
    assert [mail.step for mail in engine.provider.given] == ["reminder", "urgency"]


def test_a_step_is_planned_after_the_gap(engine: Engine) -> None:
    engine.carts(cart(), when="20h")
    for tick in ("20h", "24h", "31h55m", "32h"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 20 * H), ("urgency", 32 * H)]
    assert first_change(engine, 2) == (*NEW, "gap")


def test_a_mail_about_another_cart_moves_a_step_at_the_gate(engine: Engine) -> None:
    """One shopper, two stores: the urgency was planned before the other store's reminder left."""
    engine.carts(cart())
    engine.run("30m")
    engine.store = "other"
    engine.carts(cart("c-2", seen="23h"), when="23h")
    engine.run("23h30m")
    engine.run("24h")
    assert last_change(engine, 2) == (*DEFERRED, "gap")
    for tick in ("35h25m", "35h30m"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 0.5 * H), ("reminder", 23.5 * H), ("urgency", 35.5 * H)]


def test_a_step_may_have_a_shorter_gap_of_its_own(engine: Engine) -> None:
    """The reminder's is an hour, not twelve."""
    engine.carts(cart())
    engine.run("30m")
    engine.store = "other"
    engine.carts(cart("c-2", seen="35m"), when="35m")
    for tick in ("65m", "85m", "90m"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 0.5 * H), ("reminder", 1.5 * H)]
    assert first_change(engine, 3) == (*NEW, "gap")


def test_a_step_may_have_a_longer_gap_of_its_own(engine: Engine) -> None:
    with_step(engine, "urgency", min_gap=30 * H)
    engine.carts(cart())
    for tick in ("30m", "24h", "30h25m", "30h30m"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 0.5 * H), ("urgency", 30.5 * H)]
    assert first_change(engine, 2) == (*NEW, "gap")


# Cap


def test_a_step_is_planned_for_when_the_cap_allows_one_more(engine: Engine) -> None:
    with_time(engine, cap=2, cap_window=72 * H)
    engine.carts(cart())
    for tick in ("30m", "24h", "48h", "72h25m", "72h30m"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 0.5 * H), ("urgency", 24 * H), ("offer", 72.5 * H)]
    assert first_change(engine, 3) == (*NEW, "cap")


def test_a_mail_about_another_cart_may_fill_the_cap(engine: Engine) -> None:
    with_time(engine, cap=2, cap_window=72 * H)
    engine.carts(cart())
    engine.run("30m")
    engine.store = "other"
    engine.carts(cart("c-2", seen="2h"), when="2h")
    engine.run("2h30m")
    engine.run("24h")
    assert last_change(engine, 2) == (*DEFERRED, "cap")
    engine.run("72h25m")
    assert len(engine.provider.given) == 2
    engine.run("72h30m")
    assert ("urgency", 72.5 * H) in sent(engine)


# Quiet hours. T0 is 10:00.


def test_a_step_that_would_fall_into_quiet_hours_is_planned_for_their_end(engine: Engine) -> None:
    with_time(engine, quiet_hours=QuietHours.parse("10:15-12:00"))
    engine.carts(cart())
    for tick in ("30m", "1h55m", "2h"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 2 * H)]
    assert first_change(engine, 1) == (*NEW, "quiet-hours")


def test_a_run_that_comes_in_quiet_hours_waits_for_their_end(engine: Engine) -> None:
    """The step was due five minutes before them."""
    with_time(engine, quiet_hours=QuietHours.parse("10:05-10:25"))
    engine.carts(cart())
    engine.run("30m")
    engine.run("24h5m")
    assert last_change(engine, 2) == (*DEFERRED, "quiet-hours")
    for tick in ("24h20m", "24h25m"):
        engine.run(tick)
    assert sent(engine) == [("reminder", 0.5 * H), ("urgency", 24 * H + timedelta(minutes=25))]


def test_quiet_hours_are_those_of_the_shoppers_own_clock(engine: Engine) -> None:
    with_time(engine, quiet_hours=QuietHours.parse("20:00-08:00"))
    engine.carts(
        cart("c-1", email="berlin@example.com", timezone="Europe/Berlin"),
        cart("c-2", email="auckland@example.com", timezone="Pacific/Auckland"),
        cart("c-3", email="los-angeles@example.com", timezone="America/Los_Angeles"),
    )
    for minutes in range(30, 20 * 60, 30):
        engine.run(f"{minutes}m")
    local = {mail.to.partition("@")[0]: mail.date - T0 for mail in engine.provider.given}
    assert local == {"berlin": 0.5 * H, "auckland": 9 * H, "los-angeles": 6 * H}, "11:30, 8:00 the next day, 8:00"


# Grace


def test_a_step_later_than_its_grace_is_skipped_and_the_sequence_goes_on(engine: Engine) -> None:
    engine.carts(cart())
    engine.run("30m")
    engine.run("48h1m")
    assert last_change(engine, 2) == ("claimed", "skipped", "past-grace")
    engine.run("48h1m")
    assert [step for step, _ in sent(engine)] == ["reminder", "offer"]


def test_grace_is_kept_to_its_last_moment(engine: Engine) -> None:
    engine.carts(cart())
    engine.run("30m")
    engine.run("48h")
    assert sent(engine)[1:] == [("urgency", 48 * H)]


@pytest.mark.parametrize(("tick", "state"), [("50h", "accepted"), ("50h1m", "skipped")])
def test_grace_runs_from_where_quiet_hours_have_moved_a_step(engine: Engine, tick: str, state: str) -> None:
    with_time(engine, quiet_hours=QuietHours.parse("09:55-12:00"))
    engine.carts(cart(), when="2h")
    engine.run("2h")
    engine.run(tick)
    assert first_change(engine, 2) == (*NEW, "quiet-hours")
    assert engine.states[1][:2] == ("urgency", state)


# The rest of what may put a message off


def test_a_step_whose_time_was_changed_waits_for_it(engine: Engine) -> None:
    engine.carts(cart())
    engine.run("30m")
    with_step(engine, "urgency", after=30 * H)
    engine.run("24h")
    assert last_change(engine, 2) == (*DEFERRED, "not-due")
    engine.run("30h")
    assert sent(engine)[1:] == [("urgency", 30 * H)]


def test_two_runs_that_meet_write_to_a_shopper_once(engine: Engine) -> None:
    """Each has claimed a message of another store; without a gap only the run stands between them."""
    with_step(engine, "reminder", min_gap=timedelta(0))
    engine.carts(cart())
    engine.store = "other"
    engine.carts(cart("c-2"))

    def meanwhile() -> None:
        engine.while_rendering = lambda: None
        engine.run("30m")

    engine.while_rendering = meanwhile
    engine.run("30m")
    assert sent(engine) == [("reminder", 0.5 * H)]
    assert (*DEFERRED, "one-per-run") in [last_change(engine, 1), last_change(engine, 2)]
    engine.run("35m")
    assert len(engine.provider.given) == 2


# Clocks that are set forward and back in the shopper's night

EARLY, LATE = "01:30-03:15", "22:00-02:10"
NIGHTS = [
    ("Europe/Berlin", datetime(2026, 3, 29, 1, 0), EARLY),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, 0), LATE),
    ("America/New_York", datetime(2026, 3, 8, 7, 0), LATE),
    ("America/New_York", datetime(2026, 11, 1, 6, 0), EARLY),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 0), LATE),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30), EARLY),
]
"""Zone, moment (UTC) and quiet hours. Lord Howe's clocks are set by half an hour."""


@pytest.mark.parametrize(("zone", "moment", "quiet"), NIGHTS)
def test_nobody_is_written_to_in_a_night_of_odd_length(tmp_path: Path, zone: str, moment: datetime, quiet: str) -> None:
    """Reminders fall due every ten minutes, 90 minutes before the clocks are set and on; a run comes every seven."""
    database = open_database(f"sqlite:///{tmp_path / 'night.db'}")
    engine = Engine(database, tmp_path)
    with_time(engine, quiet_hours=QuietHours.parse(quiet))
    first = int((moment.replace(tzinfo=UTC) - T0) / timedelta(minutes=1)) - 90
    due = {f"shopper{n}@example.com": first + 10 * n for n in range(15)}
    engine.carts(*(cart(to, seen=f"{minute - 30}m", email=to, timezone=zone) for to, minute in due.items()))
    ticks = range(first, first + 4 * 60, 7)
    for minute in ticks:
        engine.run(f"{minute}m")
    assert len(engine.provider.given) == len(due)
    for mail in engine.provider.given:
        assert not _is_quiet(mail.date, zone, quiet)
        in_time = next(minute for minute in ticks if minute >= due[mail.to])
        if not _is_quiet(at(f"{due[mail.to]}m"), zone, quiet) and not _is_quiet(at(f"{in_time}m"), zone, quiet):
            assert mail.date == at(f"{in_time}m"), "nothing kept it waiting"
    database.close()


def _is_quiet(instant: datetime, zone: str, quiet: str) -> bool:
    """Say what the clock on the shopper's wall says."""
    start, end = quiet.split("-")
    wall = instant.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    return start <= wall < end if start < end else wall >= start or wall < end

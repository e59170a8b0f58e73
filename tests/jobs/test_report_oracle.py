"""Reports on made-up histories equal a slow, obvious recomputation, number by number."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cartctl.jobs.report import coupons, deliverability, lift, overall, recovery_times
from cartctl.jobs.report.asking import Asked, By
from cartctl.jobs.report.questions import QUESTIONS
from cartctl.jobs.rules import Rules
from cartctl.store.database import EngineDatabase
from tests.jobs.engine import RULES
from tests.jobs.histories import DAYS, STORES, a_history, a_moment
from tests.jobs.oracle import ZONES, Oracle, first_day
from tests.jobs.world import Empty, on_postgresql, on_sqlite
from tests.shop import T0

ZONED = replace(RULES, stores={name: replace(RULES.default_store, zone=ZONES[name]) for name in STORES})


def an_asking(chance: Random) -> Asked:
    def bound(first: int, last: int) -> object:
        day = (T0 + timedelta(days=chance.randint(first, last))).date()
        return chance.choice((None, day, a_moment(chance, after=T0 + timedelta(days=first), hours=24)))

    return Asked(
        now=T0 + timedelta(days=chance.randint(0, DAYS + 20)),
        since=bound(0, 4),  # type: ignore[arg-type]  # what it draws from is narrower than object
        until=bound(5, DAYS),  # type: ignore[arg-type]
        recovery_window=timedelta(days=chance.choice((1, 5, 14))),
        attribution_window=timedelta(hours=chance.choice((1, 24, 120))),
        include_outbox=chance.random() < 0.5,
        by=chance.choice((None, By.DAY, By.WEEK, By.MONTH)),
    )


def compare(empty: Empty, most: int, chance: Random) -> None:
    history, asked = a_history(chance, most=most), an_asking(chance)
    oracle = Oracle(history, asked)
    context: AbstractContextManager[tuple[EngineDatabase, Path]] = empty()
    with context as (database, _):
        with database.write() as connection:
            history.write(connection)
        _overall(database, oracle, ZONED)
        _cohorts(database, oracle, ZONED)
        _others(database, oracle, ZONED)


def _overall(database: EngineDatabase, oracle: Oracle, rules: Rules) -> None:
    asked = oracle.asked
    report = overall.run(database, rules=rules, asked=asked).as_json()
    expected = oracle.counted(oracle.filled, oracle.abandoned)
    assert {name: report[name] for name in expected} == expected
    assert report["revenue"] == oracle.revenue(oracle.abandoned)
    assert report["attribution"]["sent"] == oracle.tier(oracle.after(0))
    assert report["attribution"]["clicked"] == oracle.tier(oracle.after(1))
    assert {(row["sequence"], row["step"]): row for row in report["by_step"]} == oracle.steps
    assert report["late_orders"] == oracle.late
    if asked.by:
        by = asked.by.value
        days = {
            first_day(cart[name], ZONES[cart["store"]], by)
            for carts, name in ((oracle.filled, "first_activity_at"), (oracle.abandoned, "first_abandoned_at"))
            for cart in carts
        }

        def of(day: date, carts: list[dict[str, object]], name: str) -> list[dict[str, object]]:
            return [one for one in carts if first_day(one[name], ZONES[str(one["store"])], by) == day]  # type: ignore[arg-type]  # a time

        assert [{key: row[key] for key in (*expected, "begins", "revenue")} for row in report.get("by_period", [])] == [
            {
                **oracle.counted(
                    of(day, oracle.filled, "first_activity_at"), of(day, oracle.abandoned, "first_abandoned_at")
                ),
                "begins": day.isoformat(),
                "revenue": oracle.revenue(of(day, oracle.abandoned, "first_abandoned_at")),
            }
            for day in sorted(days)
        ]


def _cohorts(database: EngineDatabase, oracle: Oracle, rules: Rules) -> None:
    for question, column in (("channels", "channel"), ("stores", "store")):
        rows = QUESTIONS[question].answer(database, rules, replace(oracle.asked, by=None)).json
        values = {cart[column] for cart in (*oracle.filled, *oracle.abandoned)}
        assert [row[column] for row in rows] == sorted(values)
        for row in rows:
            filled, abandoned = (
                [cart for cart in carts if cart[column] == row[column]] for carts in (oracle.filled, oracle.abandoned)
            )
            expected = oracle.counted(filled, abandoned)
            assert {name: row[name] for name in expected} == expected
            assert row["revenue"] == oracle.revenue(abandoned)
            assert row["sent"] == oracle.tier(cart for cart in oracle.after(0) if cart in abandoned)


def _others(database: EngineDatabase, oracle: Oracle, rules: Rules) -> None:
    asked = replace(oracle.asked, by=None)
    if type(asked.since) is not date and type(asked.until) is not date:  # else the stores' days begin apart
        lifts = lift.run(database, rules=rules, asked=asked)
        arms = {
            (one.sequence, name): (arm.contacts, arm.converted, arm.immature)
            for one in lifts
            for name, arm in (("treated", one.treated), ("holdout", one.holdout))
            if arm.contacts
        }
        assert arms == oracle.arms
    found = deliverability.run(database, rules=rules, asked=asked).by_transport
    assert set(found) == set(oracle.delivery)
    for name, counts in oracle.delivery.items():
        assert {each: getattr(found[name], each) for each in counts} == counts
        assert found[name].reached == (counts["delivered"] or counts["accepted"])
    shown = coupons.run(database, rules=rules, asked=asked)
    assert {one.coupon: (one.shown, one.bought, one.redeemed.orders) for one in shown} == oracle.coupons
    times, minutes = recovery_times.run(database, rules=rules, asked=asked), oracle.minutes
    assert times.carts == len(minutes)
    for got, part in ((times.lower_quartile, 1), (times.median, 2), (times.upper_quartile, 3)):
        place = -(-len(minutes) * part // 4)
        assert got == (timedelta(minutes=minutes[place - 1]) if minutes else None)
    for edge, count in times.within.items():
        before = max((other for other in times.within if other < edge), default=timedelta(0))
        assert count == sum(before <= timedelta(minutes=minute) < edge for minute in minutes)


def _run(empty: Empty, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(st.randoms(use_true_random=False))
    def check(chance: Random) -> None:
        compare(empty, 8, chance)

    check()


def test_reports_equal_the_slow_recomputation(sqlite_template: Path, tmp_path: Path) -> None:
    _run(on_sqlite(sqlite_template, tmp_path), 40)


def test_reports_equal_it_on_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    _run(on_postgresql(postgres_url, tmp_path), 12)

"""Rates and fairness: what one provider's or one shopper's trouble does to everybody else."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from cartctl.domain.times import parse_duration
from cartctl.mail.message import Accepted, Answer, Misconfigured, OutgoingMessage, Throttled, Unavailable
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import carts, contacts, enrollments, messages
from tests.jobs.engine import Engine
from tests.shop import at, cart, order


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    return Engine(db, tmp_path)


def taking(mail: OutgoingMessage) -> Answer:
    return Accepted(f"receipt-{mail.id}")


def test_one_domain_that_puts_its_mail_off_delays_nobody_else(engine: Engine) -> None:
    """Forty mails to a domain that wants none just now, due before those to the others."""
    engine.carts(*(cart(f"c-{n:02}", email=f"shopper{n}@{'slow' if n < 40 else 'well'}.example") for n in range(60)))
    put_off = Unavailable("put off: 450 4.7.1", for_recipient=True)
    engine.provider.answer = lambda mail: put_off if "slow" in mail.to else taking(mail)
    result = engine.run("30m", concurrency=16)
    assert (result.sent.sent, result.sent.retried) == (20, 40)
    for minutes in range(35, 300, 5):
        engine.run(f"{minutes}m", concurrency=16)
    tries = [mail.to for mail in engine.provider.given if "slow" in mail.to]
    assert len(tries) == 40 * 5, "it is a try nevertheless"


def test_a_recipient_at_whom_every_run_stops_keeps_nobody_waiting_for_longer_than_a_tick(
    engine: Engine, db: EngineDatabase
) -> None:
    """The server is taken for misconfigured, and is not. That message goes behind those that it kept waiting."""
    waiting: list[str] = []
    engine.provider.answer = lambda mail: Misconfigured("closed") if "closed" in mail.to else taking(mail)
    others = (cart(f"c-{n}", seen="1m", email=f"s{n}@example.com") for n in range(9))
    engine.carts(cart("c-9", email="closed@example.com"), *others)
    engine.run("32m", concurrency=1)
    assert [mail.to for mail in engine.provider.given] == ["closed@example.com"]
    engine.run("37m", concurrency=1)
    assert [state for _, state, _ in engine.states].count("accepted") == 9
    for minutes in range(42, 72, 5):
        late = [f"late{minutes}-{n}@example.com" for n in range(3)]
        rows = (cart(f"{minutes}-{n}", seen=f"{minutes - 32}m", email=email) for n, email in enumerate(late))
        engine.carts(*rows, when=f"{minutes - 32}m")
        result = engine.run(f"{minutes}m", concurrency=1)
        assert "closed. The run stops here" in list(result.sent.problems)[-1]
        taken = {mail.to for mail in engine.provider.given}
        assert taken >= set(waiting)
        waiting = late
    engine.run("24h29m", concurrency=1)
    assert ("reminder", "scheduled", "misconfigured") in engine.states
    with db.read() as connection:
        assert set(connection.execute(select(messages.c.attempts)).scalars()) == {0}, "it uses up no try"
    engine.run("24h33m", concurrency=1)
    assert ("reminder", "skipped", "past-grace") in engine.states


def test_messages_that_waited_for_the_provider_use_up_no_try(engine: Engine, db: EngineDatabase) -> None:
    engine.shoppers(1)
    engine.provider.answer = lambda _mail: Throttled(wait=timedelta(minutes=10))
    for minute in range(30, 180, 10):
        engine.run(f"{minute}m")
    with db.read() as connection:
        assert connection.execute(select(messages.c.attempts)).scalar() == 0
    engine.provider.answer = taking
    assert engine.run("3h").sent.sent == 1


@pytest.mark.parametrize("answer", [Unavailable("no connection"), Throttled(wait=timedelta(hours=20))])
def test_no_wait_reaches_beyond_grace(engine: Engine, db: EngineDatabase, answer: Answer) -> None:
    """The message is due at 30 minutes; its grace ends a day later."""
    engine.shoppers(1)
    engine.provider.answer = lambda _mail: answer
    for tick in ("30m", "20h40m", "24h29m30s"):
        engine.run(tick)
    with db.read() as connection:
        assert connection.execute(select(messages.c.attempt_at).where(messages.c.id == 1)).scalar() == at("24h30m")
    engine.run("24h31m")
    assert engine.states[0] == ("reminder", "skipped", "past-grace")


def test_the_rate_is_kept_and_bounds_the_chunk(engine: Engine, db: EngineDatabase) -> None:
    engine.shoppers(6)
    pauses: list[float] = []
    claimed: list[int] = []
    now = at("30m")

    def pause(seconds: float) -> None:
        nonlocal now
        pauses.append(seconds)
        now += timedelta(seconds=seconds)

    def clock() -> datetime:
        return now

    def counting(mail: OutgoingMessage) -> Answer:
        with db.read() as connection:
            claimed.append(connection.execute(select(func.count()).where(messages.c.state == "claimed")).scalar_one())
        return taking(mail)

    engine.provider.answer = counting
    result = engine.run("30m", rate_per_second=0.2, clock=clock, pause=pause)
    assert result.sent.sent == 6
    assert pauses == [5.0] * 5
    assert max(claimed) <= 2, "ten seconds of it are two messages"


@pytest.mark.parametrize(("back", "at_once"), [("30s", 6), ("1h", 1)])
def test_a_clock_that_is_set_back_stalls_no_run(engine: Engine, back: str, at_once: int) -> None:
    """By a pause what has passed the gate would leave an hour later, whoever has bought meanwhile. And what is not due
    any more would be claimed again and again: it waits for a run at which it is.
    """
    engine.shoppers(6)
    engine.run("31m", limit=0)
    pauses: list[float] = []
    now = at("40m")

    def set_back(mail: OutgoingMessage) -> Answer:
        nonlocal now
        now = at("40m") - parse_duration(back)
        return taking(mail)

    engine.provider.answer = set_back
    engine.run("40m", rate_per_second=2, clock=lambda: now, pause=pauses.append)
    assert len(engine.provider.given) == at_once
    assert max(pauses, default=0) <= 0.5
    engine.provider.answer = taking
    engine.run("45m")
    assert len(engine.provider.given) == 6


def test_who_buys_while_others_wait_for_their_turn_is_not_written_to(engine: Engine) -> None:
    """The rate decides how many may pass the gate, not only how many leave: what has passed is not asked again."""
    engine.shoppers(6)
    now = at("30m")

    def pause(seconds: float) -> None:
        nonlocal now
        now += timedelta(seconds=seconds)
        orders = [order(f"o-{number}", email=f"shopper{number}@example.com") for number in range(6)]
        engine.orders(*orders, when="30m")

    result = engine.run("30m", rate_per_second=0.2, clock=lambda: now, pause=pause)
    assert result.sent.sent == 1
    assert len(engine.provider.given) == 1


def test_hundreds_of_due_messages_of_one_shopper_delay_nobody(engine: Engine, db: EngineDatabase) -> None:
    """They were all due before anybody else's; each run writes to one shopper once."""
    engine.shoppers(3)
    with db.write() as connection:
        connection.execute(insert(contacts), [{"id": 1000, "email_normalised": "greedy@example.com"}])
        connection.execute(insert(carts), [_cart(n) for n in range(1000, 1300)])
        connection.execute(insert(enrollments), [_enrollment(n) for n in range(1000, 1300)])
        connection.execute(insert(messages), [_due(n) for n in range(1000, 1300)])
    result = engine.run("30m", concurrency=2, limit=4, confirm_burst=True)
    assert {mail.to for mail in engine.provider.given} == {
        "greedy@example.com",
        *(f"shopper{n}@example.com" for n in range(3)),
    }
    assert result.sent.sent == 4
    assert result.sent.deferred.total() <= 4


def _cart(n: int) -> dict[str, Any]:
    times = {
        name: at("-10m") for name in ("first_activity_at", "last_activity_at", "abandoned_at", "first_abandoned_at")
    }
    about = {"channel": "website", "contact_id": 1000, "currency": "EUR", "total_minor": 100, "total_given": True}
    more = {"is_empty": False, "fingerprint": "", "status": "abandoned"}
    return {"id": n, "store": f"store-{n}", "external_id": "c"} | times | about | more


def _enrollment(n: int) -> dict[str, Any]:
    about = {"sequence": "cart-recovery", "status": "live", "enrolled_at": at("0m")}
    return {"id": n, "cart_id": n, "contact_id": 1000, "store": f"store-{n}"} | about


def _due(n: int) -> dict[str, Any]:
    about = {"contact_id": 1000, "step": "reminder", "state": "scheduled"}
    return {"enrollment_id": n, "due_at": at("20m"), "attempt_at": at("20m")} | about

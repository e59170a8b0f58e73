"""What an operator may say of messages that are unknown, and what follows."""

from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import text

from cartctl.jobs import resolve
from cartctl.jobs.resolve import Resolved
from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Unknown
from cartctl.store import events
from cartctl.store.database import EngineDatabase, open_database
from tests.faults.rig import wait_until
from tests.jobs.engine import Engine, Provider
from tests.shop import at, cart, order


def lost(_mail: OutgoingMessage) -> Answer:
    return Unknown("no answer in time")


def taken(_mail: OutgoingMessage) -> Answer:
    return Accepted("r")


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    """A shop whose first message is unknown."""
    engine = Engine(db, tmp_path)
    engine.provider.answer = lost
    engine.carts(cart())
    engine.run("30m")
    engine.provider.answer = taken
    return engine


def test_accepted_is_final(engine: Engine) -> None:
    result = resolve.accept(engine.database, [1], now=at("1h"))
    assert (result.resolved, result.refused) == ([1], {})
    assert engine.states == [("reminder", "accepted", "operator"), ("urgency", "scheduled", "")]
    assert engine.transitions(1)[-1] == ("unknown", "accepted", "operator")
    again = resolve.accept(engine.database, [1], now=at("1h"))
    assert again.refused == {1: "it is accepted, not unknown"}


def test_a_retry_sends_it_and_the_next_step_waits_for_it(engine: Engine) -> None:
    result = resolve.retry(engine.database, [1], rules=engine.rules, now=at("1h"))
    assert result.resolved == [1]
    assert engine.states == [("reminder", "scheduled", "operator"), ("urgency", "cancelled", "earlier-step")]
    engine.run("1h")
    assert engine.states[0] == ("reminder", "accepted", "")
    assert engine.states[1][:2] == ("urgency", "scheduled")
    for tick in ("24h", "48h"):
        engine.run(tick)
    assert [mail.step for mail in engine.provider.given] == ["reminder", "reminder", "urgency", "offer"]
    assert engine.live == ["finished"]


def test_the_last_step_may_be_tried_again_too(engine: Engine) -> None:
    engine.run("24h")
    engine.provider.answer = lost
    engine.run("48h")
    assert engine.live == ["finished"]
    engine.provider.answer = taken
    assert resolve.retry(engine.database, [3], rules=engine.rules, now=at("49h")).resolved == [3]
    assert engine.live == ["live"]
    engine.run("49h")
    assert engine.states[2] == ("offer", "accepted", "")
    assert engine.live == ["finished"]


def refusal(engine: Engine, when: str) -> str:
    before = engine.states
    result = resolve.retry(engine.database, [1], rules=engine.rules, now=at(when))
    assert result.resolved == []
    assert engine.states == before
    return result.refused[1]


def test_no_retry_after_a_later_step(engine: Engine) -> None:
    engine.run("24h")
    assert refusal(engine, "24h10m") == "a later step has been sent"


def test_no_retry_while_a_run_is_about_to_send_the_next_step(engine: Engine) -> None:
    told: list[str] = []
    engine.while_rendering = lambda: told.append(refusal(engine, "24h10m"))
    engine.run("24h10m")
    assert told == ["a run is about to send another step: try again in some minutes"]
    assert [mail.step for mail in engine.provider.given] == ["reminder", "urgency"]


def test_no_retry_while_a_run_that_claims_the_next_step_has_not_committed(postgres_url: str, tmp_path: Path) -> None:
    """The operator waits for the run's transaction, and is told what it has done."""
    database = open_database(postgres_url)
    engine = Engine(database, tmp_path, Provider(lost))
    engine.carts(cart())
    engine.run("30m")
    engine.provider.answer = taken
    results: list[Resolved] = []
    operator = Thread(target=lambda: results.append(resolve.retry(database, [1], rules=engine.rules, now=at("24h10m"))))

    def operator_waits() -> bool:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        with database.read() as connection:
            return connection.execute(text(waiting)).first() is not None

    def claimed(point: str) -> None:
        if point == "in-turn" and not operator.ident:
            operator.start()
            wait_until(operator_waits)

    engine.run("24h10m", at=claimed)
    operator.join()
    database.close()
    assert results[0].refused == {1: "a run is about to send another step: try again in some minutes"}
    assert [mail.step for mail in engine.provider.given] == ["reminder", "urgency"]


def test_no_retry_past_grace(engine: Engine) -> None:
    assert refusal(engine, "24h31m") == "it is past its grace: the shopper would wonder"


def test_no_retry_after_a_purchase(engine: Engine) -> None:
    engine.orders(order(placed="40m", cart_id="c-1"), when="50m")
    assert refusal(engine, "1h") == "its sequence has stopped (purchased)"


def test_no_retry_of_what_the_provider_has_told_of(engine: Engine) -> None:
    with engine.database.write() as connection:
        row = {"content_hash": "h", "source": "sendgrid", "kind": "delivered", "at": at("31m"), "message_id": 1}
        events.remember(connection, [row])
    assert refusal(engine, "1h") == "the provider has told of it, so it was taken: say --accepted"


def test_no_retry_of_what_is_not_there(engine: Engine) -> None:
    result = resolve.retry(engine.database, [99, 2], rules=engine.rules, now=at("1h"))
    assert result.refused == {99: "there is no such message", 2: "it is scheduled, not unknown"}

"""What the gate sees of a contact between the claim and the first byte."""

from pathlib import Path

import pytest

from cartctl.domain.sequences import STOPS
from cartctl.importers.contacts import ContactLine
from cartctl.jobs import import_contacts
from cartctl.store.database import EngineDatabase
from tests.jobs.engine import Engine
from tests.nurture import ANNA, HEAD, STEPS, engine_of, sign_up
from tests.shop import at, order

SEQUENCE = HEAD.replace('["unsubscribed", "booked"]', str(list(STOPS)).replace("'", '"')) + STEPS.replace(
    "{{ score }}", "1"
)


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    return engine_of(db, tmp_path, SEQUENCE)


def test_an_order_that_comes_while_the_mail_is_made_stops_it(engine: Engine) -> None:
    sign_up(engine, ANNA)
    engine.while_rendering = lambda: engine.orders(order(email=ANNA, placed="30m"), when="31m")
    engine.run("31m")
    assert engine.provider.given == []
    assert engine.states == [("result", "cancelled", "purchased")]
    assert engine.live == ["cancelled"]


def test_an_order_of_before_the_enrollment_stops_nothing(engine: Engine) -> None:
    sign_up(engine, ANNA)
    engine.orders(order(email=ANNA, placed="29m"), when="31m")
    engine.run("31m")
    assert [mail.to for mail in engine.provider.given] == [ANNA]


def test_a_booking_that_comes_while_the_mail_is_made_stops_it(engine: Engine) -> None:
    sign_up(engine, ANNA)
    booked = ContactLine(row=1, email=ANNA, attributes={"booking": "2026-12-01"})

    def book() -> None:
        assert import_contacts.set_one(engine.database, booked, engine.rules, now=at("31m"))

    engine.while_rendering = book
    engine.run("31m")
    assert engine.provider.given == []
    assert engine.states == [("result", "cancelled", "booked")]

"""Outages: how few messages find out that a provider is down, over all runs of the day, and that it is well again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import insert, select

from cartctl.mail.message import (
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Probed,
    Rejected,
    Unavailable,
    Unknown,
)
from cartctl.mail.sendgrid import SendGrid
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import marks, messages
from tests.jobs.engine import Engine, Killed, Provider
from tests.jobs.world import Inline
from tests.mail.provider import Authority
from tests.shop import at, cart, order

DOWN = Probed("answer 503", is_down=True)


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    return Engine(db, tmp_path)


def failing(_mail: OutgoingMessage) -> Answer:
    return Unknown("answer 503")


def taking(mail: OutgoingMessage) -> Answer:
    return Accepted(f"receipt-{mail.id}")


def unknown(engine: Engine) -> int:
    return [state for _, state, _ in engine.states].count("unknown")


@pytest.mark.parametrize("answer", [Unknown("answer 503"), Unavailable("no connection")])
def test_an_outage_stops_the_run_and_then_ever_rarer_messages_are_tried(engine: Engine, answer: Answer) -> None:
    """A provider that says it is well and fails with mails: they are tried after 10, 20, 40, 60, 60 minutes."""
    engine.shoppers(60)
    engine.provider.answer = lambda _mail: answer
    given: dict[int, int] = {}
    for minute in range(30, 225, 5):
        before = len(engine.provider.given)
        result = engine.run(f"{minute}m", concurrency=32)
        if tried := len(engine.provider.given) - before:
            given[minute] = tried
        else:
            assert "sendgrid failed" in list(result.sent.problems)[-1]
            assert "nothing is handed over before" in list(result.sent.problems)[-1]
    assert given == {30: 5, 40: 1, 60: 1, 100: 1, 160: 1, 220: 1}
    assert {state for _, state, _ in engine.states} <= {"scheduled", "unknown"}
    engine.provider.answer = taking
    result = engine.run("280m", concurrency=32)
    assert not result.has_problems
    assert result.sent.sent >= 50
    assert engine.run("285m", concurrency=32).sent.problems.total == 0


@pytest.mark.parametrize(("probed", "harmed"), [(Probed(), 7), (DOWN, 4)])
def test_an_hour_of_failures_harms_few_mails_of_a_shop_that_has_some_due_at_every_tick(
    engine: Engine, probed: Probed, harmed: int
) -> None:
    engine.provider.answer, engine.provider.probed = failing, probed
    for minute in range(0, 60, 5):
        rows = (cart(f"{minute}-{n}", seen=f"{minute}m", email=f"s{minute}-{n}@example.com") for n in range(4))
        engine.carts(*rows, when=f"{minute}m")
        engine.run(f"{minute + 30}m")
    assert len(engine.provider.given) == unknown(engine) == harmed
    engine.provider.answer, engine.provider.probed = taking, Probed()
    assert engine.run("120m").sent.sent == 48 - harmed


@pytest.mark.parametrize(("probed", "harmed"), [(Probed(), 7), (DOWN, 5)])
def test_forty_minutes_of_failures_harm_few_of_a_dozen_due_at_once(engine: Engine, probed: Probed, harmed: int) -> None:
    engine.shoppers(12)
    engine.provider.answer, engine.provider.probed = failing, probed
    for minute in range(30, 70, 5):
        engine.run(f"{minute}m")
    assert unknown(engine) == harmed


def test_failures_are_counted_from_run_to_run_and_an_answer_about_a_mail_ends_the_row(engine: Engine) -> None:
    answers: list[Answer] = [*[Unknown("503")] * 4, Rejected("400"), *[Unknown("503")] * 4]
    engine.provider.answer = lambda _mail: answers.pop(0)
    for number in range(9):
        engine.carts(cart(f"c-{number}", seen=f"{number}m", email=f"s{number}@example.com"), when=f"{number}m")
        result = engine.run(f"{number + 30}m")
        assert not any("in a row" in problem for problem in result.sent.problems)
    answers.append(Unknown("503"))
    engine.carts(cart("c-9", seen="9m", email="s9@example.com"), when="9m")
    assert "sendgrid failed 5 times in a row" in list(engine.run("39m").sent.problems)[-1]


def test_a_provider_that_cannot_be_reached_costs_a_mail_one_try(engine: Engine, db: EngineDatabase) -> None:
    """Three mails, and nobody there for a good part of a day: they go out when it is back."""
    engine.shoppers(3)
    engine.provider.answer = lambda _mail: Unavailable("no connection")
    engine.provider.probed = Probed("no connection", is_down=True)
    for minute in range(30, 600, 10):
        result = engine.run(f"{minute}m")
        assert result.has_problems
    (problem,) = result.sent.problems
    told = "sendgrid failed 3 times in a row and is not well yet (no connection)"
    assert problem == f"{told}: nothing is handed over; what is due stays due"
    with db.read() as connection:
        assert set(connection.execute(select(messages.c.attempts)).scalars()) == {1}
    engine.provider.answer, engine.provider.probed = taking, Probed()
    assert engine.run("600m").sent.sent == 3


def test_a_provider_that_answers_a_question_oddly_is_tried_with_a_message(engine: Engine) -> None:
    """A key that may do nothing but send mail, a gateway that knows one address alone: that is no outage."""
    after_an_outage(engine)
    engine.provider.answer, engine.provider.probed = taking, Probed("sendgrid.host answers 404: is it SendGrid's?")
    assert engine.run("65m").sent.sent == 6


class Raises(Provider):
    def probe(self) -> Probed:
        raise TypeError


def test_a_question_that_goes_wrong_keeps_no_mail_back(engine: Engine) -> None:
    after_an_outage(engine)
    engine.provider = Raises()
    assert engine.run("65m").sent.sent == 6


def test_an_outage_in_the_middle_costs_no_more_than_what_is_under_way(engine: Engine) -> None:
    engine.shoppers(60)
    engine.provider.answer = lambda mail: taking(mail) if len(engine.provider.given) < 20 else failing(mail)
    result = engine.run("30m", concurrency=8)
    assert result.sent.sent == 19
    assert 5 <= result.sent.unknown <= 8 + 4


def test_what_was_under_way_when_the_run_stopped_changes_nothing(engine: Engine) -> None:
    """Of eight answers that come together five are failures, and then three are not."""
    engine.shoppers(30)
    engine.executor = Inline
    engine.provider.answer = lambda mail: failing(mail) if 10 < len(engine.provider.given) <= 15 else taking(mail)
    result = engine.run("30m", concurrency=8)
    assert (result.sent.sent, result.sent.unknown) == (13, 5)
    assert "sendgrid failed 5 times in a row (last: answer 503)" in list(result.sent.problems)[-1]
    assert engine.run("35m").sent.sent == 0
    assert engine.run("40m").sent.sent == 12


def test_what_an_older_version_has_left_counts_as_five_failures(engine: Engine) -> None:
    engine.shoppers(8)
    with engine.database.write() as connection:
        connection.execute(insert(marks).values(name="breaker-sendgrid", value="open", at=at("25m")))
    engine.provider.answer = failing
    engine.run("30m")
    assert engine.provider.given == []
    engine.run("35m")
    assert len(engine.provider.given) == 1


def test_a_clock_that_went_back_keeps_nothing_waiting(engine: Engine) -> None:
    engine.shoppers(8)
    with engine.database.write() as connection:
        connection.execute(insert(marks).values(name="breaker-sendgrid", value="9", at=at("720h")))
    assert engine.run("30m").sent.sent == 8


def after_an_outage(engine: Engine) -> None:
    """The breaker is open; others are due at 65 minutes, and at 70."""
    engine.shoppers(5)
    engine.provider.answer = failing
    engine.run("30m")
    assert len(engine.provider.given) == 5
    for seen in (35, 40):
        later = (cart(f"{seen}-{n}", seen=f"{seen}m", email=f"late{seen}-{n}@example.com") for n in range(6))
        engine.carts(*later, when=f"{seen}m")


def is_still_probed(engine: Engine, when: str) -> None:
    """The provider is still dead: one message finds that out."""
    before = len(engine.provider.given)
    engine.provider.answer = failing
    result = engine.run(when)
    assert len(engine.provider.given) == before + 1
    assert "sendgrid failed 6 times in a row (last: answer 503)" in list(result.sent.problems)[-1]


def test_a_probe_that_was_turned_away_at_the_gate_proves_nothing(engine: Engine) -> None:
    after_an_outage(engine)
    bought = [order(f"o-{n}", placed="64m", cart_id=f"35-{n}") for n in range(6)]
    engine.while_rendering = lambda: engine.orders(*bought, when="65m")
    engine.run("65m")
    assert len(engine.provider.given) == 5
    engine.while_rendering = lambda: None
    is_still_probed(engine, "70m")


def test_a_probe_that_meets_a_refused_key_proves_nothing(engine: Engine) -> None:
    after_an_outage(engine)
    engine.provider.answer = lambda _mail: Misconfigured("401")
    engine.run("65m")
    assert len(engine.provider.given) == 6
    is_still_probed(engine, "70m")


def test_a_probe_that_is_never_answered_proves_nothing(engine: Engine) -> None:
    def die(_mail: OutgoingMessage) -> Answer:
        raise Killed

    after_an_outage(engine)
    engine.provider.answer = die
    with pytest.raises(Killed):
        engine.run("65m")
    assert len(engine.provider.given) == 6
    is_still_probed(engine, "71m")


def test_single_failures_open_nothing(engine: Engine) -> None:
    engine.shoppers(30)
    engine.provider.answer = lambda mail: failing(mail) if mail.id % 3 == 0 else taking(mail)
    result = engine.run("30m", concurrency=1)
    assert (result.sent.sent, result.sent.unknown) == (20, 10)


# A provider that is well, and refuses everything


def test_five_refusals_for_no_fault_of_the_recipients_stop_a_run_that_has_sent_nothing(engine: Engine) -> None:
    engine.shoppers(30)
    engine.provider.answer = lambda _mail: Rejected("554 5.7.1")
    result = engine.run("30m", concurrency=16)
    assert (len(engine.provider.given), result.sent.failed) == (5, 5)
    assert result.has_problems
    assert list(result.sent.problems)[-1] == (
        "sendgrid refused 5 mails and took none (last: 554 5.7.1): this run sends nothing more; what is due stays due. "
        "Look for what is wrong with sender, account or templates"
    )
    engine.provider.answer = taking
    assert engine.run("35m").sent.sent == 25


@pytest.mark.parametrize("answer", [Rejected("550 5.1.1", bad_recipient=True), Unavailable("450", for_recipient=True)])
def test_what_blames_its_recipient_stops_no_run(engine: Engine, answer: Answer) -> None:
    engine.shoppers(30)
    engine.provider.answer = lambda _mail: answer
    result = engine.run("30m", concurrency=16)
    assert len(engine.provider.given) == 30
    assert not any("refused" in problem for problem in result.sent.problems)


def test_refusals_stop_no_run_that_has_sent_something(engine: Engine) -> None:
    engine.shoppers(30)
    engine.provider.answer = lambda mail: taking(mail) if mail.id == 3 else Rejected("400")
    result = engine.run("30m", concurrency=16)
    assert (result.sent.sent, result.sent.failed) == (1, 29)


def test_after_an_outage_refusals_show_that_the_provider_is_well_and_stop_the_run_all_the_same(engine: Engine) -> None:
    after_an_outage(engine)
    engine.provider.answer = lambda _mail: Rejected("400")
    assert "refused 5 mails" in list(engine.run("65m").sent.problems)[-1]
    engine.provider.answer = taking
    assert engine.run("70m").sent.sent == 7


# SendGrid itself, as far as it goes by HTTPS


class OverTheWire(Provider):
    def __init__(self, server: HTTPServer, authority: Authority) -> None:
        super().__init__(self._over_the_wire)
        self.transport = SendGrid(
            "SG.invented",
            host=server.url_for("/"),
            timeout=timedelta(seconds=5),
            clock=lambda: at("30m"),
            delivers=False,
            ca_file=authority.ca_file,
        )

    def _over_the_wire(self, mail: OutgoingMessage) -> Answer:
        return self.transport.send(mail)

    def probe(self) -> Probed:
        return self.transport.probe()


@pytest.fixture
def server(authority: Authority) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        yield server


@pytest.mark.parametrize(("asked", "mails"), [(503, 3), (200, 7), (403, 7)])
def test_sendgrid_is_asked_before_it_is_given_a_mail(
    engine: Engine, server: HTTPServer, authority: Authority, asked: int, mails: int
) -> None:
    """It fails for an hour; a shop has three mails due, and soon a few more. 403: the key may do nothing but send."""
    answers = {"/v3/mail/send": 503, "/v3/scopes": asked}
    for path, status in answers.items():
        server.expect_request(path).respond_with_data(status=status)
    engine.provider = OverTheWire(server, authority)
    engine.shoppers(3)
    engine.carts(*(cart(f"d-{n}", seen="5m", email=f"d{n}@example.com") for n in range(9)))
    for minute in range(30, 90, 5):
        result = engine.run(f"{minute}m")
    assert [request.path for request, _ in server.log].count("/v3/mail/send") == unknown(engine) == mails
    if asked == 503:
        assert "is not well yet (answer 503)" in list(result.sent.problems)[-1]
    server.clear()
    server.expect_request("/v3/scopes").respond_with_json({"scopes": ["mail.send"]})
    server.expect_request("/v3/mail/send").respond_with_data(status=202)
    assert engine.run("120m").sent.sent == 12 - mails

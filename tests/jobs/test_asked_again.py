"""A message in doubt over Resend is handed over again: the same key, the same bytes, and only while the key lives.

The transport is the real one; Resend itself is played by a server on this machine.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Rejected, Unknown
from cartctl.mail.resend import Resend
from cartctl.store import contacts, events
from cartctl.store.database import EngineDatabase
from tests.jobs.engine import HASHING_KEY, Engine, Killed, Provider
from tests.mail.provider import Authority
from tests.shop import at, cart, order

ODD = timedelta(seconds=17, microseconds=123_457)
"""No run begins on the whole minute."""


@pytest.fixture
def server(authority: Authority) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        yield server


class OverTheWire(Provider):
    """Resend's own transport. `lost` answers never arrive; a request in which `dies` is set never comes back.

    A key in `other_content` is known to Resend by another mail.
    """

    def __init__(self, server: HTTPServer, authority: Authority) -> None:
        super().__init__(self._over_the_wire, name="resend")
        self.server, self.dies, self.lost = server, False, 0
        self.other_content: set[str] = set()
        self.transport = Resend(
            "re_invented",
            host=server.url_for("/"),
            timeout=timedelta(seconds=5),
            clock=lambda: at("30m"),
            database_id="d1",
            delivers=False,
            ca_file=authority.ca_file,
        )
        server.expect_request("/emails").respond_with_handler(self._take)

    def _over_the_wire(self, mail: OutgoingMessage) -> Answer:
        answer = self.transport.send(mail)
        if self.dies:
            raise Killed
        return answer

    def _take(self, request: Request) -> Response:
        if request.headers["Idempotency-Key"] in self.other_content:
            return Response(json.dumps({"name": "invalid_idempotent_request"}), status=409)
        self.lost -= 1
        return Response(json.dumps({"id": "r-1"}) if self.lost < 0 else "", status=200 if self.lost < 0 else 503)

    @property
    def requests(self) -> list[tuple[str, bytes]]:
        """(key, body) of everything that arrived."""
        return [(request.headers["Idempotency-Key"], request.get_data()) for request, _ in self.server.log]


@pytest.fixture
def resend(server: HTTPServer, authority: Authority) -> OverTheWire:
    return OverTheWire(server, authority)


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path, resend: OverTheWire) -> Engine:
    engine = Engine(db, tmp_path, resend)
    engine.carts(cart())
    return engine


def run(engine: Engine, when: str) -> None:
    engine.run(when, clock=lambda: at(when) + ODD)


def test_a_lost_answer_is_asked_for_with_the_same_key_and_the_same_bytes(engine: Engine, resend: OverTheWire) -> None:
    resend.lost = 2
    for tick in ("30m", "31m", "35m", "45m"):
        run(engine, tick)
    assert len(resend.requests) == 3
    assert len(set(resend.requests)) == 1
    assert resend.requests[0][0] == "cartctl-d1-1"
    assert engine.states[0] == ("reminder", "accepted", "")
    run(engine, "24h5m")
    assert resend.requests[-1][0] == "cartctl-d1-2", "another message has another key"


@pytest.mark.parametrize("then", ["bought", "too late"])
def test_an_event_settles_what_can_no_longer_be_asked_for(engine: Engine, resend: OverTheWire, then: str) -> None:
    """It came while the message waited to be handed over again, and comes only once."""
    resend.lost = 99
    run(engine, "30m")
    with engine.database.write() as connection:
        events.remember(
            connection,
            [{"content_hash": "delivered", "source": "resend", "kind": "delivered", "at": at("32m"), "message_id": 1}],
        )
    if then == "bought":
        engine.orders(order(cart_id="c-1", placed="33m"), when="34m")
    else:
        run(engine, "24h10m")
    assert engine.states[0] == ("reminder", "accepted", "event")
    assert [key for key, _ in resend.requests].count("cartctl-d1-1") == 1


def test_what_a_dead_run_left_is_asked_for_with_the_same_key_and_the_same_bytes(
    engine: Engine, resend: OverTheWire
) -> None:
    resend.dies = True
    with pytest.raises(Killed):
        run(engine, "30m")
    resend.dies = False
    run(engine, "36m")
    assert len(resend.requests) == 2
    assert len(set(resend.requests)) == 1
    assert engine.states[0] == ("reminder", "accepted", "")


@pytest.mark.parametrize(("tick", "requests", "state"), [("23h29m", 2, "accepted"), ("23h31m", 1, "unknown")])
def test_it_is_asked_again_for_23_hours_and_not_after(
    engine: Engine, resend: OverTheWire, tick: str, requests: int, state: str
) -> None:
    """Resend forgets a key after 24 hours: the same request would then be a second mail."""
    resend.lost = 1
    run(engine, "30m")
    run(engine, tick)
    assert engine.states[0][:2] == ("reminder", state)
    assert len([key for key, _ in resend.requests if key == "cartctl-d1-1"]) == requests
    assert engine.states[1][:2] == ("urgency", "scheduled")


def test_the_next_mail_keeps_its_distance_from_the_last_time_that_it_was_asked(
    engine: Engine, resend: OverTheWire
) -> None:
    """It may have arrived only then."""
    resend.lost = 1
    run(engine, "30m")
    run(engine, "14h")
    assert engine.states[:2] == [("reminder", "accepted", ""), ("urgency", "scheduled", "gap")]
    run(engine, "24h5m")
    assert engine.states[1][:2] == ("urgency", "scheduled"), "ten hours after the reminder, and 12 is the least"
    run(engine, "26h")
    assert engine.states[1][:2] == ("urgency", "accepted")


def test_a_run_that_died_long_ago_is_not_asked_for(engine: Engine, resend: OverTheWire) -> None:
    resend.dies = True
    with pytest.raises(Killed):
        run(engine, "30m")
    resend.dies = False
    run(engine, "23h31m")
    assert engine.states[0] == ("reminder", "unknown", "died-sending")
    assert len(resend.requests) == 1


def test_it_is_asked_five_times_at_most(engine: Engine, resend: OverTheWire) -> None:
    resend.lost = 100
    for minutes in range(30, 300, 5):
        run(engine, f"{minutes}m")
    assert len(resend.requests) == 5
    assert len(set(resend.requests)) == 1
    assert engine.states[0] == ("reminder", "unknown", "answer 503")


def test_what_resend_knows_by_another_mail_is_unknown_at_once_and_delays_nobody(
    engine: Engine, resend: OverTheWire
) -> None:
    """Five are in doubt, then a template is edited; twenty more are due."""
    engine.carts(*(cart(f"d-{number}", email=f"d{number}@example.com") for number in range(24)))
    resend.lost = 5
    run(engine, "30m")
    assert len(resend.requests) == 5
    resend.other_content = {key for key, _ in resend.requests}
    result = engine.run("50m", clock=lambda: at("50m") + ODD)
    assert result.sent.sent == 20
    assert result.sent.unknown == 5
    reason = "handed over before: 409 invalid_idempotent_request"
    assert engine.states.count(("reminder", "unknown", reason)) == 5
    assert not any("in a row" in problem for problem in result.sent.problems)
    assert len(resend.requests) == 5 + 25


def test_another_transport_is_not_asked(engine: Engine, resend: OverTheWire) -> None:
    """The shop has changed its provider: that one knows nothing of the key."""
    resend.lost = 1
    run(engine, "30m")
    engine.provider = Provider(name="sendgrid")
    run(engine, "35m")
    assert engine.provider.given == []
    assert engine.states[0] == ("reminder", "unknown", "asked-too-late")


def test_a_message_in_doubt_is_not_asked_for_after_a_purchase(engine: Engine, resend: OverTheWire) -> None:
    resend.lost = 1
    run(engine, "30m")
    engine.orders(order(placed="31m", cart_id="c-1"), when="32m")
    (note,) = engine.notes
    assert note.startswith("1 message was to be tried again, an answer having been lost, and is now unknown: see ")
    run(engine, "35m")
    assert len(resend.requests) == 1
    assert engine.states == [("reminder", "unknown", "purchased")]


@pytest.mark.parametrize("moment", ["waiting", "rendered", "handed over"])
def test_a_message_in_doubt_that_will_not_be_asked_for_is_told(db: EngineDatabase, tmp_path: Path, moment: str) -> None:
    """Somebody must hear that the buyer may have had a mail."""
    engine = Engine(db, tmp_path)

    def refused() -> None:
        with db.write() as connection:
            hash_ = contacts.email_hash(HASHING_KEY, "anna@example.com")
            contacts.suppress(connection, hash_, scope="all", reason="unsubscribed", at=at("31m"))

    def bought_meanwhile(_mail: OutgoingMessage) -> Answer:
        if moment == "handed over":
            engine.orders(order(placed="29m", cart_id="c-1"), when="30m")
        return Unknown("503")

    engine.provider = Provider(bought_meanwhile, name="resend")
    engine.carts(cart())
    result = engine.run("30m")
    if moment == "handed over":
        assert engine.states == [("reminder", "unknown", "purchased")]
    else:
        assert result.sent.unknown == 0
        if moment == "waiting":
            refused()
        else:
            engine.while_rendering = refused
        result = engine.run("35m")
        assert engine.states == [("reminder", "unknown", "suppressed")]
    assert result.sent.unknown == 1
    assert any("message 1" in problem and "unknown" in problem for problem in result.sent.problems)
    assert len(engine.provider.given) == 1


def test_a_message_in_doubt_counts_for_the_gap_and_does_not_wait_for_itself(db: EngineDatabase, tmp_path: Path) -> None:
    """The same shopper leaves a cart in another store, half an hour later."""
    lost: set[int] = {1}
    provider = Provider(lambda mail: Unknown("503") if mail.id in lost else Accepted("r"), name="resend")
    engine = Engine(db, tmp_path, provider)
    engine.carts(cart())
    engine.run("30m")
    engine.store = "other"
    engine.carts(cart("c-2", seen="1m"), when="5m")
    for tick in ("31m20s", "40m"):
        engine.run(tick)
    assert {mail.id for mail in provider.given} == {1}, "asked for again, and the other waits"
    assert engine.states[1] == ("reminder", "scheduled", "gap")
    lost.clear()
    engine.run("89m")
    assert engine.states[0] == ("reminder", "accepted", "")
    assert {mail.id for mail in provider.given} == {1}
    engine.run("148m")
    assert provider.given[-1].id == 1, "it may have arrived only when it was asked for again"
    engine.run("149m")
    assert provider.given[-1].id == 2, "an hour after the first was handed over last"


def test_messages_in_doubt_count_for_the_cap(db: EngineDatabase, tmp_path: Path) -> None:
    provider = Provider(lambda _mail: Unknown("503"), name="resend")
    engine = Engine(db, tmp_path, provider)
    engine.rules = replace(engine.rules, time=replace(engine.rules.time, cap=1))
    engine.carts(cart())
    engine.run("30m")
    engine.store = "other"
    engine.carts(cart("c-2", seen="1m"), when="5m")
    engine.run("6h")
    assert {mail.id for mail in provider.given} == {1}
    assert engine.states[1] == ("reminder", "scheduled", "cap")


# An address that takes no mail


def test_an_address_that_the_provider_refuses_is_never_written_to_again(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path, Provider(lambda _mail: Rejected("550 5.1.1", bad_recipient=True)))
    engine.carts(cart())
    engine.run("30m")
    engine.provider.answer = lambda _mail: Accepted("r")
    for tick in ("24h", "48h"):
        engine.run(tick)
    assert engine.states == [("reminder", "failed", "550 5.1.1"), ("urgency", "cancelled", "suppressed")]
    engine.store = "other"
    engine.carts(
        cart("c-2", seen="720h", email=" Anna@Example.COM", consent="yes"),
        cart("c-3", seen="720h", email="ben@example.com"),
        when="720h",
    )
    engine.run("720h30m")
    assert [mail.to for mail in engine.provider.given] == ["anna@example.com", "ben@example.com"]
    assert ("reminder", "cancelled", "suppressed") in engine.states


def test_a_refusal_of_the_mail_alone_suppresses_nobody(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path, Provider(lambda _mail: Rejected("400 subject")))
    engine.carts(cart())
    engine.run("30m")
    engine.provider.answer = lambda _mail: Accepted("r")
    engine.run("24h")
    assert [mail.step for mail in engine.provider.given] == ["reminder", "urgency"]

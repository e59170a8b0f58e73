"""Two transports in one run: each carries its own sequences, and the trouble of one is not the other's."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cartctl.errors import ConfigurationError
from cartctl.jobs.sending import Equipment
from cartctl.mail.message import Accepted, Answer, Misconfigured, OutgoingMessage, Throttled, Unavailable, Unknown
from cartctl.store.database import Database, EngineDatabase
from cartctl.store.tables import messages
from tests.jobs.engine import Engine, Provider
from tests.nurture import HEAD, PLAIN, STEPS, engine_of, people, person, set_up, sign_up
from tests.shop import Shop, cart

SEQUENCE = HEAD + 'transport = "resend"\n' + STEPS.replace("{{ score }} of 100", "your result")


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    """Carts by SendGrid, the check-up by Resend."""
    engine = engine_of(db, tmp_path, SEQUENCE)
    engine.rules = replace(engine.rules, transport="sendgrid")
    engine.providers = {"resend": Provider(name="resend")}
    return engine


def given(engine: Engine) -> Mapping[str, list[tuple[str, str]]]:
    resend = engine.providers["resend"]
    return {
        provider.name: sorted((mail.to, mail.step) for mail in provider.given) for provider in (engine.provider, resend)
    }


def answering(answer: Answer) -> Callable[[OutgoingMessage], Answer]:
    return lambda _mail: answer


@pytest.mark.parametrize("side_by_side", [True, False])
def test_each_sequence_goes_by_its_own_transport(engine: Engine, side_by_side: bool) -> None:
    engine.carts(cart("c-1"), cart("c-2", email="bo@example.com"))
    sign_up(engine, "cleo@example.com", "dan@example.com")
    result = engine.run("30m", side_by_side=side_by_side)
    assert given(engine) == {
        "sendgrid": [("anna@example.com", "reminder"), ("bo@example.com", "reminder")],
        "resend": [("cleo@example.com", "result"), ("dan@example.com", "result")],
    }
    assert result.sent.sent == 4
    assert result.sent.by_sequence == {"cart-recovery": 2, "check-up": 2}
    with engine.database.read() as connection:
        noted = connection.execute(select(messages.c.step, messages.c.transport).where(messages.c.sent_at.is_not(None)))
        assert {tuple(row) for row in noted} == {("reminder", "sendgrid"), ("result", "resend")}
    assert engine.run("30m", side_by_side=side_by_side).sent.sent == 0


@pytest.mark.parametrize("side_by_side", [True, False])
def test_one_shopper_gets_one_mail_a_run_whatever_carries_it(engine: Engine, side_by_side: bool) -> None:
    engine.carts(cart("c-1"))
    sign_up(engine, "anna@example.com")
    assert engine.run("30m", side_by_side=side_by_side).sent.sent == 1


@pytest.mark.parametrize("side_by_side", [True, False])
def test_a_dead_transport_keeps_nobody_waiting_for_the_other(engine: Engine, side_by_side: bool) -> None:
    engine.providers["resend"].answer = answering(Unavailable("connection refused"))
    engine.carts(*(cart(f"c-{n}", email=f"c{n}@example.com") for n in range(8)))
    sign_up(engine, *(f"p{n}@example.com" for n in range(8)))
    result = engine.run("30m", side_by_side=side_by_side)
    assert len(given(engine)["sendgrid"]) == 8
    assert len(given(engine)["resend"]) == 5  # then its breaker opens
    assert any("resend failed 5 times in a row" in problem for problem in result.sent.problems)
    assert not any("sendgrid" in problem for problem in result.sent.problems)
    engine.providers["resend"].answer = lambda mail: Accepted(f"receipt-{mail.id}")
    engine.carts(cart("c-9", email="c9@example.com", seen="5m"), when="10m")
    engine.run("1h", side_by_side=side_by_side)
    assert len(given(engine)["sendgrid"]) == 9
    assert len({to for to, _ in given(engine)["resend"]}) == 8


@pytest.mark.parametrize("alone", [True, False])
def test_a_template_that_never_ends_holds_up_neither(db: EngineDatabase, tmp_path: Path, *, alone: bool) -> None:
    """In a thread nothing could stop it: each of two transports has a child that renders. Where there can be none,
    because of other threads, they carry one after the other.
    """
    over = threading.Event()
    if not alone:
        threading.Thread(target=over.wait, daemon=True).start()
    engine = engine_of(db, tmp_path, SEQUENCE)
    engine.rules = replace(engine.rules, transport="sendgrid")
    engine.providers = {"resend": Provider(name="resend")}
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (tmp_path / "templates" / "check-up" / "result.txt").write_text(loops, encoding="utf-8")
    engine.carts(cart("c-1"))
    sign_up(engine, "cleo@example.com")
    result = engine.run("30m", side_by_side=True)
    assert given(engine)["sendgrid"] == [("anna@example.com", "reminder")]
    (problem,) = result.sent.problems
    assert "takes longer than 1 s" in problem
    assert ("result", "scheduled", "template") in engine.states
    over.set()


@pytest.mark.parametrize("side_by_side", [True, False])
def test_a_transport_that_is_given_too_much_at_once_keeps_nobody_waiting_for_the_other(
    engine: Engine, side_by_side: bool
) -> None:
    resend = engine.providers["resend"]
    resend.answer = lambda mail: Accepted("r") if mail.to == "p0@example.com" else Throttled(wait=timedelta(hours=1))
    engine.carts(*(cart(f"c-{n}", email=f"c{n}@example.com") for n in range(8)))
    sign_up(engine, *(f"p{n}@example.com" for n in range(8)))
    result = engine.run("30m", side_by_side=side_by_side)
    assert (len(given(engine)["sendgrid"]), result.sent.sent, result.has_problems) == (8, 9, False)
    (remark,) = result.sent.remarks
    assert remark.startswith("resend wants fewer at a time (throttled): it put off 3 mails and took 1; ")
    resend.answer = lambda _mail: Accepted("r")
    assert engine.run("35m", side_by_side=side_by_side).sent.sent == 4, "and the others when Resend said"


def test_a_misconfigured_transport_stops_its_own_alone(engine: Engine) -> None:
    engine.providers["resend"].answer = answering(Misconfigured("resend does not take the key"))
    engine.carts(cart("c-1"))
    sign_up(engine, "cleo@example.com")
    result = engine.run("30m")
    assert (result.sent.sent, result.has_problems) == (1, True)
    assert given(engine)["sendgrid"] == [("anna@example.com", "reminder")]
    assert ("result", "scheduled", "misconfigured") in engine.states


def test_a_transport_that_lacks_its_key_stops_its_own_alone(engine: Engine) -> None:
    equip = engine._equip

    def without_key(database: Database, transport: str) -> Equipment:
        if transport == "resend":
            raise ConfigurationError('transport = "resend" needs RESEND_API_KEY in the environment')
        return equip(database, transport)

    engine.carts(cart("c-1"))
    sign_up(engine, "cleo@example.com")
    result = engine.run("30m", equip=without_key)
    assert result.sent.sent == 1
    (problem,) = result.sent.problems
    assert problem.startswith('transport = "resend" needs RESEND_API_KEY in the environment. Its mail stays due; ')


@pytest.mark.parametrize("side_by_side", [True, False])
def test_what_is_past_its_grace_is_told_of_every_transport(engine: Engine, side_by_side: bool) -> None:
    for provider in (engine.provider, engine.providers["resend"]):
        provider.answer = answering(Throttled(wait=timedelta(minutes=1)))
    engine.carts(cart("c-1"), cart("c-2", email="bo@example.com"))
    sign_up(engine, "cleo@example.com")
    engine.run("30m", side_by_side=side_by_side)
    late = engine.run("25h", side_by_side=side_by_side)
    assert [line.partition(" past ")[0] for line in late.past_grace] == [
        "cart-recovery/reminder: 2 mails are",
        "check-up/result: 1 mail is",
    ]


def test_whether_a_message_is_asked_for_again_hangs_on_its_own_transport(engine: Engine) -> None:
    engine.provider.answer = answering(Unknown("reset"))
    engine.providers["resend"].answer = answering(Unknown("reset"))
    engine.carts(cart("c-1"))
    sign_up(engine, "cleo@example.com")
    engine.run("30m")
    states = {step: state for step, state, _ in engine.states}
    assert (states["reminder"], states["result"]) == ("unknown", "scheduled")


def test_doctor_and_run_due_look_at_both(shop: Shop) -> None:
    set_up(shop, SEQUENCE, texts=PLAIN)
    told = shop.cli("doctor", "--json", ok=False).json
    lines = [(line["level"], line["text"]) for line in told["checks"] if line["check"] == "transport"]
    assert [level for level, _ in lines] == ["ok", "fail"]
    assert lines[1][1].startswith('transport = "resend" needs RESEND_API_KEY in the environment')
    shop.cli("enroll", "check-up", people(shop, person()))
    ran = shop.cli("run-due", ok=False)
    assert ran.exit_code == 1
    assert ran.err.startswith('cartctl: transport = "resend" needs RESEND_API_KEY')

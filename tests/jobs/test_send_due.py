"""The sending contract, with a provider that answers as it is told. Each test runs on SQLite and on PostgreSQL."""

import sqlite3
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, select

from cartctl.domain.sequences import Step
from cartctl.jobs.rules import Rules
from cartctl.mail.message import (
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
)
from cartctl.store import contacts
from cartctl.store.database import EngineDatabase, open_database
from cartctl.store.tables import messages
from tests.jobs.engine import HASHING_KEY, Engine, Killed, Provider
from tests.shop import at, cart, order


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    return Engine(db, tmp_path)


def test_an_accepted_message_has_its_receipt_and_its_whole_story(engine: Engine) -> None:
    engine.carts(cart())
    result = engine.run("30m")
    assert (result.sent.sent, result.has_problems) == (1, False)
    assert engine.states == [("reminder", "accepted", ""), ("urgency", "scheduled", "")]
    assert engine.transitions(1) == [
        ("", "scheduled", ""),
        ("scheduled", "claimed", ""),
        ("claimed", "sending", ""),
        ("sending", "accepted", ""),
    ]


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [(Rejected("400 to"), "failed", "400 to"), (Unknown("answer 503"), "unknown", "answer 503")],
)
def test_a_final_answer_is_never_sent_again_and_the_sequence_goes_on(
    engine: Engine, answer: Answer, state: str, reason: str
) -> None:
    engine.provider.answer = lambda _mail: answer
    engine.carts(cart())
    result = engine.run("30m")
    assert result.has_problems
    for tick in ("35m", "1h", "6h", "23h55m"):
        engine.run(tick)
    assert engine.states == [("reminder", state, reason), ("urgency", "scheduled", "")]
    assert len(engine.provider.given) == 1


def test_an_unknown_message_counts_for_the_gap(engine: Engine) -> None:
    engine.provider.answer = lambda _mail: Unknown("no answer in time")
    engine.carts(cart(), when="20h")
    engine.run("20h")
    engine.run("31h55m")
    assert len(engine.provider.given) == 1
    engine.run("32h")
    assert len(engine.provider.given) == 2


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (Unavailable("no connection"), "31m30s"),
        (Throttled(until=at("40m")), "40m"),
        (Throttled(wait=timedelta(minutes=3)), "33m"),
        (Throttled(), "31m30s"),
    ],
)
def test_what_never_left_is_tried_again_and_not_before(engine: Engine, answer: Answer, again: str) -> None:
    answers: list[Answer] = [answer, Accepted("r")]
    engine.provider.answer = lambda _mail: answers.pop(0)
    engine.carts(cart())
    engine.run("30m")
    assert engine.states[0][:2] == ("reminder", "scheduled")
    engine.run("30m59s")
    assert len(engine.provider.given) == 1
    engine.run(again)
    assert engine.states[0] == ("reminder", "accepted", "")


def test_an_outage_backs_off_and_gives_up_in_the_end(engine: Engine) -> None:
    engine.provider.answer = lambda _mail: Unavailable("no connection")
    engine.carts(cart())
    for minutes in range(30, 240):
        engine.run(f"{minutes}m")
    assert engine.states[0] == ("reminder", "failed", "gave up after 5 tries: no connection")
    assert len(engine.provider.given) == 5


def test_a_refused_key_stops_the_run_and_costs_nothing(engine: Engine, db: EngineDatabase) -> None:
    engine.provider.answer = lambda _mail: Misconfigured("SendGrid refuses the key")
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(9)))
    result = engine.run("30m")
    assert list(result.sent.problems)[-1].startswith("SendGrid refuses the key. The run stops here")
    assert len(engine.provider.given) <= 4, "the chunk in flight, and no more"
    assert {state for _, state, _ in engine.states} == {"scheduled"}
    with db.read() as connection:
        assert set(connection.execute(select(messages.c.attempts)).scalars()) == {0}
    engine.provider.answer = lambda _mail: Accepted("r")
    assert engine.run("35m").sent.sent == 9


def die(_mail: OutgoingMessage) -> Answer:
    raise Killed


def test_a_process_that_died_while_sending_leaves_unknown_and_sends_nothing_twice(engine: Engine) -> None:
    engine.carts(cart())
    engine.provider.answer = die
    with pytest.raises(Killed):
        engine.run("30m")
    engine.provider.answer = lambda _mail: Accepted("r")
    engine.run("34m59s")
    assert engine.states == [("reminder", "sending", "")], "its lease of 5 minutes still runs"
    result = engine.run("35m1s")
    assert result.sent.unknown == 1
    assert engine.states == [("reminder", "unknown", "died-sending"), ("urgency", "scheduled", "")]
    assert len(engine.provider.given) == 1


def test_the_outbox_resolves_its_own_unknown(engine: Engine) -> None:
    engine.provider = Provider(die, name="outbox")
    engine.carts(cart())
    with pytest.raises(Killed):
        engine.run("30m")
    engine.provider.answer = lambda _mail: Accepted("00000001.eml")
    assert engine.run("36m").sent.sent == 1
    assert engine.states[0] == ("reminder", "accepted", "")


def test_a_process_that_died_before_the_gate_costs_nothing(engine: Engine) -> None:
    def killed() -> None:
        raise Killed

    engine.carts(cart())
    engine.while_rendering = killed
    with pytest.raises(Killed):
        engine.run("30m")
    assert engine.states == [("reminder", "claimed", "")]
    engine.while_rendering = lambda: None
    assert engine.run("36m").sent.sent == 1
    assert engine.transitions(1)[2] == ("claimed", "scheduled", "lease-expired")


def test_a_purchase_committed_after_the_claim_is_seen_at_the_gate(engine: Engine) -> None:
    engine.carts(cart())
    engine.while_rendering = lambda: engine.orders(order(placed="20m", cart_id="c-1"), when="29m")
    result = engine.run("30m")
    assert engine.provider.given == []
    assert engine.states == [("reminder", "cancelled", "purchased")]
    assert result.sent.sent == 0


def test_a_cart_touched_after_the_claim_is_not_mailed(engine: Engine) -> None:
    engine.carts(cart())
    engine.while_rendering = lambda: engine.carts(cart(seen="29m"), when="30m")
    engine.run("30m")
    assert engine.provider.given == []
    assert engine.states == [("reminder", "cancelled", "reactivated")]
    engine.while_rendering = lambda: None
    engine.run("59m")
    assert [mail.step for mail in engine.provider.given] == ["reminder"]
    assert engine.transitions(1)[-4] == ("cancelled", "scheduled", "")


def test_a_suppressed_address_is_never_written_to(engine: Engine, db: EngineDatabase) -> None:
    engine.carts(cart(email="Anna@Example.com"), cart("c-2", email="ben@example.com"))
    with db.write() as connection:
        hash_ = contacts.email_hash(HASHING_KEY, "anna@example.com")
        contacts.suppress(connection, hash_, scope="all", reason="unsubscribed", at=at("10m"))
    result = engine.run("30m")
    assert [mail.to for mail in engine.provider.given] == ["ben@example.com"]
    assert result.sent.cancelled == {"suppressed": 1}
    assert engine.live == ["cancelled", "live"]


def test_suppression_in_one_sequence_does_not_stop_another(engine: Engine, db: EngineDatabase) -> None:
    engine.carts(cart())
    with db.write() as connection:
        hash_ = contacts.email_hash(HASHING_KEY, "anna@example.com")
        contacts.suppress(connection, hash_, scope="christmas", reason="unsubscribed", at=at("10m"))
    assert engine.run("30m").sent.sent == 1


def test_two_runs_at_once_send_each_message_once(engine: Engine) -> None:
    """The job is entered again from inside send, as an overlapping cron would."""
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(12)))
    inner: list[int] = []

    def again(mail: OutgoingMessage) -> Answer:
        if not inner:
            inner.append(0)
            inner[0] = engine.run("30m").sent.sent
        return Accepted(f"receipt-{mail.id}")

    engine.provider.answer = again
    outer = engine.run("30m", concurrency=1).sent.sent
    assert outer + inner[0] == 12
    assert len({mail.to for mail in engine.provider.given}) == len(engine.provider.given) == 12


def test_a_process_that_slept_past_its_lease_settles_nothing(engine: Engine) -> None:
    engine.carts(cart())

    def slow(mail: OutgoingMessage) -> Answer:
        engine.run("36m")  # another process reaps the expired lease meanwhile
        return Accepted("r")

    engine.provider.answer = slow
    result = engine.run("30m")
    assert result.sent.sent == 0
    assert engine.states == [("reminder", "unknown", "died-sending"), ("urgency", "scheduled", "")]
    assert len(engine.provider.given) == 1


def test_a_removed_step_is_skipped_and_the_sequence_goes_on(engine: Engine) -> None:
    engine.carts(cart())
    engine.run("30m")
    sequence = engine.rules.sequences["cart-recovery"]
    keep = tuple(step for step in sequence.steps if step.key != "urgency")
    engine.rules = replace_sequence(engine, keep)
    result = engine.run("24h")
    assert result.sent.skipped == {"step-removed": 1}
    engine.run("48h")
    assert [mail.step for mail in engine.provider.given] == ["reminder", "offer"]
    assert engine.live == ["finished"]


def replace_sequence(engine: Engine, steps: tuple[Step, ...]) -> Rules:
    sequence = replace(engine.rules.sequences["cart-recovery"], steps=steps)
    return replace(engine.rules, sequences={"cart-recovery": sequence})


def test_a_removed_sequence_cancels_what_it_left_behind(engine: Engine) -> None:
    engine.carts(cart())
    engine.run("30m")
    engine.rules = replace(engine.rules, sequences={})
    engine.run("24h")
    assert engine.states[-1] == ("urgency", "skipped", "step-removed")
    assert engine.live == ["cancelled"]


@pytest.mark.parametrize("ticks", [("30m",), ("30m", "24h"), ("30m", "24h", "48h"), ("40h", "100h")])
def test_a_live_enrollment_has_exactly_one_open_message(engine: Engine, ticks: tuple[str, ...]) -> None:
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(3)))
    for tick in ticks:
        engine.run(tick)
    opened = sum(state in ("scheduled", "claimed", "sending") for _, state, _ in engine.states)
    assert opened == engine.live.count("live")
    assert set(engine.live) <= {"live", "finished"}


def test_the_outbox_is_told_apart_from_delivery_for_ever(engine: Engine, db: EngineDatabase) -> None:
    engine.provider = Provider(name="outbox")
    engine.provider.delivers = False
    engine.carts(cart())
    engine.run("30m")
    engine.provider = Provider()
    engine.run("24h")
    with db.read() as connection:
        rows = connection.execute(select(messages.c.transport, messages.c.delivers).order_by(messages.c.id)).all()
    assert [tuple(row) for row in rows[:2]] == [("outbox", False), ("sendgrid", True)]


def test_one_cart_that_breaks_its_mail_does_not_stop_the_others(engine: Engine) -> None:
    broken = iter([ValueError("a cart nobody thought of")])

    def once() -> None:
        for error in broken:
            raise error

    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(3)))
    engine.while_rendering = once
    result = engine.run("30m")
    assert (result.sent.sent, result.sent.failed) == (2, 1)
    assert engine.run("46m").sent.sent == 1


def test_a_transport_that_raises_leaves_unknown_and_settles_the_rest(engine: Engine) -> None:
    def raising(mail: OutgoingMessage) -> Answer:
        if mail.id == 1:
            raise RuntimeError("a bug")
        return Accepted("r")

    engine.provider.answer = raising
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(3)))
    result = engine.run("30m")
    assert (result.sent.sent, result.sent.unknown) == (2, 1)
    assert engine.states[0] == ("reminder", "unknown", "RuntimeError in the transport")


def test_a_message_still_being_sent_when_its_cart_is_left_again_blocks_nobody(engine: Engine) -> None:
    """The process dies while sending, the shopper comes back and goes again: the next run goes on."""
    engine.provider.answer = die
    engine.carts(cart())
    with pytest.raises(Killed):
        engine.run("30m")
    engine.carts(cart(seen="31m"), cart("c-2", seen="31m", email="ben@example.com"), when="31m")
    engine.provider.answer = lambda _mail: Accepted("r")
    for tick in ("33m", "61m", "65m", "24h31m"):
        engine.run(tick)
    assert [(mail.to, mail.step) for mail in engine.provider.given] == [
        ("anna@example.com", "reminder"),
        ("ben@example.com", "reminder"),
        ("anna@example.com", "urgency"),
        ("ben@example.com", "urgency"),
    ]


def test_a_message_throttled_while_its_shopper_came_back_is_not_left_open(engine: Engine) -> None:
    def meanwhile(_mail: OutgoingMessage) -> Answer:
        engine.carts(cart(seen="30m"), when="30m")
        return Throttled(wait=timedelta(hours=2))

    engine.provider.answer = meanwhile
    engine.carts(cart())
    engine.run("30m")
    assert engine.states == [("reminder", "cancelled", "reactivated")]
    engine.provider.answer = lambda _mail: Accepted("r")
    engine.run("60m")
    assert engine.states[0] == ("reminder", "accepted", "")


def test_a_superseded_cart_is_not_mailed_even_if_its_message_comes_back(engine: Engine) -> None:
    def meanwhile(mail: OutgoingMessage) -> Answer:
        if mail.id == 1:
            engine.carts(cart("c-2", seen="1m"), when="30m")
            engine.provider.answer = lambda _mail: Accepted("r")
            engine.run("31m")
            return Throttled(wait=timedelta(hours=2))
        return Accepted("r")

    engine.provider.answer = meanwhile
    engine.carts(cart("c-1"))
    engine.run("30m")
    for tick in ("2h", "3h", "4h"):
        engine.run(tick)
    assert [mail.step for mail in engine.provider.given] == ["reminder", "reminder"]
    assert [status for status in engine.live if status == "live"] == ["live"]
    assert len(engine.provider.given) == 2
    assert engine.states[0] == ("reminder", "cancelled", "superseded")


def test_an_answer_is_not_lost_because_the_database_is_held(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'held.db'}?timeout=1")
    engine = Engine(database, tmp_path)

    def hold() -> None:
        connection = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        held.set()
        time.sleep(2.5)
        connection.execute("ROLLBACK")
        connection.close()

    held = threading.Event()

    def meanwhile(_mail: OutgoingMessage) -> Answer:
        threading.Thread(target=hold).start()
        held.wait()
        return Accepted("r")

    engine.provider.answer = meanwhile
    engine.carts(cart())
    assert engine.run("30m").sent.sent == 1
    database.close()


@pytest.mark.parametrize("planner", ["", "-c enable_seqscan=off", "-c enable_hashjoin=off -c enable_mergejoin=off"])
def test_messages_are_numbered_alike_however_postgresql_plans(postgres_url: str, tmp_path: Path, planner: str) -> None:
    """A large shop's tables are not read as a small one's are."""
    url = make_url(postgres_url).update_query_dict({"options": planner})
    database = open_database(url.render_as_string(hide_password=False))
    engine = Engine(database, tmp_path)
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com", seen=f"{59 - n}s") for n in range(20)))
    engine.run("31m", limit=0)
    with database.read() as connection:
        numbered = connection.execute(select(messages.c.enrollment_id).order_by(messages.c.id)).scalars().all()
    assert numbered == sorted(numbered)
    database.close()


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (Rejected("no\x00such\ud800one"), ("failed", "no such one", "")),
        (Accepted("re\x00ceipt\ud800"), ("accepted", "", "re ceipt ")),
    ],
)
def test_whatever_characters_a_provider_answers_with_the_answer_is_kept(
    engine: Engine, answer: Answer, kept: tuple[str, str, str]
) -> None:
    engine.carts(cart("c-1"))
    engine.provider.answer = lambda _mail: answer
    engine.run("30m")
    parts = select(messages.c.state, messages.c.reason, messages.c.receipt).order_by(messages.c.id).limit(1)
    with engine.database.read() as connection:
        assert tuple(connection.execute(parts).one()) == kept

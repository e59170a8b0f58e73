"""What a run tells of many failures: of each kind the first twenty, whatever order the answers came in, and a count."""

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from sqlalchemy import update

from cartctl.jobs.problems import Problems
from cartctl.mail.message import Answer, Misconfigured, Rejected, Unavailable
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import messages
from tests.jobs.engine import Engine
from tests.shop import Shop, at, cart, iso

STEP = "cart-recovery/reminder"


@pytest.fixture
def engine(db: EngineDatabase, tmp_path: Path) -> Engine:
    engine = Engine(db, tmp_path)
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(30)))
    return engine


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (Rejected("550 5.1.1", bad_recipient=True), "failed"),
        (Unavailable("450 4.2.1", for_recipient=True), "is tried again"),
    ],
)
def test_the_first_twenty_are_told_by_their_messages_and_the_rest_counted(
    engine: Engine, answer: Answer, what: str
) -> None:
    engine.provider.answer = lambda _mail: answer
    result = engine.run("30m", concurrency=16)
    assert len(engine.provider.given) == 30
    *told, last = result.sent.problems
    assert [problem.partition(":")[0] for problem in told] == [f"message {n} ({STEP}) {what}" for n in range(1, 21)]
    assert last == f"10 more messages of {STEP} {what.replace('is', 'are')}"
    assert result.sent.problems.total == 30


def test_what_dead_processes_left_is_counted_too(engine: Engine, db: EngineDatabase) -> None:
    engine.provider.answer = lambda _mail: Misconfigured("401")
    engine.run("30m")
    with db.write() as connection:
        sent = {"transport": "sendgrid", "sent_at": at("30m"), "first_sent_at": at("30m"), "lease_until": at("35m")}
        connection.execute(update(messages).values(state="sending", lease_token="x", **sent))
    result = engine.run("40m")
    assert result.sent.unknown == 30
    told = list(result.sent.problems)
    assert told[19] == "message 20 is unknown: the process died while sending it"
    assert told[20] == "10 more messages are unknown: the process died while sending them"


def test_a_template_at_fault_is_told_of_twenty_times_and_the_log_knows_the_number(shop: Shop) -> None:
    broken = shop.folder / "templates" / "cart-recovery"
    broken.mkdir(parents=True)
    (broken / "reminder.txt").write_text("Hello {{ frist_name }} {{ recovery_link }}")
    shop.configure('templates = "templates"\n')
    shop.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(25)), when="5m")
    told = shop.cli("run-due", "--at", iso("30m"), ok=False).err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["cartctl"] * 21
    assert told[19].startswith(f"cartctl: message 20 ({STEP}) waits: ")
    assert told[20] == f"cartctl: 5 more messages of {STEP} wait"
    logged = shop.cli("run-due", "--log-format", "json", "--at", iso("50m"), ok=False).err.splitlines()
    assert len(logged) == 21 + 1
    assert json.loads(logged[-1])["problems"] == 25


ITEMS = st.lists(st.tuples(st.integers(1, 99), st.sampled_from(["mails failed", "mails wait"])), max_size=120)


@bounded(max_examples=60)
@given(ITEMS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_neither_order_nor_thread_changes_what_is_told(
    items: list[tuple[int, str]], chance: Random, parts: int
) -> None:
    def told(ordered: list[tuple[int, str]], count: int) -> list[str]:
        apart = [Problems() for _ in range(count)]
        for place, (number, kind) in enumerate(ordered):
            apart[place % count].add(number, kind, f"{kind}: {number}")
        whole = Problems()
        for each in apart:
            each.append("the provider is down")
            whole.take_in(each)
        assert whole.total == len(items) + 1
        return list(whole)

    shuffled = list(items)
    chance.shuffle(shuffled)
    expected = told(items, 1)
    assert told(shuffled, parts) == expected
    assert len(expected) <= 2 * (20 + 1) + 1
    assert expected[-1] == "the provider is down"

"""Brakes between claim and gate, and those that hang on what a provider tells later."""

from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text, update

from cartctl.domain.brakes import EVERYTHING, Kind
from cartctl.jobs import pause as pause_job
from cartctl.store.brakes import HELD
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import events, messages
from tests.jobs.engine import Engine
from tests.shop import at, cart

SEQUENCE = "cart-recovery"


class Shop(Engine):
    """An engine whose provider tells of bounces and complaints."""

    def crowd(self, count: int, *, name: str, left: str, when: str) -> list[int]:
        """Have reminders sent to so many shoppers; return the messages."""
        rows = (cart(f"{name}-{n}", seen=left, email=f"{name}{n}@example.com") for n in range(count))
        self.carts(*rows, when=left)
        with self.database.read() as connection:
            before = set(connection.execute(select(messages.c.id)).scalars())
        self.run(when)
        with self.database.read() as connection:
            sent = select(messages.c.id).where(messages.c.state == "accepted").order_by(messages.c.id)
            return [id_ for id_ in connection.execute(sent).scalars() if id_ not in before]

    def happens(self, kind: str, message_ids: list[int], *, detail: str = "") -> None:
        with self.database.write() as connection:
            for id_ in message_ids:
                row = {"content_hash": f"{kind}-{id_}", "source": "sendgrid", "kind": kind, "at": at("1h")}
                connection.execute(insert(events).values(row | {"message_id": id_, "detail": detail}))

    def holding(self, when: str) -> tuple[list[Kind], tuple[str, ...]]:
        braking = self.run(when).braking
        return [brake.kind for brake in braking.holding], braking.lines


@pytest.fixture
def shop(db: EngineDatabase, tmp_path: Path) -> Shop:
    return Shop(db, tmp_path)


def test_a_brake_that_begins_after_the_claim_holds_too(shop: Shop) -> None:
    shop.carts(cart())

    def pause() -> None:
        pause_job.pause(shop.database, EVERYTHING, now=at("30m"))

    shop.while_rendering = pause
    result = shop.run("30m")
    assert (shop.provider.given, result.sent.deferred) == ([], {"held-pause": 1})
    with shop.database.read() as connection:
        row = connection.execute(select(messages)).one()
    assert (row.state, row.reason, row.due_at, row.attempt_at) == ("scheduled", "held-pause", at("30m"), HELD)
    assert shop.transitions(row.id)[-1] == ("claimed", "scheduled", "held-pause")
    shop.while_rendering = lambda: None
    assert shop.run("35m").has_problems
    pause_job.resume(shop.database, EVERYTHING, now=at("40m"))
    assert shop.run("40m").sent.sent == 1


def test_what_is_held_is_neither_claimed_nor_written_down_again_and_again(shop: Shop) -> None:
    shop.carts(cart())
    pause_job.pause(shop.database, EVERYTHING, now=at("6m"))
    shop.run("30m")
    before = shop.transitions(1)
    for when in ("35m", "40m", "45m"):
        shop.run(when)
    assert shop.transitions(1) == before == [("", "scheduled", "")]


def test_held_mail_does_not_keep_other_mail_waiting(shop: Shop) -> None:
    shop.carts(*(cart(f"c-{n}", email=f"c{n}@example.com") for n in range(30)))
    shop.run("30m", limit=0)
    pause_job.pause(shop.database, SEQUENCE, now=at("30m"))
    shop.run("31m")
    with shop.database.read() as connection:
        due = connection.execute(text("SELECT COUNT(*) FROM messages WHERE attempt_at < 9000000000000000")).scalar()
    assert due == 0


def test_hard_bounces_over_five_percent_hold_the_sequence_until_it_is_resumed(shop: Shop) -> None:
    ids = shop.crowd(100, name="a", left="0m", when="30m")
    shop.happens("bounce", ids[:5], detail="hard")
    shop.happens("bounce", ids[50:90], detail="soft")
    shop.carts(cart("five", seen="1h"), when="1h")
    assert shop.holding("1h30m") == ([], ())
    shop.happens("bounce", ids[5:6], detail="hard")
    shop.carts(cart("six", seen="2h", email="six@example.com"), when="2h")
    kinds, lines = shop.holding("2h30m")
    assert kinds == [Kind.BOUNCES]
    assert lines[0].startswith("mail of cart-recovery is held: 6 of its last 101 messages bounced for good")
    assert shop.holding("2h35m") == ([Kind.BOUNCES], ())
    assert len(shop.provider.given) == 101
    resumed = pause_job.resume(shop.database, SEQUENCE, now=at("3h"))
    assert resumed.let_go == ("mail of cart-recovery is no longer held (bounces)",)
    assert shop.holding("3h") == ([], ()), "what was before does not count against it again"
    assert len(shop.provider.given) == 102


def test_complaints_over_three_in_a_thousand_hold_the_sequence(shop: Shop) -> None:
    ids = shop.crowd(120, name="a", left="0m", when="30m")
    shop.happens("spamreport", ids[:1])
    shop.carts(cart("one", seen="1h"), when="1h")
    assert shop.holding("1h30m") == ([], ()), "one complaint is no rate"
    shop.happens("spamreport", ids[1:2])
    shop.carts(cart("two", seen="2h", email="two@example.com"), when="2h")
    assert shop.holding("2h30m")[0] == [Kind.COMPLAINTS]


def test_of_few_messages_no_rate_is_made(shop: Shop) -> None:
    ids = shop.crowd(40, name="a", left="0m", when="30m")
    shop.happens("bounce", ids, detail="hard")
    shop.carts(cart("next", seen="1h"), when="1h")
    assert shop.holding("1h30m") == ([], ())


def test_only_the_last_five_hundred_count(shop: Shop) -> None:
    ids = shop.crowd(60, name="a", left="0m", when="30m")
    shop.happens("bounce", ids, detail="hard")
    with shop.database.write() as connection:
        _clone(connection, times=500, sent_at=at("1h"))
    shop.carts(cart("next", seen="2h"), when="2h")
    assert shop.holding("2h30m") == ([], ())


def _clone(connection: Connection, *, times: int, sent_at: datetime) -> None:
    """Write so many messages as if they had been sent later: sending five hundred takes too long."""
    row = connection.execute(select(messages).where(messages.c.state == "accepted").limit(1)).one()
    values = {name: value for name, value in row._mapping.items() if name != "id"}
    connection.execute(
        insert(messages), [values | {"step": f"step-{n}", "sent_at": sent_at, "receipt": ""} for n in range(times)]
    )
    connection.execute(update(messages).where(messages.c.step.startswith("step-")).values(state="accepted"))


def test_a_sequence_that_is_gone_holds_nothing(shop: Shop) -> None:
    pause_job.pause(shop.database, "long-gone", now=at("1m"))
    shop.carts(cart())
    assert shop.holding("30m") == ([], ("mail of long-gone is no longer held (pause)",))

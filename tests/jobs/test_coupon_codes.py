"""Unique codes in the sending loop: one a message, kept while it is tried again, given back when it is not sent."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Rejected, Throttled, Unavailable, Unknown
from cartctl.store import coupons
from cartctl.store.coupons import Code
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import coupons as coupons_table
from cartctl.store.tables import messages
from tests.jobs.engine import RULES, Engine
from tests.shop import at, cart, order


class Shop(Engine):
    """An engine whose offer asks for a unique code; there is no code for all, unless a test says so."""

    def __init__(self, database: EngineDatabase, folder: Path) -> None:
        super().__init__(database, folder)
        self.rules = replace(RULES, coupons={})

    def codes(self, *codes: str, expires: datetime | None = None) -> None:
        with self.database.write() as connection:
            found = [Code(coupon="recovery10", code=code, expires_at=expires) for code in codes]
            coupons.save(connection, found, now=at("0m"))

    def to_the_offer(self) -> None:
        for when in ("30m", "24h"):
            self.run(when)
        self.provider.given.clear()

    @property
    def shown(self) -> list[str]:
        """The codes in the mails that were handed over, in the order of message ids."""
        mails = sorted(self.provider.given, key=lambda mail: mail.id)
        return [match[0] for mail in mails if (match := re.search(r"(CODE|BACK)\d+", mail.text))]

    @property
    def owned(self) -> dict[str, int | None]:
        with self.database.read() as connection:
            rows = connection.execute(select(coupons_table.c.code, coupons_table.c.message_id)).all()
        return {row.code: row.message_id for row in rows}

    def offer(self) -> int:
        with self.database.read() as connection:
            id_: int = connection.execute(select(messages.c.id).where(messages.c.step == "offer")).scalar_one()
        return id_


@pytest.fixture
def shop(db: EngineDatabase, tmp_path: Path) -> Shop:
    return Shop(db, tmp_path)


def test_every_offer_shows_a_code_of_its_own(shop: Shop) -> None:
    shop.codes(*(f"CODE{n}" for n in range(7)))
    shop.carts(*(cart(f"c-{n}", email=f"shopper-{n}@example.com") for n in range(6)))
    shop.to_the_offer()
    shop.run("48h")
    assert len(set(shop.shown)) == len(shop.shown) == 6
    with shop.database.read() as connection:
        rows = connection.execute(select(messages.c.id, messages.c.coupon).where(messages.c.step == "offer")).all()
    assert {row.coupon: row.id for row in rows} == {code: id_ for code, id_ in shop.owned.items() if id_}


def test_other_steps_take_no_code(shop: Shop) -> None:
    shop.codes("CODE1")
    shop.carts(cart())
    shop.to_the_offer()
    assert shop.owned == {"CODE1": None}


@pytest.mark.parametrize("answer", [Throttled(), Unavailable("no connection")])
def test_a_message_that_is_tried_again_shows_the_same_code(shop: Shop, answer: Answer) -> None:
    shop.codes("CODE1", "CODE2", "CODE3")
    shop.carts(cart())
    shop.to_the_offer()
    answers = [answer, Accepted("receipt")]
    shop.provider.answer = lambda mail: answers.pop(0)
    shop.run("48h")
    shop.run("48h30m")
    first, second = shop.shown
    assert first == second
    assert [code for code, owner in shop.owned.items() if owner] == [first]


def test_a_message_that_waits_keeps_its_code(shop: Shop) -> None:
    """A faulty template keeps it back after it was claimed."""
    shop.codes("CODE1", "CODE2", "CODE3")
    shop.carts(cart())
    shop.to_the_offer()

    def fail() -> None:
        raise ValueError

    shop.while_rendering = fail
    shop.run("48h")
    kept = shop.owned
    assert sorted(owner or 0 for owner in kept.values()) == [0, 0, shop.offer()]
    shop.while_rendering = lambda: None
    shop.run("48h20m")
    assert shop.owned == kept
    assert shop.shown == [code for code, owner in kept.items() if owner]


def test_a_buyer_gives_her_code_back(shop: Shop) -> None:
    shop.codes("CODE1")
    shop.carts(cart())
    shop.to_the_offer()
    shop.while_rendering = lambda: shop.orders(order(cart_id="c-1", placed="47h"), when="48h")
    shop.run("48h")
    assert (shop.shown, shop.states[-1]) == ([], ("offer", "cancelled", "purchased"))
    assert shop.owned == {"CODE1": None}


def test_a_code_that_may_have_been_seen_is_never_given_to_another(shop: Shop) -> None:
    shop.codes("CODE1", "CODE2")
    answers: list[Answer] = [Unknown("no answer in time"), Rejected("400")]
    shop.carts(cart(), cart("c-2", email="bela@example.com"), cart("c-3", email="cleo@example.com"))
    shop.to_the_offer()
    shop.provider.answer = lambda mail: answers.pop(0)
    shop.run("48h")
    assert len(set(shop.shown)) == 2
    assert None not in shop.owned.values()


def test_a_message_thrown_back_and_then_cancelled_takes_its_code_along(shop: Shop) -> None:
    """It was on its way to the provider once. That a provider said 429 is not worth a code shown twice."""
    shop.codes("CODE1")
    shop.carts(cart())
    shop.to_the_offer()
    shop.provider.answer = lambda mail: Unavailable("no connection")
    shop.run("48h")
    shop.orders(order(cart_id="c-1", placed="48h"), when="49h")
    assert shop.states[-1][1] == "cancelled"
    assert shop.owned == {"CODE1": shop.offer()}


def test_without_codes_the_offer_is_skipped_and_somebody_is_told(shop: Shop) -> None:
    shop.codes("CODE1")
    shop.carts(cart(), cart("c-2", email="bela@example.com"), cart("c-3", email="cleo@example.com"))
    shop.to_the_offer()
    result = shop.run("48h")
    assert (shop.shown, result.sent.skipped) == (["CODE1"], {"no-coupon": 2})
    (problem,) = result.sent.problems
    assert 'coupon "recovery10"' in problem


def test_where_codes_were_never_imported_a_skip_is_no_news(shop: Shop) -> None:
    shop.carts(cart())
    shop.to_the_offer()
    result = shop.run("48h")
    assert (result.sent.skipped, list(result.sent.problems)) == ({"no-coupon": 1}, [])


def test_expired_codes_are_as_good_as_none(shop: Shop) -> None:
    shop.codes("CODE1", expires=at("48h"))
    shop.carts(cart())
    shop.to_the_offer()
    assert shop.run("48h").sent.skipped == {"no-coupon": 1}


def test_the_code_for_all_steps_in_where_no_other_is_left(shop: Shop) -> None:
    shop.rules = replace(RULES, coupons={"recovery10": "BACK10"})
    shop.codes("CODE1")
    shop.carts(cart(), cart("c-2", email="bela@example.com"), cart("c-3", email="cleo@example.com"))
    shop.to_the_offer()
    result = shop.run("48h")
    assert sorted(shop.shown) == ["BACK10", "BACK10", "CODE1"]
    assert not result.sent.problems


def test_a_message_that_showed_the_code_for_all_shows_it_again(shop: Shop) -> None:
    shop.rules = replace(RULES, coupons={"recovery10": "BACK10"})
    shop.carts(cart())
    shop.to_the_offer()
    answers: list[Answer] = [Unavailable("no connection"), Accepted("receipt")]

    def answer(mail: OutgoingMessage) -> Answer:
        return answers.pop(0)

    shop.provider.answer = answer
    shop.run("48h")
    shop.codes("CODE1")
    shop.run("48h30m")
    assert shop.shown == ["BACK10", "BACK10"]
    assert shop.owned == {"CODE1": None}


def set_on_cooldown(shop: Shop, what: str) -> None:
    sequence = shop.rules.sequences["cart-recovery"]
    steps = tuple(replace(step, on_cooldown=what) for step in sequence.steps)
    shop.rules = replace(shop.rules, sequences={"cart-recovery": replace(sequence, steps=steps)})


def test_who_had_a_code_lately_gets_the_offer_without_one(shop: Shop) -> None:
    shop.codes("CODE1", "CODE2")
    shop.carts(cart())
    shop.to_the_offer()
    shop.run("48h")
    shop.carts(cart("c-2", seen="480h"), cart("c-3", seen="480h", email="bela@example.com"), when="480h")
    for when in ("480h30m", "504h", "528h"):
        shop.provider.given.clear()
        shop.run(when)
    by_shopper = {mail.to: mail for mail in shop.provider.given}
    assert shop.shown == [next(code for code, owner in shop.owned.items() if owner and owner != 3)]
    again = by_shopper["anna@example.com"]
    assert "CODE" not in again.text + again.html
    assert again.subject == "Your cart at our shop is still there"
    assert "last mail about it" in again.text
    assert sum(owner is not None for owner in shop.owned.values()) == 2
    with shop.database.read() as connection:
        row = connection.execute(select(messages).where(messages.c.id == again.id)).one()
    assert (row.state, row.coupon) == ("accepted", "")


def test_a_step_may_be_skipped_for_who_had_a_code_lately(shop: Shop) -> None:
    set_on_cooldown(shop, "skip")
    shop.codes("CODE1", "CODE2")
    shop.carts(cart())
    shop.to_the_offer()
    shop.run("48h")
    shop.carts(cart("c-2", seen="480h"), when="480h")
    shop.run("480h30m")
    shop.run("504h")
    result = shop.run("528h")
    assert (result.sent.skipped, list(result.sent.problems)) == ({"coupon-cooldown": 1}, [])
    assert sorted(owner or 0 for owner in shop.owned.values()) == [0, 3]


def test_after_the_cooldown_there_is_a_code_again(shop: Shop) -> None:
    shop.rules = replace(shop.rules, coupon_cooldown=timedelta(days=20))
    shop.codes("CODE1", "CODE2")
    shop.carts(cart())
    shop.to_the_offer()
    shop.run("48h")
    shop.carts(cart("c-2", seen="480h"), when="480h")
    for when in ("480h30m", "504h", "528h"):
        shop.run(when)
    assert len(set(shop.shown)) == 2


def test_a_code_for_all_counts_for_the_cooldown_too(shop: Shop) -> None:
    shop.rules = replace(RULES, coupons={"recovery10": "BACK10"})
    shop.carts(cart())
    shop.to_the_offer()
    shop.run("48h")
    shop.carts(cart("c-2", seen="480h"), when="480h")
    for when in ("480h30m", "504h", "528h"):
        shop.run(when)
    assert shop.shown == ["BACK10"]
    assert len(shop.provider.given) == 4


def test_a_pool_that_runs_low_is_told_of_once_a_day_and_holds_nothing(shop: Shop) -> None:
    shop.rules = replace(shop.rules, coupon_warn_below=3)
    shop.codes("CODE1", "CODE2")
    shop.codes("OLD", expires=at("0m"))
    shop.carts(cart())
    first = shop.run("30m")
    assert first.braking.lines == (
        'coupon "recovery10": 2 imported codes are left (coupon.warn_below is 3): import more',
    )
    assert (first.has_problems, first.sent.sent) == (False, 1)
    shop.carts(cart("c-2", seen="1h", email="bela@example.com"), when="1h")
    assert shop.run("1h30m").braking.lines == ()
    (told,) = shop.run("24h30m").braking.lines
    assert told.endswith("import more (since 2026-03-02 10:30 UTC)")
    shop.codes("CODE3")
    assert shop.run("25h").braking.lines == ()
    assert shop.run("49h30m").braking.lines == (), "there are enough again"


def test_of_codes_that_were_never_imported_none_runs_low(shop: Shop) -> None:
    shop.rules = replace(shop.rules, coupon_warn_below=3)
    shop.carts(cart())
    assert shop.run("30m").braking.lines == ()

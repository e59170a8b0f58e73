"""`cartctl explain`: the story of one cart or person, every decision with its rules, and what comes next."""

import json
import tomllib
from typing import Any

import pytest

from cartctl.store.database import open_database
from cartctl.store.tables import messages
from tests.shop import Shop, at, cart, iso, order


def story(shop: Shop, name: str, when: str, *options: str) -> Any:
    return shop.cli("explain", name, "--json", "--at", iso(when), *options).json


def texts(told: Any, what: str) -> list[str]:
    return [chapter["text"] for chapter in told["story"] if chapter["what"] == what]


def rules(told: Any, number: int) -> dict[str, str]:
    """Return the outcome of each rule at one decision."""
    decisions = [chapter for chapter in told["story"] if chapter["what"] == "decision"]
    return {rule["rule"]: rule["outcome"] for rule in decisions[number]["rules"]}


def test_a_story_is_told_in_the_order_of_time(any_shop: Shop) -> None:
    any_shop.carts(cart(created_at=iso("-20m")), when="5m")
    any_shop.run("30m")
    any_shop.run("24h")
    any_shop.orders(order(placed="25h", cart_id="c-1"), when="26h")
    told = story(any_shop, "c-1", "27h")
    assert [(chapter["at"][:16], chapter["text"]) for chapter in told["story"]] == [
        (iso("-20m")[:16], "first activity"),
        (iso("0m")[:16], "last activity: the cart holds 49.90 EUR"),
        (iso("5m")[:16], "carts-1.csv imported: the first file that can have shown this state"),
        (iso("30m")[:16], f"found abandoned, left {_shown('0m')}"),
        (iso("30m")[:16], "enrolled in cart-recovery"),
        (iso("30m")[:16], "cart-recovery/reminder: scheduled (message 1)"),
        (iso("30m")[:16], "cart-recovery/reminder: to be sent"),
        (iso("30m")[:16], "cart-recovery/reminder: the provider took it"),
        (iso("30m")[:16], "cart-recovery/urgency: scheduled (message 2)"),
        (iso("24h")[:16], "cart-recovery/urgency: to be sent"),
        (iso("24h")[:16], "cart-recovery/urgency: the provider took it"),
        (iso("24h")[:16], "cart-recovery/offer: scheduled (message 3)"),
        (
            iso("25h")[:16],
            "order o-1 placed, 49.90 EUR; in common: cart id; it closed the cart, which is recovered (slack 1h)",
        ),
        (iso("26h")[:16], "orders-2.csv told of order o-1"),
        (iso("26h")[:16], "cart-recovery/offer: scheduled -> cancelled (purchased)"),
        (iso("26h")[:16], "cart-recovery is cancelled (purchased)"),
    ]
    assert told["next"] == []


def _shown(offset: str) -> str:
    return iso(offset)[:16].replace("T", " ") + " UTC"


def test_each_decision_shows_its_rules_with_what_they_looked_at(shop: Shop) -> None:
    config = (shop.folder / "cartctl.toml").read_text(encoding="utf-8")
    shop.configure(config + '[sending]\nquiet_hours = "09:00-12:00"\ncap = 3\n')
    shop.carts(cart(timezone="Europe/London"), when="5m")
    shop.run("30m")  # 10:30 in London: scheduled after the quiet hours
    shop.run("3h")
    told = story(shop, "c-1", "4h")
    (decision,) = [chapter for chapter in told["story"] if chapter["what"] == "decision"]
    assert {rule["rule"]: rule["inputs"] for rule in decision["rules"]} == {
        "purchase": "cart abandoned",
        "suppression": "none",
        "consent": "unknown, required: not-refused",
        "cart": f"left {_shown('0m')}, 49.90 EUR",
        "due": f"{_shown('2h')}, 30m after it was left at the earliest",
        "gap": "no mail yet, 1h between two",
        "cap": "0 mails of 3",
        "quiet hours": "09:00-12:00 Europe/London",
        "grace": f"1d from when it was due; now {_shown('3h')}",
    }
    assert set(rules(told, 0).values()) == {"passed"}
    assert "cart-recovery/reminder: scheduled, moved by quiet-hours (message 1)" in texts(told, "message")


def test_a_deferral_says_until_when_and_which_rule_asked_for_it(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    config = (shop.folder / "cartctl.toml").read_text(encoding="utf-8")
    shop.configure(config + '[sending]\nquiet_hours = "09:00-11:00"\n')
    shop.run_once("24h")
    told = story(shop, "c-1", "24h")
    assert rules(told, 1)["quiet hours"] == f"deferred until {_shown('25h')}"
    assert rules(told, 1)["grace"] == "not asked"
    assert texts(told, "decision")[1] == f"cart-recovery/urgency: deferred until {_shown('25h')} (quiet-hours)"


@pytest.mark.parametrize(
    ("columns", "config", "rule", "text"),
    [
        ({"consent": "refused"}, "", "consent", "cancelled (consent-refused)"),
        ({}, '[consent]\nrequire = "opt-in"\n', "consent", "cancelled (no-opt-in)"),
    ],
)
def test_a_cancellation_names_its_rule(
    any_shop: Shop, columns: dict[str, str], config: str, rule: str, text: str
) -> None:
    any_shop.configure((any_shop.folder / "cartctl.toml").read_text(encoding="utf-8") + config)
    any_shop.carts(cart(**columns), when="5m")
    any_shop.run("30m")
    told = story(any_shop, "c-1", "1h")
    assert texts(told, "decision") == [f"cart-recovery/reminder: {text}"]
    assert rules(told, 0) == {
        "purchase": "passed",
        "suppression": "passed",
        rule: "cancelled",
        "cart": "not asked",
        "due": "not asked",
        "gap": "not asked",
        "cap": "not asked",
        "grace": "not asked",
    }


def test_a_skip_names_its_rule(shop: Shop) -> None:
    shop.configure((shop.folder / "cartctl.toml").read_text(encoding="utf-8").replace("recovery10", "none"))
    shop.carts(cart(), when="5m")
    for when in ("30m", "24h", "48h"):
        shop.run(when)
    told = story(shop, "c-1", "49h")
    assert texts(told, "decision")[2] == "cart-recovery/offer: skipped (no-coupon)"
    assert rules(told, 2)["coupon"] == "skipped"
    assert texts(told, "sequence") == ["enrolled in cart-recovery", "cart-recovery is finished"]


@pytest.mark.parametrize(
    ("columns", "common"),
    [
        ({"cart_id": "c-1"}, "cart id"),
        ({"email": "Anna@Example.com"}, "e-mail"),
        ({"phone": "+493012345678"}, "phone"),
        ({"checkout_token": "tok", "email": "anna@example.com"}, "checkout token, e-mail"),
        ({"email": "former@example.com"}, "a former e-mail"),
    ],
)
def test_how_a_purchase_was_matched_is_named(any_shop: Shop, columns: dict[str, str], common: str) -> None:
    any_shop.carts(cart(seen="-10m", email="former@example.com"), when="1m")
    any_shop.carts(cart(phone="+493012345678", checkout_token="tok"), when="5m")
    any_shop.orders(order(placed="2h", **columns), when="3h")
    (text,) = texts(story(any_shop, "c-1", "4h"), "order")
    assert f"in common: {common}; it closed the cart, which is recovered" in text


def test_an_order_that_did_not_close_the_cart_says_why(shop: Shop) -> None:
    shop.carts(cart(created_at=iso("-3h")), when="5m")
    shop.orders(
        order("o-1", placed="-2h", email="anna@example.com"), order("o-2", placed="-4h", cart_id="c-1"), when="6m"
    )
    shop.orders(
        order("o-3", placed="2h", cart_id="c-1"), order("o-4", placed="3h", email="anna@example.com"), when="4h"
    )
    told = texts(story(shop, "c-1", "5h"), "order")
    assert [text.partition("; it ")[2] for text in told] == [
        "did not close the cart: placed before the cart was made (slack 1h)",
        "did not close the cart: placed too long before the last activity (slack 1h)",
        "closed the cart, which is recovered (slack 1h)",
        "did not close the cart: another order goes before it (slack 1h)",
    ]


def test_events_consent_and_suppressions_are_part_of_it(any_shop: Shop) -> None:
    any_shop.carts(cart(consent="granted"), when="5m")
    any_shop.run("30m")
    _say_that_sendgrid_took_it(any_shop)
    event = {
        "event": "bounce",
        "type": "bounce",
        "email": "anna@example.com",
        "timestamp": int(at("31m").timestamp()),
        "sg_event_id": "e-1",
        "cc_message_id": "1",
        "sg_message_id": "abc.filter.0",
    }
    (any_shop.folder / "events.json").write_text(json.dumps([event]), encoding="utf-8")
    any_shop.cli("import", "events", "events.json", "--at", iso("40m"))
    told = story(any_shop, "anna@example.com", "1h")
    assert texts(told, "consent") == ["consent granted (heard from carts:carts-1.csv)"]
    assert texts(told, "event") == ["cart-recovery/reminder: bounce (sendgrid)"]
    (suppressed,) = texts(told, "suppression")
    assert suppressed.startswith("suppressed (")
    assert told["next"] == []


def _say_that_sendgrid_took_it(shop: Shop) -> None:
    """Events are about the mails of the provider they come from; what the tests send goes to the outbox."""
    config = tomllib.loads((shop.folder / "cartctl.toml").read_text(encoding="utf-8"))
    database = open_database(config["database"])
    with database.write() as connection:
        connection.execute(messages.update().values(transport="sendgrid", receipt="abc"))
    database.close()


def test_a_coupon_that_is_left_out_says_since_when(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    for when in ("30m", "24h", "48h"):
        shop.run_once(when)
    shop.carts(cart("c-2", seen="216h"), when="216h")
    for when in ("217h", "241h", "265h"):
        shop.run_once(when)
    decisions = [one for one in story(shop, "c-2", "265h")["story"] if one["what"] == "decision"]
    inputs = {rule["rule"]: (rule["inputs"], rule["outcome"]) for rule in decisions[-1]["rules"]}
    assert inputs["coupon"] == (f"left out: had one on {_shown('48h')}", "passed")


def test_the_rules_of_a_test_are_told_as_they_are_for_tests(shop: Shop) -> None:
    shop.configure('mode = "test"\ntest_recipients = ["anna@example.com"]\ntime_scale = 60\n')
    shop.carts(cart(), when="5m")
    shop.run_once("30m")
    (decision,) = [one for one in story(shop, "c-1", "31m")["story"] if one["what"] == "decision"]
    inputs = {rule["rule"]: rule["inputs"] for rule in decision["rules"]}
    assert inputs["test"].startswith("as fast as time_scale says")
    assert inputs["grace"].startswith("24m from when it was due")


def test_what_comes_next_is_the_plan_of_this_cart(any_shop: Shop) -> None:
    any_shop.carts(cart(), cart("c-2", email="bela@example.com"), when="5m")
    any_shop.run("30m")
    told = story(any_shop, "c-1", "1h")
    assert [(each["at"], each["cart"], each["step"]) for each in told["next"]] == [
        (iso("24h"), "c-1", "urgency"),
        (iso("48h"), "c-1", "offer"),
    ]


def test_a_person_is_found_by_any_spelling_of_the_address_with_all_carts(any_shop: Shop) -> None:
    any_shop.carts(cart(), cart("c-2", seen="2h"), cart("c-3", email="bela@example.com"), when="2h5m")
    told = story(any_shop, " Anna@Example.com", "3h")
    assert [row["cart"] for row in told["carts"]] == ["c-1", "c-2"]
    out = any_shop.cli("explain", "anna@example.com", "--at", iso("3h")).out
    assert f"{_shown('2h')}  cart c-2 of main: last activity" in out


def test_every_filling_of_a_cart_is_told(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order(placed="1h", cart_id="c-1"), when="2h")
    shop.carts(cart(seen="10h"), when="11h")
    out = shop.cli("explain", "c-1", "--at", iso("12h")).out
    assert "cart c-1 of main: recovered" in out
    assert "cart c-1 of main, filling 2: active" in out


def test_a_cart_in_several_stores_asks_which(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.cli("import", "carts", "carts-1.csv", "--store", "other", "--at", iso("6m"))
    refused = any_shop.cli("explain", "c-1", ok=False)
    assert refused.exit_code == 2
    assert refused.err == "cartctl: cart c-1 is in several stores: say which with --store main or --store other\n"
    assert [row["store"] for row in story(any_shop, "c-1", "1h", "--store", "other")["carts"]] == ["other"]


def test_an_unknown_cart_or_address_names_the_nearest(shop: Shop) -> None:
    shop.carts(cart("c-100"), cart("c-101"), cart("z-7", email="zoe@example.com"), when="5m")
    unknown = shop.cli("explain", "c-10O", ok=False)
    assert (unknown.exit_code, unknown.err) == (2, "cartctl: no cart c-10O: the nearest: c-101, c-100\n")
    unknown = shop.cli("explain", "ana@example.com", ok=False)
    assert unknown.exit_code == 2
    assert unknown.err.startswith("cartctl: no cart and no address a…@example.com: the nearest: a…@example.com")
    assert "anna" not in unknown.err
    assert shop.cli("explain", "qqq", ok=False).err == "cartctl: no cart qqq: nothing is near it either\n"


@pytest.mark.parametrize("command", ["explain", "cancel"])
def test_a_blank_is_no_name(shop: Shop, command: str) -> None:
    shop.carts(cart(), when="5m")
    refused = shop.cli(command, " ", ok=False)
    assert refused.exit_code == 2
    assert refused.err == "cartctl: a blank is no name: say a cart's id or a shopper's e-mail address\n"


def test_a_story_shows_no_address_unless_asked_for(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    for more in ((), ("--json",)):
        command = ("explain", "anna@example.com", "--at", iso("1h"), *more)
        assert "anna" not in shop.cli(*command).out
        assert "anna@example.com" in shop.cli(*command, "--show-addresses").out


def test_an_unreachable_cart_says_so(shop: Shop) -> None:
    shop.carts(cart(email=""), when="5m")
    shop.run("30m")
    told = story(shop, "c-1", "1h")
    assert texts(told, "cart")[-1] == "unreachable: nobody knows the address"
    assert told["carts"][0]["contact"] is None

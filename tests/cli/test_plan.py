"""`cartctl plan` and `cartctl simulate`: what is to come, and what would have been."""

import re
import tomllib
from typing import Any

import pytest
from sqlalchemy import func, select

from cartctl.store.database import open_database
from cartctl.store.tables import metadata
from tests.shop import Shop, at, cart, iso, order


def contents(shop: Shop) -> dict[str, Any]:
    """Return how many rows each table holds, and the states of all messages."""
    config = tomllib.loads((shop.folder / "cartctl.toml").read_text(encoding="utf-8"))
    database = open_database(config["database"])
    with database.read() as connection:
        counts: dict[str, Any] = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }
        for name in ("carts", "enrollments", "messages"):
            counts[f"{name}, all of it"] = sorted(map(str, connection.execute(select(metadata.tables[name]))))
    database.close()
    return counts


def simulate(shop: Shop, since: str, until: str, *options: str) -> Any:
    return shop.cli("simulate", "--from", iso(since), "--to", iso(until), "--json", *options).json


def steps(result: Any) -> list[tuple[str, str, str]]:
    return [(each["at"], each["cart"], each["step"]) for each in result["timeline"]]


def plan(shop: Shop, when: str, *options: str) -> Any:
    return shop.cli("plan", "--at", iso(when), "--json", *options).json


def test_a_plan_shows_all_steps_of_a_cart_that_is_not_yet_abandoned(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    found = plan(any_shop, "5m", "--until", "49h")["coming"]
    assert [(each["at"], each["contact"], each["cart"], each["step"], each["outcome"]) for each in found] == [
        (iso("30m"), "a…@example.com", "c-1", "reminder", "sent"),
        (iso("24h"), "a…@example.com", "c-1", "urgency", "sent"),
        (iso("48h"), "a…@example.com", "c-1", "offer", "sent"),
    ]
    assert found[0]["stops"] == [
        "purchase",
        "refusal",
        "activity in the cart",
        "a newer cart",
        "a pause or another brake",
        "no run for 1d",
    ]


def test_a_plan_looks_two_days_ahead_unless_told_otherwise(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    assert [each["step"] for each in plan(shop, "5m")["coming"]] == ["reminder", "urgency", "offer"]
    assert [each["step"] for each in plan(shop, "5m", "--until", "25m")["coming"]] == ["reminder"]
    assert plan(shop, "5m", "--until", "24m")["coming"] == []


def test_a_plan_goes_on_from_what_was_sent(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    assert [(each["at"], each["step"]) for each in plan(shop, "1h")["coming"]] == [
        (iso("24h"), "urgency"),
        (iso("48h"), "offer"),
    ]


def test_a_plan_names_what_will_not_be_sent_and_why(shop: Shop) -> None:
    shop.configure("[coupons]\n")
    shop.carts(cart(consent="refused"), cart("c-2", email="bela@example.com"), when="5m")
    found = plan(shop, "5m")["coming"]
    assert [(each["cart"], each["step"], each["outcome"], each["reason"]) for each in found] == [
        ("c-1", "reminder", "cancelled", "consent-refused"),
        ("c-2", "reminder", "sent", ""),
        ("c-2", "urgency", "sent", ""),
        ("c-2", "offer", "skipped", "no-coupon"),
    ]
    assert "c-2 of main: not sent (no-coupon)" in shop.cli("plan", "--at", iso("5m")).out


def test_a_plan_knows_nothing_that_was_recorded_later(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order(placed="12h", email="anna@example.com"), when="13h")
    assert [each["step"] for each in plan(shop, "5m")["coming"]] == ["reminder", "urgency", "offer"]
    assert plan(shop, "13h")["coming"] == []


def test_a_plan_shows_what_a_run_has_in_hand(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run_once("30m")
    database = open_database(f"sqlite:///{shop.folder / 'cartctl.db'}")
    with database.write() as connection:
        values = {"state": "claimed", "lease_token": "x", "lease_until": at("25h"), "attempt_at": at("24h")}
        messages = metadata.tables["messages"]
        connection.execute(messages.update().where(messages.c.step == "urgency").values(values))
    database.close()
    (held,) = plan(shop, "24h", "--until", "5m")["coming"]
    assert (held["step"], held["outcome"]) == ("urgency", "held")
    assert (
        "cart-recovery/urgency to a…@example.com, cart c-1 of main: held"
        in shop.cli("plan", "--until", "5m", "--at", iso("24h")).out
    )


def test_a_plan_names_the_brake_that_holds_a_message(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    any_shop.cli("pause", "cart-recovery", "--at", iso("1h"))
    (held,) = plan(any_shop, "23h", "--until", "2h")["coming"]
    assert (held["at"], held["step"], held["outcome"], held["reason"]) == (iso("24h"), "urgency", "held", "held-pause")
    assert (held["held_by"]["kind"], held["held_by"]["since"]) == ("pause", iso("1h"))
    assert "a pause or another brake" in held["stops"]
    line = "cart c-1 of main: held (mail of cart-recovery is held: paused, until `cartctl resume cart-recovery` (since"
    assert line in any_shop.cli("plan", "--until", "2h", "--at", iso("23h")).out
    told = any_shop.cli("explain", "c-1", "--at", iso("23h")).out
    assert "held now: mail of cart-recovery is held: paused" in told
    assert f"(since {iso('1h')[:16].replace('T', ' ')} UTC)" in told


def test_orders_are_taken_as_fresh_and_late_ones_are_told_of(shop: Shop) -> None:
    config = (shop.folder / "cartctl.toml").read_text(encoding="utf-8")
    shop.configure(re.sub('orders_max_age = ".*"', 'orders_max_age = "26h"', config))
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    shop.carts(cart(), when="5m")
    assert shop.cli("run-due", "--at", iso("30m"), ok=False).exit_code == 1
    found = plan(shop, "31m", "--until", "1h")
    assert [(each["step"], each["outcome"]) for each in found["coming"]] == [("reminder", "sent")]
    assert [brake["subject"] for brake in found["late_feeds"]] == ["main/website"]
    told = "as if orders were fresh, but now mail about carts of main (website) is held: "
    assert told in shop.cli("plan", "--at", iso("31m")).out
    assert told in shop.cli("explain", "c-1", "--at", iso("31m")).out


def test_a_simulation_says_what_held_mail(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.cli("pause", "--at", iso("10m"))
    found = simulate(shop, "0m", "50h")
    assert (found["sent"], found["skipped"]) == (0, {"past-grace": 2})
    assert [(brake["kind"], brake["since"]) for brake in found["brakes"]] == [("pause", iso("10m"))]
    assert "all mail is held: paused" in shop.cli("simulate", "--from", iso("0m"), "--to", iso("50h")).out


def test_a_backup_is_simulated_like_the_database_that_it_was_made_of(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    expected = simulate(shop, "0m", "60h")
    shop.cli("db", "backup", "copy.db")
    shop.configure('database = "sqlite:///copy.db"\n')
    assert simulate(shop, "0m", "60h") == expected


def test_a_step_with_codes_of_its_own_and_a_floor_says_so(shop: Shop) -> None:
    folder = shop.folder / "templates" / "cart-recovery"
    folder.mkdir(parents=True)
    (folder / "sequence.toml").write_text(
        'trigger = "cart-abandoned"\n[[step]]\nkey = "offer"\nafter = "30m"\nsubject = "x"\ncoupon = "own"\n'
        'min_total = { EUR = "20.00" }\n',
        encoding="utf-8",
    )
    shop.configure('templates = "templates"\n')
    (shop.folder / "codes.csv").write_text("code\nONE\n", encoding="utf-8")
    shop.cli("import", "coupons", "codes.csv", "--coupon", "own", "--at", iso("0m"))
    shop.carts(cart(), cart("c-2", email="bela@example.com", seen="1m"), when="5m")
    first, second = plan(shop, "5m")["coming"]
    assert first["stops"][-2:] == ["no code of own is left", "the cart is below 20.00 EUR"]
    assert (second["outcome"], second["reason"]) == ("skipped", "no-coupon")
    assert "unless no code of own is left, or the cart is below 20.00 EUR" in shop.cli("plan", "--at", iso("5m")).out


@pytest.mark.parametrize(
    "command", [("plan", "--at", iso("5m")), ("simulate", "--from", iso("0m"), "--to", iso("49h"))]
)
def test_addresses_are_masked_unless_asked_for(shop: Shop, command: tuple[str, ...]) -> None:
    shop.carts(cart(), when="5m")
    for more in ((), ("--json",)):
        assert "anna@example.com" not in shop.cli(*command, *more).out
        assert "anna@example.com" in shop.cli(*command, *more, "--show-addresses").out


def test_a_simulation_replays_carts_and_orders_from_the_times_they_bear(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", seen="3h", email="bela@example.com"), when="60h")
    shop.orders(order(placed="26h", email="anna@example.com"), when="60h")
    found = simulate(shop, "0m", "60h")
    assert steps(found) == [
        (iso("30m"), "c-1", "reminder"),
        (iso("3h30m"), "c-2", "reminder"),
        (iso("24h"), "c-1", "urgency"),
        (iso("27h"), "c-2", "urgency"),
        (iso("51h"), "c-2", "offer"),
    ]
    assert (found["sent"], found["bought"], found["cancelled"]) == (5, 1, {"purchased": 1})


def test_a_simulation_of_the_past_undoes_what_happened_later(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    before = simulate(any_shop, "5m", "50h")
    for when in ("30m", "24h"):
        any_shop.run(when)
    any_shop.orders(order(placed="25h", email="anna@example.com"), when="30h")
    assert steps(simulate(any_shop, "5m", "24h55m")) == steps(before)[:2]
    assert steps(simulate(any_shop, "12h", "50h")) == [(iso("24h"), "c-1", "urgency")]


def test_what_was_sent_before_the_beginning_counts(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    any_shop.carts(cart("c-2", seen="40m"), when="41m")
    # The newer cart takes over; its reminder keeps the hour from the older one's.
    assert steps(simulate(any_shop, "1h", "12h")) == [(iso("1h30m"), "c-2", "reminder")]


def test_mails_about_a_cart_that_is_long_over_count_too(shop: Shop) -> None:
    config = (shop.folder / "cartctl.toml").read_text(encoding="utf-8")
    shop.configure(config + "[sending]\ncap = 3\n")
    shop.carts(cart(), when="5m")
    for when in ("30m", "24h", "48h"):
        shop.run_once(when)
    shop.carts(cart("c-2", seen="74h"), when="74h5m")
    assert steps(simulate(shop, "75h", "80h")) == []


def test_an_earlier_order_closes_a_cart_that_a_later_one_closes_now(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order("o-1", placed="2h", email="anna@example.com"), when="60h")
    shop.orders(order("o-2", placed="40h", cart_id="c-1"), when="60h")
    assert steps(simulate(shop, "12h", "60h")) == []


def test_refusals_count_from_when_they_were_heard(any_shop: Shop) -> None:
    any_shop.carts(cart(), cart("c-2", email="bela@example.com"), when="5m")
    (any_shop.folder / "no.csv").write_text("email\nanna@example.com\n", encoding="utf-8")
    any_shop.cli("import", "suppressions", "no.csv", "--at", iso("12h"))
    any_shop.carts(cart("c-3", email="bela@example.com", seen="13h", consent="refused", quantity="0"), when="13h")
    assert [step[1:] for step in steps(simulate(any_shop, "0m", "60h"))] == [("c-1", "reminder"), ("c-2", "reminder")]
    assert steps(simulate(any_shop, "13h", "60h")) == []


def test_the_interval_between_runs_is_chosen(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    assert steps(simulate(shop, "0m", "3h", "--every", "40m")) == [(iso("40m"), "c-1", "reminder")]


def test_neither_writes_anything(any_shop: Shop) -> None:
    any_shop.carts(cart(), cart("c-2", email="bela@example.com"), when="5m")
    any_shop.run("30m")
    before = contents(any_shop)
    plan(any_shop, "1h")
    simulate(any_shop, "0m", "60h")
    any_shop.cli("explain", "c-1", "--at", iso("1h"))
    assert contents(any_shop) == before


def test_both_work_without_a_database(shop: Shop) -> None:
    (shop.folder / "cartctl.db").unlink(missing_ok=True)
    assert plan(shop, "0m")["coming"] == []
    assert simulate(shop, "0m", "1h")["timeline"] == []
    assert not (shop.folder / "cartctl.db").exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("simulate", "--from", iso("1h"), "--to", iso("0m")), "--to is before --from"),
        (("simulate", "--from", "yesterday", "--to", iso("0m")), '--from: "yesterday" is no time'),
        (("simulate", "--from", "2026-03-02T10:00", "--to", iso("0m")), "--from: .* has no offset from UTC: append"),
        (("simulate", "--from", iso("0m"), "--to", iso("1h"), "--every", "0"), "--every: 0 is no time at all"),
        (("plan", "--until", "soon"), '--until: "soon" is no duration'),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(shop: Shop, arguments: tuple[str, ...], what: str) -> None:
    outcome = shop.cli(*arguments, ok=False)
    assert outcome.exit_code == 2
    assert re.fullmatch(f"cartctl: {what}.*\n", outcome.err)

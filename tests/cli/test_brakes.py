"""Brakes as operators meet them: what holds mail, what is printed and when, and how it goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shop import Outcome, Shop, cart, iso, order, write_csv

ANNA, BEN = "anna@example.com", "ben@example.com"
FRESH = '[safety]\norders_max_age = "26h"\n'


def tick(shop: Shop, when: str, *options: str) -> Outcome:
    """One run as cron has it: what it prints, and its exit code."""
    return shop.cli("run-due", *options, "--at", iso(when), ok=False)


def five_minutes_for(hours: int, *, since: int) -> Iterator[str]:
    """Every tick of so many hours."""
    for minute in range(since * 60, (since + hours) * 60, 5):
        yield f"{minute}m"


def steps(shop: Shop) -> list[tuple[str, str]]:
    return [(to, step) for to, step, _ in shop.sent]


# Order freshness


def test_old_orders_hold_mail_until_they_are_imported_again(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(FRESH)
    orders = write_csv(shop.folder / "orders.csv", order(placed="-1h", cart_id="another"))
    shop.cli("import", "orders", orders, "--at", iso("0m"))
    shop.carts(cart(), when="5m")
    assert tick(shop, "30m") == Outcome(0, "", "")
    shop.carts(cart("c-2", seen="26h", email=BEN), when="26h")
    begun = tick(shop, "26h30m")
    assert begun.exit_code == 1
    assert begun.err.startswith("cartctl: mail about carts of main (website) is held: their orders were last imported ")
    assert "import" in begun.err
    assert steps(shop) == [(ANNA, "reminder")], "the urgency, due since 24h, and Ben's reminder wait"
    for _ in range(2):
        assert tick(shop, "27h") == Outcome(1, "", "")
    assert "already imported" in shop.cli("import", "orders", orders, "--at", iso("28h")).out
    over = tick(shop, "28h")
    assert (over.exit_code, over.err) == (0, "cartctl: mail about carts of main (website) is no longer held (orders)\n")
    assert steps(shop) == [(ANNA, "reminder"), (ANNA, "urgency"), (BEN, "reminder")]
    assert tick(shop, "28h5m") == Outcome(0, "", "")


def test_a_brake_is_told_of_once_a_day_and_not_at_every_tick(shop: Shop) -> None:
    shop.configure(FRESH + '[sending]\ngrace = "60h"\n')
    shop.orders(order(placed="-30h", cart_id="another"), when="-30h")
    shop.carts(cart(), when="5m")
    outcomes = [tick(shop, when) for since in (1, 24) for when in five_minutes_for(2, since=since)]
    assert {outcome.exit_code for outcome in outcomes} == {1}
    told = [number for number, outcome in enumerate(outcomes) if outcome.err]
    assert told == [0, 36], "at 1h and 25h"
    assert "(since 2026-03-02 11:00 UTC)" in outcomes[36].err
    assert shop.sent == []


def test_orders_of_one_channel_and_store_say_nothing_of_another(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(FRESH)
    shop.orders(order("o-1", placed="-40h", cart_id="x"), order("o-2", placed="-40h", channel="tiktok"), when="-40h")
    shop.carts(cart(), cart("c-2", email=BEN, channel="tiktok"), when="5m")
    shop.orders(order("o-3", placed="0m", cart_id="y", channel="tiktok"), when="10m")
    held = tick(shop, "30m")
    assert "main (website) is held" in held.err
    assert "tiktok" not in held.err
    assert steps(shop) == [(BEN, "reminder")]


def test_a_file_of_which_no_row_can_be_read_makes_no_feed_fresh(shop: Shop) -> None:
    shop.configure(FRESH)
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    shop.orders(order("o-2", placed="0m", email="nobody"), when="1m", ok=False)
    shop.carts(cart(), when="5m")
    assert "is held" in tick(shop, "30m").err


def test_an_empty_file_of_orders_says_that_nobody_bought(shop: Shop) -> None:
    shop.configure(FRESH)
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    empty = shop.folder / "orders-empty.csv"
    empty.write_text("order_id,placed_at,email\n", encoding="utf-8")
    shop.cli("import", "orders", empty, "--at", iso("1m"))
    shop.carts(cart(), when="5m")
    assert tick(shop, "30m") == Outcome(0, "", "")
    assert steps(shop) == [(ANNA, "reminder")]


def test_carts_that_tell_of_purchases_are_no_feed_of_orders(shop: Shop) -> None:
    shop.configure(FRESH)
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    path = shop.folder / "checkouts.json"
    path.write_text(
        '[{"id": 1, "token": "t", "email": "cleo@example.com", "currency": "EUR", "total_price": "9.00", "line_items": '
        f'[], "created_at": "{iso("0m")}", "updated_at": "{iso("0m")}", "completed_at": "{iso("0m")}"}}]',
        encoding="utf-8",
    )
    shop.cli("import", "carts", path, "--at", iso("1m"))
    shop.carts(cart(), when="5m")
    assert "is held" in tick(shop, "30m").err


def test_where_no_orders_were_ever_imported_one_warning_a_day_holds_nothing(shop: Shop) -> None:
    shop.configure(FRESH)
    shop.carts(cart(), when="5m")
    warned = tick(shop, "30m")
    assert warned.exit_code == 0
    assert warned.err.startswith("cartctl: no orders of main (website) were ever imported")
    assert steps(shop) == [(ANNA, "reminder")]
    shop.carts(cart("c-2", seen="2h", email=BEN), when="2h")
    assert tick(shop, "3h") == Outcome(0, "", "")
    assert tick(shop, "24h35m").err.startswith("cartctl: no orders of main (website) were ever imported")
    shop.orders(order(placed="25h", cart_id="x"), when="26h")
    assert tick(shop, "48h") == Outcome(0, "", "")


def test_no_age_of_orders_means_no_brake_and_no_warning(shop: Shop) -> None:
    shop.configure('[safety]\norders_max_age = "0"\n')
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    shop.carts(cart(), cart("c-2", email=BEN, channel="tiktok"), when="5m")
    assert tick(shop, "30m") == Outcome(0, "", "")
    assert len(shop.sent) == 2


def test_what_is_held_too_long_ends_as_skipped_and_the_sequence_goes_on(shop: Shop) -> None:
    shop.configure(FRESH)
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    shop.carts(cart(), when="5m")
    tick(shop, "30m")
    late = shop.cli("run-due", "--json", "--at", iso("24h35m"), ok=False)
    assert late.json["skipped"] == {"past-grace": 1}
    shop.orders(order("o-2", placed="24h", cart_id="x"), when="25h")
    assert tick(shop, "25h").exit_code == 0
    assert steps(shop) == [(ANNA, "urgency")]


# Burst


def crowd(count: int, *, seen: str = "0m", name: str = "c") -> list[dict[str, str]]:
    return [cart(f"{name}-{n}", seen=seen, email=f"{name}{n}@example.com") for n in range(count)]


def test_a_burst_waits_until_it_is_confirmed(any_shop: Shop) -> None:
    shop = any_shop
    shop.carts(*crowd(201), when="5m")
    begun = tick(shop, "30m")
    assert begun.exit_code == 1
    assert begun.err.startswith("cartctl: mail of cart-recovery is held: 201 messages are due at once, more than 200 (")
    assert tick(shop, "35m") == Outcome(1, "", "")
    assert shop.sent == []
    dry = tick(shop, "40m", "--dry-run", "--confirm-burst")
    assert (dry.exit_code, dry.out.splitlines()[-1].endswith("201 would be sent")) == (0, True)
    over = tick(shop, "40m", "--confirm-burst")
    assert (over.exit_code, over.err) == (
        0,
        "cartctl: mail of cart-recovery is no longer held (the burst is confirmed)\n",
    )
    assert len(shop.sent) == 201
    assert tick(shop, "45m") == Outcome(0, "", "")


def is_burst(shop: Shop, when: str) -> bool:
    result = shop.cli("run-due", "--dry-run", "--json", "--at", iso(when), ok=False).json
    return "burst" in [brake["kind"] for brake in result["brakes"]]


def test_two_hundred_at_once_are_no_burst(shop: Shop) -> None:
    shop.carts(*crowd(200), when="5m")
    assert not is_burst(shop, "30m")
    shop.carts(cart("one-more"), when="31m")
    assert is_burst(shop, "35m")


def test_five_times_the_busiest_run_of_the_last_week_is_no_burst(shop: Shop) -> None:
    shop.carts(*crowd(45), when="5m")
    assert shop.run_once("30m")["sent"] == 45
    shop.carts(*crowd(225, seen="1h", name="d"), when="1h")
    assert not is_burst(shop, "1h30m")
    shop.carts(cart("one-more", seen="1h"), when="1h31m")
    assert is_burst(shop, "1h35m")


def test_a_busy_run_of_long_ago_does_not_count(shop: Shop) -> None:
    shop.carts(*crowd(45), when="5m")
    assert shop.run_once("30m")["sent"] == 45
    shop.carts(*crowd(201, seen="170h", name="d"), when="170h")
    assert is_burst(shop, "171h")


def test_what_another_brake_held_is_no_burst_when_it_lets_go(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(FRESH)
    shop.orders(order(placed="-40h", cart_id="x"), when="-40h")
    for number, when in enumerate(("1h", "2h", "3h")):
        shop.carts(*crowd(70, seen=f"{number}h", name=f"hour{number}"), when=when)
        assert tick(shop, when).exit_code == 1
    assert shop.sent == []
    shop.orders(order("o-2", placed="3h", cart_id="x"), when="4h")
    assert tick(shop, "4h").exit_code == 0
    assert len(shop.sent) == 210


def test_what_is_a_burst_though_another_brake_holds_waits_when_that_lets_go(shop: Shop) -> None:
    shop.cli("pause", "--at", iso("1m"))
    shop.carts(*crowd(201), when="5m")
    tick(shop, "30m")
    shop.cli("resume", "--at", iso("1h"))
    assert tick(shop, "1h").exit_code == 1
    assert shop.sent == []


def test_what_was_confirmed_and_then_put_off_is_no_burst_again(shop: Shop) -> None:
    shop.configure('[safety]\norders_max_age = "0"\n[sending]\nquiet_hours = "12:30-20:00"\n')
    shop.carts(*crowd(205, seen="90m"), when="95m")
    assert tick(shop, "2h").exit_code == 1
    assert tick(shop, "3h", "--confirm-burst").exit_code == 0
    assert shop.sent == [], "quiet hours put it off"
    assert tick(shop, "10h") == Outcome(0, "", "")
    assert len(shop.sent) == 205


def test_what_was_confirmed_goes_on_in_the_next_run_if_the_first_sends_a_part(shop: Shop) -> None:
    shop.carts(*crowd(210), when="5m")
    tick(shop, "30m")
    assert tick(shop, "35m", "--confirm-burst", "--limit", "3").exit_code == 0
    assert tick(shop, "40m") == Outcome(0, "", "")
    assert len(shop.sent) == 210


def test_a_burst_lets_go_when_no_more_is_due_than_may_be(shop: Shop) -> None:
    shop.carts(*crowd(260), when="5m")
    tick(shop, "30m")
    shop.orders(*(order(f"o-{n}", placed="1h", cart_id=f"c-{n}") for n in range(50)), when="2h")
    still = shop.cli("run-due", "--json", "--at", iso("3h"), ok=False).json["brakes"]
    assert [brake["why"].split(",")[0] for brake in still] == ["210 messages are due at once"], "its present number"
    shop.orders(*(order(f"o-{n}", placed="3h", cart_id=f"c-{n}") for n in range(50, 60)), when="3h")
    over = tick(shop, "4h")
    assert (over.exit_code, over.err) == (0, "cartctl: mail of cart-recovery is no longer held (burst)\n")
    assert len(shop.sent) == 200


def test_a_burst_that_nobody_confirms_ends_step_by_step_and_what_comes_later_goes_out(shop: Shop) -> None:
    """Each of its three steps is held for its grace; the shop has other shoppers all the while."""
    shop.carts(*crowd(201), when="5m")
    for hours in range(1, 91, 6):
        shop.carts(cart(f"later-{hours}", seen=f"{hours - 1}h", email=f"later{hours}@example.com"), when=f"{hours}h")
        last = tick(shop, f"{hours}h")
    assert last.exit_code == 0
    people = {to for to, _ in steps(shop)}
    assert "later79@example.com" in people
    assert not {to for to in people if to.startswith("c")}, "nothing of the burst was ever sent"


# Pause


def test_a_pause_holds_everything_until_it_is_resumed(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    said = shop.cli("pause", "--at", iso("10m")).out
    assert said == "all mail is held: paused, until `cartctl resume`\n"
    for when in ("30m", "35m", "23h"):
        assert tick(shop, when) == Outcome(1, "", "")
    assert tick(shop, "24h10m").err.startswith("cartctl: all mail is held: paused, until `cartctl resume` (since ")
    assert shop.cli("resume", "--at", iso("24h12m")).out == "all mail is no longer held (pause)\n"
    assert tick(shop, "24h15m") == Outcome(0, "", "")
    assert shop.sent == [(ANNA, "reminder", "24:15")], "still within its grace"


def test_one_sequence_is_paused_and_others_go_on(shop: Shop) -> None:
    other = shop.folder / "templates" / "second"
    other.mkdir(parents=True)
    for name in ("reminder.mjml", "reminder.txt"):
        source = Path(__file__).parents[2] / "templates" / "cart-recovery" / name
        (other / name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (other / "sequence.toml").write_text(
        'trigger = "cart-abandoned"\n[[step]]\nkey = "reminder"\nafter = "30m"\nmin_gap = "0"\nsubject = "Hello"\n',
        encoding="utf-8",
    )
    shop.configure('templates = "templates"\n')
    shop.carts(cart(), when="5m")
    shop.cli("pause", "cart-recovery", "--at", iso("10m"))
    result = shop.cli("run-due", "--json", "--at", iso("30m"), ok=False)
    assert (result.exit_code, result.json["sent"]) == (1, 1)
    assert result.json["brakes"] == [
        {
            "kind": "pause",
            "subject": "cart-recovery",
            "since": "2026-03-02T10:10:00+00:00",
            "why": "paused, until `cartctl resume cart-recovery`",
        }
    ]
    assert shop.mails[0].message["Subject"] == "Hello"
    shop.cli("pause", "--at", iso("31m"))
    assert "but all mail is held" in shop.cli("resume", "cart-recovery", "--at", iso("32m")).out
    assert shop.cli("resume", "--at", iso("33m")).out == "all mail is no longer held (pause)\n"
    assert shop.run_once("1h30m")["sent"] == 1


def test_pausing_twice_is_pausing_once_and_resuming_nothing_is_no_fault(shop: Shop) -> None:
    first = shop.cli("pause", "--json", "--at", iso("1m")).json
    assert shop.cli("pause", "--json", "--at", iso("9m")).json == first
    assert shop.cli("resume", "--json").json == {"let_go": ["all mail is no longer held (pause)"], "still": []}
    assert shop.cli("resume").out == "nothing was held that `resume` lets go\n"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_unknown_sequence_is_refused_with_what_was_meant(shop: Shop, command: str) -> None:
    outcome = shop.cli(command, "cart-recvery", ok=False)
    assert (outcome.exit_code, "did you mean" in outcome.err) == (2, True)


def test_a_dry_run_tells_what_holds_and_writes_nothing(shop: Shop) -> None:
    shop.carts(*crowd(201), when="5m")
    for _ in range(2):
        dry = tick(shop, "30m", "--dry-run")
        assert (dry.exit_code, "mail of cart-recovery is held" in dry.err) == (1, True)
    assert tick(shop, "30m").err.startswith("cartctl: mail of cart-recovery is held"), "nothing was told before"


# Cancel


def test_cancelling_a_cart_stops_its_mails_for_good(any_shop: Shop) -> None:
    shop = any_shop
    shop.carts(cart(), cart("c-2", email=BEN), when="5m")
    shop.run("30m")
    said = shop.cli("cancel", "c-1", "--json", "--at", iso("1h")).json
    assert said == {"carts": 1, "sequences": 0, "messages": 1}
    shop.carts(cart(seen="2h", product_name="Red mug"), when="2h")
    for when in ("3h", "24h", "27h", "51h"):
        shop.run(when)
    assert [to for to, _ in steps(shop)].count(ANNA) == 1
    assert shop.cli("cancel", "c-1", "--at", iso("52h")).out == "nothing was to come\n"


def test_cancelling_by_address_stops_all_carts_of_the_shopper_and_no_later_one(any_shop: Shop) -> None:
    shop = any_shop
    shop.carts(cart(), cart("c-2", seen="1m"), cart("c-3", email=BEN), when="5m")
    shop.run("31m")
    assert shop.cli("cancel", "Anna@Example.com", "--json", "--at", iso("1h")).json["messages"] == 1
    shop.carts(cart("c-1", seen="2h", product_name="Red mug"), when="2h")
    shop.run("3h")
    shop.run("24h1m")
    assert steps(shop) == [(ANNA, "reminder"), (BEN, "reminder"), (BEN, "urgency")]
    shop.carts(cart("c-9", seen="25h"), when="25h")
    shop.run("26h")
    assert steps(shop)[-1] == (ANNA, "reminder")


def test_a_cart_that_is_cancelled_before_it_is_abandoned_is_never_written_about(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.cli("cancel", "c-1", "--sequence", "cart-recovery", "--at", iso("10m"))
    assert shop.run("30m")["enrolled"] == 0
    assert shop.sent == []


def test_an_unknown_cart_or_address_is_refused_with_the_nearest(shop: Shop) -> None:
    shop.carts(cart("cart-1001"), cart("cart-2002", email=BEN), when="5m")
    by_id = shop.cli("cancel", "cart-1010", ok=False)
    assert (by_id.exit_code, "no cart cart-1010: the nearest: cart-1001" in by_id.err) == (2, True)
    assert "no cart kart-1001: the nearest: cart-1001" in shop.cli("cancel", "kart-1001", ok=False).err
    by_email = shop.cli("cancel", "ana@example.com", ok=False)
    assert by_email.exit_code == 2
    assert "no cart and no address a…@example.com: the nearest: a…@example.com (cart cart-1001)" in by_email.err
    assert "ana@" not in by_email.err
    assert "anna@" not in by_email.err
    assert shop.cli("cancel", "c-1", "--sequence", "cart-recvery", ok=False).exit_code == 2


def test_held_mail_says_why_it_waits(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.cli("pause", "--at", iso("10m"))
    tick(shop, "30m")
    listed = shop.cli("messages", "list").out
    assert "scheduled (held-pause), due 2026-03-02 10:30 UTC" in listed

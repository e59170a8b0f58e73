"""Days in a shop's life, told through the command line. Every job runs twice at every tick."""

from tests.shop import ANNA, TICKS, Shop, cart, iso, live, order


def test_three_mails_at_their_times_and_no_more(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    live(any_shop)
    assert any_shop.sent == [(ANNA, "reminder", "0:30"), (ANNA, "urgency", "24:00"), (ANNA, "offer", "48:00")]


def test_nothing_is_sent_before_its_time(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    live(shop, "29m59s")
    assert shop.sent == []
    live(shop, "30m", "23h59m")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


def test_shopper_with_three_carts_has_one_live_sequence(any_shop: Shop) -> None:
    any_shop.carts(
        cart("c-1", seen="0m"),
        cart("c-2", seen="10m", email="ANNA@example.com"),
        cart("c-3", seen="5m"),
        when="15m",
    )
    live(any_shop, "40m", "6h", "24h", "24h5m", "36h", "48h", "60h", "72h", "168h")
    assert any_shop.sent == [(ANNA, "reminder", "0:40"), (ANNA, "urgency", "36:00"), (ANNA, "offer", "60:00")]
    assert any_shop.report("168h")["abandoned"] == 3


def test_newer_cart_takes_the_sequence_over(shop: Shop) -> None:
    shop.carts(cart("c-1", product_name="Old mug"), when="5m")
    live(shop, "30m")
    shop.carts(cart("c-2", seen="3h", product_name="New mug"), when="3h")
    result = shop.run("4h")
    assert result["cancelled"] == {"superseded": 1}
    live(shop, "27h", "51h", "72h", "96h")
    assert shop.sent == [
        (ANNA, "reminder", "0:30"),
        (ANNA, "reminder", "4:00"),
        (ANNA, "urgency", "27:00"),
        (ANNA, "offer", "51:00"),
    ]
    assert all("New mug" in mail.part("plain") for mail in shop.mails[1:])


def test_cart_found_late_gets_all_steps_at_proper_distances(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="40h")
    live(any_shop, "40h", "41h", "51h55m", "52h", "60h", "63h55m", "64h", "100h", "168h")
    assert any_shop.sent == [(ANNA, "reminder", "40:00"), (ANNA, "urgency", "52:00"), (ANNA, "offer", "64:00")]


def test_cart_left_again_gets_the_rest_of_the_sequence(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    live(any_shop, "30m")
    any_shop.carts(cart(seen="5h", product_name="Red mug"), when="5h")
    live(any_shop, "5h10m", "24h", "28h")
    assert [step for _, step, _ in any_shop.sent] == ["reminder"], "its time counts from the new departure"
    live(any_shop, "29h", "52h", "53h", "77h", "168h")
    assert any_shop.sent == [(ANNA, "reminder", "0:30"), (ANNA, "urgency", "29:00"), (ANNA, "offer", "53:00")]
    assert "Red mug" in any_shop.mails[1].part("plain")


def test_cart_overtaken_and_touched_again_goes_on(shop: Shop) -> None:
    shop.carts(cart("c-1"), when="5m")
    live(shop, "30m")
    shop.carts(cart("c-2", seen="2h"), when="2h")
    live(shop, "3h")
    shop.carts(cart("c-1", seen="4h", product_name="Red mug"), when="4h")
    live(shop, "5h", "28h", "52h", "76h")
    assert shop.sent == [
        (ANNA, "reminder", "0:30"),
        (ANNA, "reminder", "3:00"),
        (ANNA, "urgency", "28:00"),
        (ANNA, "offer", "52:00"),
    ]
    assert "Red mug" in shop.mails[-1].part("plain")


def test_cart_without_an_address_counts_and_is_never_written_to(shop: Shop) -> None:
    shop.carts(cart(email=""), cart("c-2", email="x1@scs2.tiktok.com"), when="5m")
    live(shop)
    assert shop.sent == []
    assert shop.report("168h")["abandoned"] == 2


def test_empty_cart_is_never_abandoned(shop: Shop) -> None:
    nothing = {"product_name": "", "quantity": "", "unit_price": ""}
    shop.carts(cart(**nothing), cart("c-2", quantity="0"), when="5m")
    live(shop)
    assert shop.sent == []
    assert (shop.report("168h")["carts"], shop.report("168h")["abandoned"]) == (0, 0)


def test_cart_with_a_total_and_no_items_is_abandoned(shop: Shop) -> None:
    shop.carts(cart(product_name="", quantity="", unit_price="", total="20"), when="5m")
    live(shop, "30m")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


def test_first_run_over_old_carts_sends_nothing(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    result = shop.run("72h1s")
    assert (result["detected"], result["expired"], result["enrolled"], result["sent"]) == (1, 1, 0, 0)
    live(shop, "80h", "120h")
    assert shop.sent == []
    assert shop.report("168h")["abandoned"] == 1


def test_cron_that_slept_shifts_the_sequence(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    live(shop, "25m", "20h", "24h", "31h55m", "32h", "48h", "60h")
    assert shop.sent == [(ANNA, "reminder", "20:00"), (ANNA, "urgency", "32:00"), (ANNA, "offer", "48:00")]


def test_mail_past_its_grace_is_skipped_and_the_sequence_goes_on(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    live(shop, "30m")
    late = shop.cli("run-due", "--json", "--at", iso("48h1s"), ok=False)
    assert (late.json["skipped"], late.json["sent"], late.exit_code) == ({"past-grace": 1}, 1, 1)
    assert late.err == ("cartctl: cart-recovery/urgency: 1 mail is past the grace (sending.grace), and not sent\n")
    assert [step for _, step, _ in shop.sent] == ["reminder", "offer"]


def test_a_week_with_everybody_at_once(any_shop: Shop) -> None:
    people = {f"c-{n}": f"shopper{n}@example.com" for n in range(1, 7)}
    any_shop.carts(*(cart(id_, email=email) for id_, email in people.items()), when="5m")
    any_shop.orders(order("o-1", placed="10m", cart_id="c-1"), when="20m")
    any_shop.carts(cart("c-7", seen="20m", email=people["c-2"]), when="25m")
    live(any_shop, "30m", "50m", "1h30m")
    any_shop.orders(order("o-3", placed="2h", email=people["c-3"].upper()), when="3h")
    any_shop.carts(cart("c-4", seen="5h", email=people["c-4"]), when="5h")
    live(any_shop, *TICKS[2:5], "29h", "36h", "48h", "53h", "60h", "72h", "96h", "168h")
    steps: dict[str, list[str]] = {}
    for to, step, _ in any_shop.sent:
        steps.setdefault(to, []).append(step)
    assert steps == {
        people["c-2"]: ["reminder", "reminder", "urgency", "offer"],
        people["c-3"]: ["reminder"],
        people["c-4"]: ["reminder", "urgency", "offer"],
        people["c-5"]: ["reminder", "urgency", "offer"],
        people["c-6"]: ["reminder", "urgency", "offer"],
    }
    report = any_shop.report("168h")
    assert (report["carts"], report["abandoned"], report["recovered"]) == (7, 6, 1)


def test_mail_follows_the_address_the_shopper_gave_last(shop: Shop) -> None:
    shop.carts(cart(email="anna@exmaple.com"), when="5m")
    live(shop, "30m")
    shop.carts(cart(seen="1h", email=ANNA), when="1h")
    live(shop, "2h", "25h")
    assert [(to, step) for to, step, _ in shop.sent] == [("anna@exmaple.com", "reminder"), (ANNA, "urgency")]


def test_an_address_corrected_in_the_same_moment_counts_too(shop: Shop) -> None:
    shop.carts(cart(email="anna@example.com"), when="5m")
    live(shop, "30m")
    shop.carts(cart(email="zoe@example.com"), when="1h")
    live(shop, "2h", "25h", "49h")
    assert [(to, step) for to, step, _ in shop.sent][1:] == [
        ("zoe@example.com", "urgency"),
        ("zoe@example.com", "offer"),
    ]


def test_a_refusal_under_an_earlier_address_is_heard(shop: Shop) -> None:
    shop.carts(
        cart("c-1", email=ANNA, consent="refused"),
        cart("c-1", seen="5m", email="ben@example.com", consent=""),
        cart("c-2", seen="5m", email=ANNA, consent=""),
        when="6m",
    )
    live(shop, "40m", "25h")
    assert {to for to, _, _ in shop.sent} == {"ben@example.com"}

"""Days in a shop's life, told through the command line. Every job runs twice at every tick."""

import pytest

from tests.shop import Shop, cart, iso, order

TICKS = ("30m", "35m", "1h", "6h", "24h", "24h5m", "36h", "48h", "48h5m", "60h", "72h", "96h", "120h", "168h")
"""Seven days, with a tick at each step's very moment."""

ANNA = "anna@example.com"


def live(shop: Shop, *ticks: str) -> None:
    for tick in ticks or TICKS:
        shop.run(tick)


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


@pytest.mark.parametrize(
    "purchase",
    [
        pytest.param({"cart_id": "c-1"}, id="by cart id"),
        pytest.param({"email": "Anna@EXAMPLE.com"}, id="by e-mail in other case"),
        pytest.param({"phone": "+49 (30) 1234-5678"}, id="by phone"),
        pytest.param({"cart_token": "t-1"}, id="by cart token"),
        pytest.param({"checkout_token": "k-1"}, id="by checkout token"),
    ],
)
def test_purchase_between_steps_stops_the_sequence(any_shop: Shop, purchase: dict[str, str]) -> None:
    any_shop.carts(cart(phone="+493012345678", cart_token="t-1", checkout_token="k-1"), when="5m")
    live(any_shop, "30m", "6h")
    any_shop.orders(order(placed="7h", **purchase), when="8h")
    live(any_shop, *TICKS[4:])
    assert any_shop.sent == [(ANNA, "reminder", "0:30")]


def test_purchase_before_the_first_mail_prevents_it(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order(placed="10m", cart_id="c-1"), when="20m")
    live(shop)
    assert shop.sent == []
    assert shop.report("168h")["abandoned"] == 0


def test_order_known_before_its_cart_prevents_every_mail(any_shop: Shop) -> None:
    any_shop.orders(order(placed="10m", email=ANNA), when="20m")
    any_shop.carts(cart(), when="25m")
    live(any_shop)
    assert any_shop.sent == []


def test_checkout_stamped_just_after_its_order_is_bought(shop: Shop) -> None:
    shop.orders(order(placed="0m", email=ANNA), when="5m")
    shop.carts(cart(seen="59m"), when="1h")
    live(shop, "90m", "24h", "48h")
    assert shop.sent == []


def test_order_before_the_cart_does_not_count(shop: Shop) -> None:
    shop.orders(order(placed="-61m", email=ANNA), when="1m")
    shop.carts(cart(), when="5m")
    live(shop, "30m")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


@pytest.mark.parametrize("status", ["failed", "Voided", "cancelled", "canceled", "expired"])
def test_order_that_is_no_purchase_stops_nothing(shop: Shop, status: str) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order(placed="10m", cart_id="c-1", status=status), when="20m")
    live(shop, "30m")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


def test_pending_order_is_a_purchase(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order(placed="10m", cart_id="c-1", status="Pending"), when="20m")
    live(shop)
    assert shop.sent == []


def test_shopper_with_three_carts_has_one_live_sequence(any_shop: Shop) -> None:
    any_shop.carts(
        cart("c-1", seen="0m"),
        cart("c-2", seen="10m", email="ANNA@example.com"),
        cart("c-3", seen="5m"),
        when="15m",
    )
    live(any_shop, "40m", *TICKS[2:])
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


def test_cart_filled_again_after_its_purchase_is_a_new_one(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    live(shop, "30m")
    shop.orders(order(placed="2h", cart_id="c-1"), when="2h")
    live(shop, "24h")
    shop.carts(cart(seen="30h", product_name="Second mug"), when="30h")
    live(shop, "30h30m", "54h", "78h")
    assert [step for _, step, _ in shop.sent] == ["reminder", "reminder", "urgency", "offer"]
    assert shop.report("168h")["abandoned"] == 2


def test_activity_within_the_slack_of_a_purchase_opens_nothing(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.orders(order(placed="10m", cart_id="c-1"), when="15m")
    shop.carts(cart(seen="70m"), when="71m")
    live(shop, "2h", "25h", "49h")
    assert shop.sent == []


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
    result = shop.run("48h1s")
    assert (result["skipped"], result["sent"]) == ({"past-grace": 1}, 1)
    assert [step for _, step, _ in shop.sent] == ["reminder", "offer"]


def test_without_its_coupon_the_offer_is_skipped(shop: Shop) -> None:
    shop.configure("[coupons]\n")
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h")
    assert shop.run("48h")["skipped"] == {"no-coupon": 1}
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency"]


def test_offer_shows_the_configured_code(shop: Shop) -> None:
    shop.configure('[coupons]\nrecovery10 = "WELCOME-BACK"\n')
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h", "48h")
    assert "WELCOME-BACK" in shop.mails[-1].part("plain")
    assert "WELCOME-BACK" in shop.mails[-1].part("html")


@pytest.mark.parametrize(
    ("price", "currency", "steps"),
    [("20.00", "EUR", ["only"]), ("19.99", "EUR", []), ("500.00", "USD", [])],
)
def test_min_total_holds_for_its_currency_alone(shop: Shop, price: str, currency: str, steps: list[str]) -> None:
    own_sequence(shop, 'min_total = { EUR = "20.00" }')
    shop.carts(cart(unit_price=price, currency=currency), when="5m")
    result = shop.run("1h")
    assert [step for _, step, _ in shop.sent] == steps
    assert result["skipped"] == ({} if steps else {"min-total": 1})


def own_sequence(shop: Shop, step: str = "", *, head: str = "") -> None:
    """Give the shop a templates folder whose cart-recovery has one step called `only`."""
    folder = shop.folder / "templates" / "cart-recovery"
    folder.mkdir(parents=True)
    (folder / "sequence.toml").write_text(
        f'trigger = "cart-abandoned"\n{head}\n[[step]]\nkey = "only"\nafter = "30m"\nsubject = "Hello"\n{step}\n'
    )
    (folder / "only.mjml").write_text("<mjml><mj-body></mj-body></mjml>")
    (folder / "only.txt").write_text("Hello {{ first_name }}")
    shop.configure('templates = "templates"\n')


def test_sequence_with_a_start_never_writes_to_older_carts(shop: Shop) -> None:
    own_sequence(shop, head="start_at = 2026-03-02T10:10:00Z")
    shop.carts(cart("c-1", seen="9m"), cart("c-2", seen="10m", email="ben@example.com"), when="15m")
    live(shop, "1h", "24h")
    assert [to for to, _, _ in shop.sent] == ["ben@example.com"]
    assert shop.report("24h")["abandoned"] == 2


def test_quiet_hours_of_the_shopper_move_a_mail(shop: Shop) -> None:
    # T0 is 10:00 UTC, 19:00 in Tokyo; the mail would be due at 22:30 there.
    shop.configure('[sending]\nquiet_hours = "22:00-08:00"\n')
    shop.carts(cart(seen="3h", timezone="Asia/Tokyo"), when="3h")
    live(shop, "3h30m", "12h55m", "13h")
    assert shop.sent == [(ANNA, "reminder", "13:00")]


def test_cap_defers_what_is_too_much_for_one_person(shop: Shop) -> None:
    shop.configure("[sending]\ncap = 2\n")
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h", "48h", "168h25m", "168h30m")
    assert shop.sent == [(ANNA, "reminder", "0:30"), (ANNA, "urgency", "24:00"), (ANNA, "offer", "168:30")]


@pytest.mark.parametrize(
    ("said", "required", "written"),
    [
        ("refused", "not-refused", False),
        ("unknown", "not-refused", True),
        ("unknown", "opt-in", False),
        ("granted", "opt-in", True),
        ("refused", "none", True),
    ],
)
def test_consent_decides_at_the_gate(shop: Shop, said: str, required: str, *, written: bool) -> None:
    shop.configure(f'[consent]\nrequire = "{required}"\n')
    shop.carts(cart(consent=said), when="5m")
    live(shop, "30m", "24h")
    assert bool(shop.sent) is written


def test_limit_sends_so_many_and_the_rest_later(shop: Shop) -> None:
    shop.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(5)), when="5m")
    assert shop.run_once("30m", "--limit", "2")["sent"] == 2
    assert shop.run_once("35m", "--limit", "2")["sent"] == 2
    assert shop.run_once("40m", "--limit", "2")["sent"] == 1
    assert len({to for to, _, _ in shop.sent}) == 5


def test_late_order_is_reported_as_such(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h")
    shop.orders(order(placed="23h", cart_id="c-1"), when="25h")
    live(shop, "48h", "72h")
    report = shop.report("72h")
    assert (report["late_orders"], report["recovered"]) == (1, 1)
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency"]


def test_order_placed_in_time_but_imported_late_was_never_abandonment(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    live(shop, "30m")
    shop.orders(order(placed="29m", cart_id="c-1"), when="2h")
    live(shop, "24h", "48h")
    report = shop.report("72h")
    assert (report["abandoned"], report["recovered"], report["late_orders"]) == (0, 0, 1)


def test_a_week_with_everybody_at_once(any_shop: Shop) -> None:
    people = {f"c-{n}": f"shopper{n}@example.com" for n in range(1, 7)}
    any_shop.carts(*(cart(id_, email=email) for id_, email in people.items()), when="5m")
    any_shop.orders(order("o-1", placed="10m", cart_id="c-1"), when="20m")
    any_shop.carts(cart("c-7", seen="20m", email=people["c-2"]), when="25m")
    live(any_shop, "30m", "50m", "1h30m")
    any_shop.orders(order("o-3", placed="2h", email=people["c-3"].upper()), when="3h")
    any_shop.carts(cart("c-4", seen="5h", email=people["c-4"]), when="5h")
    live(any_shop, *TICKS[3:6], "29h", "36h", "48h", "53h", "60h", "72h", "96h", "168h")
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


@pytest.mark.parametrize("paid_first", [True, False])
def test_an_order_once_bought_is_a_purchase_whichever_state_comes_first(shop: Shop, *, paid_first: bool) -> None:
    paid = order(placed="5m", email=ANNA, status="paid", updated_at=iso("5m"))
    cancelled = order(placed="5m", email=ANNA, status="cancelled", updated_at=iso("9m"))
    shop.carts(cart(), when="1m")
    for state in (paid, cancelled) if paid_first else (cancelled, paid):
        shop.orders(state, when="10m")
    live(shop, "30m", "24h")
    assert shop.sent == []


def test_a_refusal_under_an_earlier_address_is_heard(shop: Shop) -> None:
    shop.carts(
        cart("c-1", email=ANNA, consent="refused"),
        cart("c-1", seen="5m", email="ben@example.com", consent=""),
        cart("c-2", seen="5m", email=ANNA, consent=""),
        when="6m",
    )
    live(shop, "40m", "25h")
    assert {to for to, _, _ in shop.sent} == {"ben@example.com"}


def test_a_phone_number_with_its_trunk_zero_in_brackets_is_the_same(shop: Shop) -> None:
    shop.carts(cart(phone="+49 (0)30 12345678"), when="1m")
    shop.orders(order(placed="5m", phone="+49 30 12345678"), when="10m")
    live(shop, "30m", "24h")
    assert shop.sent == []


@pytest.mark.parametrize("order_of_files", [("f1", "o", "f2"), ("f1", "f2", "o"), ("f2", "f1", "o"), ("o", "f2", "f1")])
def test_a_phone_number_that_a_newer_export_lacks_still_finds_the_buyer(
    shop: Shop, order_of_files: tuple[str, ...]
) -> None:
    for name in order_of_files:
        if name == "o":
            shop.orders(order(placed="5m", phone="+493012345678"), when="12m")
        else:
            known = {"phone": "+493012345678"} if name == "f1" else {"seen": "10m"}
            shop.carts(cart(**known), when="12m")
    live(shop, "45m", "25h")
    assert shop.sent == []

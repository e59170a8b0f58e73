"""Days in a shop's life: what is a purchase, whose, and what it stops. Every job runs twice at every tick."""

import pytest

from tests.shop import ANNA, TICKS, Shop, cart, iso, live, order


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
    live(any_shop, *TICKS[3:])
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


@pytest.mark.parametrize("paid_first", [True, False])
def test_an_order_once_bought_is_a_purchase_whichever_state_comes_first(shop: Shop, *, paid_first: bool) -> None:
    paid = order(placed="5m", email=ANNA, status="paid", updated_at=iso("5m"))
    cancelled = order(placed="5m", email=ANNA, status="cancelled", updated_at=iso("9m"))
    shop.carts(cart(), when="1m")
    for state in (paid, cancelled) if paid_first else (cancelled, paid):
        shop.orders(state, when="10m")
    live(shop, "30m", "24h")
    assert shop.sent == []


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


CANCELLED = order("o-1", placed="1h", cart_id="c-1", status="cancelled", updated_at=iso("3h"))
AGAIN = order("o-2", placed="5h", cart_id="c-1")


@pytest.mark.parametrize("imports", [[CANCELLED, AGAIN], [AGAIN, CANCELLED]])
def test_what_was_cancelled_and_ordered_again_counts_once(any_shop: Shop, imports: list[dict[str, str]]) -> None:
    any_shop.carts(cart("c-1"), when="5m")
    any_shop.run("30m")
    any_shop.orders(order("o-1", placed="1h", cart_id="c-1"), when="2h")
    for row in imports:
        any_shop.orders(row, when="6h")
        live(any_shop, "6h")
    live(any_shop, "24h", "48h")
    report = any_shop.report("49h")
    assert (report["recovered"], report["revenue"]["EUR"]["recovered_net"]) == (1, "49.90")
    assert report["attribution"]["sent"]["orders"] == 1
    assert any_shop.sent == [(ANNA, "reminder", "0:30")], "who had bought is left alone, cancelled or not"


def test_an_order_cancelled_before_the_cart_was_abandoned_makes_no_recovery_of_the_next(shop: Shop) -> None:
    shop.carts(cart("c-1"), when="5m")
    shop.orders(order("o-1", placed="10m", cart_id="c-1"), when="20m")
    shop.orders(order("o-1", placed="10m", cart_id="c-1", status="cancelled", updated_at=iso("3h")), when="4h")
    shop.orders(order("o-2", placed="5h", cart_id="c-1"), when="6h")
    live(shop, "24h")
    assert (shop.sent, shop.report("25h")["abandoned"]) == ([], 0)

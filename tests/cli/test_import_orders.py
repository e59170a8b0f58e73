"""Orders of every platform, told as stories: a cart is left, its shopper buys or does not, and is written to or not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.looking import rows
from tests.importers import order_rows
from tests.importers.reading import csv_text
from tests.importers.shopify_rows import checkout, export
from tests.importers.shopify_rows import order as shopify_order
from tests.shop import Outcome, Shop, at, cart, iso


def import_orders(shop: Shop, name: str, text: str, *options: str, when: str = "12h", ok: bool = True) -> Outcome:
    (shop.folder / name).write_text(text, encoding="utf-8")
    return shop.cli("import", "orders", shop.folder / name, "--json", "--at", iso(when), *options, ok=ok)


def shopify_time(offset: str) -> str:
    return f"{at(offset):%Y-%m-%d %H:%M:%S} +0000"


# Which orders close carts


@pytest.mark.parametrize("cells", [{"cart_id": "c-1"}, {"phone": "+4915123456789"}])
@pytest.mark.parametrize(
    "odd", [{"email": "anna@b"}, {"email": "anna@b", "total": "-1"}, {"email": "x@", "currency": "?"}]
)
def test_buyer_whose_order_cannot_be_read_in_full_is_not_written_to(
    shop: Shop, cells: dict[str, str], odd: dict[str, str]
) -> None:
    shop.carts(cart("c-1", email="anna@example.com", phone="+4915123456789"), when="5m")
    placed = {"order_id": "o-1", "placed_at": iso("10m"), "email": ""} | cells | odd
    outcome = import_orders(shop, "orders.csv", csv_text(placed, placed | {"order_id": "o-2"}), when="20m")
    assert (outcome.json["accepted"], outcome.json["rejected"]) == (2, 0)
    assert outcome.json["orders"]["carts_closed"] == 1
    assert outcome.err.count("email: is no e-mail address in some orders") == 1
    assert "anna" not in outcome.err
    assert shop.run("31m")["sent"] == 0


def test_total_that_another_file_told_stays_where_this_one_cannot_be_read(shop: Shop) -> None:
    placed = {"order_id": "o-1", "placed_at": iso("10m"), "email": "anna@example.com", "total": "30", "currency": "EUR"}
    import_orders(shop, "a.csv", csv_text(placed))
    import_orders(shop, "b.csv", csv_text(placed | {"total": "thirty"}))
    assert rows(shop.folder / "cartctl.db", "SELECT total_minor, net_minor FROM orders") == [(3000, 3000)]


def left_checkout(shop: Shop, **cells: str) -> None:
    """A checkout is left at T0, and its shopper reminded half an hour later."""
    path = shop.folder / "checkouts_export.csv"
    path.write_text(export(checkout(Created_at=shopify_time("0m"), Accepts_Marketing="yes", **cells)), encoding="utf-8")
    shop.cli("import", "carts", path, "--at", iso("30m"))
    assert shop.run("30m")["sent"] == 1


@pytest.mark.parametrize("status", ["pending", "paid", "authorized", "partially_paid", "refunded", "Pending"])
def test_order_to_be_paid_on_delivery_closes_its_cart(shop: Shop, status: str) -> None:
    left_checkout(shop)
    placed = shopify_order(Financial_Status=status, Paid_at="", Created_at=shopify_time("2h"))
    result = import_orders(shop, "orders_export.csv", export(placed)).json
    assert result["orders"]["carts_closed"] == 1
    assert shop.run("48h")["sent"] == 0


@pytest.mark.parametrize(
    "cells", [{"Financial_Status": "voided"}, {"Financial_Status": "expired"}, {"Cancelled_at": "x"}]
)
def test_order_that_came_to_nothing_does_not(shop: Shop, cells: dict[str, str]) -> None:
    left_checkout(shop)
    placed = shopify_order(**{"Created_at": shopify_time("2h")} | cells)
    result = import_orders(shop, "orders_export.csv", export(placed)).json
    assert result["orders"]["carts_closed"] == 0
    assert shop.run("47h")["sent"] == 1


def test_shop_whose_orders_are_pending_unpaid_and_without_an_address_closes_carts_by_phone(shop: Shop) -> None:
    left_checkout(shop, Billing_Phone="(250) 087-9894", Billing_Country="US")
    orders = [
        shopify_order(
            Name=f"#{number}",
            Id=str(number),
            Email="",
            Financial_Status="pending",
            Created_at=shopify_time("2h"),
            Phone="+12500879894" if number == 7 else "",
        )
        for number in range(10)
    ]
    result = import_orders(shop, "orders_export.csv", export(*orders)).json
    assert (result["rejected"], result["orders"]["carts_closed"], result["orders"]["unmatchable"]) == (0, 1, 9)
    assert shop.run("48h")["sent"] == 0


def test_refunded_order_was_bought_and_nothing_of_it_is_left(shop: Shop) -> None:
    left_checkout(shop)
    record = order_rows.shopify_record(created_at=iso("2h"), updated_at=iso("3h"), financial_status="refunded")
    assert import_orders(shop, "orders.json", json.dumps(record)).json["orders"]["carts_closed"] == 1
    assert rows(Path("cartctl.db"), "SELECT total_minor, net_minor FROM orders") == [(13226, 0)]


def test_cancellation_in_the_same_file_as_the_order_does_not_undo_that_it_was_bought(shop: Shop) -> None:
    left_checkout(shop)
    placed = order_rows.shopify_record(created_at=iso("2h"), updated_at=iso("2h"))
    cancelled = placed | {"updated_at": iso("3h"), "cancelled_at": iso("3h")}
    lines = f"{json.dumps(cancelled)}\n{json.dumps(placed)}\n"
    assert import_orders(shop, "webhooks.jsonl", lines).json["orders"]["carts_closed"] == 1
    assert shop.run("48h")["sent"] == 0


def test_states_of_an_order_come_to_the_same_in_one_file_or_in_several(shop: Shop) -> None:
    placed = order_rows.shopify_record(created_at=iso("2h"), updated_at=iso("2h"))
    cancelled = placed | {"updated_at": iso("3h"), "cancelled_at": iso("3h"), "total_price": "0.00"}
    facts = "SELECT status, is_purchase, total_minor, net_minor, placed_at, updated_at FROM orders"
    found = []
    for number, files in enumerate(([[placed, cancelled]], [[placed], [cancelled]], [[cancelled], [placed]])):
        for place, states in enumerate(files):
            records = [state | {"id": number} for state in states]
            import_orders(shop, f"orders-{number}-{place}.json", json.dumps(records))
        found += rows(Path("cartctl.db"), f"{facts} WHERE external_id = '{number}'")
    assert len(found) == 3
    assert set(found) == {found[0]}
    assert found[0][:4] == ("cancelled", 1, 13226, 0)


def test_order_names_its_checkout_whatever_address_it_was_paid_with(shop: Shop) -> None:
    left_checkout(shop)
    record = order_rows.shopify_record(created_at=iso("2h"), updated_at=iso("2h"), email="work@example.com")
    assert import_orders(shop, "orders.json", json.dumps({"orders": [record]})).json["orders"]["carts_closed"] == 1


# Every other platform: the cart of anna@example.com is left at T0, her order is placed two hours later


def wall(offset: str, pattern: str) -> str:
    """A moment on the wall clock of Europe/Berlin in March: UTC+1."""
    return at(offset).replace(tzinfo=None).replace(hour=at(offset).hour + 1).strftime(pattern)


def of_woo_json(status: str) -> str:
    created = {"date_created": wall("2h", "%Y-%m-%dT%H:%M:%S"), "date_created_gmt": f"{at('2h'):%Y-%m-%dT%H:%M:%S}"}
    modified = {"date_modified": None, "date_modified_gmt": None}
    return json.dumps([order_rows.woo_record(status=status, **created, **modified)])


def of_woo_export(status: str) -> str:
    return csv_text(order_rows.woo_row(Order_Status=status, Order_Date=wall("2h", "%Y-%m-%d %H:%M")))


def of_webtoffee(status: str) -> str:
    return csv_text(order_rows.webtoffee_row(status=status, order_date=wall("2h", "%Y-%m-%d %H:%M:%S")))


def of_bigcommerce(status: str) -> str:
    when = {"Order_Date": wall("2h", "%m/%d/%Y"), "Order_Time": wall("2h", "%H:%M:%S")}
    earlier = order_rows.bigcommerce_row(Order_ID="1", Customer_Email="bea@example.com", Order_Date="02/27/2026")
    return csv_text(order_rows.bigcommerce_row(Order_Status=status, **when), earlier)


PLATFORMS = {
    "woo-orders-json": ("orders.json", of_woo_json),
    "woo-orders-export": ("orders.csv", of_woo_export),
    "webtoffee-orders": ("order_export.csv", of_webtoffee),
    "bigcommerce-orders": ("orders-2026-03-02.csv", of_bigcommerce),
}


def told(shop: Shop, platform: str, status: str) -> dict[str, Any]:
    """Leave a cart, import an order of that status, run two days later; return the import's result."""
    shop.carts(cart(), when="30m")
    assert shop.run("30m")["sent"] == 1
    name, text = PLATFORMS[platform]
    result: dict[str, Any] = import_orders(shop, name, text(status), "--timezone", "Europe/Berlin").json
    assert (result["format"], result["rejected"]) == (platform, 0)
    return result


@pytest.mark.parametrize("platform", PLATFORMS)
def test_order_of_another_platform_stops_the_sequence(shop: Shop, platform: str) -> None:
    assert told(shop, platform, "Completed")["orders"]["carts_closed"] == 1
    assert shop.run("48h")["sent"] == 0
    assert [to for to, _, _ in shop.sent] == ["anna@example.com"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_cancelled_order_of_another_platform_does_not(shop: Shop, platform: str) -> None:
    assert told(shop, platform, "Cancelled")["orders"]["carts_closed"] == 0
    assert shop.run("47h")["sent"] == 1


@pytest.mark.parametrize(
    ("platform", "status"),
    [
        ("woo-orders-json", "checkout-draft"),
        ("webtoffee-orders", "checkout-draft"),
        ("bigcommerce-orders", "Incomplete"),
    ],
)
def test_what_was_never_placed_is_ignored_and_counted(shop: Shop, platform: str, status: str) -> None:
    result = told(shop, platform, status)
    assert (result["ignored"], result["orders"]["carts_closed"]) == (1, 0)
    assert shop.run("47h")["sent"] == 1


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if name != "woo-orders-json"])
def test_file_whose_times_have_no_offset_needs_a_zone(shop: Shop, platform: str) -> None:
    name, text = PLATFORMS[platform]
    outcome = import_orders(shop, name, text("Completed"), ok=False)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "--timezone" in outcome.err
    assert "stores.main.timezone" in outcome.err


def test_file_in_which_days_and_months_cannot_be_told_apart_changes_nothing(shop: Shop) -> None:
    text = csv_text(order_rows.bigcommerce_row(Order_Date="03/02/2026"))
    outcome = import_orders(shop, "orders.csv", text, "--timezone", "Europe/Berlin", ok=False)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert '"03/02/2026" may be a day and a month' in outcome.err
    assert "stores.main.date_order" in outcome.err


@pytest.mark.parametrize(("order", "closed"), [("month-first", 1), ("day-first", 0)])
def test_configured_order_of_dates_is_heard(shop: Shop, order: str, closed: int) -> None:
    shop.configure(f'[stores.main]\ndate_order = "{order}"\n')
    shop.carts(cart(), when="30m")
    text = csv_text(order_rows.bigcommerce_row(Order_Date="03/02/2026", Order_Time=wall("2h", "%H:%M:%S")))
    result = import_orders(shop, "orders.csv", text, "--timezone", "Europe/Berlin").json
    assert result["orders"]["carts_closed"] == closed


# TikTok's Seller Center


def seller_center(shop: Shop, *lines: dict[str, str], when: str) -> dict[str, Any]:
    name = f"all-orders-{when}.csv"
    text = "\N{BYTE ORDER MARK}" + csv_text(order_rows.SELLER_CENTER_DESCRIPTION, *lines)
    zone = ("--timezone", "Europe/Berlin", "--currency", "EUR")
    result: dict[str, Any] = import_orders(shop, name, text, *zone, when=when).json
    assert (result["format"], result["rejected"], result["ignored"]) == ("seller-center-orders", 0, 1)
    return result


def tiktok_order(**cells: str) -> dict[str, str]:
    created = {"Created_Time": wall("0m", "%d/%m/%Y %H:%M:%S"), "Paid_Time": ""}
    return order_rows.seller_center_row(**created | cells)


def test_unpaid_order_of_the_seller_center_is_a_cart_that_is_paid_later(shop: Shop) -> None:
    unpaid = seller_center(shop, tiktok_order(Order_Status="Unpaid"), when="20m")
    assert (unpaid["carts"]["created"], unpaid["orders"]["created"]) == (1, 0)
    found = shop.run("40m")
    assert (found["detected"], found["sent"]) == (1, 0)
    paid = seller_center(
        shop, tiktok_order(Order_Status="To ship", Paid_Time=wall("1h", "%d/%m/%Y %H:%M:%S")), when="2h"
    )
    assert (paid["orders"]["created"], paid["orders"]["carts_closed"], paid["orders"]["unmatchable"]) == (1, 1, 0)
    assert shop.mails == []


def test_older_export_that_still_shows_a_paid_order_as_unpaid_opens_no_cart(shop: Shop) -> None:
    seller_center(shop, tiktok_order(Paid_Time=wall("1h", "%d/%m/%Y %H:%M:%S")), when="2h")
    seller_center(shop, tiktok_order(Order_Status="Unpaid"), when="3h")
    assert shop.run("4h")["detected"] == 0


@pytest.mark.parametrize("platform", PLATFORMS)
def test_same_orders_again_change_nothing(shop: Shop, platform: str) -> None:
    name, text = PLATFORMS[platform]
    arguments = ("--again", "--timezone", "Europe/Berlin")
    first, second = (import_orders(shop, name, text("Completed"), *arguments).json["orders"] for _ in range(2))
    assert first["created"] == second["unchanged"] >= 1
    assert (second["created"], second["updated"]) == (0, 0)

"""The log of events in the shape of REES46's open data."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cartctl.domain.carts import OrderRecord
from tests.importers.cart_rows import rees46_event as event
from tests.importers.reading import Reading, csv_text, read


def log(*rows: dict[str, str]) -> Reading:
    return read("carts", csv_text(*rows), name="2026-Mar.csv", currency="EUR")


def left(*rows: dict[str, str]) -> dict[str, int]:
    return {item.product_id: item.quantity for item in log(*rows).cart.items}


def time(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 3, 2, 10, minute, second, tzinfo=UTC)


def test_events_of_a_session_fold_into_one_cart() -> None:
    rows = [
        event("view", "00:00"),
        event("cart", "01:00"),
        event("cart", "02:00"),
        event("cart", "03:00", "2", "7.50"),
        event("cart", "04:00", "3"),
        event("remove_from_cart", "05:00", "3"),
    ]
    reading = log(*rows)
    cart = reading.cart
    assert (cart.external_id, cart.created_at, cart.updated_at) == ("s-1", time(1), time(5))
    assert [(item.name, item.product_id, item.quantity, item.unit_price) for item in cart.items] == [
        ("example smartphone", "1004856", 2, Decimal("10.00")),
        ("example smartphone", "2", 1, Decimal("7.50")),
    ]
    assert (cart.worth, cart.email, cart.currency) == (Decimal("27.50"), None, "EUR")
    assert reading.ignored == [2]
    assert reading.notes == ["has no e-mail addresses: its carts count and are never written to"]


def test_rows_in_any_order_are_the_same_cart() -> None:
    rows = [event("cart", "01:00"), event("remove_from_cart", "02:00"), event("remove_from_cart", "02:00")]
    rows += [event("cart", "03:00", price="11.00"), event("cart", "03:00", price="12.00"), event("cart", "04:00", "2")]
    expected = log(*rows).cart
    assert left(*rows) == {"1004856": 2, "2": 1}
    for seed in range(10):
        assert log(*random.Random(seed).sample(rows, len(rows))).cart == expected


def test_nothing_goes_below_zero() -> None:
    assert left(event("remove_from_cart", "01:00"), event("cart", "02:00")) == {"1004856": 1}


def test_what_is_put_in_and_taken_out_within_a_second_is_not_in_the_cart() -> None:
    assert left(event("remove_from_cart", "01:00"), event("cart", "01:00")) == {}


def test_cart_from_which_everything_was_taken_is_empty() -> None:
    cart = log(event("cart", "01:00"), event("remove_from_cart", "02:00")).cart
    assert cart.is_empty
    assert cart.updated_at == time(2)


def test_purchases_of_a_session_are_one_order_that_names_its_cart() -> None:
    rows = [event("cart", "01:00"), event("purchase", "06:00"), event("purchase", "06:02", "2", "7.50")]
    reading = log(*rows)
    assert reading.order == OrderRecord(
        external_id="s-1", placed_at=time(6), currency="EUR", total=Decimal("17.50"), cart_ref="s-1"
    )
    assert reading.cart.external_id == "s-1"


def test_order_without_any_price_has_no_amount() -> None:
    assert log(event("purchase", "06:00", price="")).order.total is None


def test_cart_without_a_price_is_kept() -> None:
    cart = log(event("cart", "01:00", price="")).cart
    assert (cart.items[0].unit_price, cart.is_empty) == (None, False)


def test_sessions_are_carts_of_their_own_and_the_visitor_stands_in_for_a_missing_one() -> None:
    reading = log(
        event("cart", "01:00"), event("cart", "01:00", user_session="s-2"), event("cart", "01:00", user_session="")
    )
    assert sorted(cart.external_id for cart in reading.carts) == ["s-1", "s-2", "user 513001"]


def test_product_without_brand_and_category_is_called_by_its_id() -> None:
    assert log(event("cart", "01:00", brand="", category_code="")).cart.items[0].name == "1004856"


def test_views_need_nothing_and_unknown_events_are_ignored() -> None:
    view = event("view", "00:00", "", "", user_session="", event_time="", user_id="")
    assert log(view, event("wishlist", "00:00")).ignored == [2, 3]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (event("cart", "01:00", user_session="", user_id=""), "user_session"),
        (event("cart", "01:00", ""), "product_id"),
        (event("cart", "01:00", event_time="now"), "event_time"),
        (event("purchase", "01:00", price="-79.37"), "price"),
    ],
)
def test_cell_that_cannot_be_read_rejects_the_row(row: dict[str, str], column: str) -> None:
    assert log(row).error[0] == column

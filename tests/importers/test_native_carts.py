"""cartctl's own carts CSV."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import CartSnapshot, Consent, Item
from cartctl.errors import InputFileError
from cartctl.importers.native_carts import FORMAT, OPTIONAL, REQUIRED
from tests.importers.reading import Reading, csv_text, read

SEEN = "2026-03-02T10:00:00Z"


def carts(*rows: dict[str, str], **context: Any) -> Reading:
    return read("carts", csv_text(*rows), **context)


def row(**columns: str) -> dict[str, str]:
    return {"cart_id": "c-1", "updated_at": SEEN, "email": "anna@example.com"} | columns


def test_three_columns_are_enough() -> None:
    seen = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert carts(row()).cart == CartSnapshot(
        external_id="c-1", updated_at=seen, first_seen_at=seen, email="anna@example.com", currency="XXX"
    )


@pytest.mark.parametrize("column", REQUIRED)
def test_each_required_column_is_missed_by_name(column: str) -> None:
    names = [name if name != column else f"{name}x" for name in REQUIRED]
    with pytest.raises(InputFileError, match=f'column "{column}" is missing .did you mean "{column}x"'):
        read("carts", ",".join(names) + "\n", format_name="native-carts")


@pytest.mark.parametrize(
    ("column", "cell", "attribute", "value"),
    [
        ("cart_id", " c-7 ", "external_id", "c-7"),
        ("updated_at", "2026-03-02T11:30:00+01:00", "updated_at", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
        ("email", "BEA@Example.com", "email", "bea@example.com"),
        ("email", "", "email", None),
        ("created_at", "2026-03-01T10:00:00Z", "created_at", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("created_at", "", "created_at", None),
        ("currency", "eur", "currency", "EUR"),
        ("total", "49.90", "total", Decimal("49.90")),
        ("total", "", "total", None),
        ("cart_url", "https://shop.example.com/c", "cart_url", "https://shop.example.com/c"),
        ("first_name", " Anna ", "first_name", "Anna"),
        ("last_name", "Example", "last_name", "Example"),
        ("phone", "+49 1512 3456789", "phone", "+4915123456789"),
        ("locale", "de-DE", "locale", "de_DE"),
        ("timezone", "Europe/Berlin", "timezone", "Europe/Berlin"),
        ("consent", "granted", "consent", Consent.GRANTED),
        ("consent", "refused", "consent", Consent.REFUSED),
        ("consent", "", "consent", Consent.UNKNOWN),
        ("channel", "TikTok", "channel", "tiktok"),
        ("channel", "", "channel", "website"),
        ("checkout_token", "abc", "checkout_token", "abc"),
        ("cart_token", "def", "cart_token", "def"),
    ],
)
def test_column_of_the_cart(column: str, cell: str, attribute: str, value: object) -> None:
    assert getattr(carts(row(**{column: cell})).cart, attribute) == value


@pytest.mark.parametrize(
    ("column", "cell", "attribute", "value"),
    [
        ("product_id", " p-1 ", "product_id", "p-1"),
        ("sku", "MUG-1", "sku", "MUG-1"),
        ("variant", "blue", "variant", "blue"),
        ("quantity", "3", "quantity", 3),
        ("quantity", "0", "quantity", 0),
        ("quantity", "", "quantity", 1),
        ("unit_price", "4.50", "unit_price", Decimal("4.50")),
        ("unit_price", "", "unit_price", None),
        ("image_url", "//cdn.example.com/m.jpg", "image_url", "https://cdn.example.com/m.jpg"),
        ("product_url", "https://shop.example.com/m", "product_url", "https://shop.example.com/m"),
    ],
)
def test_column_of_the_item(column: str, cell: str, attribute: str, value: object) -> None:
    (item,) = carts(row(product_name="Mug", **{column: cell})).cart.items
    assert item.name == "Mug"
    assert getattr(item, attribute) == value


def test_every_known_column_is_tested_above() -> None:
    tested = {
        mark.args[1][i][0]
        for test in (test_column_of_the_cart, test_column_of_the_item)
        for mark in test.pytestmark  # type: ignore[attr-defined]
        for i in range(len(mark.args[1]))
    }
    assert {*REQUIRED, *OPTIONAL} == tested | {"product_name"} == set(FORMAT.columns or ())


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("cart_id", ""),
        ("cart_id", "1.59E+17"),
        ("updated_at", ""),
        ("updated_at", "2026-03-02 10:00"),
        ("email", "anna"),
        ("created_at", "soon"),
        ("currency", "EURO"),
        ("total", "-1"),
        ("quantity", "-1"),
        ("quantity", "10001"),
        ("unit_price", "4;50"),
        ("image_url", "mug.jpg"),
        ("product_url", "javascript:alert(1)"),
        ("cart_url", "c"),
        ("timezone", "Berlin"),
        ("consent", "perhaps"),
        ("channel", "fax"),
    ],
)
def test_bad_cell_is_rejected_with_its_column_and_the_other_rows_stay(column: str, cell: str) -> None:
    reading = carts(row(cart_id="c-0"), row(**{column: cell}), row(cart_id="c-2"))
    assert [cart.external_id for cart in reading.carts] == ["c-0", "c-2"]
    (error,) = reading.errors
    assert (error.row, error.column) == (3, column)
    assert cell in error.raw


def test_items_of_all_rows_come_together_dearest_first() -> None:
    cart = carts(
        row(product_name="Tea", unit_price="4.50", quantity="2"),
        row(product_name="Mug", unit_price="49.90"),
        row(product_name="Sample"),
    ).cart
    assert [item.name for item in cart.items] == ["Mug", "Tea", "Sample"]
    assert cart.worth == Decimal("58.90")


@pytest.mark.parametrize(("column", "name"), [("sku", "MUG-1"), ("product_id", "p-1"), ("variant", "blue")])
def test_item_without_a_name_goes_by_what_it_has(column: str, name: str) -> None:
    (item,) = carts(row(**{column: name})).cart.items
    assert item.name == name


def test_row_without_a_product_is_a_cart_without_items() -> None:
    cart = carts(row(product_name="", quantity="2", unit_price="3.00")).cart
    assert cart.items == ()
    assert cart.is_empty


def test_bad_item_of_a_cart_costs_that_row_and_not_the_cart() -> None:
    reading = carts(row(product_name="Mug", quantity="-1"), row(product_name="Tea", quantity="1"))
    assert [item.name for item in reading.carts[0].items] == ["Tea"]
    assert reading.error == ("quantity", '"-1" is negative')


def test_newest_rows_are_the_cart_and_older_ones_only_tell_its_beginning_and_the_consent() -> None:
    cart = carts(
        row(updated_at="2026-03-02T09:00:00Z", product_name="Old", created_at="2026-03-01T10:00:00Z"),
        row(updated_at="2026-03-02T11:00:00Z", product_name="New", first_name="Anna"),
        row(updated_at="2026-03-02T10:00:00Z", product_name="Between", consent="refused", first_name="Old"),
    ).cart
    assert [item.name for item in cart.items] == ["New"]
    assert (cart.updated_at.hour, cart.first_name) == (11, "Anna")
    assert cart.created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert cart.said == (("anna@example.com", Consent.REFUSED, datetime(2026, 3, 2, 10, tzinfo=UTC)),)


def test_blank_cells_of_one_moment_are_filled_from_its_other_rows() -> None:
    cart = carts(row(email="", first_name="Anna"), row(phone="+4915123456789"), row(total="9.90")).cart
    assert (cart.email, cart.first_name, cart.phone) == ("anna@example.com", "Anna", "+4915123456789")
    assert cart.total == Decimal("9.90")


def test_consent_given_under_another_address_is_not_this_shoppers() -> None:
    cart = carts(
        row(updated_at="2026-03-02T09:00:00Z", email="anna@example.com", consent="granted"),
        row(updated_at="2026-03-02T10:00:00Z", email="bea@example.com"),
    ).cart
    assert cart.email == "bea@example.com"
    assert [(address, consent) for address, consent, _ in cart.said] == [("anna@example.com", Consent.GRANTED)]


def test_phone_without_country_code_is_read_in_the_stores_country() -> None:
    assert carts(row(phone="01512 3456789"), country="DE").cart.phone == "+4915123456789"
    assert carts(row(phone="01512 3456789")).cart.phone is None


def test_currency_and_zone_of_the_file_are_for_rows_that_name_none() -> None:
    reading = carts(
        row(updated_at="2026-03-02 10:00", currency=""),
        row(cart_id="c-2", updated_at="2026-03-02 10:00:00Z", currency="USD"),
        currency="EUR",
        zone=ZoneInfo("Europe/Berlin"),
    )
    assert [(cart.updated_at.hour, cart.currency) for cart in reading.carts] == [(9, "EUR"), (10, "USD")]


def test_same_item_on_two_rows_stays_two_lines() -> None:
    items = carts(row(product_name="Mug", quantity="1"), row(product_name="Mug", quantity="1")).cart.items
    assert items == (Item(name="Mug"), Item(name="Mug"))


def test_cart_beyond_all_measure_is_rejected_with_all_its_rows_in_full() -> None:
    reading = carts(*[row(product_name=f"Gold {i}", unit_price="900000000000.00", quantity="9999") for i in range(2)])
    assert reading.carts == []
    assert [(error.row, error.column) for error in reading.errors] == [(2, "total"), (3, "total")]
    assert all("absurd" in error.reason and error.raw[0] == "c-1" for error in reading.errors)


def test_columns_that_are_not_used_are_noted() -> None:
    from tests.importers.reading import csv_file

    file = csv_file("cart_id,updated_at,email,emial,quantity,\n")
    assert FORMAT.notes(file) == ("columns not used: emial",)
    assert FORMAT.notes(csv_file("cart_id,updated_at,email\n")) == ()

"""Shopify's abandoned-checkouts export."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import CartSnapshot, Consent, Item
from cartctl.errors import InputFileError
from tests.importers.reading import Reading, read
from tests.importers.shopify_rows import HEADER, checkout, export, further, order


def checkouts(*rows: dict[str, str], name: str = "checkouts_export.csv", **context: Any) -> Reading:
    return read("carts", export(*rows), name=name, **context)


def test_one_checkout_of_two_items() -> None:
    first = checkout()
    assert checkouts(first, further(first)).cart == CartSnapshot(
        external_id="37107488451315",
        updated_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        created_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        first_seen_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        email="anna@example.com",
        currency="USD",
        total=Decimal("132.26"),
        items=(
            Item(name="Blue mug - large", unit_price=Decimal("70.95")),
            Item(name="Tea", quantity=2, unit_price=Decimal("15.00")),
        ),
    )


def test_rows_in_any_order_are_the_same_checkouts() -> None:
    one, two = checkout(), checkout(Name="#2", Id="2", Email="bea@example.com")
    rows = [one, further(one), further(one, Lineitem_name="Cake"), two, further(two)]
    expected = {cart.external_id: cart for cart in checkouts(*rows).carts}
    assert len(expected["37107488451315"].items) == 3
    for seed in range(5):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert {cart.external_id: cart for cart in checkouts(*shuffled).carts} == expected


def test_continuation_row_may_lack_the_address() -> None:
    first = checkout()
    cart = checkouts(first, further(first, Email="")).cart
    assert (cart.email, len(cart.items)) == ("anna@example.com", 2)


@pytest.mark.parametrize("total", ["132.26", "-5"])
def test_continuation_of_a_missing_or_rejected_first_row_is_rejected_with_all_its_cells(total: str) -> None:
    first = checkout(Total=total)
    rows = [further(first)] if total == "132.26" else [first, further(first)]
    reading = checkouts(*rows)
    assert reading.carts == []
    orphan = reading.errors[-1]
    assert orphan.row == len(rows) + 1
    assert orphan.reason == "continues #37107488451315, whose first row is missing or was rejected"
    assert "Tea" in orphan.raw


def test_id_is_the_name_without_its_hash_where_there_is_none() -> None:
    assert checkouts(checkout(Id="", Name="#123")).cart.external_id == "123"


@pytest.mark.parametrize(("column", "Column"), [("Id", "Id"), ("Name", "Name")])
def test_rounded_id_is_rejected(column: str, Column: str) -> None:  # noqa: N803 - the export's own spelling
    assert checkouts(checkout(**{column: "3.71E+13"})).error == (
        Column,
        '"3.71E+13" was rounded by a spreadsheet; export it again, as text',
    )


@pytest.mark.parametrize(
    ("cell", "consent"),
    [("yes", Consent.GRANTED), ("Yes", Consent.GRANTED), ("no", Consent.UNKNOWN), ("", Consent.UNKNOWN)],
)
def test_only_a_ticked_box_is_a_consent_and_an_unticked_one_no_refusal(cell: str, consent: Consent) -> None:
    assert checkouts(checkout(Accepts_Marketing=cell)).cart.consent == consent


def test_blank_address_makes_an_unreachable_cart() -> None:
    assert checkouts(checkout(Email="")).cart.email is None


@pytest.mark.parametrize(
    ("cells", "country", "phone"),
    [
        ({"Phone": "+4915123456789", "Billing_Phone": "+12500879894"}, None, "+4915123456789"),
        ({"Phone": "01512 3456789"}, "DE", "+4915123456789"),
        ({"Billing_Phone": "(250) 087-9894", "Billing_Country": "US"}, "DE", "+12500879894"),
        ({"Billing_Phone": "01512 3456789"}, "DE", "+4915123456789"),
        ({"Phone": "call me", "Billing_Phone": "+12500879894"}, None, "+12500879894"),
        ({"Shipping_Phone": "01512 3456789", "Shipping_Country": "DE"}, None, "+4915123456789"),
        ({"Shipping_Phone": "01512 3456789"}, None, None),
    ],
)
def test_phone_is_the_first_that_can_be_read_in_its_own_country(
    cells: dict[str, str], country: str | None, phone: str | None
) -> None:
    assert checkouts(checkout(**cells), country=country).cart.phone == phone


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        ({"Billing_Name": "Anna Maria Example"}, ("Anna", "Maria Example")),
        ({"Shipping_Name": "Bea"}, ("Bea", "")),
        ({}, ("", "")),
    ],
)
def test_names_come_from_billing_else_shipping(cells: dict[str, str], names: tuple[str, str]) -> None:
    cart = checkouts(checkout(**cells)).cart
    assert (cart.first_name, cart.last_name) == names


def test_currency_falls_back_to_that_of_the_file() -> None:
    assert checkouts(checkout(Currency=""), currency="EUR").cart.currency == "EUR"


def test_sku_quantity_and_price_are_those_of_the_line() -> None:
    first = checkout(Lineitem_sku="MUG-1", Lineitem_quantity="3", Lineitem_price="")
    assert checkouts(first).cart.items == (Item(name="Blue mug - large", sku="MUG-1", quantity=3),)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Lineitem_quantity": "-1"}, "Lineitem quantity"),
        ({"Lineitem_price": "free"}, "Lineitem price"),
        ({"Total": "free"}, "Total"),
        ({"Currency": "Taka"}, "Currency"),
        ({"Email": "anna"}, "Email"),
        ({"Created_at": "yesterday"}, "Created at"),
        ({"Created_at": "2026-03-02 05:00:00"}, "Created at"),
        ({"Name": ""}, "Name"),
    ],
)
def test_bad_cell_is_rejected_with_the_exports_own_column(cells: dict[str, str], column: str) -> None:
    assert checkouts(checkout(**cells)).error[0] == column


def test_bad_item_of_a_continuation_row_leaves_the_checkout_with_its_other_items() -> None:
    first = checkout()
    reading = checkouts(first, further(first, Lineitem_quantity="-2"), further(first, Lineitem_name="Cake"))
    assert [item.name for item in reading.carts[0].items] == ["Blue mug - large", "Cake"]
    assert reading.error[0] == "Lineitem quantity"


@pytest.mark.parametrize("name", ["orders_export.csv", "Orders_Export_1.csv", "orders_export (2).csv"])
def test_file_that_bears_the_name_of_orders_is_refused_with_the_right_command(name: str) -> None:
    with pytest.raises(InputFileError) as caught:
        checkouts(checkout(), name=name)
    assert str(caught.value).startswith(f"{name}: is an orders export, not abandoned checkouts: ")
    assert f"`cartctl import orders {name}`" in str(caught.value)


@pytest.mark.parametrize("cells", [{"Financial_Status": "paid"}, {"Paid_at": "2026-03-02 05:00:00 -0500"}])
def test_one_paid_row_is_enough_to_refuse_the_file_whatever_its_name(cells: dict[str, str]) -> None:
    with pytest.raises(InputFileError, match=r"`cartctl import orders march\.csv`"):
        checkouts(checkout(), order(**cells), name="march.csv")


def test_header_alone_is_an_export_without_checkouts() -> None:
    assert read("carts", HEADER, name="checkouts_export.csv") == Reading()


def test_old_and_new_layouts_with_other_columns_are_read() -> None:
    first = {name: value for name, value in checkout().items() if name not in ("Id", "Phone", "Vendor")}
    assert checkouts(first | {"Payment Terms Name": ""}).cart.external_id == "37107488451315"

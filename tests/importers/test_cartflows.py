"""WooCommerce carts from the CartFlows plugin."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import Consent, Item, OrderRecord
from cartctl.errors import InputFileError
from tests.importers.cart_rows import cartflows_row as row
from tests.importers.reading import Reading, csv_text, read

NAME = "woo-cart-abandonment-recovery-export-2026-03-02-11-00-00.csv"
SEEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def export(*rows: dict[str, str], name: str = NAME, **context: Any) -> Reading:
    return read("carts", csv_text(*rows), name=name, **({"zone": ZoneInfo("Europe/Berlin")} | context))


def test_one_cart() -> None:
    reading = export(row())
    cart = reading.cart
    assert (cart.updated_at, cart.created_at, cart.email, cart.phone) == (
        SEEN,
        None,
        "anna@example.com",
        "+4915123456789",
    )
    assert (cart.first_name, cart.last_name) == ("Anna", "Example")
    assert (cart.currency, cart.total, cart.consent) == ("EUR", Decimal("33.90"), Consent.UNKNOWN)
    assert sorted(cart.items) == [Item(name="Blue mug"), Item(name="Tea")]


def test_time_is_that_of_the_files_name_and_the_file_says_so_once() -> None:
    reading = export(row(), row(Email="bea@example.com"))
    assert {cart.updated_at for cart in reading.carts} == {SEEN}
    (note,) = reading.notes
    assert "2026-03-02T11:00:00" in note


def test_file_that_was_renamed_is_refused_with_the_name_it_should_have() -> None:
    with pytest.raises(InputFileError, match=r"carts\.csv: says nowhere when it was written: keep the name"):
        export(row(), name="carts.csv")


def test_file_whose_name_holds_no_real_time_is_refused() -> None:
    with pytest.raises(InputFileError, match="the time in the file's name"):
        export(row(), name=NAME.replace("03-02", "13-45"))


def test_same_address_and_products_are_the_same_cart_in_every_export() -> None:
    later = NAME.replace("03-02", "03-05")
    assert export(row()).cart.external_id == export(row(Order_Status=""), name=later).cart.external_id
    others = [row(Email="bea@example.com"), row(Products="Tea"), row(Phone="")]
    assert len({cart.external_id for cart in export(row(), *others).carts}) == 4


@pytest.mark.parametrize(
    ("cell", "consent"),
    [("Yes", Consent.REFUSED), ("1", Consent.REFUSED), ("no", Consent.UNKNOWN), ("", Consent.UNKNOWN)],
)
def test_unsubscribed_is_a_refusal_and_everything_else_no_answer(cell: str, consent: Consent) -> None:
    assert export(row(Unsubscribed=cell)).cart.consent == consent


@pytest.mark.parametrize("status", ["completed", "Recovered"])
def test_completed_cart_is_an_order_of_its_shopper_that_names_it(status: str) -> None:
    key = export(row()).cart.external_id
    assert export(row(Order_Status=status)).order == OrderRecord(
        external_id=f"checkout:{key}",
        placed_at=SEEN,
        status="completed",
        email="anna@example.com",
        phone="+4915123456789",
        currency="EUR",
        total=None,
        cart_ref=key,
    )


def test_equal_completed_rows_of_one_export_are_purchases_of_their_own() -> None:
    bought = row(Order_Status="completed")
    first, second = export(bought, bought).orders
    assert first == replace(export(bought, name=NAME.replace("03-02", "03-05")).order, placed_at=SEEN)
    assert (second.external_id, second.cart_ref) == (f"{first.external_id}-2", first.cart_ref)


@pytest.mark.parametrize(("cell", "consent"), [("Yes", Consent.REFUSED), ("perhaps", Consent.UNKNOWN)])
def test_buyer_may_have_unsubscribed(cell: str, consent: Consent) -> None:
    assert export(row(Order_Status="completed", Unsubscribed=cell)).order.consent == consent


def test_purchase_by_phone_is_kept_without_an_address_that_cannot_be_read() -> None:
    reading = export(row(Order_Status="completed", Email="anna@b"))
    assert (reading.order.email, reading.order.phone, reading.order.cart_ref) == (None, "+4915123456789", "")
    assert reading.notes[1].startswith("Email: is no e-mail address in some orders")
    assert export(row(Order_Status="completed", Email="anna@b", Phone="")).error[0] == "Email"


@pytest.mark.parametrize("status", ["normal", "lost", "failed", "anything"])
def test_cart_of_any_other_status_is_ignored(status: str) -> None:
    reading = export(row(), row(Order_Status=status))
    assert (len(reading.carts), reading.ignored, reading.errors) == (1, [3], [])


def test_currency_is_that_of_the_header() -> None:
    cells = row()
    cells["Cart-Total in JPY"] = cells.pop("Cart-Total in EUR")
    assert export(cells).cart.currency == "JPY"


@pytest.mark.parametrize(("currency", "total"), [("VND", Decimal(150000)), ("KWD", Decimal(150))])
def test_currency_of_the_header_decides_what_a_point_before_three_digits_means(currency: str, total: Decimal) -> None:
    cells = row()
    del cells["Cart-Total in EUR"]
    assert export(cells | {f"Cart-Total in {currency}": "150.000"}).cart.total == total


@pytest.mark.parametrize(
    ("cells", "column"),
    [({"Email": "anna"}, "Email"), ({"Unsubscribed": "perhaps"}, "Unsubscribed")],
)
def test_cell_that_cannot_be_read_rejects_the_row(cells: dict[str, str], column: str) -> None:
    assert export(row(**cells)).error[0] == column

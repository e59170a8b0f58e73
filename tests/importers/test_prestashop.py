"""PrestaShop's list of carts."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import OrderRecord
from tests.importers.cart_rows import prestashop_row as row
from tests.importers.reading import Reading, csv_text, read

SEEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def export(*rows: dict[str, str], **context: Any) -> Reading:
    own: dict[str, Any] = {"zone": ZoneInfo("Europe/Berlin"), "currency": "EUR"}
    return read("carts", csv_text(*rows), name="cart_2026-03-02.csv", **(own | context))


def test_one_cart_without_an_address() -> None:
    reading = export(row())
    cart = reading.cart
    assert (cart.external_id, cart.updated_at, cart.created_at) == ("17", SEEN, SEEN)
    assert (cart.email, cart.last_name, cart.currency, cart.total) == (None, "Example", "EUR", Decimal("49.90"))
    assert reading.notes == ["has no e-mail addresses and names no products: its carts count and are never written to"]


@pytest.mark.parametrize("cell", ["Non ordered", "Abandoned cart", "Panier abandonné", "", "0", "--"])
def test_cart_that_was_not_bought_in_any_language(cell: str) -> None:
    assert export(row(Order_ID=cell)).cart.external_id == "17"


@pytest.mark.parametrize("cell", ["5", "10", "#5"])
def test_cart_with_an_order_id_was_bought(cell: str) -> None:
    assert export(row(Order_ID=cell)).order == OrderRecord(
        external_id="checkout:17", placed_at=SEEN, status="completed", currency="EUR", total=None, cart_ref="17"
    )


@pytest.mark.parametrize(
    ("cells", "column"), [({"ID": ""}, "ID"), ({"Date": "today"}, "Date"), ({"ID": "1E+17"}, "ID")]
)
def test_cell_that_cannot_be_read_rejects_the_row(cells: dict[str, str], column: str) -> None:
    assert export(row(**cells)).error[0] == column

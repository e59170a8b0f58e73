"""WooCommerce orders from the plugin Advanced Order Export."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import OrderRecord
from tests.importers.order_rows import woo_row as row
from tests.importers.reading import Reading, csv_text, read

BERLIN = ZoneInfo("Europe/Berlin")


def orders(*rows: dict[str, str], **context: Any) -> Reading:
    return read("orders", csv_text(*rows), **({"zone": BERLIN} | context))


EXPECTED = OrderRecord(
    external_id="727",
    placed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
    status="processing",
    email="anna@example.com",
    phone="+4915123456789",
    currency="EUR",
    total=Decimal("29.35"),
)


def test_one_row_per_order() -> None:
    assert orders(row(), currency="EUR").order == EXPECTED


def test_one_row_per_item_with_the_order_on_each_does_not_sum_the_total() -> None:
    assert orders(row(), row(**{"Item #": "2", "Item Name": "Tea"}), currency="EUR").order == EXPECTED


def test_one_row_per_item_with_the_order_on_the_first_only() -> None:
    further = {"Order Number": "", "Item #": "2", "Item Name": "Tea"}
    reading = orders(row(), further, row(Order_Number="728"), further, currency="EUR")
    assert [record.external_id for record in reading.orders] == ["727", "728"]
    assert (reading.accepted, reading.orders[0]) == (4, EXPECTED)


def test_row_below_one_whose_number_cannot_be_read_belongs_to_nobody() -> None:
    reading = orders(row(), row(Order_Number="1.59E+17"), {"Order Number": "", "Item Name": "Tea"})
    assert [(error.row, error.column) for error in reading.errors] == [(3, "order number"), (4, "order id")]


@pytest.mark.parametrize(
    ("cells", "attribute", "value"),
    [
        ({"Order_Status": "Pending payment"}, "status", "pending"),
        ({"Order_Status": "On hold"}, "status", "on-hold"),
        ({"Order_Status": "wc-cancelled"}, "status", "cancelled"),
        ({"Order_Status": "FAILED"}, "status", "failed"),
        ({"Order_Status": "Refunded"}, "refunded", Decimal("29.35")),
        ({"Order_Refund_Amount": "5.00"}, "refunded", Decimal("5.00")),
        ({"Order_Refund_Amount": "-5.00"}, "refunded", Decimal("5.00")),
        ({"Currency": "CHF"}, "currency", "CHF"),
        ({"Coupon_Code": "back10"}, "coupon", "back10"),
        ({"Email (Billing)": "", "Customer Email": "Bea@example.com"}, "email", "bea@example.com"),
        ({"Email (Billing)": ""}, "email", None),
        ({"Order ID": "9727"}, "external_id", "9727"),
        ({"Order_Total_Amount": ""}, "total", Decimal("6.00")),
        ({"Order_Total_Amount": "€ 1.234,50"}, "total", Decimal("1234.50")),
        ({"Order_Total_Amount": "$1,234"}, "total", Decimal(1234)),
        ({"Order_Total_Amount": "", "Order Line Total": "5.50"}, "total", Decimal("5.50")),
        ({"Order_Date": "2026-03-02T11:00:00Z"}, "placed_at", datetime(2026, 3, 2, 11, tzinfo=UTC)),
        ({"Order_Date": "22/03/2026 11:00"}, "placed_at", datetime(2026, 3, 22, 10, tzinfo=UTC)),
    ],
)
def test_column(cells: dict[str, str], attribute: str, value: object) -> None:
    assert getattr(orders(row(**cells)).order, attribute) == value


def test_draft_is_no_order() -> None:
    assert (orders(row(Order_Status="Draft")).ignored, orders(row(Order_Status="Draft")).orders) == ([2], [])


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Order_Date": "yesterday"}, "Order Date"),
        ({"Order_Number": ""}, "order id"),
    ],
)
def test_bad_cell_is_rejected_with_the_exports_own_column(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(Order_Number="728"))
    assert (reading.error[0], len(reading.orders)) == (column, 1)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Email (Billing)": "anna"}, "email (billing)"),
        ({"Order_Total_Amount": "some"}, "order total amount"),
        ({"Currency": "US$"}, "Currency"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(Order_Number="728"))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")


def test_five_columns_are_enough() -> None:
    some = ("Order Number", "Order Status", "Order Date", "Email (Billing)", "Order Total Amount")
    found = orders({name: row()[name] for name in some}).order
    assert (found.email, found.total, found.currency) == ("anna@example.com", Decimal("29.35"), "XXX")

"""BigCommerce's orders export."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import OrderRecord
from tests.importers.order_rows import bigcommerce_row as row
from tests.importers.reading import Reading, csv_text, read

NEW_YORK = ZoneInfo("America/New_York")


def orders(*rows: dict[str, str]) -> Reading:
    return read("orders", csv_text(*rows), zone=NEW_YORK, country="US")


def test_one_order() -> None:
    assert orders(row()).order == OrderRecord(
        external_id="101",
        placed_at=datetime(2026, 3, 22, 10, tzinfo=UTC),
        status="awaiting fulfillment",
        email="anna@example.com",
        phone="+12500879894",
        currency="USD",
        total=Decimal("29.35"),
    )


@pytest.mark.parametrize(
    ("cells", "attribute", "value"),
    [
        ({"Order_Status": "Declined"}, "status", "failed"),
        ({"Order_Status": "Cancelled"}, "status", "cancelled"),
        ({"Order_Status": "Pending"}, "status", "pending"),
        ({"Order_Status": "Refunded"}, "refunded", Decimal("29.35")),
        ({"Refund_Amount": "9.35"}, "refunded", Decimal("9.35")),
        ({"Customer_Email": "", "Billing Email": "Bea@example.com"}, "email", "bea@example.com"),
        ({"Customer_Phone": "", "Billing Phone": "+4915123456789"}, "phone", "+4915123456789"),
        ({"Order_Date": "22/03/2026"}, "placed_at", datetime(2026, 3, 22, 10, tzinfo=UTC)),
        ({"Order_Date": "22/03/2026 06:00 AM", "Order_Time": ""}, "placed_at", datetime(2026, 3, 22, 10, tzinfo=UTC)),
        ({"Order_Time": "06:00 PM"}, "placed_at", datetime(2026, 3, 22, 22, tzinfo=UTC)),
        ({"Order_Time": ""}, "placed_at", datetime(2026, 3, 23, 3, 59, 59, tzinfo=UTC)),
    ],
)
def test_column(cells: dict[str, str], attribute: str, value: object) -> None:
    assert getattr(orders(row(**cells)).order, attribute) == value


def test_what_was_never_finished_is_no_order() -> None:
    reading = orders(row(Order_Status="Incomplete"), row(Order_ID="102"))
    assert ([record.external_id for record in reading.orders], reading.ignored) == (["102"], [2])


def test_dates_without_an_hour_are_told_once() -> None:
    rows = (row(Order_Time=""), row(Order_ID="102", Order_Time=""))
    assert orders(*rows).notes == [
        "there are times without an hour, read as the end of their day: a cart of that day counts as bought"
    ]
    assert orders(row()).notes == []


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Order_Date": "25/25/2026"}, "Order Date"),
        ({"Order_ID": ""}, "Order ID"),
    ],
)
def test_bad_cell_is_rejected_with_the_exports_own_column(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(Order_ID="102"))
    assert (reading.error[0], len(reading.orders)) == (column, 1)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Customer_Email": "anna"}, "Customer Email"),
        ({"Order Total (inc tax)": "some"}, "Order Total (inc tax)"),
        ({"Refund_Amount": "some"}, "Refund Amount"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(Order_ID="102"))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")

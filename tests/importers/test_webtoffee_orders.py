"""WooCommerce orders from WebToffee's export."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import OrderRecord
from tests.importers.order_rows import webtoffee_row as row
from tests.importers.reading import Reading, csv_text, read

BERLIN = ZoneInfo("Europe/Berlin")


def orders(*rows: dict[str, str], **context: Any) -> Reading:
    return read("orders", csv_text(*rows), **({"zone": BERLIN} | context))


def test_one_order() -> None:
    assert orders(row()).order == OrderRecord(
        external_id="727",
        placed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        status="processing",
        email="anna@example.com",
        phone="+4915123456789",
        currency="EUR",
        total=Decimal("29.35"),
    )


@pytest.mark.parametrize(
    ("cells", "attribute", "value"),
    [
        ({"order_id": ""}, "external_id", "A-727"),
        ({"billing_email": ""}, "email", "anna@example.com"),
        ({"billing_phone": "", "shipping_phone": "+4915123456780"}, "phone", "+4915123456780"),
        ({"order_currency": ""}, "currency", "XXX"),
        ({"status": "wc-pending"}, "status", "pending"),
        ({"status": "trash"}, "status", "cancelled"),
        ({"status": "refunded"}, "refunded", Decimal("29.35")),
        ({"refund_items": "amount:5.00|reason:late;amount:1.00|reason:"}, "refunded", Decimal("6.00")),
        ({"coupon_items": "code:back10|amount:5.00"}, "coupon", "back10"),
        ({"line_item_2": "name:Tea|total:some"}, "total", Decimal("29.35")),
        ({"order_total": ""}, "total", Decimal("18.00")),
        ({"order_total": "", "line_item_1": "", "line_item_2": ""}, "total", None),
        ({"order_date": "3/22/2026  6:29:00"}, "placed_at", datetime(2026, 3, 22, 5, 29, tzinfo=UTC)),
        (
            {"order_date": "3/4/2026 6:29", "paid_date": "3/22/2026 6:30"},
            "placed_at",
            datetime(2026, 3, 4, 5, 29, tzinfo=UTC),
        ),
    ],
)
def test_column(cells: dict[str, str], attribute: str, value: object) -> None:
    assert getattr(orders(row(**cells)).order, attribute) == value


def test_draft_of_a_checkout_is_no_order() -> None:
    assert orders(row(status="checkout-draft")).ignored == [2]


def test_row_of_items_alone_belongs_to_the_order_before() -> None:
    reading = orders(row(), {"order_id": "", "line_item_1": "name:Tea|quantity:1|total:1.00"})
    assert (reading.order.total, reading.accepted) == (Decimal("29.35"), 2)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"order_date": "03-2026"}, "order_date"),
        ({"order_id": "1.5E+12"}, "order_id"),
    ],
)
def test_bad_cell_is_rejected_with_the_exports_own_column(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(order_id="728"))
    assert (reading.error[0], len(reading.orders)) == (column, 1)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"billing_email": "anna"}, "billing_email"),
        ({"order_total": "some"}, "order_total"),
        ({"refund_items": "amount:some"}, "refund_items"),
        ({"order_total": "", "line_item_2": "name:Tea|total:some"}, "line_item_2"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(order_id="728"))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")

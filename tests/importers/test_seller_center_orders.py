"""TikTok Shop's order export from the Seller Center."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import CartSnapshot, Item, OrderRecord
from tests.importers.order_rows import SELLER_CENTER_DESCRIPTION as DESCRIPTION
from tests.importers.order_rows import seller_center_row as row
from tests.importers.reading import Reading, csv_text, read

KUALA_LUMPUR = ZoneInfo("Asia/Kuala_Lumpur")
"""UTC+8."""


def orders(*rows: dict[str, str], currency: str = "MYR") -> Reading:
    text = "\N{BYTE ORDER MARK}" + csv_text(DESCRIPTION, *rows)
    return read("orders", text, zone=KUALA_LUMPUR, currency=currency)


def test_order_of_two_items_has_its_amount_once_and_names_its_cart() -> None:
    reading = orders(row(), row(**{"SKU ID": "2\t", "Product Name": "Tea", "Quantity": "1"}))
    assert reading.ignored == [2]
    assert reading.order == OrderRecord(
        external_id="583870900000000010",
        placed_at=datetime(2026, 4, 3, 10, 5, tzinfo=UTC),
        updated_at=datetime(2026, 4, 3, 10, 5, tzinfo=UTC),
        channel="tiktok",
        status="awaiting_shipment",
        currency="MYR",
        total=Decimal("137.40"),
        cart_ref="583870900000000010",
    )


@pytest.mark.parametrize("word", ["Unpaid", "UNPAID", "Belum dibayar", "Chưa thanh toán", "Unbezahlt", "未付款"])
def test_order_that_waits_for_its_payment_is_a_cart_of_the_channel(word: str) -> None:
    unpaid = {"Order_Status": word, "Paid_Time": ""}
    reading = orders(
        row(**unpaid), row(**unpaid, Seller_SKU="TEA", Product_Name="Tea", Variation="Green", Quantity="1")
    )
    assert reading.orders == []
    moment = datetime(2026, 4, 3, 10, tzinfo=UTC)
    assert reading.cart == CartSnapshot(
        external_id="583870900000000010",
        updated_at=moment,
        created_at=moment,
        first_seen_at=moment,
        channel="tiktok",
        currency="MYR",
        total=Decimal("137.40"),
        items=(
            Item(name="Blue mug", sku="MUG-B", quantity=2, unit_price=Decimal("60.00")),
            Item(name="Tea", variant="Green", sku="TEA", quantity=1, unit_price=Decimal("60.00")),
        ),
    )


@pytest.mark.parametrize(
    ("cells", "attribute", "value"),
    [
        ({"Order_Status": "Canceled"}, "status", "cancelled"),
        ({"Order_Status": "Dibatalkan"}, "status", "cancelled"),
        ({"Order_Status": "Đã hủy"}, "status", "cancelled"),
        ({"Order_Status": "Ακυρώθηκε", "Cancelled_Time": "05/04/2026 18:00:00"}, "status", "cancelled"),
        ({"Order_Status": "Selesai"}, "status", "completed"),
        ({"Order_Status": "Shipped"}, "status", "in_transit"),
        ({"Paid_Time": ""}, "placed_at", datetime(2026, 4, 3, 10, tzinfo=UTC)),
        (
            {"Order_Status": "Canceled", "Paid_Time": "", "Cancelled_Time": "05/04/2026 18:00:00"},
            "placed_at",
            datetime(2026, 4, 5, 10, tzinfo=UTC),
        ),
        ({"Delivered Time": "08/04/2026 18:00:00"}, "updated_at", datetime(2026, 4, 8, 10, tzinfo=UTC)),
        ({"Paid_Time": ""}, "updated_at", None),
        ({"Order_Refund_Amount": "37.40"}, "refunded", Decimal("37.40")),
        ({"Phone #": "(+60)123456789"}, "phone", "+60123456789"),
        ({"Phone #": "(+60)123456*89"}, "phone", None),
        ({"Currency": "IDR"}, "currency", "IDR"),
    ],
)
def test_column(cells: dict[str, str], attribute: str, value: object) -> None:
    assert getattr(orders(row(**cells)).order, attribute) == value


def test_order_of_which_one_item_was_cancelled_was_bought() -> None:
    for rows in ((row(), row(Order_Status="Canceled")), (row(Order_Status="Canceled"), row())):
        assert orders(*rows).order.status == "awaiting_shipment"


def test_word_of_another_language_counts_as_bought_and_is_named() -> None:
    reading = orders(row(Order_Status="Απεστάλη"))
    assert (reading.order.status, len(reading.notes)) == ("απεστάλη", 1)
    assert "απεστάλη" in reading.notes[0]


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Order_ID": "5.8387E+17"}, "Order ID"),
        ({"Created_Time": "04/25/2026 18:00:00"}, "Created Time"),
        ({"Paid_Time": "soon"}, "Paid Time"),
        ({"Order_Status": "Unpaid", "Quantity": "-1"}, "Quantity"),
    ],
)
def test_bad_cell_is_rejected_with_the_exports_own_column(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(Order_ID="7"))
    assert (reading.error[0], len(reading.orders)) == (column, 1)


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Order_Amount": "some"}, "Order Amount"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(cells: dict[str, str], column: str) -> None:
    reading = orders(row(**cells), row(Order_ID="7"))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")


@pytest.mark.parametrize(
    ("code", "amount"), [("VND", Decimal(150000)), ("IDR", Decimal(150000)), ("KWD", Decimal(150))]
)
def test_amounts_with_points_before_three_digits_are_read_by_their_currency(code: str, amount: Decimal) -> None:
    cells = {"Order_Amount": "150.000", "SKU_Unit_Original_Price": "150.000", "Order_Refund_Amount": "0"}
    assert orders(row(**cells), currency=code).order.total == amount
    assert orders(row(Currency=code, **cells)).order.total == amount
    unpaid = orders(row(Order_Status="Unpaid", **cells), currency=code).cart
    assert (unpaid.total, unpaid.items[0].unit_price) == (amount, amount)


def test_amounts_with_points_before_three_digits_are_not_taken_without_a_currency() -> None:
    cells = {"Order_Amount": "150.000", "Order_Refund_Amount": ""}
    column, reason = orders(row(Order_Status="Unpaid", **cells), currency="XXX").error
    assert column == "Order Amount"
    assert reason.endswith("write it without thousands separators, or name the currency with --currency")
    reading = orders(row(**cells), currency="XXX")
    assert reading.order.total is None
    assert "name it with --currency" in reading.notes[0]

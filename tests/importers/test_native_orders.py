"""cartctl's own orders CSV."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import Consent, OrderRecord
from cartctl.errors import InputFileError
from cartctl.importers.native_orders import FORMAT, OPTIONAL, REQUIRED
from tests.importers.reading import Reading, csv_text, read

PLACED = "2026-03-02T10:00:00Z"


def orders(*rows: dict[str, str], **context: Any) -> Reading:
    return read("orders", csv_text(*rows), **context)


def row(**columns: str) -> dict[str, str]:
    return {"order_id": "o-1", "placed_at": PLACED, "email": "anna@example.com"} | columns


def test_three_columns_are_enough() -> None:
    assert orders(row()).order == OrderRecord(
        external_id="o-1",
        placed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        email="anna@example.com",
        currency="XXX",
        total=None,
    )


@pytest.mark.parametrize("column", REQUIRED)
def test_each_required_column_is_missed_by_name(column: str) -> None:
    names = [name if name != column else f"{name}x" for name in REQUIRED]
    with pytest.raises(InputFileError, match=f'column "{column}" is missing .did you mean "{column}x"'):
        read("orders", ",".join(names) + "\n", format_name="native-orders")


@pytest.mark.parametrize(
    ("column", "cell", "attribute", "value"),
    [
        ("order_id", "#1001", "external_id", "#1001"),
        ("placed_at", "2026-03-02T11:30:00+01:00", "placed_at", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
        ("email", "BEA@Example.com", "email", "bea@example.com"),
        ("email", "", "email", None),
        ("status", "PAID", "status", "paid"),
        ("currency", "jpy", "currency", "JPY"),
        ("total", "49.90", "total", Decimal("49.90")),
        ("refunded", "9.90", "refunded", Decimal("9.90")),
        ("refunded", "", "refunded", Decimal(0)),
        ("cart_id", "c-1", "cart_ref", "c-1"),
        ("checkout_token", "abc", "checkout_token", "abc"),
        ("cart_token", "def", "cart_token", "def"),
        ("phone", "+49 1512 3456789", "phone", "+4915123456789"),
        ("coupon", "BACK10", "coupon", "BACK10"),
        ("updated_at", "2026-03-03T10:00:00Z", "updated_at", datetime(2026, 3, 3, 10, tzinfo=UTC)),
        ("channel", "tiktok", "channel", "tiktok"),
        ("consent", "yes", "consent", Consent.GRANTED),
        ("quantity", "2", "total", None),
        ("unit_price", "4.50", "total", Decimal("4.50")),
    ],
)
def test_column(column: str, cell: str, attribute: str, value: object) -> None:
    assert getattr(orders(row(**{column: cell})).order, attribute) == value


def test_every_known_column_is_tested_above() -> None:
    (mark,) = test_column.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == {*REQUIRED, *OPTIONAL} == set(FORMAT.columns or ())


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("order_id", ""),
        ("order_id", "1.59E+17"),
        ("cart_id", "1.59E+17"),
        ("placed_at", "2026-03-02 10:00"),
        ("email", "anna"),
        ("updated_at", "later"),
        ("quantity", "-1"),
        ("consent", "perhaps"),
        ("channel", "fax"),
    ],
)
def test_bad_cell_is_rejected_with_its_column_and_the_other_rows_stay(column: str, cell: str) -> None:
    reading = orders(row(order_id="o-0"), row(**{column: cell}), row(order_id="o-2"))
    assert [order.external_id for order in reading.orders] == ["o-0", "o-2"]
    (error,) = reading.errors
    assert (error.row, error.column) == (3, column)


@pytest.mark.parametrize("name", ["cart_id", "checkout_token", "cart_token", "phone"])
def test_order_that_names_somebody_is_kept_without_an_address_that_cannot_be_read(name: str) -> None:
    reading = orders(row(email="anna@b", **{name: "+4915123456789"}))
    assert reading.order.email is None
    assert reading.order.can_match
    (note,) = reading.notes
    assert note.startswith("email: is no e-mail address in some orders: they are kept without it")
    assert "anna" not in note


@pytest.mark.parametrize(
    ("column", "cell"),
    [("currency", "EURO"), ("total", "-49.90"), ("total", "1e99"), ("refunded", "all"), ("unit_price", "four")],
)
def test_order_is_kept_without_an_amount_that_cannot_be_read(column: str, cell: str) -> None:
    some = {"total": "49.90", "unit_price": "9.00"} | ({"total": ""} if column == "unit_price" else {})
    reading = orders(row(**some | {column: cell, "unit_price": cell if column == "unit_price" else ""}), currency="CHF")
    expected = Decimal("49.90") if column == "refunded" else None
    assert (reading.order.total, reading.order.refunded) == (expected, Decimal(0))
    assert reading.order.currency == "CHF"
    assert reading.notes[0].startswith(f"{column}: is no ")
    assert len(reading.notes) == 1


def test_lines_of_an_order_in_an_unknown_currency_do_not_count() -> None:
    assert orders(row(currency="EURO", unit_price="9.00", total="")).order.total is None


def test_total_is_repeated_on_each_row_and_counts_once() -> None:
    assert orders(row(total="49.90"), row(total="49.90"), row(total="")).order.total == Decimal("49.90")


def test_without_a_total_the_lines_are_added_up() -> None:
    order = orders(row(quantity="2", unit_price="4.50"), row(quantity="", unit_price="0.90"), row(unit_price="")).order
    assert order.total == Decimal("9.90")


def test_rows_of_one_order_fill_each_others_blanks_in_any_order() -> None:
    rows = (
        row(email="", cart_id="c-1", status=""),
        row(phone="+4915123456789", placed_at="2026-03-02T09:00:00Z", refunded="1.00"),
        row(status="paid", coupon="BACK10", updated_at="2026-03-03T10:00:00Z"),
    )
    order = orders(*rows).order
    assert order == orders(*reversed(rows)).order
    assert (order.email, order.phone, order.cart_ref) == ("anna@example.com", "+4915123456789", "c-1")
    assert (order.status, order.coupon, order.refunded) == ("paid", "BACK10", Decimal("1.00"))
    assert order.placed_at.hour == 9


def test_order_that_can_match_nothing_says_so() -> None:
    assert not orders(row(email="")).order.can_match
    for column, cell in (("phone", "+4915123456789"), ("cart_id", "c"), ("checkout_token", "t"), ("cart_token", "t")):
        assert orders(row(email="", **{column: cell})).order.can_match


def test_order_beyond_all_measure_is_rejected_with_all_its_rows_in_full() -> None:
    reading = orders(*[row(unit_price="900000000000.00", quantity="9999") for _ in range(2)])
    assert reading.orders == []
    assert [(error.row, error.column, error.raw[0]) for error in reading.errors] == [
        (2, "total", "o-1"),
        (3, "total", "o-1"),
    ]

"""Shopify's orders export."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import Consent, OrderRecord
from cartctl.errors import InputFileError
from tests.importers.reading import Reading, read
from tests.importers.shopify_rows import HEADER, checkout, export, further, order


def orders(*rows: dict[str, str], name: str = "orders_export.csv", **context: Any) -> Reading:
    return read("orders", export(*rows), name=name, **context)


def test_one_order_of_two_items() -> None:
    first = order()
    assert orders(first, further(first)).order == OrderRecord(
        external_id="6798482565856",
        placed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        status="paid",
        email="anna@example.com",
        currency="USD",
        total=Decimal("132.26"),
    )


@pytest.mark.parametrize(
    ("cells", "attribute", "value"),
    [
        ({"Financial_Status": "Partially_Refunded"}, "status", "partially_refunded"),
        ({"Cancelled_at": "2026-03-03 05:00:00 -0500"}, "status", "cancelled"),
        ({"Refunded_Amount": "32.26"}, "refunded", Decimal("32.26")),
        ({"Discount_Code": "BACK10"}, "coupon", "BACK10"),
        ({"Accepts_Marketing": "yes"}, "consent", Consent.GRANTED),
        ({"Accepts_Marketing": "no"}, "consent", Consent.UNKNOWN),
        ({"Email": ""}, "email", None),
        ({"Email": "ANNA@example.com"}, "email", "anna@example.com"),
        ({"Billing_Phone": "(250) 087-9894", "Billing_Country": "US"}, "phone", "+12500879894"),
        ({"Phone": "'+4915123456789"}, "phone", "+4915123456789"),
        ({"Currency": "JPY", "Total": "5000"}, "total", Decimal(5000)),
        ({"Paid_at": "2026-03-04 05:00:00 -0500"}, "placed_at", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ({"Id": ""}, "external_id", "1001"),
    ],
)
def test_column(cells: dict[str, str], attribute: str, value: object) -> None:
    assert getattr(orders(order(**cells)).order, attribute) == value


def test_rows_in_any_order_are_the_same_orders() -> None:
    one, two = order(), order(Name="#1002", Id="2")
    rows = [one, further(one), two, further(two), further(two)]
    expected = {record.external_id: record for record in orders(*rows).orders}
    for seed in range(5):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert {record.external_id: record for record in orders(*shuffled).orders} == expected


def test_crlf_inside_quotes_in_a_file_with_lf() -> None:
    text = export(order(Notes="ring twice\r\nthen wait"), order(Name="#1002", Id="2"))
    unix = text.replace("\r\n", "\n").replace("ring twice\n", "ring twice\r\n")
    assert len(orders_of(unix)) == len(orders_of(text)) == 2


def orders_of(text: str) -> list[OrderRecord]:
    return read("orders", text, name="orders_export.csv").orders


def test_orphan_continuation_row_is_rejected() -> None:
    reading = orders(order(), further(order(Name="#7")))
    assert [record.external_id for record in reading.orders] == ["6798482565856"]
    assert reading.error == ("", "continues #7, whose first row is missing or was rejected")


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Created_at": "2026-03-02 05:00:00"}, "Created at"),
        ({"Id": "6.8E+12"}, "Id"),
        ({"Email": "anna(at)example.com"}, "Email"),
    ],
)
def test_bad_cell_is_rejected_with_the_exports_own_column(cells: dict[str, str], column: str) -> None:
    reading = orders(order(Name="#1", Id="1"), order(**cells))
    assert reading.error[0] == column
    assert len(reading.orders) == 1


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Total": ""}, "Total"),
        ({"Total": "-1"}, "Total"),
        ({"Currency": "US$"}, "Currency"),
        ({"Refunded_Amount": "some"}, "Refunded Amount"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(cells: dict[str, str], column: str) -> None:
    reading = orders(order(Name="#1", Id="1"), order(**cells))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")


@pytest.mark.parametrize("name", ["checkouts_export.csv", "Checkouts_Export_1.csv"])
def test_file_that_bears_the_name_of_checkouts_is_refused_with_the_right_command(name: str) -> None:
    with pytest.raises(InputFileError) as caught:
        orders(order(), name=name)
    assert f"`cartctl import carts {name}`" in str(caught.value)


def test_checkouts_under_another_name_are_refused_because_none_has_a_status() -> None:
    first = checkout()
    with pytest.raises(InputFileError, match=r"`cartctl import carts march\.csv`"):
        orders(first, further(first), name="march.csv")


def test_one_order_without_a_status_among_others_is_still_an_order() -> None:
    reading = orders(order(Financial_Status=""), order(Name="#1002", Id="2"), name="march.csv")
    assert [record.status for record in reading.orders] == ["", "paid"]


def test_header_alone_is_an_export_without_orders() -> None:
    assert read("orders", HEADER, name="orders_export.csv") == Reading()

"""WooCommerce's orders as JSON."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.domain.carts import OrderRecord
from tests.importers.order_rows import woo_record as order
from tests.importers.reading import Reading, read


def orders(*records: Any, **context: Any) -> Reading:
    return read("orders", json.dumps(records), name="orders.json", **context)


@pytest.mark.parametrize("text", [json.dumps(order()), json.dumps([order()]), json.dumps(order()) + "\n"])
def test_one_order(text: str) -> None:
    assert read("orders", text, name="orders.json").order == OrderRecord(
        external_id="727",
        placed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        updated_at=datetime(2026, 3, 2, 10, 0, 8, tzinfo=UTC),
        status="processing",
        email="anna@example.com",
        phone="+12500879894",
        currency="USD",
        total=Decimal("29.35"),
    )


@pytest.mark.parametrize(
    ("fields", "attribute", "value"),
    [
        ({"date_created_gmt": "2026-03-02T10:00:00Z"}, "placed_at", datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ({"date_created_gmt": None}, "placed_at", datetime(2026, 3, 2, 4, tzinfo=UTC)),
        ({"billing": {"email": "", "phone": ""}}, "email", None),
        ({"coupon_lines": [{"code": "back10"}]}, "coupon", "back10"),
        ({"refunds": [{"total": "-5.00"}, {"total": "-1.35"}]}, "refunded", Decimal("6.35")),
        ({"status": "refunded"}, "refunded", Decimal("29.35")),
        ({"status": "pending"}, "status", "pending"),
        ({"status": "wc-on-hold"}, "status", "on-hold"),
        ({"status": "trash"}, "status", "cancelled"),
    ],
)
def test_field(fields: dict[str, Any], attribute: str, value: object) -> None:
    assert getattr(orders(order(**fields), zone=ZoneInfo("Europe/Berlin")).order, attribute) == value


def test_draft_of_a_checkout_is_no_order() -> None:
    reading = orders(order(status="checkout-draft"), order(id=2))
    assert ([record.external_id for record in reading.orders], reading.ignored) == (["2"], [1])


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"id": ""}, "id"),
        ({"date_created_gmt": None}, "date_created"),
        ({"date_created_gmt": None, "date_created": None}, "date_created_gmt"),
        ({"billing": {"email": "anna"}}, "billing.email"),
        ({"status": ["paid"]}, "status"),
    ],
)
def test_field_that_cannot_be_read_rejects_its_record_alone(fields: dict[str, Any], column: str) -> None:
    reading = orders(order(**fields), order(id=2))
    assert (reading.error[0], len(reading.orders)) == (column, 1)


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"total": ""}, "total"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(fields: dict[str, Any], column: str) -> None:
    reading = orders(order(**fields), order(id=2))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")


def test_statuses_of_the_shops_own_count_as_bought_and_are_named_once() -> None:
    reading = orders(order(status="packed"), order(id=2, status="packed"), order(id=3, status="anna@example.com"))
    assert [record.status for record in reading.orders] == ["packed", "packed", "anna@example.com"]
    assert reading.notes == [
        "these statuses are not known and count as bought: packed; those that do not belong into purchase.not_purchases"
    ]

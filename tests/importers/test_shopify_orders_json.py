"""Shopify's orders as JSON."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import Consent, OrderRecord
from tests.importers.order_rows import shopify_record as order
from tests.importers.reading import Reading, read
from tests.importers.shopify_rows import export
from tests.importers.shopify_rows import order as csv_order


def orders(*records: Any, **context: Any) -> Reading:
    return read("orders", json.dumps(records[0] if len(records) == 1 else records), name="orders.json", **context)


EXPECTED = OrderRecord(
    external_id="6798482565856",
    placed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
    updated_at=datetime(2026, 3, 2, 10, 0, 9, tzinfo=UTC),
    status="paid",
    email="anna@example.com",
    currency="USD",
    total=Decimal("132.26"),
    cart_ref="37107488451315",
    checkout_token="abc",
    cart_token="def",
)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"orders": [order()]}),
        json.dumps({"order": order()}),
        json.dumps(order()),
        json.dumps([order()]),
        json.dumps(order()) + "\n" + json.dumps(order()) + "\n",
    ],
    ids=["list", "single", "webhook", "array", "lines"],
)
def test_whatever_wraps_it_it_is_the_same_order(text: str) -> None:
    assert read("orders", text, name="orders.json").order == EXPECTED


def refund(*payments: dict[str, str]) -> dict[str, Any]:
    return {"id": 1, "transactions": [{"kind": "refund", "status": "success"} | payment for payment in payments]}


@pytest.mark.parametrize(
    ("fields", "attribute", "value"),
    [
        ({"cancelled_at": "2026-03-03T05:00:00-05:00"}, "status", "cancelled"),
        ({"financial_status": "PENDING"}, "status", "pending"),
        ({"financial_status": None}, "status", ""),
        ({"email": None, "contact_email": "Bea@example.com"}, "email", "bea@example.com"),
        ({"email": "", "customer": {"email": "cleo@example.com"}}, "email", "cleo@example.com"),
        ({"email": None}, "email", None),
        ({"phone": "+4915123456789"}, "phone", "+4915123456789"),
        ({"billing_address": {"phone": "(250) 087-9894", "country_code": "US"}}, "phone", "+12500879894"),
        ({"checkout_id": None}, "cart_ref", ""),
        ({"checkout_token": None}, "checkout_token", ""),
        ({"discount_codes": [{"code": "BACK10", "amount": "5.00"}]}, "coupon", "BACK10"),
        ({"buyer_accepts_marketing": True}, "consent", Consent.GRANTED),
        ({"customer": {"email_marketing_consent": {"state": "subscribed"}}}, "consent", Consent.GRANTED),
        ({"customer": {"email_marketing_consent": {"state": "not_subscribed"}}}, "consent", Consent.UNKNOWN),
        (
            {"buyer_accepts_marketing": True, "customer": {"email_marketing_consent": {"state": "unsubscribed"}}},
            "consent",
            Consent.REFUSED,
        ),
        ({"refunds": [refund({"amount": "10.00"}, {"amount": "2.26"})]}, "refunded", Decimal("12.26")),
        ({"refunds": [refund({"amount": "10.00", "status": "failure"})]}, "refunded", Decimal(0)),
        ({"refunds": [refund({"amount": "10.00", "kind": "sale"})]}, "refunded", Decimal(0)),
        (
            {"refunds": [refund({"amount": "9.00", "currency": "EUR"})], "current_total_price": "122.26"},
            "refunded",
            Decimal("10.00"),
        ),
        ({"financial_status": "refunded"}, "refunded", Decimal("132.26")),
        ({"id": 9007199254740993}, "external_id", "9007199254740993"),
        ({"total_price": 5000, "currency": "JPY"}, "total", Decimal(5000)),
        (
            {"currency": None, "total_price_set": {"shop_money": {"amount": "132.26", "currency_code": "EUR"}}},
            "currency",
            "EUR",
        ),
    ],
)
def test_field(fields: dict[str, Any], attribute: str, value: object) -> None:
    assert getattr(orders(order(**fields)).order, attribute) == value


def test_test_orders_are_ignored() -> None:
    reading = orders(order(test=True), order(id=2))
    assert ([record.external_id for record in reading.orders], reading.ignored) == (["2"], [1])


def test_csv_and_json_tell_the_same_of_an_order_but_for_what_only_json_has() -> None:
    row = csv_order(Discount_Code="BACK10", Refunded_Amount="32.26", Financial_Status="partially_refunded")
    record = order(
        discount_codes=[{"code": "BACK10"}],
        refunds=[refund({"amount": "32.26"})],
        financial_status="partially_refunded",
        updated_at=None,
        checkout_id=None,
        checkout_token=None,
        cart_token=None,
    )
    assert orders(record).order == read("orders", export(row), name="orders_export.csv").order


def test_newest_state_of_an_order_wins_and_the_older_ones_are_remembered() -> None:
    paid = order(updated_at="2026-03-02T12:00:00Z")
    cancelled = order(updated_at="2026-03-03T12:00:00Z", cancelled_at="2026-03-03T12:00:00Z")
    for records in ((paid, cancelled), (cancelled, paid)):
        found = orders(*records).order
        assert (found.status, found.earlier) == ("cancelled", ("paid",))


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"id": None}, "id"),
        ({"created_at": None}, "created_at"),
        ({"total_price": []}, "total_price"),
        ({"refunds": "some"}, "refunds"),
    ],
)
def test_field_that_cannot_be_read_rejects_its_record_alone(fields: dict[str, Any], column: str) -> None:
    reading = orders(order(**fields), order(id=2))
    assert reading.error[0].startswith(column)
    assert [record.external_id for record in reading.orders] == ["2"]


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"total_price": None}, "total_price"),
        ({"email": "anna(at)example.com"}, "email"),
        ({"currency": "US$"}, "currency"),
    ],
)
def test_order_is_kept_without_what_cannot_be_read_in_it(fields: dict[str, Any], column: str) -> None:
    reading = orders(order(**fields), order(id=2))
    assert (len(reading.orders), reading.errors, len(reading.notes)) == (2, [], 1)
    assert reading.notes[0].startswith(f"{column}: is ")

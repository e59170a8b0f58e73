"""Shopify's checkouts and carts as JSON."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord
from cartctl.errors import InputFileError
from tests.importers.cart_rows import CART_WEBHOOK as CART
from tests.importers.cart_rows import CHECKOUT, NODE
from tests.importers.reading import Reading, read

SEEN = datetime(2026, 3, 2, 10, 4, tzinfo=UTC)
CREATED = datetime(2026, 3, 2, 10, tzinfo=UTC)


def checkouts(*records: dict[str, Any], **context: Any) -> Reading:
    return read("carts", json.dumps({"checkouts": list(records)}), name="checkouts.json", **context)


def nodes(*records: dict[str, Any], **context: Any) -> Reading:
    return read("carts", "".join(json.dumps(record) + "\n" for record in records), name="bulk.jsonl", **context)


def test_one_checkout_of_two_items() -> None:
    assert checkouts(CHECKOUT).cart == CartSnapshot(
        external_id="37107488451315",
        updated_at=SEEN,
        created_at=CREATED,
        first_seen_at=CREATED,
        email="anna@example.com",
        phone="+12500879894",
        first_name="Anna",
        last_name="Example",
        locale="de_DE",
        currency="USD",
        total=Decimal("132.26"),
        cart_url="https://shop.example.com/548380009/checkouts/tok-1/recover?key=k",
        checkout_token="tok-1",
        cart_token="cart-tok-1",
        items=(
            Item(name="Blue mug", variant="large", sku="MUG-1", product_id="632910392", unit_price=Decimal("70.95")),
            Item(name="Tea", quantity=2, unit_price=Decimal("15.00")),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CHECKOUT),
        json.dumps([CHECKOUT]),
        json.dumps({"checkouts": [CHECKOUT]}),
        json.dumps(CHECKOUT) + "\n" + json.dumps(CHECKOUT) + "\n",
    ],
)
def test_list_webhook_and_lines_are_the_same_checkout(text: str) -> None:
    assert read("carts", text, name="x.json").cart == checkouts(CHECKOUT).cart


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"abandonedCheckouts": {"edges": [{"node": NODE}]}}},
        {"data": {"abandonedCheckouts": {"nodes": [NODE]}}},
        NODE,
    ],
)
def test_graphql_node_is_the_same_cart_as_the_rest_checkout(document: dict[str, Any]) -> None:
    cart = read("carts", json.dumps(document), name="x.json").cart
    rest = checkouts(CHECKOUT).cart
    for name in ("external_id", "updated_at", "created_at", "email", "phone", "first_name", "last_name", "currency"):
        assert getattr(cart, name) == getattr(rest, name), name
    assert (cart.total, cart.cart_url, cart.locale) == (rest.total, rest.cart_url, rest.locale)
    assert [item.line for item in cart.items] == [item.line for item in rest.items]
    assert cart.items[0].image_url == "https://cdn.example.com/mug.png"


@pytest.mark.parametrize(
    "text", ['{"checkouts": []}', '{"data": {"abandonedCheckouts": {"edges": [], "pageInfo": {"hasNextPage": false}}}}']
)
def test_list_without_a_checkout_is_an_empty_export(text: str) -> None:
    assert read("carts", text, name="x.json") == Reading()


def bulk_line(title: str, parent: str = "gid://shopify/AbandonedCheckout/37107488451315") -> dict[str, Any]:
    price = {"shopMoney": {"amount": "9.00"}}
    return {"title": title, "quantity": 1, "originalUnitPriceSet": price, "__parentId": parent}


def test_bulk_operation_has_its_line_items_on_lines_of_their_own() -> None:
    bare = {name: value for name, value in NODE.items() if name != "lineItems"}
    cart = nodes(bare, bulk_line("Blue mug"), bulk_line("Tea")).cart
    assert sorted(item.name for item in cart.items) == ["Blue mug", "Tea"]


def test_bulk_lines_of_a_completed_checkout_are_ignored_and_those_of_none_rejected() -> None:
    bare = {name: value for name, value in NODE.items() if name != "lineItems"}
    bought = bare | {"completedAt": "2026-03-02T11:00:00Z"}
    reading = nodes(bought, bulk_line("Tea"), bulk_line("Cake", "gid://shopify/AbandonedCheckout/9"))
    assert (reading.carts, reading.ignored) == ([], [2])
    assert reading.error == ("", "continues 9, whose first row is missing or was rejected")
    assert [order.external_id for order in reading.orders] == ["checkout:37107488451315"]


def test_completed_checkout_is_an_order_that_names_it_without_an_amount() -> None:
    completed = CHECKOUT | {"completed_at": "2026-03-02T06:00:00-05:00", "buyer_accepts_marketing": True}
    assert checkouts(completed).order == OrderRecord(
        external_id="checkout:37107488451315",
        placed_at=datetime(2026, 3, 2, 11, tzinfo=UTC),
        status="completed",
        email="anna@example.com",
        phone="+12500879894",
        currency="USD",
        total=None,
        cart_ref="37107488451315",
        checkout_token="tok-1",
        cart_token="cart-tok-1",
        consent=Consent.GRANTED,
    )
    assert nodes(NODE | {"completedAt": "2026-03-02T11:00:00Z"}).order.cart_ref == "37107488451315"


def test_fields_that_newer_versions_leave_out_may_be_missing() -> None:
    dropped = ("token", "cart_token", "currency", "presentment_currency", "customer_locale", "phone", "customer")
    cart = checkouts({name: value for name, value in CHECKOUT.items() if name not in dropped}, currency="CAD").cart
    assert (cart.currency, cart.checkout_token, cart.first_name) == ("CAD", "", "Annie")
    assert checkouts({"id": 1, "updated_at": "2026-03-02T10:00:00Z", "line_items": [], "completed_at": None}).cart


@pytest.mark.parametrize(
    ("ticked", "state", "consent"),
    [
        (True, "not_subscribed", Consent.GRANTED),
        (False, "not_subscribed", Consent.UNKNOWN),
        (False, "pending", Consent.UNKNOWN),
        (False, "subscribed", Consent.GRANTED),
        (False, "unsubscribed", Consent.REFUSED),
        (True, "unsubscribed", Consent.REFUSED),
        (None, None, Consent.UNKNOWN),
    ],
)
def test_consent_is_a_ticked_box_and_a_refusal_an_unsubscription(
    *, ticked: bool | None, state: str | None, consent: Consent
) -> None:
    customer = {"email_marketing_consent": {"state": state}}
    assert checkouts(CHECKOUT | {"buyer_accepts_marketing": ticked, "customer": customer}).cart.consent == consent


def test_address_of_the_customer_stands_in_for_a_missing_one() -> None:
    customer = {"email": "customer@example.com", "phone": "+4915123456789"}
    cart = checkouts(CHECKOUT | {"email": "", "customer": customer, "billing_address": None}).cart
    assert (cart.email, cart.phone) == ("customer@example.com", "+4915123456789")


def test_cart_webhook_is_a_cart_that_knows_its_token_and_nobody() -> None:
    reading = nodes(CART, CART | {"token": "cart-tok-2", "id": 2}, currency="EUR")
    first, second = reading.carts
    assert (first.external_id, first.cart_token, first.email, first.currency) == ("cart-tok-1",) * 2 + (None, "USD")
    assert (first.worth, second.external_id) == (Decimal("59.97"), "cart-tok-2")
    (note,) = reading.notes
    assert "name no shopper" in note


def test_list_of_carts_is_read() -> None:
    assert read("carts", json.dumps({"carts": [CART]}), name="x.json").cart.external_id == "cart-tok-1"


def test_order_among_checkouts_is_rejected_with_the_command_for_it() -> None:
    order = {"id": 1, "email": "anna@example.com", "financial_status": "paid", "line_items": []}
    reading = nodes(CHECKOUT, order)
    assert reading.error == ("", "is an order: import the file with `cartctl import orders` too")


def test_file_of_orders_is_refused_with_the_command_for_it() -> None:
    order = {"id": 1, "email": "anna@example.com", "financial_status": "paid", "line_items": [], "cart_token": "t"}
    with pytest.raises(InputFileError, match="cartctl import orders"):
        nodes(order)


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"id": None}, "id"),
        ({"email": "anna"}, "email"),
        ({"updated_at": "soon"}, "updated_at"),
        ({"completed_at": "soon"}, "completed_at"),
        ({"total_price": "free"}, "total_price"),
        ({"currency": "DOLLAR"}, "currency"),
        ({"line_items": {"a": 1}, "completed_at": ""}, None),
        ({"line_items": [{"title": "Mug", "quantity": -1}]}, "line_items.quantity"),
        ({"line_items": [{"title": "Mug", "price": "x"}]}, "line_items.price"),
        ({"line_items": 7}, "line_items"),
        ({"abandoned_checkout_url": "javascript:0"}, "abandoned_checkout_url"),
    ],
)
def test_field_that_cannot_be_read_rejects_the_checkout_and_names_it(fields: dict[str, Any], column: str) -> None:
    reading = checkouts(CHECKOUT | fields, CHECKOUT | {"id": 2})
    if column is None:  # an object where a list is due is a connection without nodes
        assert reading.errors == []
        return
    assert [cart.external_id for cart in reading.carts] == ["2"]
    assert reading.error[0] == column

"""cartctl's own carts as JSON."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import CartSnapshot, Consent, Item
from tests.importers.cart_rows import NATIVE as CART
from tests.importers.reading import Reading, read

SEEN = "2026-03-02T10:00:00Z"


def carts(*records: dict[str, Any], **context: Any) -> Reading:
    return read("carts", json.dumps(list(records)), name="carts.json", **context)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CART.items() if key != name}


def test_one_cart_of_two_items() -> None:
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    created = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert carts(CART).cart == CartSnapshot(
        external_id="c-1",
        updated_at=at,
        created_at=created,
        first_seen_at=created,
        email="anna@example.com",
        phone="+4915123456789",
        first_name="Anna",
        currency="EUR",
        total=Decimal("33.9"),
        consent=Consent.GRANTED,
        said=(("anna@example.com", Consent.GRANTED, at),),
        items=(
            Item(name="Blue mug", variant="large", quantity=2, unit_price=Decimal("12.5"), sku="4711"),
            Item(name="Tea", unit_price=Decimal("8.90")),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CART),
        json.dumps([CART]),
        json.dumps({"carts": [CART]}),
        json.dumps(CART) + "\n",
    ],
)
def test_one_object_an_array_a_wrapped_array_and_lines_are_the_same(text: str) -> None:
    assert read("carts", text, name="carts.json").cart == carts(CART).cart


def test_list_without_a_cart_is_an_empty_export() -> None:
    assert read("carts", '{"carts": []}', name="carts.json") == Reading()


def test_one_line_per_item_is_the_same_cart() -> None:
    lines = [without("items") | item for item in CART["items"]]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert read("carts", text, name="carts.jsonl").cart == carts(CART).cart


def test_cart_that_is_in_the_file_twice_has_its_items_once() -> None:
    cart = carts(CART, CART).cart
    assert [(item.name, item.quantity) for item in cart.items] == [("Blue mug", 2), ("Tea", 1)]


def test_newer_sighting_wins_and_an_emptied_cart_is_empty() -> None:
    emptied = CART | {"updated_at": "2026-03-02T10:05:00Z", "items": [], "total": 0}
    assert carts(CART, emptied).cart.is_empty
    assert carts(emptied, CART).cart.is_empty


@pytest.mark.parametrize(("given", "kept"), [(12345678901234567890, "12345678901234567890"), ("7", "7"), (0, "0")])
def test_id_may_be_a_number_of_any_size(given: object, kept: str) -> None:
    assert carts(CART | {"cart_id": given}).cart.external_id == kept


def test_what_is_missing_or_null_is_blank() -> None:
    cart = carts({"cart_id": "c-1", "updated_at": SEEN, "email": None}, currency="EUR").cart
    assert (cart.email, cart.currency, cart.items, cart.consent) == (None, "EUR", (), Consent.UNKNOWN)


@pytest.mark.parametrize(
    ("fields", "column", "reason"),
    [
        ({"cart_id": None}, "cart_id", "is blank"),
        ({"cart_id": {"a": 1}}, "cart_id", "is a list or an object; expected a text or a number"),
        ({"updated_at": "yesterday"}, "updated_at", '"yesterday" is no time (2026-11-22T10:30:00+01:00 is)'),
        ({"total": -1}, "total", '"-1" is negative'),
        ({"items": "mug"}, "items", "is no list"),
        ({"items": ["mug"]}, "items", "holds something that is no object ({...})"),
        ({"items": [{"product_name": "Mug", "quantity": -1}]}, "quantity", '"-1" is negative'),
        ({"items": [{"product_name": ["Mug"]}]}, "items.product_name", None),
    ],
)
def test_field_that_cannot_be_read_rejects_the_record(fields: dict[str, Any], column: str, reason: str | None) -> None:
    reading = carts(CART | fields, CART | {"cart_id": "c-2"})
    assert [cart.external_id for cart in reading.carts] == ["c-2"]
    assert reading.error[0] == column
    assert reason is None or reading.error[1] == reason

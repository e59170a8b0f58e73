"""Klaviyo's "Started Checkout" events."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.carts import CartSnapshot, Item
from tests.importers.cart_rows import STARTED as PROPERTIES
from tests.importers.cart_rows import STARTED_EVENT as EXPORTED
from tests.importers.cart_rows import STARTED_FLAT as FLAT
from tests.importers.cart_rows import STARTED_REQUEST as REQUEST
from tests.importers.reading import Reading, read

SEEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def events(*records: dict[str, Any], **context: Any) -> Reading:
    return read("carts", json.dumps({"data": list(records)}), name="events.json", **context)


def test_one_exported_event() -> None:
    assert events(EXPORTED, currency="EUR").cart == CartSnapshot(
        external_id="check-1",
        updated_at=SEEN,
        created_at=SEEN,
        first_seen_at=SEEN,
        email="anna@example.com",
        currency="EUR",
        total=Decimal("33.9"),
        cart_url="https://shop.example.com/checkout/1",
        items=(
            Item(
                name="Blue mug",
                sku="MUG-1",
                product_id="1111",
                quantity=2,
                unit_price=Decimal("12.5"),
                image_url="https://shop.example.com/mug.png",
                product_url="https://shop.example.com/mug",
            ),
            Item(name="Tea", unit_price=Decimal("8.90")),
        ),
    )


@pytest.mark.parametrize("document", [REQUEST, FLAT, [FLAT], {"data": [EXPORTED]}, EXPORTED])
def test_every_shape_is_the_same_cart(document: Any) -> None:
    cart = read("carts", json.dumps(document), name="x.json", currency="EUR").cart
    expected = events(EXPORTED, currency="EUR").cart
    assert (cart.external_id, cart.updated_at, cart.email) == ("check-1", SEEN, "anna@example.com")
    assert (cart.total, cart.currency, cart.items) == (expected.total, "EUR", expected.items)


def test_name_and_locale_are_those_of_the_profile() -> None:
    assert read("carts", json.dumps(REQUEST), name="x.json").cart.first_name == "Anna"


def test_event_of_another_metric_is_ignored() -> None:
    text = "".join(json.dumps(event) + "\n" for event in (FLAT, FLAT | {"event": "Viewed Product"}))
    reading = read("carts", text, name="x.jsonl")
    assert (len(reading.carts), reading.ignored) == (1, [2])


def test_events_without_an_address_make_unreachable_carts_and_are_told_of_once() -> None:
    nobody = [EXPORTED | {"attributes": EXPORTED["attributes"] | {"event_properties": PROPERTIES}}] * 2
    reading = events(*nobody)
    assert reading.cart.email is None
    (note,) = reading.notes
    assert "without an address" in note


def test_id_is_the_events_own_else_made_of_the_address_and_the_time() -> None:
    bare = {name: value for name, value in PROPERTIES.items() if name != "$event_id"}
    attributes = EXPORTED["attributes"] | {"event_properties": bare}
    assert events(EXPORTED | {"attributes": attributes}).cart.external_id == "ev-1"
    flat = FLAT | {"properties": bare}
    first, again, other = (
        read("carts", json.dumps(flat | {"time": time}), name="x.json").cart.external_id
        for time in (1772445600, "2026-03-02T11:00:00+01:00", 1772445601)
    )
    assert first == again != other


def test_items_may_be_names_alone() -> None:
    flat = FLAT | {"properties": PROPERTIES | {"Items": ["Blue mug", "Tea"]}}
    assert sorted(item.name for item in read("carts", json.dumps(flat), name="x.json").cart.items) == [
        "Blue mug",
        "Tea",
    ]


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"time": None}, "datetime"),
        ({"time": 10**30}, "datetime"),
        ({"time": 17724456000000}, "datetime"),
        ({"customer_properties": {"$email": "anna"}}, "email"),
        ({"properties": PROPERTIES | {"Items": "mug"}}, "Items"),
        ({"properties": PROPERTIES | {"Items": [7]}}, "Items"),
        ({"properties": PROPERTIES | {"$value": -1}}, "$value"),
        ({"properties": PROPERTIES | {"Items": [{"ProductName": "Mug", "Quantity": "many"}]}}, "Items.Quantity"),
    ],
)
def test_field_that_cannot_be_read_rejects_the_event(fields: dict[str, Any], column: str) -> None:
    assert read("carts", json.dumps(FLAT | fields), name="x.json").error[0] == column

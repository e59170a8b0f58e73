"""One small valid file for every format of the registry, for tests that hold for all of them.

A new format adds its own here; `test_recognition` asks for it.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.importers import cart_rows, order_rows, shopify_rows, tiktok_records
from tests.importers.reading import csv_text


def _json(*records: Mapping[str, Any]) -> bytes:
    return json.dumps(list(records)).encode()


def _lines(*records: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _csv(*rows: Mapping[str, str]) -> bytes:
    return csv_text(*rows).encode()


_NATIVE = {"updated_at": "2026-03-02T10:00:00Z", "email": "anna@example.com", "currency": "EUR", "unit_price": "49.90"}
_ORDER = {"placed_at": "2026-03-02T11:00:00Z", "email": "anna@example.com", "currency": "EUR", "total": "49.90"}
_CHECKOUT = shopify_rows.checkout()
_BOUGHT = shopify_rows.order()
_EVENT = tiktok_records.cart_event(timestamp=tiktok_records.seconds("1m"))
_TIKTOK = (tiktok_records.webhook(), tiktok_records.detail(), _EVENT)

EXAMPLES: dict[str, tuple[str, bytes]] = {
    "native-carts": ("carts.csv", _csv({"cart_id": "c-1", **_NATIVE}, {"cart_id": "c-2", **_NATIVE})),
    "native-carts-json": ("carts.jsonl", _lines(cart_rows.NATIVE, cart_rows.NATIVE | {"cart_id": 2})),
    "native-orders": ("orders.csv", _csv({"order_id": "o-1", **_ORDER}, {"order_id": "o-2", **_ORDER})),
    "shopify-checkouts": ("checkouts_export.csv", _csv(_CHECKOUT, shopify_rows.further(_CHECKOUT))),
    "shopify-checkouts-json": ("checkouts.json", _json(cart_rows.CHECKOUT, cart_rows.CART_WEBHOOK)),
    "shopify-orders": ("orders_export.csv", _csv(_BOUGHT, shopify_rows.further(_BOUGHT))),
    "shopify-orders-json": ("orders.json", _json(order_rows.shopify_record())),
    "woo-orders-json": ("orders.json", _json(order_rows.woo_record())),
    "woo-orders-export": ("orders.csv", _csv(order_rows.woo_row())),
    "webtoffee-orders": ("orders.csv", _csv(order_rows.webtoffee_row())),
    "bigcommerce-orders": ("orders.csv", _csv(order_rows.bigcommerce_row())),
    "seller-center-orders": (
        "orders.csv",
        _csv(order_rows.SELLER_CENTER_DESCRIPTION, order_rows.seller_center_row()),
    ),
    "cartflows": (
        "woo-cart-abandonment-recovery-export-2026-03-02-11-00-00.csv",
        _csv(cart_rows.cartflows_row(), cart_rows.cartflows_row(Email="bea@example.com", Order_Status="completed")),
    ),
    "magento-carts": ("shopcart_abandoned.csv", _csv(cart_rows.magento_row())),
    "prestashop-carts": ("cart_2026-03-02.csv", _csv(cart_rows.prestashop_row(), cart_rows.prestashop_row(ID="18"))),
    "klaviyo-started-checkout": ("events.json", json.dumps({"data": [cart_rows.STARTED_EVENT]}).encode()),
    "rees46-events": (
        "2026-Mar.csv",
        _csv(*(cart_rows.rees46_event(kind, "01:00") for kind in ("view", "cart", "remove_from_cart", "purchase"))),
    ),
    "tiktok": ("tiktok.jsonl", _lines(*_TIKTOK, tiktok_records.posted(tiktok_records.webhook(order="7")))),
}
"""By the format's name: the file's name, which some formats read, and its bytes."""

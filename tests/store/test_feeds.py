"""Feeds of orders in a database of an older cartctl: upgrading it holds nothing that was well fed."""

from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import insert, text

from cartctl import resources
from cartctl.store import feeds
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import imports, orders
from tests.shop import at


def an_order(store: str, channel: str, placed: str) -> dict[str, Any]:
    return {
        "store": store,
        "external_id": f"{channel}-{placed}",
        "channel": channel,
        "is_purchase": True,
        "currency": "EUR",
        "total_minor": 1,
        "net_minor": 1,
        "placed_at": at(placed),
        "imported_at": at(placed),
    }


def an_import(store: str, kind: str, format_name: str, when: str) -> dict[str, Any]:
    row = {"identity": when, "kind": kind, "store": store, "format": format_name, "name": "file", "counts": "{}"}
    return row | {"at": at(when)}


def test_an_upgrade_takes_feeds_from_the_orders_and_imports_there_are(db: EngineDatabase) -> None:
    with db.write() as connection:
        connection.execute(
            insert(orders),
            [
                an_order("main", "website", "1h"),
                an_order("main", "website", "3h"),
                an_order("main", "tiktok", "2h"),
                an_order("checkouts-only", "website", "2h"),
            ],
        )
        connection.execute(
            insert(imports),
            [
                an_import("main", "orders", "native-orders", "4h"),
                an_import("main", "orders", "seller-center-orders", "6h"),
                an_import("main", "orders", "native-orders", "5h"),
                an_import("main", "carts", "native-carts", "9h"),
                an_import("checkouts-only", "carts", "shopify-checkouts-json", "9h"),
            ],
        )
        config = Config()
        config.set_main_option("script_location", str(resources.migrations()))
        revision = ScriptDirectory.from_config(config).get_revision("0003")
        assert revision is not None
        connection.execute(text(revision.module.FEEDS))
        found = [tuple(row) for row in feeds.listed(connection)]
    assert found == [("main", "tiktok", at("6h"), at("2h")), ("main", "website", at("5h"), at("3h"))]

"""Which feeds of orders a file makes fresh: those of the channels whose orders it brings.

An unchanged file counts as well as a new one: the shop has exported it. A file of which no row could be read does not
count, and neither does one of carts: it may tell of purchases, but not of all.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from cartctl.importers import seller_center_orders
from cartctl.importers.format import Format
from cartctl.store import feeds, merging

CHANNELS = "order_channels"
"""What the channels are called in the counts of an import, as they are kept."""


def note(connection: Connection, store: str, format_: Format, counts: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Note a file that is just being imported; return its channels."""
    newest: Mapping[str, datetime | None] = merging.newest_orders(connection) or {_usual_channel(format_): None}
    _fresh(connection, store, format_, counts, newest, now=now)
    return sorted(newest)


def note_again(
    connection: Connection, store: str, format_: Format, before: Mapping[str, Any], *, now: datetime
) -> None:
    """Note a file that is known already; `before`: the counts of its import."""
    channels = before.get(CHANNELS) or [_usual_channel(format_)]
    _fresh(connection, store, format_, before, dict.fromkeys(channels), now=now)


def _fresh(
    connection: Connection,
    store: str,
    format_: Format,
    counts: Mapping[str, Any],
    newest: Mapping[str, datetime | None],
    *,
    now: datetime,
) -> None:
    if format_.kind != "carts" and (counts["accepted"] or not counts["rejected"]):
        feeds.imported(connection, store, newest, at=now)


def _usual_channel(format_: Format) -> str:
    """Whose orders a file would bring that has none in it."""
    return "tiktok" if format_.kind == "tiktok" or format_.name == seller_center_orders.FORMAT.name else "website"

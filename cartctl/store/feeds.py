"""Feeds of orders: when orders of each store and channel were last imported. Without fresh ones buyers are mailed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select, text, update

from cartctl.store.sql import insert_missing
from cartctl.store.tables import carts, enrollments, feeds, messages


def imported(connection: Connection, store: str, newest: Mapping[str, datetime | None], *, at: datetime) -> None:
    """Note that orders of these channels came in at `at`; `newest`: when each channel's newest was placed."""
    rows = [{"store": store, "channel": channel, "imported_at": at} for channel in newest]
    insert_missing(connection, feeds, rows, ["store", "channel"])
    for channel, placed_at in newest.items():
        ours = update(feeds).where(feeds.c.store == store, feeds.c.channel == channel)
        connection.execute(ours.where(feeds.c.imported_at < at).values(imported_at=at))
        if placed_at is not None:
            older = or_(feeds.c.newest_order_at.is_(None), feeds.c.newest_order_at < placed_at)
            connection.execute(ours.where(older).values(newest_order_at=placed_at))


def listed(connection: Connection) -> list[Row[Any]]:
    """Return every feed: store, channel, imported_at, newest_order_at."""
    return list(connection.execute(select(feeds).order_by(feeds.c.store, feeds.c.channel)))


def places_due(connection: Connection, *, now: datetime) -> set[tuple[str, str]]:
    """Return stores and channels about whose carts mail is due."""
    due = (
        select(carts.c.store, carts.c.channel)
        .join(enrollments, enrollments.c.cart_id == carts.c.id)
        .join(messages, messages.c.enrollment_id == enrollments.c.id)
        .where(messages.c.state == text("'scheduled'"), messages.c.attempt_at <= now)
        .distinct()
    )
    return {(row.store, row.channel) for row in connection.execute(due)}

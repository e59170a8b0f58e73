"""The numbers by which a shop is watched, each asked for in one place: `status`, the textfile and `doctor` show these.

Test mail is no part of them. Nothing here is asked by a tick that nobody watches.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, or_, select, text

from cartctl import resources
from cartctl.domain.brakes import fed_at
from cartctl.domain.messages import MessageState
from cartctl.store import feeds
from cartctl.store.brakes import HELD
from cartctl.store.tables import carts, coupons, enrollments, imports, messages, runs

S = MessageState
RUN_DUE = "run-due"
_LONGEST_WAIT = timedelta(days=1)
"""No message is put off longer than this beyond its due time: the index on `attempt_at` is read no further."""
_EVER = {"since": -(2**62), "until": 2**62}


def stores(connection: Connection) -> list[str]:
    """Return the names of all stores of which anything was imported."""
    return list(connection.execute(select(imports.c.store).distinct().order_by(imports.c.store)).scalars())


def stores_enrolled(connection: Connection) -> list[str]:
    """Return the names of all stores whose contacts were enrolled without a cart."""
    named = select(enrollments.c.store).where(enrollments.c.cart_id.is_(None)).distinct()
    return list(connection.execute(named).scalars())


def messages_by_step(connection: Connection) -> Sequence[Row[Any]]:
    """Return (sequence, step, delivers, sent, failed, unknown) for every step that has any, all since the beginning."""
    counts = [
        func.sum(case((messages.c.state == state.value, 1), else_=0)).label(name)
        for name, state in (("sent", S.ACCEPTED), ("failed", S.FAILED), ("unknown", S.UNKNOWN))
    ]
    place = (enrollments.c.sequence, messages.c.step, messages.c.delivers)
    return connection.execute(
        select(*place, *counts)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .where(messages.c.state.in_([S.ACCEPTED.value, S.FAILED.value, S.UNKNOWN.value]), ~messages.c.is_test)
        .group_by(*place)
        .order_by(*place)
    ).all()


def sent_since(connection: Connection, since: datetime, *, store: str | None = None, include_outbox: bool) -> int:
    """Count the messages that were accepted at `since` or later."""
    condition = [messages.c.sent_at >= since, messages.c.state == S.ACCEPTED.value, ~messages.c.is_test]
    if not include_outbox:
        condition.append(messages.c.delivers)
    statement = select(func.count()).select_from(messages).where(*condition)
    if store is not None:
        statement = statement.join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        statement = statement.where(enrollments.c.store == store)
    return connection.execute(statement).scalar_one()


def first_written_to(connection: Connection) -> datetime | None:
    """Return when the cart was abandoned of which the first mail was delivered, where there is a holdout. None: no
    mail ever was: all went to the outbox.
    """
    return connection.execute(
        select(carts.c.first_abandoned_at)
        .select_from(messages)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .join(carts, carts.c.id == enrollments.c.cart_id)
        .where(messages.c.sent_at.is_not(None), messages.c.delivers, enrollments.c.arm != "", ~enrollments.c.is_test)
        .where(carts.c.first_abandoned_at.is_not(None))
        .order_by(messages.c.sent_at, messages.c.id)
        .limit(1)
    ).scalar_one_or_none()


def due(connection: Connection, *, now: datetime) -> tuple[int, int, datetime | None]:
    """Return how many messages are due and have not left, how many of them a brake holds, and when the oldest was due.

    Those that wait to be tried again are among them.
    """
    is_held = messages.c.attempt_at >= HELD
    count, held, oldest = connection.execute(
        select(func.count(), func.sum(case((is_held, 1), else_=0)), func.min(messages.c.due_at)).where(
            messages.c.state == text("'scheduled'"),
            or_(messages.c.attempt_at <= now + _LONGEST_WAIT, is_held),
            messages.c.due_at <= now,
        )
    ).one()
    return count, int(held or 0), oldest


def carts_now(connection: Connection, *, recovery_window: timedelta) -> dict[str, int]:
    """Count carts, abandoned and recovered ones as the report does, over all time; and those active at this moment."""
    counted = {"carts": 0, "abandoned": 0, "recovered": 0}
    windows = {"recovery_window": recovery_window // timedelta(microseconds=1), "now": 0, "slot": 2**62}
    for store in stores(connection):
        for name, values in (("filled", {"slot": 2**62}), ("abandoned", windows)):
            for row in connection.execute(text(resources.report_query(name)), _EVER | values | {"store": store}):
                found = row._mapping  # noqa: SLF001 - its public name
                counted = {key: number + int(found.get(key, 0)) for key, number in counted.items()}
    active = select(func.count()).select_from(carts).where(carts.c.status == "active", ~carts.c.is_empty)
    return counted | {"active": connection.execute(active).scalar_one()}


def latest_runs(connection: Connection, *, limit: int) -> Sequence[Row[Any, Any]]:
    """Return (started_at, finished_at) of the latest runs of run-due, newest first. Unfinished: at work, or dead."""
    return connection.execute(
        select(runs.c.started_at, runs.c.finished_at)
        .where(runs.c.job == RUN_DUE)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(limit)
    ).all()


def order_feeds(connection: Connection, *, now: datetime) -> Mapping[tuple[str, str], datetime]:
    """Return how fresh each feed of orders is, by (store, channel)."""
    return {
        (row.store, row.channel): fed_at(row.imported_at, row.newest_order_at, now=now)
        for row in feeds.listed(connection)
    }


def expired_leases(connection: Connection, *, now: datetime) -> int:
    """Count the messages that a run took and neither finished nor gave back in time."""
    return connection.execute(
        select(func.count()).select_from(messages).where(messages.c.lease_until < now)
    ).scalar_one()


def only_outbox(connection: Connection, *, since: datetime) -> int:
    """Count the messages accepted at `since` or later by a transport that delivers nothing."""
    return connection.execute(
        select(func.count())
        .select_from(messages)
        .where(
            messages.c.sent_at >= since,
            messages.c.state == S.ACCEPTED.value,
            ~messages.c.delivers,
            ~messages.c.is_test,
        )
    ).scalar_one()


def coupon_pools(connection: Connection, *, now: datetime) -> Mapping[str, tuple[int, int]]:
    """Return (free, all) of the imported codes by the coupon's name; an expired code is not free."""
    is_free = and_(coupons.c.message_id.is_(None), or_(coupons.c.expires_at.is_(None), coupons.c.expires_at > now))
    free = func.sum(case((is_free, 1), else_=0))
    rows = connection.execute(
        select(coupons.c.coupon, free, func.count()).group_by(coupons.c.coupon).order_by(coupons.c.coupon)
    )
    return {name: (int(left), int(all_)) for name, left, all_ in rows}


def imported_since(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """Return what was noted of every import since then: the object that its command printed."""
    counts = connection.execute(select(imports.c.counts).where(imports.c.at >= since).order_by(imports.c.id))
    return [json.loads(text_) for text_ in counts.scalars()]


def server_time(connection: Connection) -> datetime | None:
    """Return what the clock of the database's server shows; None where the database is a file of this machine."""
    if connection.dialect.name != "postgresql":
        return None
    found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return found

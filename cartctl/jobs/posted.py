"""Bodies that were posted to the endpoint, read and applied by what reads and applies files.

A body is read by the importer of its feed, alone: what is wrong with one costs no other. Applying is one transaction of
the caller's, however many bodies it is of.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from cartctl.domain.carts import CartSnapshot, OrderRecord
from cartctl.errors import InputFileError
from cartctl.importers import native_json, shopify_checkouts_json, shopify_orders_json, tiktok
from cartctl.importers.format import JsonFormat
from cartctl.importers.jsonfile import JsonFile, loads, loads_loosely
from cartctl.importers.mail_events import Event
from cartctl.importers.records import (
    CartLine,
    Context,
    Ignored,
    Note,
    OrderLine,
    RowError,
    assemble_cart,
    assemble_order,
)
from cartctl.jobs import import_events
from cartctl.jobs.importing import ImportResult
from cartctl.jobs.rules import Rules
from cartctl.store import carts, events, feeds, forgotten, imports, keys, orders, purchases
from cartctl.store.contacts import email_hash

TRACK = "track"
SHOPIFY_CHECKOUTS = "shopify-checkouts"
SHOPIFY_ORDERS = "shopify-orders"
TIKTOK = "tiktok"
FORMATS: Mapping[str, JsonFormat] = {
    TRACK: native_json.FORMAT,
    SHOPIFY_CHECKOUTS: shopify_checkouts_json.FORMAT,
    SHOPIFY_ORDERS: shopify_orders_json.FORMAT,
    TIKTOK: tiktok.FORMAT,
}
"""Feeds of carts and orders, each with the format of its bodies."""
EVENTS = {importer.PROVIDER: importer for importer in import_events.PROVIDERS}
"""Feeds of events, each with its importer."""
Contexts = Callable[[str], Context]
"""Returns how the bodies of a store are read."""
_Record = TypeVar("_Record", CartSnapshot, OrderRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One body. `id` tells it from the others that are applied with it."""

    id: int
    feed: str
    store: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body says; each line bears the body's id as its row."""

    body: Body
    carts: tuple[CartLine, ...] = ()
    orders: tuple[OrderLine, ...] = ()
    events: tuple[Event, ...] = ()
    errors: tuple[RowError, ...] = ()


def read(body: Body, contexts: Contexts) -> Reading:
    """Read one body. Raises InputFileError where it is no JSON at all, or of a feed that is not known.

    JSON that holds a NUL or half a character is an error of that record alone.
    """
    if body.feed not in FORMATS and body.feed not in EVENTS:
        raise InputFileError(f"no feed is called {body.feed}")
    # A list stands for several records, anything else for one, whatever wraps arrays inside it.
    is_list = body.raw.lstrip()[:1] == b"["
    text = body.raw if is_list else body.raw.replace(b"\n", b" ")
    path = Path(f"{body.feed}.{'json' if is_list else 'jsonl'}")
    try:
        source = JsonFile(path, io.BufferedReader(io.BytesIO(text)))
    except InputFileError:
        if fault := _unfit(body.raw):
            return Reading(body, errors=(RowError(body.id, "", fault, (body.raw.decode("utf-8", "replace"),)),))
        raise
    lines: Iterable[Any]
    if body.feed in EVENTS:
        lines = EVENTS[body.feed].read(source)
    else:
        lines = FORMATS[body.feed].read(source, contexts(body.store))
    found: dict[type, list[Any]] = {kind: [] for kind in (CartLine, OrderLine, Event, RowError, Ignored, Note)}
    for line in lines:
        found[type(line)].append(line)
    return Reading(
        body,
        tuple(replace(line, row=body.id) for line in found[CartLine]),
        tuple(replace(line, row=body.id) for line in found[OrderLine]),
        tuple(found[Event]),
        tuple(found[RowError]),
    )


def _unfit(raw: bytes) -> str:
    """Say what keeps a text that is JSON from being read; "" where it is none, or nothing does."""
    try:
        loads_loosely(raw)
    except ValueError:
        return ""
    try:
        loads(raw)
    except ValueError as error:
        return str(error)
    return ""


def apply(connection: Connection, readings: Sequence[Reading], *, rules: Rules, now: datetime) -> dict[int, RowError]:
    """Let bodies take effect, in the caller's transaction (opened with `carts="change"`).

    Returns, by the body's id, what turned out wrong only now.
    """
    errors: dict[int, RowError] = {}
    by_feed: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        by_feed.setdefault((reading.body.store, reading.body.feed), []).append(reading)
    for (store, feed), of_feed in by_feed.items():
        if feed in EVENTS:
            _apply_events(connection, feed, of_feed, rules=rules, now=now)
            continue
        of_feed = _of_whom_may_be_known(connection, store, of_feed, now=now)  # noqa: PLW2901 - all below is of these
        _note_store(connection, store, feed, now=now)
        source = f"endpoint:{feed}"
        cart_lines = _by_key(line for reading in of_feed for line in reading.carts)
        for snapshots in _saved_together(_assembled(cart_lines, assemble_cart, errors)):
            _, touched = carts.save(
                connection, store, snapshots, now=now, slack=rules.purchase.slack, dated=True, source=source
            )
            purchases.match(connection, touched, rules.purchase, now=now)
        order_lines = _by_key(line for reading in of_feed for line in reading.orders)
        if not order_lines:
            continue
        for records in _saved_together(_assembled(order_lines, assemble_order, errors)):
            _, rows = orders.save(connection, store, records, rules=rules.purchase, now=now, source=source)
            affected = purchases.carts_of_orders(connection, store, rows)
            purchases.match(connection, affected, rules.purchase, now=now)
            _feed(connection, store, records, now=now)
        orders.fill_totals(connection, store, rules.purchase)
        _remember_deliveries(connection, store, feed, order_lines)
    return errors


def _of_whom_may_be_known(
    connection: Connection, store: str, readings: Sequence[Reading], *, now: datetime
) -> list[Reading]:
    """Leave out whoever asked to be forgotten, and what was erased: neither may come back by being posted again."""
    hashes = forgotten.hashes(connection)
    hashing_key = keys.key(connection, keys.HASHING, now=now).encode() if hashes else b""
    cart_ids = [line.key for reading in readings for line in reading.carts]
    order_ids = [line.key for reading in readings for line in reading.orders]
    erased_carts = forgotten.erased(connection, "carts", store, cart_ids)
    erased_orders = forgotten.erased(connection, "orders", store, order_ids)

    def may_be_known(line: CartLine | OrderLine) -> bool:
        shown = line.cart if isinstance(line, CartLine) else line.order
        email = shown.email if shown else None
        is_forgotten = bool(hashes and email) and email_hash(hashing_key, email or "") in hashes
        return not is_forgotten and line.key not in (erased_carts if isinstance(line, CartLine) else erased_orders)

    return [
        replace(
            reading,
            carts=tuple(line for line in reading.carts if may_be_known(line)),
            orders=tuple(line for line in reading.orders if may_be_known(line)),
        )
        for reading in readings
    ]


def _feed(connection: Connection, store: str, records: Sequence[OrderRecord], *, now: datetime) -> None:
    """Note how fresh the orders are, as an import of a file does."""
    newest: dict[str, datetime | None] = {}
    for record in records:
        newest[record.channel] = max(record.placed_at, newest.get(record.channel) or record.placed_at)
    feeds.imported(connection, store, newest, at=now)


def _apply_events(
    connection: Connection, provider: str, readings: Iterable[Reading], *, rules: Rules, now: datetime
) -> None:
    # A row tells one event of a call from the others: here they are of many bodies.
    found = [event for reading in readings for event in reading.events]
    numbered = [replace(event, row=number) for number, event in enumerate(found)]
    hashing_key = keys.key(connection, keys.HASHING, now=now).encode()
    import_events.take(connection, numbered, provider=provider, rules=rules, hashing_key=hashing_key, now=now)


def _note_store(connection: Connection, store: str, feed: str, *, now: datetime) -> None:
    """Note a store's first body as an import: reports count the stores of which anything was imported."""
    identity = f"endpoint {feed} {store}"[:64]
    if imports.find(connection, identity) is None:
        format_ = FORMATS[feed]
        result = ImportResult(name="endpoint", kind=format_.kind, format=format_.name)
        imports.record(
            connection,
            identity=identity,
            kind=format_.kind,
            store=store,
            format_name=format_.name,
            name="endpoint",
            counts=result.as_json(),
            at=now,
        )


_Line = TypeVar("_Line", CartLine, OrderLine)


def _by_key(lines: Iterable[_Line]) -> dict[str, list[_Line]]:
    groups: dict[str, list[_Line]] = {}
    for line in lines:
        groups.setdefault(line.key, []).append(line)
    return groups


def _assembled(
    groups: Mapping[str, list[_Line]],
    assemble: Callable[[Sequence[_Line]], _Record | list[RowError]],
    errors: dict[int, RowError],
) -> Iterator[_Record]:
    for group in groups.values():
        record = assemble(group)
        if isinstance(record, list):
            errors.update({error.row: error for error in record})
        else:
            yield record


def _saved_together(records: Iterable[_Record]) -> Iterator[list[_Record]]:
    """Yield all records, in as few lists as there can be with no external id twice in one."""
    seen: Counter[str] = Counter()
    lists: list[list[_Record]] = []
    for record in records:
        place = seen[record.external_id]
        seen[record.external_id] += 1
        if place == len(lists):
            lists.append([])
        lists[place].append(record)
    yield from lists


def _remember_deliveries(
    connection: Connection, store: str, feed: str, lines: Mapping[str, Sequence[OrderLine]]
) -> None:
    """Keep which webhooks were delivered, as an import of a dump does."""
    rows = [
        {
            "content_hash": line.delivery.digest.hex(),
            "source": feed,
            "kind": line.delivery.state,
            "at": line.delivery.at,
            "store": store,
            "subject": key,
        }
        for key, group in lines.items()
        for line in group
        if line.delivery is not None
    ]
    events.remember(connection, rows)

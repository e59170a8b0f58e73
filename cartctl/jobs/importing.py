"""Importing one file of carts, of orders, or of both.

1. Hash the file: the same file, read the same way, was imported before? Then nothing changes.
2. Parse it row by row into staging tables. A file that is no such export ends here, and nothing was changed.
3. In one transaction: strike out who was forgotten, save what is plain in one sweep and the rest cart by cart, look at
   the purchases again, write the rejected rows beside, remember the file.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from cartctl.domain.carts import CartSnapshot, Consent, OrderRecord
from cartctl.domain.purchases import PurchaseRules
from cartctl.errors import UsageError
from cartctl.importers import registry
from cartctl.importers.csvfile import CsvFile, digest, open_binary
from cartctl.importers.format import CsvFormat, Format, JsonFormat, Kind, Source
from cartctl.importers.records import (
    CartBlock,
    CartLine,
    Context,
    Ignored,
    Note,
    OrderLine,
    RowError,
    assemble_cart,
    assemble_order,
)
from cartctl.importers.rejects import Rejects
from cartctl.importers.source import open_source
from cartctl.importers.tiktok import DUPLICATE
from cartctl.jobs import doubts, order_feeds
from cartctl.store import carts, events, forgotten, imports, merging, orders, purchases
from cartctl.store.carts import Saved
from cartctl.store.database import EngineDatabase
from cartctl.store.staging import CartRun, OrderRun, Staging, staging

BATCH = 500
"""Carts or orders that are not plain, saved at a time."""
_EVERY = 2000
"""Rows between two moves of the progress bar."""
_SUSPICIOUS_FROM = 3
"""A column of consent that says yes in so many rows, and nothing else, was probably filled in afterwards."""

Advance = Callable[[int, int], None]
"""Moves a progress bar to (bytes read, rows read)."""
_Record = TypeVar("_Record", CartSnapshot, OrderRecord)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How one file is to be read."""

    context: Context
    format_name: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    """The file's column -> the native format's column."""
    again: bool = False
    rejects_folder: Path = field(default_factory=Path)
    rejects_name: str = ""
    """What stands before `.rejects.csv`; "": the file's own name."""
    progress: Callable[[int], AbstractContextManager[Advance]] | None = None
    """Given the file's size in bytes, opens a progress bar and lends the function that moves it."""


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What became of one file. `rows` = accepted + ignored + rejected, always."""

    name: str
    kind: str
    format: str
    rows: int = 0
    accepted: int = 0
    ignored: int = 0
    rejected: int = 0
    ignored_because: Mapping[str, int] = field(default_factory=dict)
    rejects_file: str | None = None
    already_imported: bool = False
    saved: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For "carts", for "orders", or for both: created, updated, unchanged, and further counts."""
    first_error: str = ""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        return {
            "file": self.name,
            "format": self.format,
            "rows": self.rows,
            "accepted": self.accepted,
            "ignored": self.ignored,
            "rejected": self.rejected,
            "ignored_because": dict(self.ignored_because),
            "rejects_file": self.rejects_file,
            "already_imported": self.already_imported,
            **{kind: dict(counts) for kind, counts in self.saved.items()},
        }


def import_file(
    database: EngineDatabase, path: Path, *, kind: Kind, options: Options, rules: PurchaseRules, now: datetime
) -> ImportResult:
    """Import one file. Raises InputFileError when it is no such export: then nothing was changed."""
    with open_binary(path) as stream:
        content = digest(path, stream)
        source = open_source(path, stream, options.mapping)
        format_ = registry.choose(kind, options.format_name, source)
        _require_zone(format_, options.context, path)
        identity = _identity(content, format_, options)
        with database.read() as connection:
            before = None if options.again else imports.find(connection, identity)
        if before is not None:
            with database.write() as connection:
                order_feeds.note_again(connection, options.context.store, format_, before, now=now)
            return _again(path, kind, format_, before)
        with staging(database) as stage, rejects_of(source, options) as rejects:
            run = _Run(source, format_, kind, options, rejects)
            run.stage_lines(stage, stream)
            with stage.write() as connection:
                mark = doubts.mark(connection)
                run.save(stage, connection, rules, now=now)
                result = run.result()
                result = replace(result, notes=(*result.notes, *doubts.ended(connection, mark, now=now)))
                counts = result.as_json()
                fed = order_feeds.note(connection, options.context.store, format_, counts, now=now)
                imports.record(
                    connection,
                    identity=identity,
                    kind=kind,
                    store=options.context.store,
                    format_name=format_.name,
                    name=path.name,
                    counts=counts | {order_feeds.CHANNELS: fed},
                    at=now,
                )
                rejects.keep()
    return result


def _require_zone(format_: Format, context: Context, path: Path) -> None:
    if format_.never_has_offset and context.zone is None:
        raise UsageError(
            f"{path}: the times of {format_.name} have no offset from UTC: name their zone with "
            f"--timezone Europe/Berlin or stores.{context.store}.timezone"
        )


def rejects_of(source: Source, options: Options) -> Rejects:
    columns, kind = (source.header.columns, "csv") if isinstance(source, CsvFile) else (None, "jsonl")
    path = options.rejects_folder / f"{options.rejects_name or source.path.stem}.rejects.{kind}"
    return Rejects(path, source.path.name, columns)


def _identity(content: str, format_: Format, options: Options) -> str:
    """The same bytes read with another zone, currency, mapping or for another store are another import."""
    context = options.context
    parts = (
        content,
        format_.kind,
        context.store,
        format_.name,
        str(context.zone),
        context.currency,
        context.country or "",
        str(context.day_first),
        *((f"signed={context.tiktok_app.key}",) if context.tiktok_app else ()),
        *(f"{theirs}={ours}" for theirs, ours in sorted(options.mapping.items())),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _again(path: Path, kind: Kind, format_: Format, before: dict[str, Any]) -> ImportResult:
    """Tell of the earlier import of the same file: all it saved is there, unchanged."""
    saved: dict[str, dict[str, int]] = {}
    for name in ("carts", "orders"):
        if name in before:
            changed = ("created", "updated", "unchanged")
            saved[name] = dict.fromkeys(before[name], 0) | {"unchanged": sum(before[name][count] for count in changed)}
    return ImportResult(
        name=str(path),
        kind=kind,
        format=format_.name,
        rows=before["rows"],
        accepted=before["accepted"],
        ignored=before["ignored"],
        rejected=before["rejected"],
        ignored_because=before.get("ignored_because", {}),
        already_imported=True,
        saved=saved,
    )


class _Run:
    """One file on its way, and its numbers."""

    def __init__(
        self, source: Source, format_: CsvFormat | JsonFormat, kind: Kind, options: Options, rejects: Rejects
    ) -> None:
        self._source, self._format, self._kind = source, format_, kind
        self._options, self._rejects = options, rejects
        self._rows = self._accepted = self._ignored = 0
        self._because: Counter[str] = Counter()
        self._notes: dict[str, None] = dict.fromkeys(format_.notes(source))
        self._saved: dict[str, dict[str, int]] = {}
        if kind != "orders":
            self._saved["carts"] = {"created": 0, "updated": 0, "unchanged": 0}
        if kind != "carts":
            self._expect_orders()

    def _expect_orders(self) -> None:
        counts = ("created", "updated", "unchanged", "carts_closed", "unmatchable")
        self._saved.setdefault("orders", dict.fromkeys(counts, 0))

    def stage_lines(self, stage: Staging, stream: BufferedReader) -> None:
        """Parse the whole file, row by row; nothing of it stays in memory."""
        size = self._source.path.stat().st_size
        bar = self._options.progress(size) if self._options.progress else nullcontext(_no_bar)
        consents: Counter[Consent] = Counter()
        told = 0
        with bar as advance:
            for line in registry.read(self._format, self._source, self._options.context):
                more = 1
                if isinstance(line, CartBlock):
                    more = sum(line.rows)
                    self._accepted += more
                    stage.add_carts(line.row, line.rows, line.fields, line.items)
                    consents.update(line.fields["consent"])
                elif isinstance(line, CartLine):
                    self._accepted += 1
                    stage.add_cart(line.row, line.key, line.cart, line.items, line.change)
                    if line.cart is not None:
                        consents[line.cart.consent] += 1
                elif isinstance(line, OrderLine):
                    self._accepted += 1
                    stage.add_order(line.row, line.key, line.order, line.line_amount)
                    self._notes |= dict.fromkeys(line.notes)
                    if line.delivery is not None:
                        stage.add_delivery(line.delivery.digest, line.delivery.state, line.delivery.at, line.key)
                    if line.order is not None:
                        consents[line.order.consent] += 1
                elif isinstance(line, RowError):
                    self._rejects.add(line)
                elif isinstance(line, Ignored):
                    self._ignored += 1
                    self._because[line.because or "blank"] += 1
                elif isinstance(line, Note):
                    self._notes[line.text] = None
                    continue
                self._rows += more
                if self._rows >= told + _EVERY:
                    told = self._rows
                    advance(stream.tell(), told)
        if set(consents) == {Consent.GRANTED} and consents[Consent.GRANTED] >= _SUSPICIOUS_FROM:
            self._notes["every row says that the shopper consented: is that column what they answered?"] = None

    def save(self, stage: Staging, connection: Connection, rules: PurchaseRules, *, now: datetime) -> None:
        """Let what was staged take effect."""
        store = self._options.context.store
        struck = forgotten.strike(connection, store, now=now)
        merging.prepare(connection)
        source = f"carts:{self._source.path.name}"[:80]
        saved, last_cart = merging.plain_carts(connection, store, slack=rules.slack, source=source)
        self._count("carts", saved)
        for batch in self._assembled(stage, stage.cart_groups(), _cart):
            dated = self._format.dates_carts
            saved, touched = carts.save(
                connection, store, batch, now=now, slack=rules.slack, dated=dated, source=source
            )
            self._count("carts", saved)
            purchases.match(connection, touched, rules, now=now)
        source = f"orders:{self._source.path.name}"[:80]
        saved, last_order = merging.plain_orders(connection, store, rules, now=now, source=source)
        self._count("orders", saved)
        closed = 0
        for orders_ in self._assembled(stage, stage.order_groups(), _order):
            saved, rows = orders.save(connection, store, orders_, rules=rules, now=now, source=source)
            self._count("orders", saved)
            affected = purchases.carts_of_orders(connection, store, rows)
            closed += len(purchases.match(connection, affected, rules, now=now))
        if struck:
            forgotten.mark(connection, store)
        orders.fill_totals(connection, store, rules)
        affected = purchases.carts_to_look_at(connection, store, after_cart=last_cart, after_order=last_order)
        closed += len(purchases.match(connection, affected, rules, now=now))
        if "orders" in self._saved:
            self._saved["orders"]["carts_closed"] += closed
            self._saved["orders"]["unmatchable"] += merging.unmatchable(connection)
        if self._kind == "tiktok":
            known = events.remember_staged(connection, store, source="tiktok")
            self._saved["orders"]["duplicates"] = known + self._because[DUPLICATE]
            self._ignore_repeated(events.staged_twice(connection))
        self._reject(stage)

    def _ignore_repeated(self, rows: int) -> None:
        """Count rows that repeat another one of the file: they were staged, and say nothing new."""
        if rows:
            self._accepted -= rows
            self._ignored += rows
            self._because[DUPLICATE] += rows

    def _assembled(
        self,
        stage: Staging,
        groups: Iterator[list[Any]],
        assemble: Callable[[list[Any]], _Record | list[RowError]],
    ) -> Iterator[list[_Record]]:
        """Yield batches of carts or orders, each put together from all its rows; no external id comes twice in one."""
        batch: dict[str, _Record] = {}
        for group in groups:
            record = assemble(group)
            if isinstance(record, list):
                for error, run in zip(record, group, strict=True):
                    for row in range(run.row, run.row + run.rows):
                        stage.reject(row, error.column, error.reason)
                continue
            if len(batch) >= BATCH or record.external_id in batch:
                yield list(batch.values())
                batch = {}
            batch[record.external_id] = record
        if batch:
            yield list(batch.values())

    def _reject(self, stage: Staging) -> None:
        """Write the rows that turned out wrong only now; what they looked like is read from the file once more."""
        waiting: deque[tuple[int, str, str]] = deque()

        def wanted() -> Iterator[int]:
            for late in stage.rejects():
                waiting.append((late.row, late.place, late.reason))
                yield late.row

        for row, raw in self._source.again(wanted()):
            while waiting[0][0] < row:
                waiting.popleft()
            _, place, reason = waiting.popleft()
            self._rejects.add(RowError(row, place, reason, raw))
            self._accepted -= 1

    def _count(self, kind: str, saved: Saved) -> None:
        if not (saved.created or saved.updated or saved.unchanged):
            return
        if kind == "orders":
            self._expect_orders()
        counts = self._saved.setdefault(kind, {"created": 0, "updated": 0, "unchanged": 0})
        counts["created"] += saved.created
        counts["updated"] += saved.updated
        counts["unchanged"] += saved.unchanged

    def result(self) -> ImportResult:
        rejected = self._rejects.count
        return ImportResult(
            name=str(self._source.path),
            kind=self._kind,
            format=self._format.name,
            rows=self._rows,
            accepted=self._accepted,
            ignored=self._ignored,
            rejected=rejected,
            ignored_because=dict(self._because.most_common()),
            rejects_file=str(self._rejects.path) if rejected else None,
            saved=self._saved,
            first_error=self._rejects.first,
            notes=tuple(self._notes),
        )


def _cart(group: list[CartRun]) -> CartSnapshot | list[RowError]:
    return assemble_cart(
        [CartLine(row=run.row, key=run.key, cart=run.cart, items=run.items, change=run.change) for run in group]
    )


def _order(group: list[OrderRun]) -> OrderRecord | list[RowError]:
    return assemble_order(
        [OrderLine(row=run.row, key=run.key, order=run.order, line_amount=run.line_amount) for run in group]
    )


def _no_bar(_position: int, _rows: int) -> None:
    pass

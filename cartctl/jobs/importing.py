"""What importing carts and importing orders share: one file, staged, then taking effect in one transaction.

1. Hash the file: the same file, read the same way, was imported before? Then nothing changes.
2. Parse it row by row into a staging table. A file that is no such export ends here, and nothing was changed.
3. In one transaction: put the rows of each cart (order) together, save them, look at the purchases again,
   write the rejected rows beside, remember the file.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from cartctl.domain.carts import CartSnapshot, OrderRecord
from cartctl.importers.csvfile import CsvFile, digest, open_binary
from cartctl.importers.format import Format, Kind
from cartctl.importers.records import CartLine, Context, Ignored, OrderLine, RowError
from cartctl.importers.registry import choose
from cartctl.importers.rejects import Rejects
from cartctl.store import imports
from cartctl.store.carts import Saved
from cartctl.store.database import EngineDatabase
from cartctl.store.staging import Staging, staging

BATCH = 500
"""Carts or orders saved at a time."""

_Record = TypeVar("_Record", CartSnapshot, OrderRecord)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How one file is to be read."""

    context: Context
    format_name: str = "auto"
    again: bool = False
    rejects_folder: Path = field(default_factory=Path)
    rejects_name: str = ""
    """What stands before `.rejects.csv`; "": the file's own name."""
    progress: Callable[[int], AbstractContextManager[Callable[[int], None]]] | None = None
    """Given the file's size in bytes, opens a progress bar and lends the function that moves it."""


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """What became of one file. `rows` = accepted + ignored + rejected, always."""

    name: str
    kind: Kind
    format: str
    rows: int
    accepted: int
    ignored: int
    rejected: int
    rejects_file: str | None
    already_imported: bool
    saved: Saved
    first_error: str = ""
    notes: tuple[str, ...] = ()
    extra: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        return {
            "file": self.name,
            "format": self.format,
            "rows": self.rows,
            "accepted": self.accepted,
            "ignored": self.ignored,
            "rejected": self.rejected,
            "rejects_file": self.rejects_file,
            "already_imported": self.already_imported,
            self.kind: {
                "created": self.saved.created,
                "updated": self.saved.updated,
                "unchanged": self.saved.unchanged,
            }
            | self.extra,
        }


Save = Callable[[Connection, list[_Record]], tuple[Saved, dict[str, int]]]
"""Write a batch of records; return the counts, and further numbers worth reporting."""


def import_file(
    database: EngineDatabase,
    path: Path,
    *,
    kind: Kind,
    line_type: type[CartLine] | type[OrderLine],
    assemble: Callable[[Sequence[Any]], _Record | list[RowError]],
    save: Save[_Record],
    options: Options,
    now: datetime,
) -> ImportResult:
    """Import one file. Raises InputFileError when it is no such export: then nothing was changed."""
    with open_binary(path) as stream:
        content = digest(path, stream)
        file = CsvFile(path, stream)
        format_ = choose(kind, options.format_name, file.header)
        identity = _identity(content, format_, options.context)
        with database.read() as connection:
            before = None if options.again else imports.find(connection, identity)
        if before is not None:
            return _again(path, kind, format_, before)
        rejects_path = options.rejects_folder / f"{options.rejects_name or path.stem}.rejects.csv"
        with staging(database) as stage, Rejects(rejects_path, path.name, file.header.columns) as rejects:
            run = _Run(file, format_, options, rejects)
            run.stage_lines(stage, stream)
            decoder = msgspec.json.Decoder(line_type)
            with stage.write() as connection:
                for batch in run.assembled(stage, decoder, assemble):
                    run.count(*save(connection, batch))
                result = run.result(kind)
                imports.record(
                    connection,
                    identity=identity,
                    kind=kind,
                    store=options.context.store,
                    format_name=format_.name,
                    name=path.name,
                    counts=result.as_json(),
                    at=now,
                )
                rejects.keep()
    return result


def _identity(content: str, format_: Format, context: Context) -> str:
    """The same bytes read with another zone, currency or for another store are another import."""
    parts = (
        content,
        format_.kind,
        context.store,
        format_.name,
        str(context.zone),
        context.currency,
        context.country or "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _again(path: Path, kind: Kind, format_: Format, before: dict[str, Any]) -> ImportResult:
    counts = before[kind]
    return ImportResult(
        name=str(path),
        kind=kind,
        format=format_.name,
        rows=before["rows"],
        accepted=before["accepted"],
        ignored=before["ignored"],
        rejected=before["rejected"],
        rejects_file=None,
        already_imported=True,
        saved=Saved(unchanged=counts["created"] + counts["updated"] + counts["unchanged"]),
        extra={name: 0 for name in counts if name not in ("created", "updated", "unchanged")},
    )


class _Run:
    """The numbers of one file on its way."""

    def __init__(self, file: CsvFile, format_: Format, options: Options, rejects: Rejects) -> None:
        self._file, self._format, self._options, self._rejects = file, format_, options, rejects
        self._rows = self._accepted = self._ignored = 0
        self._saved = Saved()
        self._extra: dict[str, int] = {}

    def stage_lines(self, stage: Staging, stream: BufferedReader) -> None:
        """Parse the whole file, row by row; nothing of it stays in memory."""
        encode = msgspec.json.Encoder().encode
        batch: list[tuple[str, bytes]] = []
        size = self._file.path.stat().st_size
        bar = self._options.progress(size) if self._options.progress else nullcontext(_no_bar)
        with bar as advance:
            for line in self._format.read(self._file, self._options.context):
                self._rows += 1
                if isinstance(line, RowError):
                    self._rejects.add(line)
                elif isinstance(line, Ignored):
                    self._ignored += 1
                else:
                    self._accepted += 1
                    batch.append((line.key, encode(line)))
                if len(batch) >= 5000:
                    stage.add(batch)
                    batch = []
                    advance(stream.tell())
            if batch:
                stage.add(batch)

    def assembled(
        self,
        stage: Staging,
        decoder: msgspec.json.Decoder[Any],
        assemble: Callable[[Sequence[Any]], _Record | list[RowError]],
    ) -> Iterator[list[_Record]]:
        """Yield batches of carts or orders, each put together from all its rows; no external id comes twice in one."""
        batch: dict[str, _Record] = {}
        for group in stage.groups():
            record = assemble([decoder.decode(payload) for payload in group])
            if isinstance(record, list):
                self._accepted -= len(record)
                for error in record:
                    self._rejects.add(error)
                continue
            if len(batch) >= BATCH or record.external_id in batch:
                yield list(batch.values())
                batch = {}
            batch[record.external_id] = record
        if batch:
            yield list(batch.values())

    def count(self, saved: Saved, extra: dict[str, int]) -> None:
        self._saved.created += saved.created
        self._saved.updated += saved.updated
        self._saved.unchanged += saved.unchanged
        for name, number in extra.items():
            self._extra[name] = self._extra.get(name, 0) + number

    def result(self, kind: Kind) -> ImportResult:
        rejected = self._rejects.count
        return ImportResult(
            name=str(self._file.path),
            kind=kind,
            format=self._format.name,
            rows=self._rows,
            accepted=self._accepted,
            ignored=self._ignored,
            rejected=rejected,
            rejects_file=str(self._rejects.path) if rejected else None,
            already_imported=False,
            saved=self._saved,
            first_error=self._rejects.first,
            notes=self._format.notes(self._file.header),
            extra=self._extra,
        )


def _no_bar(_position: int) -> None:
    pass

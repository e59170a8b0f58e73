"""Importing one file whose rows stand each for itself: events, addresses, codes.

1. Hash the file: the same file, read the same way, was imported before? Then nothing changes.
2. In one transaction: read it row by row, save what can be read by the batch, write the rejected rows beside,
   remember the file. A file that is no such export ends here, and nothing was changed.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from cartctl.importers.csvfile import digest, open_binary
from cartctl.importers.format import Source
from cartctl.importers.records import Ignored, Note, RowError
from cartctl.importers.rejects import Rejects
from cartctl.importers.source import open_source
from cartctl.jobs import doubts
from cartctl.jobs.importing import ImportResult, Options, rejects_of
from cartctl.store import imports
from cartctl.store.database import CartsLock, EngineDatabase

BATCH = 1000
"""Rows saved at a time."""
_Row = TypeVar("_Row")


def import_lines(
    database: EngineDatabase,
    path: Path,
    *,
    kind: str,
    format_name: str,
    read: Callable[[Source], Iterable[_Row | RowError | Ignored | Note]],
    save: Callable[[Connection, list[_Row]], Mapping[str, int]],
    counts: tuple[str, ...],
    refused: list[RowError] | None = None,
    read_with: tuple[str, ...] = (),
    options: Options,
    carts: CartsLock | None = None,
    now: datetime,
) -> ImportResult:
    """Import one file. `save` writes a batch and returns its `counts`; `read_with` is what else decides how it is read.

    `refused`: where `save` puts the rows of a batch that it will not have. What it goes by may have changed since: a
    file of which rows were rejected is read anew.

    `carts`: see store.database. Raises InputFileError or UsageError when nothing could be read: then nothing was
    changed.
    """
    with open_binary(path) as stream:
        parts = (digest(path, stream), kind, format_name, *read_with)
        identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        source = open_source(path, stream)
        with database.read() as connection:
            before = None if options.again else imports.find(connection, identity)
        if before is not None and not (refused is not None and before["rejected"]):
            return _again(path, kind, format_name, before)
        run: _Run[_Row] = _Run(path, kind, format_name, counts)
        with rejects_of(source, options) as rejects, database.write(carts=carts) as connection:
            mark = doubts.mark(connection)
            for batch in run.batches(read(source), rejects):
                run.saved.update(save(connection, batch))
                run.refuse(refused, rejects)
            result = run.result(rejects)
            result = replace(result, notes=(*result.notes, *doubts.ended(connection, mark, now=now)))
            imports.record(
                connection,
                identity=identity,
                kind=kind,
                store="",
                format_name=format_name,
                name=path.name,
                counts=result.as_json(),
                at=now,
            )
            rejects.keep()
    return result


class _Run(Generic[_Row]):
    """One file on its way, and its numbers."""

    def __init__(self, path: Path, kind: str, format_name: str, counts: tuple[str, ...]) -> None:
        self._path, self._kind, self._format = path, kind, format_name
        self._accepted = 0
        self._because: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        self.saved: Counter[str] = Counter(dict.fromkeys(counts, 0))

    def batches(self, lines: Iterable[_Row | RowError | Ignored | Note], rejects: Rejects) -> Iterator[list[_Row]]:
        """Count the lines; yield by the batch those that can be saved."""
        batch: list[_Row] = []
        for line in lines:
            if isinstance(line, RowError):
                rejects.add(line)
            elif isinstance(line, Ignored):
                self._because[line.because or "blank"] += 1
            elif isinstance(line, Note):
                self._notes[line.text] = None
            else:
                self._accepted += 1
                batch.append(line)
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def refuse(self, refused: list[RowError] | None, rejects: Rejects) -> None:
        """Take back what was counted as accepted too early."""
        for error in refused or ():
            rejects.add(error)
            self._accepted -= 1
        if refused:
            refused.clear()

    def result(self, rejects: Rejects) -> ImportResult:
        ignored = self._because.total()
        return ImportResult(
            name=str(self._path),
            kind=self._kind,
            format=self._format,
            rows=self._accepted + ignored + rejects.count,
            accepted=self._accepted,
            ignored=ignored,
            rejected=rejects.count,
            ignored_because=dict(self._because.most_common()),
            rejects_file=str(rejects.path) if rejects.count else None,
            saved={self._kind: dict(self.saved)},
            first_error=rejects.first,
            notes=tuple(self._notes),
        )


def _again(path: Path, kind: str, format_name: str, before: dict[str, Any]) -> ImportResult:
    """Tell of the earlier import of the same file: all it saved is there, unchanged."""
    counts = before[kind]
    changed = ("created", "updated", "unchanged")
    return ImportResult(
        name=str(path),
        kind=kind,
        format=format_name,
        rows=before["rows"],
        accepted=before["accepted"],
        ignored=before["ignored"],
        rejected=before["rejected"],
        ignored_because=before["ignored_because"],
        already_imported=True,
        saved={kind: dict.fromkeys(counts, 0) | {"unchanged": sum(counts.get(name, 0) for name in changed)}},
    )

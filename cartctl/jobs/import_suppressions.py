"""Import one file of addresses that must not be written to. What was scheduled for them is cancelled at once."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from cartctl.errors import InputFileError
from cartctl.importers import suppressions as importer
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.format import Source
from cartctl.importers.records import Ignored, RowError
from cartctl.importers.suppressions import Suppressed
from cartctl.jobs.import_lines import import_lines
from cartctl.jobs.importing import ImportResult, Options
from cartctl.store import keys, suppressions
from cartctl.store.database import EngineDatabase


def run(database: EngineDatabase, path: Path, *, options: Options, now: datetime) -> ImportResult:
    """Import `path`. Addresses are kept as keyed hashes alone; one that is suppressed already stays as it is."""

    def read(source: Source) -> Iterable[Suppressed | RowError | Ignored]:
        if not isinstance(source, CsvFile):
            raise InputFileError(f"{path}: is JSON: suppressions are read from CSV")
        return importer.read(source)

    def save(connection: Connection, rows: list[Suppressed]) -> dict[str, int]:
        reasons = {row.email: row.reason for row in reversed(rows)}
        hashing_key = keys.key(connection, keys.HASHING, now=now).encode()
        new = suppressions.suppress(connection, reasons, hashing_key=hashing_key, now=now)
        return {"created": new, "unchanged": len(rows) - new}

    return import_lines(
        database,
        path,
        kind="suppressions",
        format_name=importer.NAME,
        read=read,
        save=save,
        counts=("created", "updated", "unchanged"),
        options=options,
        carts="change",
        now=now,
    )

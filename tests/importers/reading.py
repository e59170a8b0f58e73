"""Reading a small file without a database: text in, carts or orders and the rows that were rejected or ignored out."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cartctl.domain.carts import CartSnapshot, OrderRecord
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.format import Kind, Line, Source
from cartctl.importers.jsonfile import JsonFile
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
from cartctl.importers.registry import choose
from cartctl.importers.registry import read as read_lines
from cartctl.importers.source import open_source

SEEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@dataclass
class Reading:
    """What a file says. `errors` are in the order in which they are found."""

    carts: list[CartSnapshot] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    accepted: int = 0

    @property
    def cart(self) -> CartSnapshot:
        assert (len(self.carts), self.errors) == (1, []), self
        return self.carts[0]

    @property
    def order(self) -> OrderRecord:
        assert (len(self.orders), self.errors) == (1, []), self
        return self.orders[0]

    @property
    def error(self) -> tuple[str, str]:
        """(column, reason) of the one row that was rejected."""
        assert len(self.errors) == 1, self
        return self.errors[0].column, self.errors[0].reason


def stream_of(text: str | bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(text.encode() if isinstance(text, str) else text))


def csv_file(text: str | bytes, name: str = "export.csv") -> CsvFile:
    return CsvFile(Path(name), stream_of(text))


def json_file(text: str | bytes, name: str = "export.json") -> JsonFile:
    return JsonFile(Path(name), stream_of(text))


def read(
    kind: Kind, text: str | bytes, *, name: str = "export.csv", format_name: str = "auto", **context: Any
) -> Reading:
    """Read a file, CSV or JSON, as the import does, but for the database."""
    source = open_source(Path(name), stream_of(text))
    format_ = choose(kind, format_name, source)
    return gathered(read_lines(format_, source, Context(**({"store": "main"} | context))), source)


def gathered(lines: Iterable[Line], source: Source) -> Reading:
    """Put the lines of each cart or order together."""
    reading = Reading()
    groups: dict[str, list[tuple[Any, int]]] = {}
    for line in lines:
        if isinstance(line, RowError):
            reading.errors.append(line)
        elif isinstance(line, Ignored):
            reading.ignored.append(line.row)
        elif isinstance(line, Note):
            reading.notes.append(line.text)
        else:
            if isinstance(line, OrderLine):
                reading.notes += [text for text in line.notes if text not in reading.notes]
            several = zip(line.lines(), line.rows, strict=True) if isinstance(line, CartBlock) else [(line, 1)]
            for one, rows in several:
                groups.setdefault(one.key, []).append((one, rows))
                reading.accepted += rows
    wrong: list[RowError] = []
    for group in groups.values():
        record = assemble([line for line, _ in group])
        if isinstance(record, CartSnapshot):
            reading.carts.append(record)
        elif isinstance(record, OrderRecord):
            reading.orders.append(record)
        else:
            for error, (_, rows) in zip(record, group, strict=True):
                wrong += [replace(error, row=error.row + row) for row in range(rows)]
    wrong.sort(key=lambda error: error.row)
    seen_again = source.again(error.row for error in wrong)
    reading.errors += [replace(error, raw=raw) for error, (_, raw) in zip(wrong, seen_again, strict=True)]
    reading.accepted -= len(wrong)
    return reading


def assemble(lines: list[CartLine] | list[OrderLine]) -> CartSnapshot | OrderRecord | list[RowError]:
    carts = [line for line in lines if isinstance(line, CartLine)]
    return assemble_cart(carts) if carts else assemble_order([line for line in lines if isinstance(line, OrderLine)])


def csv_text(*rows: Mapping[str, str]) -> str:
    """Write rows as CSV; the columns are those of all rows together."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(column for row in rows for column in row)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()

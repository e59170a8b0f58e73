"""Reading a small file without a database: text in, carts or orders and the rows that were rejected or ignored out."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cartctl.domain.carts import CartSnapshot, OrderRecord
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.format import Kind, Line
from cartctl.importers.records import CartLine, Context, Ignored, OrderLine, RowError, assemble_cart, assemble_order
from cartctl.importers.registry import choose

SEEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@dataclass
class Reading:
    """What a file says. `errors` are in the order in which they are found."""

    carts: list[CartSnapshot] = field(default_factory=list)
    orders: list[OrderRecord] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
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


def csv_file(text: str | bytes, name: str = "export.csv") -> CsvFile:
    content = text.encode() if isinstance(text, str) else text
    return CsvFile(Path(name), io.BufferedReader(io.BytesIO(content)))


def read(
    kind: Kind, text: str | bytes, *, name: str = "export.csv", format_name: str = "auto", **context: Any
) -> Reading:
    """Read a file as the import does, but for the database."""
    file = csv_file(text, name)
    format_ = choose(kind, format_name, file.header)
    return gathered(format_.read(file, Context(**({"store": "main"} | context))))


def gathered(lines: Iterable[Line]) -> Reading:
    """Put the lines of each cart or order together."""
    reading = Reading()
    groups: dict[str, list[Any]] = {}
    for line in lines:
        if isinstance(line, RowError):
            reading.errors.append(line)
        elif isinstance(line, Ignored):
            reading.ignored.append(line.row)
        else:
            groups.setdefault(line.key, []).append(line)
            reading.accepted += 1
    for group in groups.values():
        record = assemble(group)
        if isinstance(record, CartSnapshot):
            reading.carts.append(record)
        elif isinstance(record, OrderRecord):
            reading.orders.append(record)
        else:
            reading.errors += record
            reading.accepted -= len(record)
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

"""What a format is, and the loop that every CSV format shares: rows in, parsed lines and row errors out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from cartctl.errors import InputFileError
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.fields import FieldError
from cartctl.importers.records import CartLine, Context, Ignored, OrderLine, RowError
from cartctl.suggest import did_you_mean

Kind = Literal["carts", "orders"]
Line = CartLine | OrderLine | RowError | Ignored
_Line = TypeVar("_Line", CartLine, OrderLine)


@dataclass(frozen=True)
class Format:
    """One file format: what it needs, how it is recognised by its header, and how its rows are read."""

    name: str
    kind: Kind
    needs: str
    recognise: Callable[[Header], bool]
    read: Callable[[CsvFile, Context], Iterable[Line]]
    columns: frozenset[str] | None = None
    """All columns it knows; None where a shop's exports have columns beyond number."""

    def notes(self, header: Header) -> tuple[str, ...]:
        """Say which columns are not used: a mistyped optional column would be lost in silence."""
        unused = sorted(header.names - self.columns - {""}) if self.columns else []
        return (f"columns not used: {', '.join(unused)}",) if unused else ()


def check_columns(header: Header, required: Iterable[str]) -> None:
    """Refuse the file when a required column is missing, naming what was probably meant."""
    for column in required:
        if column not in header.names:
            raise InputFileError(f'{header.path}: column "{column}" is missing{did_you_mean(column, header.names)}')


class Cells(Mapping[str, str]):
    """One row by column name (lower case); a column the file does not have reads as blank."""

    __slots__ = ("_positions", "raw")

    def __init__(self, positions: Mapping[str, int], raw: tuple[str, ...]) -> None:
        self._positions = positions
        self.raw = raw

    def __getitem__(self, column: str) -> str:
        position = self._positions.get(column)
        return "" if position is None else self.raw[position]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


def lines_of(file: CsvFile, parse: Callable[[int, Cells], _Line]) -> Iterator[_Line | RowError | Ignored]:
    """Parse every row; what cannot be read becomes a RowError, and a blank row is ignored."""
    positions = file.header.positions()
    for row in file.rows():
        if isinstance(row, RowError):
            yield row
            continue
        number, cells = row
        if not cells:
            yield Ignored(number)
            continue
        try:
            yield parse(number, Cells(positions, cells))
        except FieldError as error:
            yield RowError(number, error.column, error.reason, cells)

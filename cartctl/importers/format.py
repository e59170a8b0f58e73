"""What a format is, and the loops that formats share: rows or records in, parsed lines and row errors out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from cartctl.errors import InputFileError
from cartctl.importers.csvfile import CsvFile, Header, Row
from cartctl.importers.fields import FieldError, UndecidedAmountError, deciding_amounts
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.records import Context, Ignored, Line, Note, RowError
from cartctl.suggest import did_you_mean

Kind = Literal["carts", "orders", "tiktok"]
"""What an operator asks to import; a file may hold both carts and orders."""
Source = CsvFile | JsonFile
_Line = TypeVar("_Line")


@dataclass(frozen=True, kw_only=True)
class Format:
    """What is true of a format, whatever its files are made of."""

    name: str
    kind: Kind
    needs: str
    """What a file must have, for `import formats` and for the message where no format fits: one short line."""
    never_has_offset: bool = False
    """Its times are those of a wall clock that the file does not name: a zone must be given."""
    dates_carts: bool = True
    """Whether it says when each cart was touched. Where all bear the file's own time, a known cart says nothing new."""

    def notes(self, source: Source) -> tuple[str, ...]:
        """Say what an operator should know before the first row is read."""
        return source.notes


@dataclass(frozen=True, kw_only=True)
class CsvFormat(Format):
    """A format of CSV files: how it is recognised by its header, and how its rows are read."""

    recognise: Callable[[Header], bool]
    read: Callable[[CsvFile, Context], Iterable[Line]]
    columns: frozenset[str] | None = None
    """All columns it knows; None where a shop's exports have columns beyond number."""

    def notes(self, source: Source) -> tuple[str, ...]:
        """Say which columns are not used: a mistyped optional column would be lost in silence."""
        assert isinstance(source, CsvFile)
        unused = sorted(source.header.names - self.columns - {""}) if self.columns else []
        return (*source.notes, *((f"columns not used: {', '.join(unused)}",) if unused else ()))


@dataclass(frozen=True, kw_only=True)
class JsonFormat(Format):
    """A format of JSON files (and JSON Lines): recognised by the first record, read record by record."""

    recognise: Callable[[Sample], bool]
    read: Callable[[JsonFile, Context], Iterable[Line]]


def check_columns(header: Header, required: Iterable[str]) -> None:
    """Refuse the file when a required column is missing, naming what was probably meant."""
    for column in required:
        if column not in header.names:
            raise InputFileError(f'{header.path}: column "{column}" is missing{did_you_mean(column, header.tellable)}')


class Cells(Mapping[str, str]):
    """One row by column name (lower case); a column the file does not have reads as blank."""

    __slots__ = ("_positions", "raw")

    def __init__(self, positions: Mapping[str, int], raw: tuple[str, ...]) -> None:
        self._positions = positions
        self.raw = raw

    def __getitem__(self, column: str) -> str:
        try:
            return self.raw[self._positions[column]]
        except KeyError:
            return ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)


def lines_of(file: CsvFile, parse: Callable[[int, Cells], _Line]) -> Iterator[_Line | RowError | Ignored]:
    """Parse every row; what cannot be read becomes a RowError, and a blank row is ignored.

    A row is parsed a second time where its column must decide on an amount such as 1,234.
    """
    positions = file.header.positions()
    for row in file.rows():
        yield line_of(file, positions, row, parse)


def line_of(
    file: CsvFile,
    positions: Mapping[str, int],
    row: Row | RowError | Ignored,
    parse: Callable[[int, Cells], _Line],
) -> _Line | RowError | Ignored:
    """Parse one row that `CsvFile.rows` yielded."""
    if not isinstance(row, tuple):
        return row
    number, raw = row
    if not raw:
        return Ignored(number, "blank")
    cells = Cells(positions, raw)
    try:
        try:
            return parse(number, cells)
        except UndecidedAmountError:
            with deciding_amounts(file.decimal_sign):
                return parse(number, cells)
    except FieldError as error:
        return RowError(number, error.column, error.reason, raw)


def lines_of_records(
    file: JsonFile, parse: Callable[[int, Mapping[str, Any]], Iterable[_Line]]
) -> Iterator[_Line | RowError]:
    """Parse every record into its one accepted or ignored line (and notes); what cannot be read is a RowError.

    A record is one row of the count, so `parse` returns exactly one CartLine, OrderLine or Ignored beside its notes.
    Amounts that stand in texts have a decimal point: they were written by a program.
    """
    for record in file.records():
        if isinstance(record, RowError):
            yield record
            continue
        number, value = record
        try:
            try:
                lines = list(parse(number, value))
            except UndecidedAmountError:
                with deciding_amounts(lambda _: "."):
                    lines = list(parse(number, value))
        except FieldError as error:
            yield RowError(number, error.column, error.reason, (file.text,))
        else:
            yield from lines


__all__ = [
    "Cells",
    "CsvFormat",
    "Format",
    "JsonFormat",
    "Kind",
    "Line",
    "Note",
    "Source",
    "check_columns",
    "lines_of",
    "lines_of_records",
]

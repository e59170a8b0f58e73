"""Reading a CSV file: its header, and rows with the numbers a spreadsheet shows. Knows no format.

Whatever program wrote it: the encoding, the delimiter and the writing of amounts are found in the file itself. A file
of rejected rows reads as the rows were before `rejects` wrote them.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path

from cartctl.domain.money import CURRENCIES, UNKNOWN_CURRENCY, AmbiguousAmountError, decimal_sign, exponent, read_amount
from cartctl.errors import InputFileError, UsageError
from cartctl.importers import encoding
from cartctl.importers.encoding import unreadable
from cartctl.importers.fields import TOLD_BY_CURRENCY
from cartctl.importers.records import Ignored, RowError
from cartctl.importers.rejects import REASONS, original
from cartctl.suggest import did_you_mean

FIELD_LIMIT = 1_000_000
"""Characters in one cell; more is no cell but a missing quote."""
DELIMITERS = ",;\t|"
_THREE = 3
"""Decimals that a currency must have for 1.234 to be one and a bit."""
_END = "\0"
"""Put behind the last line: where it ends up inside a cell, that cell's quote was never closed."""
_SEP = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
"""A line for Excel, which shows it to nobody: it is not counted."""
_TOTALS = re.compile(
    r"(grand |sub)?totals?|sums?|gesamt(summe)?|summe|insgesamt|totale|totaux|total g[eé]n[eé]ral|somme|suma|итого",
    re.IGNORECASE,
)

_CURRENCY = re.compile(r"(order[ _])?currency([ _]code)?")
"""Columns that name a row's currency, whatever the format."""
_CURRENCY_OF_COLUMN = re.compile(r".* in ([a-z]{3})")
"""CartFlows names it in the amounts' own column: `Cart-Total in EUR`."""

Row = tuple[int, tuple[str, ...]]


@dataclass(frozen=True)
class Header:
    """The first row. Column names are compared in lower case, without surrounding space.

    `columns` are the file's own; `mapping` tells which of ours some of them are (theirs -> ours, lower case).
    """

    path: Path
    columns: tuple[str, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.positions())

    @property
    def tellable(self) -> tuple[str, ...]:
        """The names that a message may hold: a broken header may have swallowed somebody's row."""
        return tuple(sorted(name for name in self.names if name and not re.search(r"[\n\r@]", name)))

    def positions(self) -> Mapping[str, int]:
        """Return where each column stands; the first of two with one name, and a mapped one before all."""
        theirs = [column.strip().lower() for column in self.columns]
        found = {self.mapping[name]: theirs.index(name) for name in theirs if name in self.mapping}
        for position, name in enumerate(theirs):
            if name not in self.mapping:
                found.setdefault(name, position)
        return found


class CsvFile:
    """One open file. `mapping` names columns of ours for some of theirs (theirs -> ours)."""

    def __init__(self, path: Path, stream: io.BufferedReader, mapping: Mapping[str, str] | None = None) -> None:
        csv.field_size_limit(FIELD_LIMIT)
        self.path = path
        self.currency = UNKNOWN_CURRENCY
        """That of rows which name none; whoever reads amounts says it first."""
        self._stream = stream
        self._text = encoding.inspect(path, stream)
        self._has_sep, self._delimiter = self._look()
        self._header_row = self._skipped = 0
        columns = self._first_row()
        self._skipped = len(REASONS) if tuple(columns[: len(REASONS)]) == REASONS else 0
        own = tuple(original(column) if self._skipped else column for column in columns[self._skipped :])
        self.header = Header(path, own)
        if mapping:
            self.header = Header(path, own, _checked(mapping, self.header))
        self._signs: dict[str, str] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know about the file, whatever its format."""
        found = (
            [] if self._text.is_utf8 else ["is not UTF-8: what is none was read as cp1252 (Windows, western Europe)"]
        )
        names = [column.strip().lower() for column in self.header.columns]
        twice = dict.fromkeys(name for name in names if name and names.count(name) > 1)
        found += [f'column "{name}" stands there more than once: the first counts' for name in twice]
        return tuple(found)

    def rows(self) -> Iterator[Row | RowError | Ignored]:
        """Yield (row number, cells), from the file's start each time. Blank rows come as ().

        A row with too few or too many cells is a RowError; a last row of totals is Ignored.
        """
        width = len(self.header.columns)
        number, blanks = self._header_row, 0
        held: Sequence[str] = ()  # the row before: what stands last is judged by other rules
        with self._records(self._header_row) as (records, end):
            for cells in records:
                if end.reached:
                    break
                if not cells or not (cells[0] or any(cells)):
                    blanks += 1
                    continue
                if held:
                    yield (number, tuple(held)) if len(held) == width else self._uneven(number, held)
                if blanks:
                    yield from ((number + blank, ()) for blank in range(1, blanks + 1))
                number += blanks + 1
                blanks, held = 0, cells
        whole = cells == [_END]
        if held:
            yield self._last(number, held) if whole else self._uneven(number, held)
        yield from ((number + blank, ()) for blank in range(1, blanks + 1))
        if not whole:
            raw = (*cells[:-1], cells[-1].removesuffix(_END))
            yield RowError(number + blanks + 1, "", 'opens a quote (") that is never closed: is the file cut off?', raw)

    def again(self, wanted: Iterable[int]) -> Iterator[Row]:
        """Read the file once more: yield (row number, cells) of the rows `wanted`, whose numbers increase."""
        rows = self._numbered()
        for number in wanted:
            for found, cells in rows:
                if found == number:
                    yield number, tuple(self._fitting(cells))
                    break

    def decimal_sign(self, column: str) -> str:
        """Return which of `.` and `,` a column of amounts writes before decimals, by all its cells; "": unknown.

        Where no cell tells, the currency does for a point: 1.234 in all of a column are thousands but for a currency
        with three decimals. A file separated by semicolons has a decimal comma (a currency with fewer decimals denies
        it: unknown), and in another a column that has whole numbers without either sign writes thousands with a comma.
        TOLD_BY_CURRENCY: unknown, but would not be if the currency were known.
        """
        name = column.strip().lower()
        if name not in self._signs:
            self._signs[name] = self._decimal_sign(name, self.header.positions().get(name))
        return self._signs[name]

    def _decimal_sign(self, name: str, position: int | None) -> str:
        found: set[str] = set()
        undecided: set[str] = set()
        has_whole = False
        if position is not None:
            for _, cells in self._numbered():
                cell = cells[position] if position < len(cells) else ""
                if "." in cell or "," in cell:
                    found.add(decimal_sign(cell))
                    undecided |= {",", "."}.intersection(cell) if _is_undecided(cell) else set()
                else:
                    has_whole |= cell.strip().isdecimal()
        found.discard("")
        if len(found) == 1:
            return found.pop()
        if found or len(undecided) > 1:
            return ""
        by_delimiter = "," if self._delimiter == ";" else ""
        if not undecided:
            return by_delimiter or "."
        return self._undecided_sign(undecided.pop(), self._decimals(name), by_delimiter, has_whole=has_whole)

    def _undecided_sign(self, sign: str, decimals: set[int], by_delimiter: str, *, has_whole: bool) -> str:
        """Decide on a column in which `sign` never stands before anything but three digits."""
        thousands = "," if sign == "." else "."
        if decimals == {0}:
            return thousands
        if sign == "." and decimals and min(decimals) >= _THREE:
            return sign
        if sign == "." and not decimals and not by_delimiter:
            return TOLD_BY_CURRENCY
        if self._skipped:  # of rejected rows most of the column is missing
            return ""
        if not decimals:
            return by_delimiter or (thousands if has_whole else "")
        if sign == ".":
            return thousands if max(decimals) < _THREE else ""
        if by_delimiter:
            return sign if min(decimals) >= _THREE else ""
        return thousands if has_whole else ""

    def _decimals(self, name: str) -> set[int]:
        """Return how many decimals the currencies of a column of amounts have; nothing where none is known."""
        if match := _CURRENCY_OF_COLUMN.fullmatch(name):
            found = {match[1].upper()}
        else:
            positions = self.header.positions()
            places = [place for column, place in positions.items() if _CURRENCY.fullmatch(column)]
            rows = (cells for _, cells in self._numbered()) if places else ()
            codes = (cells[place].strip().upper() for cells in rows for place in places if place < len(cells))
            found = {code for code in codes if code in CURRENCIES} or {self.currency}
        return {exponent(code) for code in found - {UNKNOWN_CURRENCY}}

    def _look(self) -> tuple[bool, str]:
        """Find the delimiter: named by a line `sep=;`, else the one most frequent in the header."""
        wrapper = encoding.decoded(self.path, self._stream, is_utf8=self._text.is_utf8)
        try:
            text = wrapper.readline()
            if match := _SEP.fullmatch(text):
                return True, match[1]
            while line := wrapper.readline():
                is_whole = text.strip(DELIMITERS + '" \r\n') and text.count('"') % 2 == 0
                if is_whole or len(text) > FIELD_LIMIT:
                    break
                text += line
        finally:
            wrapper.detach()
        unquoted = re.sub(r'"[^"]*+"?', "", text)
        return False, max(DELIMITERS, key=unquoted.count)

    def _first_row(self) -> Sequence[str]:
        with self._records(0) as (records, end):
            for cells in records:
                self._header_row += 1
                if end.reached and cells != [_END]:
                    where = f"row {self._header_row}"
                    raise InputFileError(
                        f'{self.path}: {where} opens a quote (") that is never closed: export it again'
                    )
                if any(cells) and not end.reached:
                    return cells
        raise InputFileError(f"{self.path}: the file is empty: export it again")

    @contextmanager
    def _records(self, skip: int) -> Iterator[tuple[Iterator[list[str]], "_End"]]:
        """Lend the cells of every row behind the first `skip`. What was read once the end was reached bears `_END`."""
        wrapper = encoding.decoded(self.path, self._stream, is_utf8=self._text.is_utf8)
        end = _End()
        if self._has_sep:
            wrapper.readline()
        reader = csv.reader(chain(wrapper, end), delimiter=self._delimiter)
        records: Iterator[list[str]] = reader
        if self._skipped:
            records = ([original(cell) for cell in cells[self._skipped :]] or cells for cells in reader)
        try:
            for _ in range(skip):
                next(reader)
            yield records, end
        except csv.Error as error:
            limit = " (is a quote never closed?)" if "limit" in str(error) else ""
            raise InputFileError(f"{self.path}: line {reader.line_num}: {error}{limit}") from None
        except OSError as error:
            raise unreadable(self.path, error) from None
        finally:
            if not self._stream.closed:
                wrapper.detach()  # the stream is its opener's to close

    def _numbered(self) -> Iterator[tuple[int, Sequence[str]]]:
        number = self._header_row
        with self._records(self._header_row) as (records, end):
            for cells in records:
                number += 1
                if not end.reached:
                    yield number, cells
                elif cells != [_END]:
                    yield number, (*cells[:-1], cells[-1].removesuffix(_END))

    def _fitting(self, cells: Sequence[str]) -> Sequence[str]:
        width = len(self.header.columns)
        return cells if any(cells[width:]) else cells[:width]

    def _uneven(self, number: int, cells: Sequence[str]) -> Row | RowError:
        width = len(self.header.columns)
        cells = self._fitting(cells)
        if len(cells) == width:
            return number, tuple(cells)
        return RowError(number, "", f"has {len(cells)} cells, the header {width}", tuple(cells))

    def _last(self, number: int, cells: Sequence[str]) -> Row | RowError | Ignored:
        if self._is_totals(number, cells):
            return Ignored(number, "totals")
        width = len(self.header.columns)
        if len(cells) < width and not self._text.ends_in_newline:
            reason = f"is cut off: it has {len(cells)} cells, the header {width}, and the file ends within it"
            return RowError(number, "", reason, tuple(cells))
        return self._uneven(number, cells)

    def _is_totals(self, number: int, cells: Sequence[str]) -> bool:
        """Say whether a last row adds up the others: it says so, or it holds nothing but sums of the rows above."""
        first = next(cell for cell in cells if cell).strip()
        if _TOTALS.fullmatch(first.rstrip(" :")):
            return True
        if cells[0].strip():
            return False
        sums = {place: _amount(cell) for place, cell in enumerate(cells) if cell.strip()}
        if None in sums.values():
            return False
        added = dict.fromkeys(sums, Decimal(0))
        for row, above in self._numbered():
            if row < number:
                for place in sums:
                    added[place] += (_amount(above[place]) if place < len(above) else None) or 0
        return any(added[place] == amount != 0 for place, amount in sums.items())


class _End:
    """One more line behind the last; knows whether it was read."""

    def __init__(self) -> None:
        self.reached = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.reached:
            raise StopIteration
        self.reached = True
        return _END


def _checked(mapping: Mapping[str, str], header: Header) -> Mapping[str, str]:
    """Return the mapping in lower case. Raises UsageError, and InputFileError for a column the file does not have."""
    found: dict[str, str] = {}
    for theirs, ours in mapping.items():
        name, target = theirs.strip().lower(), ours.strip().lower()
        if name not in header.names:
            meant = did_you_mean(name, header.tellable)
            raise InputFileError(f'{header.path}: --map: column "{theirs}" is missing{meant}')
        if target in found.values():
            other = next(key for key, value in found.items() if value == target)
            raise UsageError(f'--map: both "{other}" and "{theirs}" are mapped to "{ours}"')
        found[name] = target
    return found


def _is_undecided(cell: str) -> bool:
    try:
        read_amount(cell)
    except AmbiguousAmountError:
        return True
    except ValueError:
        pass
    return False


def _amount(text: str) -> Decimal | None:
    try:
        return read_amount(text)
    except ValueError:
        return None


def open_binary(path: Path) -> io.BufferedReader:
    """Open a file for reading, or say in one line why not."""
    name = os.fsencode(path).decode("utf-8", "replace")
    if name != str(path):
        raise InputFileError(f"{name}: the file's name is not UTF-8: rename it, then import it")
    try:
        if path.is_dir():
            raise InputFileError(f"{path}: is a folder: name the files in it")
        if path.exists() and not path.is_file():
            raise InputFileError(f"{path}: is no file that can be read twice: save it to disk, then import it")
        return path.open("rb")
    except FileNotFoundError:
        raise InputFileError(f"{path}: no such file") from None
    except OSError as error:
        raise unreadable(path, error) from None


def digest(path: Path, stream: io.BufferedReader) -> str:
    """Return the SHA-256 of the whole file, and go back to its start."""
    try:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
    except OSError as error:
        raise unreadable(path, error) from None
    return found

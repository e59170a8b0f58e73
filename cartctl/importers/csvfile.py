"""Reading a CSV file: its header, and rows with the numbers a spreadsheet shows. Knows no format."""

import codecs
import csv
import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartctl.errors import InputFileError
from cartctl.importers.records import RowError
from cartctl.importers.rejects import REASONS, original

FIELD_LIMIT = 1_000_000
"""Characters in one cell; more is no cell but a missing quote."""
_END = "\0"
"""Put behind the last line: where it ends up inside a cell, that cell's quote was never closed."""


@dataclass(frozen=True)
class Header:
    """The first row. Column names are compared in lower case, without surrounding space."""

    path: Path
    columns: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(column.strip().lower() for column in self.columns)

    def positions(self) -> Mapping[str, int]:
        """Return where each column stands; the first of two with one name."""
        found: dict[str, int] = {}
        for position, column in enumerate(self.columns):
            found.setdefault(column.strip().lower(), position)
        return found


class CsvFile:
    """One open file. Its rows can be read once.

    Of a file of rejected rows the reasons are left out, and the rows are what they were before `rejects` wrote them.
    """

    def __init__(self, path: Path, stream: io.BufferedReader) -> None:
        csv.field_size_limit(FIELD_LIMIT)
        self.path = path
        _refuse_binary(path, stream.peek(1024))
        self._lines = self._decoded(stream)
        self._reader = csv.reader(self._lines)
        self._row = 0
        columns: Sequence[str] = ()
        for columns in self._records():
            self._row += 1
            if any(columns):
                break
        if not any(columns):
            raise InputFileError(f"{path}: the file is empty: export it again")
        if columns[-1].endswith(_END):
            raise InputFileError(f'{path}: row {self._row} opens a quote (") that is never closed: export it again')
        self._skipped = len(REASONS) if tuple(columns[: len(REASONS)]) == REASONS else 0
        self.header = Header(path, tuple(columns[self._skipped :]))

    def rows(self) -> Iterator[tuple[int, tuple[str, ...]] | RowError]:
        """Yield (row number, cells); a RowError for a row with too few or too many cells. Blank rows come as ()."""
        width = len(self.header.columns)
        for cells in self._records():
            self._row += 1
            if self._skipped:
                cells = [original(cell) for cell in cells[self._skipped :]]  # noqa: PLW2901 - the row as it was
            if cells and cells[-1].endswith(_END):
                raw = (*cells[:-1], cells[-1].removesuffix(_END))
                yield RowError(self._row, "", 'opens a quote (") that is never closed', raw)
            elif not any(cells):
                yield self._row, ()
            elif len(cells) == width or (len(cells) > width and not any(cells[width:])):
                yield self._row, tuple(cells[:width])
            else:
                yield RowError(self._row, "", f"has {len(cells)} cells, the header {width}", tuple(cells))

    def _records(self) -> Iterator[Sequence[str]]:
        """Yield the cells of every row. What was read after a quote that is never closed still bears `_END`."""
        try:
            for cells in self._reader:
                if cells != [_END]:
                    yield cells
        except csv.Error as error:
            limit = " (is a quote never closed?)" if "limit" in str(error) else ""
            raise InputFileError(f"{self.path}: line {self._reader.line_num}: {error}{limit}") from None
        except UnicodeDecodeError as error:
            raise InputFileError(
                f"{self.path}: is not UTF-8 (byte {error.object[error.start]:#04x}): save it as UTF-8, then import it"
            ) from None
        except OSError as error:
            raise _unreadable(self.path, error) from None

    def _decoded(self, stream: io.BufferedReader) -> Iterator[str]:
        wrapper = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            for line in wrapper:
                if "\0" in line:
                    raise InputFileError(f"{self.path}: is no text file: expected a CSV export")
                yield line
            yield _END
        finally:
            if not stream.closed:
                wrapper.detach()  # the stream is its opener's to close


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
        raise _unreadable(path, error) from None


def digest(path: Path, stream: io.BufferedReader) -> str:
    """Return the SHA-256 of the whole file, and go back to its start."""
    try:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
    except OSError as error:
        raise _unreadable(path, error) from None
    return found


def _unreadable(path: Path, error: OSError) -> InputFileError:
    return InputFileError(f"{path}: cannot be read: {error.strerror}")


def _refuse_binary(path: Path, start: bytes) -> None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputFileError(f"{path}: is UTF-16: save it as UTF-8, then import it")
    if b"\0" in start:
        raise InputFileError(f"{path}: is no text file: expected a CSV export")

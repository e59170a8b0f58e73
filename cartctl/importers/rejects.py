"""The file of rejected rows: why each was rejected, then the row as it was, so that it can be mended and imported.

Rows of CSV go into CSV, records of JSON into JSON Lines.
"""

import contextlib
import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self, TextIO

import msgspec

from cartctl.errors import UnwritableFileError
from cartctl.importers.records import RowError

REASONS = ("rejected_file", "rejected_row", "rejected_column", "rejected_reason")
"""The columns before the row's own; an import of the mended file skips them."""
RECORD = "record"
"""Where the rejected record of a JSON file stands, behind the reasons."""
_NUMBER = re.compile(r"[-+]?[\d.,]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Rejects:
    """The rejected rows of one file, written beside it as they come; `keep` makes the file appear, in full.

    Without a rejected row there is no file. Use it as a context manager: what is not kept is removed.
    """

    def __init__(self, path: Path, source: str, columns: Sequence[str] | None) -> None:
        """`columns` are those of the rows; None: `raw` of what is added is the text of one JSON record."""
        self.path = path
        self.count = 0
        self.first = ""
        self._source, self._columns = source, columns
        self._partial = path.with_name(path.name + ".part")
        self._stream: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):  # on a full disk: what led here has already been said
                self._stream.close()
            self._partial.unlink(missing_ok=True)

    def add(self, error: RowError) -> None:
        """Write one rejected row. Raises UnwritableFileError where the folder cannot be written to."""
        self.count += 1
        if not self.first:
            self.first = (
                f"row {error.row}, {error.column}: {error.reason}"
                if error.column
                else f"row {error.row} {error.reason}"
            )
        try:
            if self._stream is None:
                self._stream = self._partial.open("w", encoding="utf-8", newline="")
                if self._columns is not None:
                    self._write([*REASONS, *self._columns])
            reasons = (self._source, str(error.row), error.column, error.reason)
            if self._columns is None:
                self._stream.write(_json_line(reasons, "".join(error.raw)))
            else:
                self._write([*reasons, *error.raw])
        except OSError as fault:
            raise self._error(fault) from None

    def keep(self) -> None:
        """Let the file appear under its name, replacing an older one."""
        if self._stream is None:
            return
        try:
            self._stream.close()
            self._partial.replace(self.path)
        except OSError as fault:
            raise self._error(fault) from None

    def _write(self, cells: Sequence[str]) -> None:
        assert self._stream is not None
        csv.writer(self._stream).writerow([harmless(cell) for cell in cells])

    def _error(self, fault: OSError) -> UnwritableFileError:
        return UnwritableFileError(f"{self.path}: the rejected rows cannot be written: {fault.strerror}; see --rejects")


def _json_line(reasons: Sequence[str], text: str) -> str:
    """The record stands there as it was, on one line; what is no JSON stands there as a text."""
    try:
        msgspec.json.decode(text.encode())
        record = msgspec.json.format(text, indent=-1)
    except (ValueError, RecursionError):
        record = msgspec.json.encode(text).decode()
    fields = zip(REASONS, reasons, strict=True)
    return (
        "{"
        + "".join(f'"{name}":{msgspec.json.encode(value).decode()},' for name, value in fields)
        + (f'"{RECORD}":{record}}}\n')
    )


def harmless(cell: str) -> str:
    """Keep a spreadsheet from running a cell as a formula: a leading ' makes it text."""
    if cell.lstrip("'").startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def original(cell: str) -> str:
    """Undo `harmless`: an id such as @anna must come back as it was."""
    if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA):
        return cell[1:]
    return cell

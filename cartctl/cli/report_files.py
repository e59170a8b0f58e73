"""Files that reports are written into: nothing but an earlier report is replaced, and that in one step."""

import csv
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from cartctl.config import Loaded
from cartctl.errors import UnwritableFileError, UsageError

if TYPE_CHECKING:
    from cartctl.jobs.report.sheets import Cell, Sheet

_MARKS = frozenset({"recovery_rate", "orders_rate", "treated_rate", "redeemed", "rates_of"})
"""Columns of which each table of a report has one, and no file of a shop."""
_HEADING = "<h1>What became of abandoned carts</h1>"
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def write_page(loaded: Loaded, path: Path, page: str) -> None:
    _replace(loaded, path, page, option="--html", is_ours=_is_page)


def write_sheet(loaded: Loaded, path: Path, sheet: "Sheet") -> None:
    """Write a table as CSV: amounts as decimals, rates from 0 to 1, dates as 2026-11-01.

    A text that a spreadsheet would compute gets an apostrophe before it.
    """
    stream = StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(column.title for column in sheet.columns)
    writer.writerows([[_as_text(cell) for cell in row] for row in sheet.rows])
    _replace(loaded, path, stream.getvalue(), option="--csv", is_ours=_is_table)


def _as_text(cell: "Cell") -> str:
    if isinstance(cell, str) and cell.startswith(_FORMULAS):
        return f"'{cell}"
    return str(cell) if cell is not None else ""


def _replace(loaded: Loaded, path: Path, text: str, *, option: str, is_ours: Callable[[str], bool]) -> None:
    """Replace the file in one step: who opens it finds the old report or the new."""
    partial = None
    try:
        target = path.resolve()
        if target in {file.resolve() for file in (loaded.sqlite_file, loaded.file, loaded.lock_file) if file}:
            raise UsageError(f"{option}: {path} is a file that cartctl works with: name another one")
        if target.exists():
            if not target.is_file():
                raise UsageError(f"{option}: {path} is no file: name one, such as report.{option[2:]}")
            if not is_ours(target.read_text(encoding="utf-8", errors="replace")):
                raise UsageError(f"{option}: {path} is there and is no earlier report: name another file, or remove it")
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        with beside.open("x", encoding="utf-8", newline="") as stream:
            partial = beside
            stream.write(text)
        partial.replace(target)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        if partial:
            partial.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else "its links lead nowhere"
        raise UnwritableFileError(
            f"{option}: {path} cannot be written: {reason}: name a file in a folder that may be written to"
        ) from None


def _is_page(text: str) -> bool:
    return not text or (text.startswith("<!doctype html>") and _HEADING in text)


def _is_table(text: str) -> bool:
    return not text or not _MARKS.isdisjoint(text.split("\n", 1)[0].strip().split(","))

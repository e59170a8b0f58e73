"""Times such as 03/04/2026 10:30: which number is the day, decided by the whole file, never guessed cell by cell.

A number above 12 decides for the column; dots (03.04.2026) stand with the day first, and a year in front decides for
itself. A time without an hour is the end of its day: an order must not seem older than the cart it bought.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time

from cartctl.errors import InputFileError
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.fields import FieldError
from cartctl.importers.records import Context, Note

_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T,]+(.+))?")
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T]+(.+))?")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?\s*([AaPp]\.?[Mm]\.?)?")
_END_OF_DAY = time(23, 59, 59)


@dataclass
class WallClock:
    """How a file writes its times. `day_first` is None where no date of the file can be read in two ways."""

    context: Context
    day_first: bool | None = None
    without_hour: bool = False
    """Whether a time without an hour has been read."""

    @classmethod
    def of(cls, file: CsvFile, columns: Iterable[str], context: Context) -> "WallClock":
        """Look through the columns (lower case) until a date decides, else go by `context.day_first`.

        A date with the year in front decides that there is nothing to look for. Raises InputFileError where a date is
        found that may be read in two ways, and nothing tells which.
        """
        positions = [place for column in columns if (place := file.header.positions().get(column)) is not None]
        doubtful = ""
        for row in file.rows():
            if not isinstance(row, tuple):
                continue
            for place in positions:
                cell = row[1][place] if row[1] else ""
                match = _DATE.fullmatch(cell.strip())
                if match is None and not doubtful and _ISO.fullmatch(cell.strip()):
                    return cls(context, context.day_first)
                if match is None or match[2] == ".":
                    continue
                if (decided := _day_first(match)) is not None:
                    return cls(context, decided)
                if match[1] != match[3]:
                    doubtful = doubtful or re.split(r"[ T,]", match[0])[0]
        if doubtful and context.day_first is None:
            raise InputFileError(
                f'{file.path}: "{doubtful}" may be a day and a month or a month and a day, and no date of the file '
                f"tells: {_advice(context)}, or export more days, so that one is after the 12th"
            )
        return cls(context, context.day_first)

    def instant(self, text: str, column: str) -> datetime:
        """Read one cell. Raises FieldError, also for a date that contradicts the rest of the file."""
        value = text.strip()
        if match := _ISO.fullmatch(value):
            year, month, day, clock = match.groups()
        elif match := _DATE.fullmatch(value):
            day, dot, month, year, clock = match.groups()
            if self.day_first is None and dot != "." and day != month:
                raise FieldError(
                    column, f'"{value}" may be a day and a month or a month and a day: {_advice(self.context)}'
                )
            if dot != "." and not self.day_first:
                day, month = month, day
        else:
            return fields.instant(value, column, self.context)
        self.without_hour |= not clock
        if clock and not _CLOCK.fullmatch(clock):  # fractions, offsets: what ISO 8601 has beyond this
            return fields.instant(f"{year}-{month:0>2}-{day:0>2} {clock}", column, self.context)
        try:
            moment = datetime.combine(date(int(year), int(month), int(day)), _clock(clock))
        except ValueError:
            raise FieldError(column, f'"{value}" is no time{self._contradiction(match)}') from None
        return fields.instant(moment.isoformat(), column, self.context)

    def optional_instant(self, text: str, column: str) -> datetime | None:
        return None if fields.is_blank(text) else self.instant(text, column)

    def notes(self) -> Iterator[Note]:
        if self.without_hour:
            yield Note(
                "there are times without an hour, read as the end of their day: a cart of that day counts as bought"
            )

    def _contradiction(self, match: re.Match[str]) -> str:
        if match.re is _ISO or match[2] == "." or self.day_first is None:
            return ""
        order = "the day" if self.day_first else "the month"
        return f" (in this file {order} comes first)"


def _advice(context: Context) -> str:
    return f'set stores.{context.store}.date_order = "day-first" or "month-first"'


def _day_first(match: re.Match[str]) -> bool | None:
    first, second = int(match[1]), int(match[3])
    if first > 12 >= second:
        return True
    return False if second > 12 >= first else None


def _clock(text: str | None) -> time:
    """Read 10:30, 10:30:15 or 2:05 PM. Raises ValueError."""
    if not text:
        return _END_OF_DAY
    match = _CLOCK.fullmatch(text.strip())
    assert match is not None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if match[4][0] in "pP" else 0)
    return time(hour, minute, second)

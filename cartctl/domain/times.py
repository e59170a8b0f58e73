"""Durations, instants and quiet hours. All instants are aware; naive ones are refused."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

YEARS = range(1990, 2200)
"""Shops have existed since; years such as 0001 and 9999 are placeholders."""
Bound = date | datetime | None
"""Of a period: a date is midnight in each store's own zone; None is unbounded."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> timedelta:
    """Read `30m`, `24h`, `2d`, `90s` or a sum such as `1h30m`; `0` too. Raises ValueError."""
    compact = text.strip().replace(" ", "")
    if compact == "0":
        return timedelta(0)
    if not re.fullmatch(r"(\d+[smhd])+", compact):
        raise ValueError(f'"{text}" is no duration (30m, 24h and 2d are)')
    seconds = sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([smhd])", compact))
    if seconds > 10 * 366 * 86400:
        raise ValueError(f'"{text}" is longer than ten years')
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration as people do: 30m, 1h30m, 2d."""
    seconds = int(duration.total_seconds())
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0"


class NoOffsetError(ValueError):
    """A time of the wall clock, and nobody said which wall."""


def parse_instant(text: str, zone: tzinfo | None = None) -> datetime:
    """Read an ISO 8601 time, or `2023-11-05 22:23:29 -0800`, as aware UTC.

    A time without an offset is read in `zone` (the first of two, where clocks were set back);
    without one it raises NoOffsetError. Anything else raises ValueError.
    """
    # "2023-11-05 22:23:29 -0800" is Shopify's; fromisoformat reads it once the inner space is gone.
    compact = re.sub(r"\s+(?=[+-]\d\d:?\d\d$)|\s+(?=(Z|UTC)$)", "", text.strip()).replace("UTC", "Z")
    try:
        instant = datetime.fromisoformat(compact)
    except ValueError:
        raise ValueError(f'"{text}" is no time (2026-11-22T10:30:00+01:00 is)') from None
    if instant.tzinfo is None:
        if zone is None:
            raise NoOffsetError(f'"{text}" has no offset from UTC')
        instant = instant.replace(tzinfo=zone)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f'"{text}" is out of range') from None


def parse_bound(text: str | None, now: datetime, zone: tzinfo = UTC) -> Bound:
    """Read a bound of a period: a date, a time with its offset, or how long ago (`30d`), in YEARS. Raises ValueError.

    Whole weeks are counted back from this week's Monday, on the calendar of `zone`: `0w` is that Monday, `1w` the one
    before.
    """
    if text is None:
        return None
    found = _bound(text, now, zone)
    if found.year not in YEARS:
        raise ValueError(f'"{text}" is not within the years from {YEARS[0]} to {YEARS[-1]}')
    return found


def _bound(text: str, now: datetime, zone: tzinfo) -> date | datetime:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip()):
        return date.fromisoformat(text.strip())
    if match := re.fullmatch(r"(\d{1,3})w", text.strip()):
        today = now.astimezone(zone).date()
        return today - timedelta(days=today.weekday() + 7 * int(match[1]))
    if re.fullmatch(r"(\d+[smhd])+", text.strip()):
        return now - parse_duration(text)
    return parse_instant(text)


def require_aware(instant: datetime) -> datetime:
    """Return the instant in UTC; raise ValueError when it is naive."""
    if instant.tzinfo is None:
        raise ValueError("a naive datetime: every time in cartctl carries its offset")
    return instant.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily window on the shopper's wall clock in which nothing is sent. It may cross midnight."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """Read `22:00-08:00`. Raises ValueError; a window that starts where it ends is refused."""
        match = re.fullmatch(r"\s*(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)\s*", text)
        if match:
            try:
                start, end = (time.fromisoformat(part.zfill(5)) for part in match.groups())
            except ValueError:
                pass
            else:
                if start != end:
                    return cls(start, end)
        raise ValueError(f'"{text}" is no window of hours (22:00-08:00 is)')

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def holds(self, instant: datetime, zone: tzinfo) -> bool:
        """Say whether the wall clock in `zone` stands inside the window: the start belongs to it, the end does not."""
        wall = instant.astimezone(zone).time()
        if self.start < self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end

    def next_open(self, instant: datetime, zone: tzinfo) -> datetime:
        """Return `instant`, or a later one (UTC) at which the window is over.

        It is the window's end, unless the clocks are set just then: the first whole minute outside.
        """
        if not self.holds(instant, zone):
            return instant
        local = instant.astimezone(zone)
        end = datetime.combine(local.date(), self.end, tzinfo=zone)
        if local.time() >= self.end:
            end += timedelta(days=1)
        candidate = end.astimezone(UTC)
        # Clocks set forward or back around the end: step over what is left of the quiet time, and back where the end
        # itself was left out that day.
        minute = timedelta(minutes=1)
        while candidate <= instant or self.holds(candidate, zone):
            candidate += minute
        while candidate - minute > instant and not self.holds(candidate - minute, zone):
            candidate -= minute
        return candidate


def zone_named(name: str) -> ZoneInfo:
    """Return the IANA zone, or raise ValueError."""
    try:
        return ZoneInfo(name.strip())
    except (KeyError, ValueError, OSError):
        raise ValueError(f'"{name}" is no IANA time zone (Europe/Berlin is)') from None

"""What the tables of cartctl.toml are made of: the types of their values, and how those are read."""

import re
from datetime import timedelta
from typing import Any

import msgspec

from cartctl.domain.money import check_currency
from cartctl.domain.times import QuietHours, parse_duration, zone_named


class Secret:
    """A text that shows itself only when asked by name."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def each(self) -> tuple[str, ...]:
        """Return the keys of a list separated by commas: while one is replaced, both count."""
        return tuple(part.strip() for part in self._value.split(",") if part.strip())

    def __repr__(self) -> str:
        return "Secret('…')"

    def __bool__(self) -> bool:
        return bool(self._value)


class Duration(timedelta):
    """Written as `30m` or `48h`."""


class Currency(str):
    """An ISO 4217 code."""

    __slots__ = ()


class Country(str):
    """An ISO 3166 code."""

    __slots__ = ()


class ZoneName(str):
    """An IANA time zone."""

    __slots__ = ()


class Hours(str):
    """A daily window, `22:00-08:00`."""

    __slots__ = ()


def hours(**parts: int) -> Duration:
    return Duration(**parts)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}):
    """One table of the file."""


def decode(kind: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {type(value).__name__}")  # not the value: it may be a secret
    if kind is Secret:
        return Secret(value)
    if kind is Duration:
        return Duration(seconds=parse_duration(value).total_seconds())
    if kind is Hours:
        QuietHours.parse(value)
        return Hours(value)
    if kind is Currency:
        return Currency(check_currency(value))
    if kind is Country:
        if not re.fullmatch("[A-Za-z]{2}", value):
            raise ValueError(f'"{value}" is no ISO 3166 country code (two letters, such as DE)')
        return Country(value.upper())
    if kind is ZoneName:
        return ZoneName(zone_named(value).key)
    raise NotImplementedError(kind)

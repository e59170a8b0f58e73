"""What a sequence must know of a contact: attributes with type, range and default, and checks that hold between them.

A value comes from a CSV (a text), from JSON (a text, number or truth) or from the command line; `Attribute.read` makes
it what the sequence says it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from cartctl.domain.written import check_keys, check_texts, tables
from cartctl.suggest import did_you_mean

Value = int | Decimal | str | bool | date
TYPES = ("integer", "number", "text", "boolean", "date")
BOOKING = "booking"
"""The attribute that says when somebody has booked: a sequence with "booked" in `stop_when` stops by it."""
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})
_LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute. Without a `default` a contact that lacks it does not fit."""

    name: str
    type: str = "text"
    min: Decimal | None = None
    max: Decimal | None = None
    default: Value | None = None

    def read(self, given: Any) -> Value:
        """Return the value as one of the attribute's type. Raises ValueError, saying what is wrong with it."""
        text = str(given).strip() if not isinstance(given, bool) else str(given).lower()
        match self.type:
            case "integer":
                value: Value = self._whole(text)
            case "number":
                value = self._number(text)
            case "boolean":
                value = _truth(text)
            case "date":
                value = _day(text)
            case _:
                if len(text) > _LONGEST:
                    raise ValueError(f"is longer than {_LONGEST} characters")
                value = text
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            self._in_range(value, text)
        return value

    def _whole(self, text: str) -> int:
        # A spreadsheet writes 3 as 3.0.
        found = self._number(text) if re.fullmatch(r"[+-]?\d{1,18}(\.0+)?", text) else None
        if found is None:
            raise ValueError(f'"{text[:40]}" is no whole number')
        return int(found)

    def _number(self, text: str) -> Decimal:
        try:
            found = Decimal(text)
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite():
            raise ValueError(f'"{text[:40]}" is no number')
        return found

    def _in_range(self, value: int | Decimal, text: str) -> None:
        if self.min is not None and value < self.min:
            raise ValueError(f"{text} is less than {self.min}")
        if self.max is not None and value > self.max:
            raise ValueError(f"{text} is more than {self.max}")


def _truth(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(f'"{text[:40]}" is neither true nor false')


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text[:40]}" is no date (2026-12-01 is)') from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An expression over attributes that must be true, and what is said where it is not."""

    that: str
    otherwise: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is known of a contact, as a sequence declares it; `faults` say what does not fit."""

    values: Mapping[str, Value]
    faults: tuple[str, ...]


def fit(attributes: Mapping[str, Attribute], given: Mapping[str, Any]) -> Fitted:
    """Read what a sequence declares out of what is known of a contact. A blank is none."""
    values: dict[str, Value] = {}
    faults: list[str] = []
    for name, attribute in attributes.items():
        value = given.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if attribute.default is None:
                faults.append(f"{name} is missing")
            else:
                values[name] = attribute.default
            continue
        try:
            values[name] = attribute.read(value)
        except ValueError as error:
            faults.append(f"{name}: {error}")
    return Fitted(values, tuple(faults))


def is_booked(given: Mapping[str, Any]) -> bool:
    """Say whether a contact has booked: their attribute `booking` says anything but no."""
    value = given.get(BOOKING)
    return value is not None and str(value).strip().lower() not in ("", *_FALSE)


def parse_attributes(data: Any) -> dict[str, Attribute]:
    """Read the [attributes.NAME] of a sequence. Raises ValueError."""
    if not isinstance(data, dict) or not all(isinstance(table, dict) for table in data.values()):
        raise ValueError('attributes are tables, such as [attributes.score] with type = "integer"')
    found: dict[str, Attribute] = {}
    for name, table in data.items():
        try:
            found[name] = _attribute(name, table)
        except ValueError as error:
            raise ValueError(f'attribute "{name}": {error}') from None
    return found


def _attribute(name: str, table: Mapping[str, Any]) -> Attribute:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name):
        raise ValueError("a name begins with a letter and is made of a-z, 0-9 and _, 60 at most")
    check_keys(table, required=("type",), optional=("min", "max", "default"))
    kind = table["type"]
    if kind not in TYPES:
        raise ValueError(f'unknown type "{kind}"{did_you_mean(str(kind), TYPES)}')
    bounds = dict(_bounds(kind, table))
    if len(bounds) == 2 and bounds["min"] > bounds["max"]:
        raise ValueError('"min" is more than "max"')
    attribute = Attribute(name=name, type=kind, min=bounds.get("min"), max=bounds.get("max"))
    if "default" not in table:
        return attribute
    try:
        default = attribute.read(table["default"])
    except ValueError as error:
        raise ValueError(f"default: {error}") from None
    return Attribute(name=name, type=kind, min=attribute.min, max=attribute.max, default=default)


def _bounds(kind: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Decimal]]:
    for key in ("min", "max"):
        if key not in table:
            continue
        if kind not in ("integer", "number"):
            raise ValueError(f'"{key}" is of numbers; the type is {kind}')
        if isinstance(table[key], bool) or not isinstance(table[key], int | float):
            raise ValueError(f'"{key}" is a number')
        bound = Decimal(str(table[key]))
        if not bound.is_finite():
            raise ValueError(f'"{key}" is a finite number')
        yield key, bound


def parse_checks(data: Any) -> tuple[Check, ...]:
    """Read the [[check]] of a sequence. Raises ValueError."""
    found: list[Check] = []
    for number, table in enumerate(tables(data, "[[check]]"), start=1):
        try:
            check_keys(table, required=("that", "else"), optional=())
            check_texts(table, ("that", "else"))
        except ValueError as error:
            raise ValueError(f"check {number}: {error}") from None
        found.append(Check(that=table["that"], otherwise=table["else"]))
    return tuple(found)

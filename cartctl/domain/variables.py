"""What the mails of a sequence may say besides what is known anyway: the `[variables]` of its sequence.toml.

A variable is a text or number for everybody, or is made at the time of sending from what is known of the one person.
One that cannot be made, and has no default, keeps the mail back: a letter with a hole in it cannot be taken back.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from cartctl.domain.times import require_aware
from cartctl.suggest import did_you_mean

Value = str | int | float | Decimal | bool | date
"""What a template is handed."""
CONTACT = ("first_name", "business_name")
"""What a variable may name besides the attributes that the sequence declares."""
RESERVED = frozenset(
    "step segment items more_items item_count total brand shop_url postal_address recovery_link unsubscribe_link "
    "link_valid_until link_valid_days coupon first_name business_name logo support support_link support_name colours "
    "language direction start end say".split()
)
"""The names that every template has: a variable cannot be called so."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for everybody."""

    value: Value


@dataclass(frozen=True, slots=True)
class Alias:
    """An attribute of the contact, under another name."""

    attribute: str


@dataclass(frozen=True, slots=True)
class DaysUntil:
    """How many days are left until that day, 0 on it, by the calendar of the contact's zone. Not made after it."""

    day: date


@dataclass(frozen=True, slots=True)
class Thousands:
    """A number, in whole thousands, rounded half up. Not made where that is none."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    source: Constant | Alias | DaysUntil | Thousands
    default: Value | None = None
    """What it is where it cannot be made; None: then the mail waits."""


class UnresolvedError(ValueError):
    """A variable without a default cannot be made; names it and says why. Holds nothing of the contact's."""


def parse_variables(table: Any, attributes: Collection[str]) -> tuple[Variable, ...]:
    """Check the `[variables]` of a sequence that declares these attributes. Raises ValueError."""
    if not isinstance(table, dict):
        raise ValueError('variables is a table, such as [variables] with booking_url = "https://…" in it')
    found: list[Variable] = []
    for name, written in table.items():
        try:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name):
                raise ValueError("a name is made of a-z, 0-9 and _, and begins with a letter")
            if name in RESERVED:
                raise ValueError("every template has this name already: take another one")
            if name in attributes:
                raise ValueError("an attribute is called so, and templates know it by that name")
            found.append(_variable(name, written, (*CONTACT, *attributes)))
        except ValueError as error:
            raise ValueError(f'variable "{name}": {error}') from None
    return tuple(found)


def resolve(
    variables: Collection[Variable], attributes: Mapping[str, Any], *, now: datetime, zone: tzinfo
) -> dict[str, Value]:
    """Return what each variable is for one contact at `now` (aware), the time of sending.

    `attributes` holds what is known of the contact: what is missing, None or "" is unknown. Raises UnresolvedError.
    """
    today = require_aware(now).astimezone(zone).date()
    values: dict[str, Value] = {}
    for variable in variables:
        try:
            values[variable.name] = _made(variable.source, attributes, today)
        except UnresolvedError as error:
            if variable.default is None:
                raise UnresolvedError(f'variable "{variable.name}": {error}, and it has no default') from None
            values[variable.name] = variable.default
    return values


def _variable(name: str, written: Any, attributes: tuple[str, ...]) -> Variable:
    if not isinstance(written, dict):
        return Variable(name, Constant(_value(written)))
    sources = ("attribute", "days_until", "thousands")
    for key in written:
        if key not in (*sources, "default"):
            raise ValueError(f'unknown key "{key}"{did_you_mean(key, (*sources, "default"))}')
    named = [key for key in sources if key in written]
    if len(named) != 1:
        raise ValueError(f"say one of {', '.join(sources)}, and a default if there is one")
    default = _value(written["default"]) if "default" in written else None
    of = written[named[0]]
    if named == ["days_until"]:
        return Variable(name, DaysUntil(_day(of)), default)
    if of not in attributes:
        raise ValueError(f'{named[0]}: unknown attribute "{of}"{did_you_mean(str(of), attributes)}')
    return Variable(name, Alias(of) if named == ["attribute"] else Thousands(of), default)


def _value(written: Any) -> Value:
    if not isinstance(written, str | int | float):
        raise ValueError('it is a text, a number, or a table such as { attribute = "first_name", default = "there" }')
    return written


def _day(written: Any) -> date:
    try:
        return date.fromisoformat(str(written))
    except ValueError:
        raise ValueError(f'days_until: "{written}" is no day, such as "2026-12-24"') from None


def _made(source: Constant | Alias | DaysUntil | Thousands, attributes: Mapping[str, Any], today: date) -> Value:
    match source:
        case Constant(value):
            return value
        case DaysUntil(day):
            if (left := (day - today).days) < 0:
                raise UnresolvedError(f"{day} is over")
            return left
        case Alias(attribute):
            return _known(attributes, attribute)
        case Thousands(attribute):
            if not (whole := _in_thousands(_known(attributes, attribute), attribute)):
                raise UnresolvedError(f'the contact\'s "{attribute}" comes to no thousands')
            return whole


def _in_thousands(value: Value, attribute: str) -> int:
    try:
        return int((Decimal(str(value)) / 1000).to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError):  # a text; NaN; infinity
        raise UnresolvedError(f'the contact\'s "{attribute}" is no number') from None


def _known(attributes: Mapping[str, Any], attribute: str) -> Value:
    value: Value | None = attributes.get(attribute)
    if value is None or value == "":
        raise UnresolvedError(f'the contact has no "{attribute}"')
    return value

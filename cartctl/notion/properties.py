"""Values as properties of a page. What type a property has is Notion's to say: its database's schema decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cartctl.notion.texts import rich_text

Kind = Literal["key", "text", "number", "date", "truth"]
Value = str | int | float | bool | datetime | None

TYPES: Mapping[Kind, tuple[str, ...]] = {
    "key": ("rich_text", "title"),
    "text": ("rich_text", "title", "select", "email"),
    "number": ("number", "rich_text", "select"),
    "date": ("date", "rich_text"),
    "truth": ("checkbox", "rich_text", "select"),
}
"""The types that can hold each kind of value; the first is what is added where a property is missing."""
_LONGEST_OPTION = 100


@dataclass(frozen=True, slots=True)
class Field:
    """A property that is written: what it is called in Notion, and what kind of value it holds."""

    name: str
    kind: Kind


def encode(value: Value, type_: str) -> dict[str, Any]:
    """Return a value as a property of this type; None and "" empty it."""
    match type_:
        case "title" | "rich_text":
            return {type_: rich_text(_text(value))}
        case "select":
            text = " ".join(_text(value).replace(",", " ").split())[:_LONGEST_OPTION]  # no option's name has a comma
            return {"select": {"name": text} if text else None}
        case "email":
            return {"email": value or None}
        case "number":
            return {"number": value}
        case "date":
            return {"date": {"start": value.isoformat()} if isinstance(value, datetime) else None}
        case "checkbox":
            return {"checkbox": bool(value)}
    raise NotImplementedError(type_)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)

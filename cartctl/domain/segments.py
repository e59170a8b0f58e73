"""Segments: ordered rules over a contact's attributes. The first that holds is the contact's; the last holds always."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cartctl.domain.targets import refused_alert
from cartctl.domain.written import check_keys, check_texts, tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A kind of contact. `key` is permanent: enrollments and the names of templates refer to it."""

    key: str
    when: str = ""
    """An expression over attributes; "": whoever no earlier segment took."""
    priority: int
    """1 is seen to first."""
    description: str = ""
    action: str = ""
    """What a person should do about such a contact."""
    alert: str = ""
    """Who is told of each: `webhook:URL`, `mail:ADDRESS`, or a name in [alerts] of the configuration."""


def parse_segments(data: Any) -> tuple[Segment, ...]:
    """Read the [[segment]] of a sequence. Raises ValueError."""
    found: list[Segment] = []
    rows = tables(data, "[[segment]]")
    for number, table in enumerate(rows, start=1):
        label = f'segment "{table["key"]}"' if isinstance(table.get("key"), str) else f"segment {number}"
        try:
            segment = _segment(table, number)
            if any(segment.key == other.key for other in found):
                raise ValueError("this key stands twice")
            if not segment.when and number < len(rows):
                raise ValueError('"when" is missing: only the last segment takes whoever is left')
            if segment.when and number == len(rows):
                raise ValueError('the last segment takes whoever is left: it has no "when"')
        except ValueError as error:
            raise ValueError(f"{label}: {error}") from None
        found.append(segment)
    return tuple(found)


def _segment(table: Mapping[str, Any], number: int) -> Segment:
    check_keys(table, required=("key",), optional=("when", "priority", "description", "action", "alert"))
    check_texts(table, ("key", "when", "description", "action", "alert"))
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", table["key"]):
        raise ValueError("a key is made of a-z, 0-9, - and _, 60 at most")
    if "alert" in table and (complaint := refused_alert(table["alert"])):
        raise ValueError(f"alert: {complaint}")
    priority = table.get("priority", number)
    if isinstance(priority, bool) or not isinstance(priority, int) or priority < 1:
        raise ValueError('"priority" is a whole number from 1 on')
    return Segment(
        key=table["key"],
        when=table.get("when", ""),
        priority=priority,
        description=table.get("description", ""),
        action=table.get("action", ""),
        alert=table.get("alert", ""),
    )

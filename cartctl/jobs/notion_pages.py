"""What the pages in Notion show of a contact in a sequence, and of a message: the values, not Notion's form of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row

from cartctl.domain.sequences import Sequence
from cartctl.notion.properties import Field, Kind, Value
from cartctl.store import enrollments

_KINDS: Mapping[str, Kind] = {"integer": "number", "number": "number", "boolean": "truth"}
"""By the type that a sequence gives an attribute; all others are texts."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """Where one kind of page lives, and what its properties are called there: ours -> theirs; "" is not shown."""

    kind: Literal["contact", "message", "template"]
    setting: str
    database: str
    data_source: str | None = None
    properties: Mapping[str, str]
    mail: str = ""
    """The pattern of a mail's property, such as `Mail {n} sent`."""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.properties["id"]


def contact_fields(names: Names, sequences: Mapping[str, Sequence]) -> dict[str, Field]:
    """Return the properties of a contact's page, under our names for them."""
    kinds: dict[str, Kind] = {"id": "key", "test": "truth"}
    found = {ours: Field(theirs, kinds.get(ours, "text")) for ours, theirs in names.properties.items()}
    for sequence in sequences.values():
        for attribute in sequence.attributes.values():
            theirs = names.attributes.get(attribute.name, attribute.name.replace("_", " ").capitalize())
            found[f"attribute {attribute.name}"] = Field(theirs, _KINDS.get(attribute.type, "text"))
    if names.mail:
        for n in range(1, max((len(sequence.steps) for sequence in sequences.values()), default=0) + 1):
            found[f"mail {n}"] = Field(names.mail.replace("{n}", str(n)), "date")
    return {ours: one for ours, one in found.items() if one.name}


def message_fields(names: Names) -> dict[str, Field]:
    kinds: dict[str, Kind] = {"id": "key", "at": "date", "test": "truth"}
    return {ours: Field(theirs, kinds.get(ours, "text")) for ours, theirs in names.properties.items() if theirs}


def contact_values(row: Row[Any], sequence: Sequence, sent: Mapping[str, datetime]) -> dict[str, Value]:
    """Return what is shown of a contact in a sequence. `sent`: when each of its steps was accepted."""
    numbers = {step.key: n for n, step in enumerate(sequence.steps, start=1)}
    reached = {numbers[step]: at for step, at in sent.items() if step in numbers}
    known = json.loads(row.attributes or "{}")
    return {
        "name": row.first_name or row.business_name or row.email_normalised.partition("@")[0],
        "email": row.email_normalised,
        "business": row.business_name,
        "sequence": row.sequence,
        "segment": row.segment,
        "phase": phase(row, max(reached, default=0)),
        "test": bool(row.is_test),
        **{f"attribute {name}": _attribute(sequence, name, known) for name in sequence.attributes},
        **{f"mail {n}": at for n, at in reached.items()},
    }


def _attribute(sequence: Sequence, name: str, known: Mapping[str, Any]) -> Value:
    attribute = sequence.attributes[name]
    given = known.get(name)
    try:
        value = attribute.default if given in (None, "") else attribute.read(given)
    except ValueError:
        return None  # it did fit when they were enrolled; the sequence has changed
    if value is None or isinstance(value, str | bool | int):
        return value
    return float(value) if _KINDS.get(attribute.type) == "number" else str(value)  # type: ignore[arg-type]


def phase(row: Row[Any], last: int) -> str:
    """Say where a contact is: `new`, `after mail 3`, `finished`, `stopped: unsubscribed` …"""
    if row.status == enrollments.LIVE:
        return f"after mail {last}" if last else "new"
    if row.status == enrollments.CANCELLED:
        return f"stopped: {row.reason}"
    return str(row.status)


def message_values(row: Row[Any]) -> dict[str, Value]:
    """Return what is shown of a message."""
    return {
        "name": f"{row.step} to {row.email_normalised}",
        "contact": row.email_normalised,
        "sequence": row.sequence,
        "step": row.step,
        "state": f"{row.state}: {row.reason}" if row.reason else row.state,
        "at": row.sent_at or row.changed_at,
        "receipt": row.receipt,
        "test": bool(row.is_test),
    }

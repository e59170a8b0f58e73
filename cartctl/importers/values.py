"""One value of a JSON record at a time: as the text that `fields` reads, or a FieldError that names its path.

A path is written `customer.first_name`. What is missing, null or inside something of another shape reads as blank: the
shops' documents leave out what they have not got.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cartctl.importers.fields import FieldError

_MAX_DIGITS = 40
"""Digits of a number written out; a longer one stays in scientific notation, and is refused wherever it is read."""

Record = Mapping[str, Any]


def value(record: Any, path: str) -> Any:
    """Return what stands at the path; None where nothing does."""
    for name in path.split(".") if "." in path else (path,):
        if not isinstance(record, dict):  # as JSON has them; to ask for a Mapping costs more than all the rest
            return None
        record = record.get(name)
    return record


def text(record: Record, *paths: str) -> str:
    """Return the first of these values that is not blank, as text: numbers exactly, true and false as such."""
    for path in paths:
        if found := _text(value(record, path), path):
            return found
    return ""


def _text(found: Any, path: str) -> str:
    if found is None:
        return ""
    if isinstance(found, str):
        return found.strip()
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int):
        return str(found)
    if isinstance(found, Decimal):
        plain = found.is_finite() and abs(found.adjusted()) < _MAX_DIGITS and len(found.as_tuple().digits) < _MAX_DIGITS
        return f"{found:f}" if plain else str(found)
    raise FieldError(path, "is a list or an object; expected a text or a number")


def records(record: Record, *paths: str) -> list[Record]:
    """Return the objects of the first list there is; of a GraphQL connection its nodes."""
    for path in paths:
        found = value(record, path)
        if isinstance(found, dict):
            found = found["nodes"] if "nodes" in found else found.get("edges")
        if found is None:
            continue
        if not isinstance(found, list):
            raise FieldError(path, "is no list")
        nodes = [value(entry, "node") or entry for entry in found]
        if not all(isinstance(node, dict) for node in nodes):
            raise FieldError(path, "holds something that is no object ({...})")
        return nodes
    return []


def moment(written: str, column: str) -> str:
    """Return seconds since 1970 as the ISO time they are; any other text as it is."""
    if not written.isascii() or not written.isdigit():
        return written
    try:
        return datetime.fromtimestamp(int(written), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        raise FieldError(column, f'"{written[:40]}" is no time in seconds since 1970') from None


def made_id(*parts: str) -> str:
    """Return an id for what has none: the same parts give the same id, in any file."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Texts(Mapping[str, str]):
    """A flat record by name, every value as text: what `Cells` is to a row of CSV."""

    def __init__(self, record: Record, prefix: str = "") -> None:
        self._record, self._prefix = record, prefix

    def __getitem__(self, name: str) -> str:
        return _text(self._record.get(name), self._prefix + name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._record)

    def __len__(self) -> int:
        return len(self._record)

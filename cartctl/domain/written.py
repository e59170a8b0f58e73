"""What every table of a sequence.toml is held to: no key that is not known, none missing, no blank text."""

from collections.abc import Iterable, Mapping
from typing import Any

from cartctl.suggest import did_you_mean


def check_keys(table: Mapping[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    """Raise ValueError for a key that is not known, or a missing one."""
    known = required + optional
    for key in table:
        if key not in known:
            raise ValueError(f'unknown key "{key}"{did_you_mean(key, known)}')
    for key in required:
        if key not in table:
            raise ValueError(f'"{key}" is missing')


def check_texts(table: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ValueError where one of these keys is there and is no text, or a blank one."""
    for name in names:
        if name in table and not (isinstance(table[name], str) and table[name].strip()):
            raise ValueError(f'"{name}" is a text that is not empty')


def tables(data: Any, what: str) -> list[dict[str, Any]]:
    """Return an array of tables. Raises ValueError where it is none, or empty."""
    if not isinstance(data, list) or not data or not all(isinstance(table, dict) for table in data):
        raise ValueError(f"a sequence needs at least one {what}" if what == "[[step]]" else f"write it as {what}")
    return data

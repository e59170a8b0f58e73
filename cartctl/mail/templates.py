"""The template folders: which sequences there are, and the texts of their steps.

A shop's own folder comes first, the shipped one after it: a file found in the first hides the one in the second.
"""

import tomllib
from collections.abc import Sequence as Ordered
from functools import lru_cache
from pathlib import Path

from cartctl.domain.sequences import Sequence, parse_sequence
from cartctl.errors import ConfigurationError

SEQUENCE_FILE = "sequence.toml"


def load_sequences(folders: Ordered[Path]) -> dict[str, Sequence]:
    """Return all sequences by name. Raises ConfigurationError for a file that is wrong, naming file, step and key."""
    found: dict[str, Sequence] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"templates: {folder} is no folder")
        for path in sorted(folder.glob(f"*/{SEQUENCE_FILE}")):
            name = path.parent.name
            if name not in found:
                found[name] = _parsed(name, _text(path), str(path))
    return found


@lru_cache(maxsize=64)  # a run asks twice; nobody changes what was read
def _parsed(name: str, text: str, where: str) -> Sequence:
    try:
        return parse_sequence(name, tomllib.loads(text), where=where)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where}: not valid TOML: {error}") from None


def text_names(folders: Ordered[Path], sequence: Sequence) -> dict[str, tuple[str, ...]]:
    """Return by step what the names of its texts hold besides its key, such as `@urgent` or `.de`: most have none."""
    names = {
        path.name.removesuffix(path.suffix)
        for folder in folders
        for path in (folder / sequence.name).glob("*")
        if path.suffix in (".mjml", ".txt")
    }
    order = [segment.key for segment in sequence.segments]
    found: dict[str, tuple[str, ...]] = {}
    for step in sequence.steps:
        own = {name.removeprefix(step.key) for name in names if name.startswith((f"{step.key}@", f"{step.key}."))}
        found[step.key] = tuple(sorted(own, key=lambda name: _place(name, order)))
    return found


def _place(name: str, segments: Ordered[str]) -> tuple[str, int, str]:
    """Sort by language, then by segment in the order of the sequence."""
    segment, _, locale = name.partition(".")
    key = segment.removeprefix("@")
    return locale, segments.index(key) if key in segments else len(segments), name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None

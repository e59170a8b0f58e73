"""The template folders: which sequences there are, and the texts of their steps.

A shop's own folder comes first, the shipped one after it: a file found in the first hides the one in the second.
"""

import tomllib
from collections.abc import Sequence as Ordered
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
                found[name] = parse_sequence(name, _read(path), where=str(path))
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None

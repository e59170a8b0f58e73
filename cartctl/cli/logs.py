"""What is said beside a command's result, on standard error: in words, or as JSON, one object a line.

An object bears `ts`, `level`, `event` and ids; whatever looks like an address is blotted out. Standard output stays the
result's, so that `--json` and a log do not meet. No Typer here: see `cli.main`.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from cartctl.domain.identity import without_addresses

Format = Literal["text", "json"]
Level = Literal["info", "warning", "error"]


class Log:
    """The log of this process."""

    def __init__(self) -> None:
        self.format: Format = "text"

    @property
    def is_json(self) -> bool:
        return self.format == "json"

    def tell(self, event: str, *, level: Level = "info", **facts: Any) -> None:
        """Write one object; where the log is in words nothing is written."""
        if self.is_json:
            record = {"ts": datetime.now(UTC).isoformat(), "level": level, "event": event} | facts
            print(json.dumps(_safe(record), ensure_ascii=False), file=sys.stderr, flush=True)

    def complain(self, text: str, *, level: Level = "warning") -> None:
        """Say what went wrong, or wants attention, in either format."""
        if self.is_json:
            self.tell("problem", level=level, text=text)
        else:
            print(f"cartctl: {text}", file=sys.stderr)


LOG = Log()


def _safe(value: Any) -> Any:
    """Blot out addresses wherever they stand: a shop may use one as the id of a cart."""
    if isinstance(value, str):
        return without_addresses(value)
    if isinstance(value, dict):
        return {_safe(key): _safe(inner) for key, inner in value.items()}
    return [_safe(inner) for inner in value] if isinstance(value, list | tuple) else value

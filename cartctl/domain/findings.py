"""What a look at one thing found: well, worth a thought, or broken; in one line that says what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `cartctl doctor`. `check` is its permanent name."""

    check: str
    level: Level
    text: str

    def as_json(self) -> dict[str, str]:
        """Return the documented JSON object."""
        return {"check": self.check, "level": self.level.value, "text": self.text}


def ok(check: str, text: str) -> Finding:
    return Finding(check, Level.OK, text)


def warn(check: str, text: str) -> Finding:
    return Finding(check, Level.WARN, text)


def fail(check: str, text: str) -> Finding:
    return Finding(check, Level.FAIL, text)

"""What a mail provider tells of a mail afterwards, in the one shape that every provider's importer yields."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cartctl.domain.messages import GREATEST_ID

MESSAGE_ID = "cc_message_id"
DATABASE = "cc_database"
"""What every mail of ours carries to its provider; the second is missing on mails of earlier versions."""
KINDS = frozenset(
    """processed delivered deferred bounce dropped open click spamreport unsubscribe group_unsubscribe
    group_resubscribe""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a kind that is known. `email` is folded; it is not to be kept."""

    row: int
    kind: str
    at: datetime | None
    """None: it suppresses, and its time cannot be read."""
    email: str
    message_id: int | None
    """Our own id of the message, where the event bears one."""
    database: str
    """The database whose message it is, as its mail named it; "" where it names none."""
    receipt: str
    """What the provider calls the message, as its answer did; "" where the event does not say."""
    suppresses: str
    """Why this address must not be written to again; "" where it may."""
    detail: str
    """What else is worth keeping; holds no address and no link."""
    content: bytes
    """What makes it the same event elsewhere: all of it but what a repetition may change."""


def message_id(value: object) -> int | None:
    """Read our own argument; whatever else stands there belongs to somebody else's mail."""
    digits = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    return int(digits) if 0 < int(digits) <= GREATEST_ID else None


def digest(content: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).digest()

"""The life of a message: its states, and the only ways between them.

scheduled -> claimed -> sending -> accepted | failed | unknown
scheduled | claimed -> skipped | cancelled
claimed, sending -> scheduled        nothing left the machine, or the transport can tell a repeat
unknown -> accepted | scheduled      an event, an operator, or an idempotent transport knows better
cancelled -> scheduled               the cart was touched, or another came between, and is idle again
"""

from datetime import timedelta
from enum import StrEnum


class MessageState(StrEnum):
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


S = MessageState
TRANSITIONS: dict[MessageState, frozenset[MessageState]] = {
    S.SCHEDULED: frozenset({S.CLAIMED, S.SKIPPED, S.CANCELLED}),
    S.CLAIMED: frozenset({S.SCHEDULED, S.SENDING, S.SKIPPED, S.CANCELLED}),
    S.SENDING: frozenset({S.SCHEDULED, S.ACCEPTED, S.FAILED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.ACCEPTED, S.SCHEDULED}),
    S.CANCELLED: frozenset({S.SCHEDULED}),
    S.ACCEPTED: frozenset(),
    S.SKIPPED: frozenset(),
    S.FAILED: frozenset(),
}

OPEN = frozenset({S.SCHEDULED, S.CLAIMED, S.SENDING})
"""A live enrollment has exactly one message in one of these."""
REACHED = frozenset({S.SENDING, S.ACCEPTED, S.UNKNOWN})
"""May be in the shopper's mailbox: counts for gaps and caps."""
RESUMABLE = frozenset({"reactivated", "superseded"})
"""Reasons of a cancellation that a later abandonment of the same cart takes back."""

MAX_ATTEMPTS = 5


def backoff(attempts: int) -> timedelta:
    """Return the wait after the given number of failed attempts: 1 min, 4 min, 16 min, 64 min …"""
    return timedelta(minutes=4 ** max(0, attempts - 1))

"""The life of a message: its states, and the only ways between them.

scheduled -> claimed -> sending -> accepted | failed | unknown
scheduled | claimed -> skipped | cancelled
claimed, sending -> scheduled        nothing left the machine, or the transport can tell a repeat
scheduled | claimed -> unknown       its answer was lost, it was to be handed over again, and now will not be
unknown -> accepted | scheduled      an event or an operator knows better
cancelled -> scheduled               the cart was touched, or another came between, and is idle again
"""

from datetime import timedelta
from enum import StrEnum
from hashlib import sha256


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
    S.SCHEDULED: frozenset({S.CLAIMED, S.SKIPPED, S.CANCELLED, S.UNKNOWN}),
    S.CLAIMED: frozenset({S.SCHEDULED, S.SENDING, S.SKIPPED, S.CANCELLED, S.UNKNOWN}),
    S.SENDING: frozenset({S.SCHEDULED, S.ACCEPTED, S.FAILED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.ACCEPTED, S.SCHEDULED}),
    S.CANCELLED: frozenset({S.SCHEDULED}),
    S.ACCEPTED: frozenset(),
    S.SKIPPED: frozenset(),
    S.FAILED: frozenset(),
}

GREATEST_ID = 2**63 - 1
"""No database numbers a message beyond it, and neither lets itself be asked for more."""

OPEN = frozenset({S.SCHEDULED, S.CLAIMED, S.SENDING})
"""A live enrollment has exactly one message in one of these."""
REACHED = frozenset({S.SENDING, S.ACCEPTED, S.UNKNOWN})
"""May be in the shopper's mailbox."""
COUNTED = REACHED | OPEN
"""With a `sent_at` it counts for gaps and caps: it was handed over, or its answer was lost and it will be once more."""
RESUMABLE = frozenset({"reactivated", "superseded", "earlier-step"})
"""Reasons of a cancellation that is not for good: the cart is idle again, or the step before it has been sent again."""
STARTED_LATER, SENT_ELSEWHERE = "started-later", "sent-elsewhere"
NOTED = frozenset({STARTED_LATER, SENT_ELSEWHERE})
"""Reasons of messages that were noted when a contact was enrolled, and that nothing here has sent or skipped."""

MAX_ATTEMPTS = 5


def backoff(attempts: int, *, message_id: int) -> timedelta:
    """Return the wait after the given number of failed attempts: 1 min, 4 min, 16 min, 64 min, and up to half more.

    How much more hangs on message and attempt alone: what failed together is not tried again together, and a test
    knows when.
    """
    digest = sha256(f"{message_id}/{attempts}".encode()).digest()
    spread = int.from_bytes(digest[:4], "big") / 2**32
    return timedelta(minutes=4 ** max(0, attempts - 1)) * (1 + spread / 2)

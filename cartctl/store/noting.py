"""Steps that are behind a contact when they are enrolled: left out, or sent elsewhere before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from cartctl.domain.messages import SENT_ELSEWHERE, STARTED_LATER, MessageState
from cartctl.store import messages as messages_store
from cartctl.store.tables import messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A step that is behind a contact who has just been enrolled. `sent_at` None: it is left out."""

    step: str
    sent_at: datetime | None = None


def note(
    connection: Connection, enrollment_id: int, noted: Sequence[Noted], *, contact_id: int, is_test: bool, at: datetime
) -> None:
    """Write down steps that are not to be sent; what was sent elsewhere counts for gaps and caps."""
    for one in noted:
        is_sent = one.sent_at is not None
        state = MessageState.ACCEPTED if is_sent else MessageState.SKIPPED
        reason = SENT_ELSEWHERE if is_sent else STARTED_LATER
        row = {
            "enrollment_id": enrollment_id,
            "contact_id": contact_id,
            "step": one.step,
            "state": state.value,
            "reason": reason,
            "due_at": one.sent_at or at,
            "attempt_at": one.sent_at or at,
            "sent_at": one.sent_at,
            "transport": "elsewhere" if is_sent else "",
            "delivers": is_sent,
            "is_test": is_test,
        }
        id_ = connection.execute(insert(messages).values(row).returning(messages.c.id)).scalar_one()
        messages_store.record(connection, "", [(id_, state.value, reason, "")], at=at)

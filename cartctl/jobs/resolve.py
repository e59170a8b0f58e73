"""What an operator says of messages that are unknown: the provider took them, or it did not and they are sent again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.messages import OPEN, REACHED, MessageState
from cartctl.jobs.rules import Rules
from cartctl.store import contacts, enrollments, events, messages
from cartctl.store.database import Database

S = MessageState


@dataclass(frozen=True, slots=True)
class Resolved:
    """`refused`: why each of the others was left as it was, by id."""

    resolved: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def accept(database: Database, ids: Sequence[int], *, now: datetime) -> Resolved:
    """The provider took them."""
    result = Resolved()
    with database.write(carts="rely") as connection:
        for row in _look(connection, ids, result):
            messages.move(connection, [row.id], S.UNKNOWN, S.ACCEPTED, at=now, reason="operator")
            result.resolved.append(row.id)
    return result


def retry(database: Database, ids: Sequence[int], *, rules: Rules, now: datetime) -> Resolved:
    """The provider did not take them: they are due again, and the step after each waits for it."""
    result = Resolved()
    with database.write(carts="rely") as connection:
        for row in _look(connection, ids, result):
            if reason := _too_late(connection, row, rules, now):
                result.refused[row.id] = reason
                continue
            enrollments.revive(connection, row.enrollment_id)
            messages.cancel_open(connection, [row.enrollment_id], reason="earlier-step", at=now)
            values: dict[str, Any] = {"attempt_at": now, "attempts": 0, "sent_at": None, "first_sent_at": None}
            messages.move(connection, [row.id], S.UNKNOWN, S.SCHEDULED, at=now, reason="operator", **values)
            result.resolved.append(row.id)
    return result


def _look(connection: Connection, ids: Sequence[int], result: Resolved) -> list[Row[Any]]:
    """Lock the messages' contacts; return the messages that are unknown, and refuse the others."""
    contacts.lock(connection, [row.contact_id for row in messages.by_id(connection, ids)])
    found = {row.id: row for row in messages.by_id(connection, ids)}
    unknown: list[Row[Any]] = []
    for id_ in dict.fromkeys(ids):
        row = found.get(id_)
        if row is None:
            result.refused[id_] = "there is no such message"
        elif row.state != S.UNKNOWN:
            result.refused[id_] = f"it is {row.state}, not unknown"
        else:
            unknown.append(row)
    return unknown


def _too_late(connection: Connection, row: Row[Any], rules: Rules, now: datetime) -> str:
    """Say why a message must not be sent any more, or "" where it may."""
    if events.have_any(connection, [row.id]):
        return "the provider has told of it, so it was taken: say --accepted"
    (owner,) = enrollments.with_cart(connection, [row.enrollment_id])
    if owner.status not in (enrollments.LIVE, enrollments.FINISHED):
        return f"its sequence has stopped ({owner.reason})"
    if now > row.due_at + rules.time.grace:
        return "it is past its grace: the shopper would wonder"
    sequence = rules.sequences.get(owner.sequence)
    steps = [step.key for step in sequence.steps] if sequence else []
    if row.step not in steps:
        return "its step is no longer in the sequence"
    later = set(steps[steps.index(row.step) + 1 :])
    siblings = messages.of_enrollment(connection, row.enrollment_id)
    if any(other.step in later and _may_have_reached(other) for other in siblings):
        return "a later step has been sent"
    if any(other.state in (S.CLAIMED, S.SENDING) for other in siblings):
        return "a run is about to send another step: try again in some minutes"
    if owner.status == enrollments.FINISHED and enrollments.another_is_live(connection, row.enrollment_id):
        return "another cart of this shopper is in the sequence"
    return ""


def _may_have_reached(message: Row[Any]) -> bool:
    return message.state in REACHED or (message.state in OPEN and message.sent_at is not None)

"""Messages as an operator looks at them: all of a state, or one with its whole story."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, or_, select

from cartctl.domain.messages import OPEN, MessageState
from cartctl.store.brakes import HELD
from cartctl.store.tables import carts, contacts, enrollments, message_transitions, messages

_SHOWN = (
    select(
        messages,
        enrollments.c.sequence,
        enrollments.c.store,
        enrollments.c.segment,
        func.coalesce(carts.c.channel, "").label("channel"),
        func.coalesce(carts.c.external_id, "").label("cart"),
        contacts.c.email_normalised,
    )
    .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .outerjoin(carts, carts.c.id == enrollments.c.cart_id)
    .join(contacts, contacts.c.id == messages.c.contact_id)
)


def listed(connection: Connection, state: MessageState | None) -> Iterator[Row[Any]]:
    """Yield messages in the order of their ids, with sequence, store, cart and address; never all of them at once."""
    statement = _SHOWN.order_by(messages.c.id).execution_options(yield_per=1000)
    yield from connection.execute(statement if state is None else statement.where(messages.c.state == state.value))


def one(connection: Connection, id_: int) -> Row[Any] | None:
    return connection.execute(_SHOWN.where(messages.c.id == id_)).one_or_none()


def transitions(connection: Connection, id_: int) -> list[Row[Any]]:
    """Return how the message came to be what it is, oldest first."""
    found = select(message_transitions).where(message_transitions.c.message_id == id_)
    return list(connection.execute(found.order_by(message_transitions.c.id)))


def last_transition(connection: Connection) -> int:
    return connection.execute(select(func.max(message_transitions.c.id))).scalar() or 0


def doubts_ended(connection: Connection, since: int, *, at: datetime) -> tuple[int, int]:
    """Count the messages that were unknown and were accepted at `at`, behind a transition; and that became unknown."""
    came, left = message_transitions.c.to_state, message_transitions.c.from_state
    accepted = and_(came == MessageState.ACCEPTED.value, left == MessageState.UNKNOWN.value)
    unknown = and_(
        came == MessageState.UNKNOWN.value, left.in_([MessageState.SCHEDULED.value, MessageState.CLAIMED.value])
    )
    counted = [func.sum(case((which, 1), else_=0)) for which in (accepted, unknown)]
    found: Select[Any] = select(*counted).where(message_transitions.c.id > since, message_transitions.c.at == at)
    first, second = connection.execute(found).one()
    return int(first or 0), int(second or 0)


_ENDS = [MessageState.ACCEPTED.value, MessageState.SKIPPED.value, MessageState.CANCELLED.value]


def ended(connection: Connection) -> Iterator[Row[Any]]:
    """Yield what was accepted, skipped or cancelled, in the order of time, with `at`, `outcome` and `why`.

    A message that was called off for a while and came back is there twice.
    """
    ends = (
        _SHOWN.add_columns(
            message_transitions.c.at,
            message_transitions.c.to_state.label("outcome"),
            message_transitions.c.reason.label("why"),
        )
        .join(message_transitions, message_transitions.c.message_id == messages.c.id)
        .where(message_transitions.c.to_state.in_(_ENDS))
        .order_by(message_transitions.c.at, message_transitions.c.id)
    )
    yield from connection.execute(ends.execution_options(yield_per=1000))


def not_ended(connection: Connection, *, by: datetime) -> Iterator[Row[Any]]:
    """Yield what is in the queue still, though it was due by then: something holds it."""
    waits = or_(messages.c.attempt_at <= by, and_(messages.c.attempt_at >= HELD, messages.c.due_at <= by))
    held = _SHOWN.where(messages.c.state.in_([state.value for state in sorted(OPEN)]), waits)
    yield from connection.execute(held.order_by(messages.c.due_at, messages.c.id))


def count_ended(connection: Connection) -> list[tuple[str, str, int]]:
    """Return how many messages came to each end: (state, reason, number)."""
    state, reason = message_transitions.c.to_state, message_transitions.c.reason
    ends = select(state, reason, func.count()).where(state.in_(_ENDS)).group_by(state, reason)
    return [(to_state, why, count) for to_state, why, count in connection.execute(ends.order_by(state, reason))]

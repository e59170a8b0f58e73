"""Messages as an operator looks at them: all of a state, or one with its whole story."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from cartctl.domain.messages import MessageState
from cartctl.store.tables import carts, contacts, enrollments, message_transitions, messages

_SHOWN = (
    select(
        messages,
        enrollments.c.sequence,
        enrollments.c.store,
        carts.c.external_id.label("cart"),
        contacts.c.email_normalised,
    )
    .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .join(carts, carts.c.id == enrollments.c.cart_id)
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

"""Transitions that are written down at the end of a block."""

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select

from cartctl.domain.messages import MessageState
from cartctl.store import messages
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import message_transitions
from tests.bench.stock import fill
from tests.shop import T0

S = MessageState


def states(database: EngineDatabase) -> list[str]:
    with database.read() as connection:
        return list(
            connection.execute(select(message_transitions.c.to_state).order_by(message_transitions.c.id)).scalars()
        )


def test_they_are_written_in_the_order_in_which_they_came(db: EngineDatabase) -> None:
    fill(db, 1, now=T0, due=timedelta(days=1), items=0)
    with db.write() as connection, messages.transitions_at_once(connection):
        messages.move(connection, [1], S.SCHEDULED, S.CLAIMED, at=T0)
        messages.move(connection, [1], S.CLAIMED, S.SENDING, at=T0)
        messages.move_each(connection, S.SENDING, [messages.Change(id=1, to_state=S.ACCEPTED)], at=T0)
    assert states(db) == ["claimed", "sending", "accepted"]


def test_a_block_that_fails_writes_none_and_leaves_nothing_behind(db: EngineDatabase) -> None:
    fill(db, 1, now=T0, due=timedelta(days=1), items=0)
    with suppress(ZeroDivisionError), db.write() as connection, messages.transitions_at_once(connection):
        messages.move(connection, [1], S.SCHEDULED, S.CLAIMED, at=T0)
        raise ZeroDivisionError
    assert states(db) == []
    with db.write() as connection:
        messages.move(connection, [1], S.SCHEDULED, S.CLAIMED, at=T0)
    assert states(db) == ["claimed"]


def test_a_connection_that_is_lost_meanwhile_hides_nothing(db: EngineDatabase) -> None:
    """SQLAlchemy gives up a connection whose statement a Ctrl-C has interrupted, or whose server is gone."""

    def interrupted() -> None:
        with db.write() as connection, messages.transitions_at_once(connection):
            connection.invalidate()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

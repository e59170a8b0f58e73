"""Which reports were mailed: a mark for each, made before it is handed over."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, select, update

from cartctl.store.sql import insert_new
from cartctl.store.tables import marks


class Stage(StrEnum):
    """How far the mail of a report came."""

    SENDING = "sending"
    """It may or may not have left: whoever made the mark has not settled it."""
    SENT = "sent"


def begin(connection: Connection, mark: str, *, now: datetime) -> Stage | None:
    """Make the mark; return what it says where it stood there before, None where nobody had made it."""
    row = {"name": mark, "value": Stage.SENDING.value, "at": now}
    if insert_new(connection, marks, [row], "name"):
        return None
    return Stage(connection.execute(select(marks.c.value).where(marks.c.name == mark)).scalar_one())


def settle(connection: Connection, mark: str) -> None:
    connection.execute(update(marks).where(marks.c.name == mark).values(value=Stage.SENT.value))


def take_back(connection: Connection, mark: str) -> None:
    """Remove the mark of a mail that certainly did not leave."""
    connection.execute(delete(marks).where(marks.c.name == mark))

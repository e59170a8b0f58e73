"""Whether a transport was failing when the last run left it."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from cartctl.store.sql import insert_missing
from cartctl.store.tables import marks


def is_open(connection: Connection, transport: str) -> bool:
    return connection.execute(select(marks.c.value).where(marks.c.name == _name(transport))).scalar() is not None


def keep(connection: Connection, transport: str, *, is_open: bool, now: datetime) -> None:
    if is_open:
        insert_missing(connection, marks, [{"name": _name(transport), "value": "open", "at": now}], ["name"])
    else:
        connection.execute(delete(marks).where(marks.c.name == _name(transport)))


def _name(transport: str) -> str:
    return f"breaker-{transport}"

"""How many times in a row a transport has failed, and when it last did: what a run leaves to the next."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from cartctl.store.sql import insert_missing
from cartctl.store.tables import marks

_OPEN = {"open": 5}
"""What was written before failures were counted from run to run."""


def failures(connection: Connection, transport: str) -> tuple[int, datetime | None]:
    """Return their number and the time of the last; (0, None): it was well."""
    row = connection.execute(select(marks.c.value, marks.c.at).where(marks.c.name == _name(transport))).first()
    return (_OPEN.get(row.value) or int(row.value), row.at) if row else (0, None)


def keep(connection: Connection, transport: str, *, failures: int, at: datetime) -> None:
    name = _name(transport)
    if not failures:
        connection.execute(delete(marks).where(marks.c.name == name))
        return
    insert_missing(connection, marks, [{"name": name, "value": str(failures), "at": at}], ["name"])
    connection.execute(update(marks).where(marks.c.name == name).values(value=str(failures), at=at))


def _name(transport: str) -> str:
    return f"breaker-{transport}"

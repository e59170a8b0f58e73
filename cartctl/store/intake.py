"""What the endpoint took in and no run has read yet: bodies, in the order of their arrival."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from cartctl.store.sql import chunks
from cartctl.store.tables import intake


def keep(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep bodies: `kind`, `store`, `body` and `received_at` of each."""
    if rows:
        connection.execute(insert(intake), list(rows))


def is_empty(connection: Connection) -> bool:
    return connection.execute(select(intake.c.id).limit(1)).first() is None


def waiting(connection: Connection, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """Return the first so many bodies behind the one with the id `after`."""
    return connection.execute(select(intake).where(intake.c.id > after).order_by(intake.c.id).limit(limit)).all()


def take(connection: Connection, ids: Iterable[int]) -> set[int]:
    """Remove bodies, which the same transaction applies; return those that nobody else had removed."""
    taken: set[int] = set()
    for chunk in chunks(sorted(ids)):
        taken.update(connection.execute(delete(intake).where(intake.c.id.in_(chunk)).returning(intake.c.id)).scalars())
    return taken

"""What every store module needs: long IN lists in pieces, and inserts that leave what is there alone."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table

CHUNK = 500
"""Values per IN list: few statements, and far from SQLite's limit of 32,766 parameters."""

_T = TypeVar("_T")


def chunks(values: Sequence[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def insert_missing(connection: Connection, table: Table, rows: list[dict[str, Any]], key: list[str]) -> None:
    """Insert rows; where `key` exists already the old row stays. Safe beside another process doing the same."""
    if not rows:
        return
    connection.execute(_insert_or_leave(connection, table, key), rows)


def insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]], column: str, *more: str) -> set[Any]:
    """Do as `insert_missing` with the key (`column`, *more); return the `column` of the rows that were inserted."""
    if not rows:
        return set()
    statement = _insert_or_leave(connection, table, [column, *more]).returning(table.c[column])
    return set(connection.execute(statement, rows).scalars())


def _insert_or_leave(connection: Connection, table: Table, key: list[str]) -> Insert:
    """Only the dialect in use is imported: the other one costs every tick 50 ms."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_postgresql

        return insert_postgresql(table).on_conflict_do_nothing(index_elements=key)
    from sqlalchemy.dialects.sqlite import insert as insert_sqlite

    return insert_sqlite(table).on_conflict_do_nothing(index_elements=key)

"""What every store module needs: long lists of values, and inserts that leave what is there alone."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Insert,
    Integer,
    Table,
    Text,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

CHUNK = 500
"""Values per IN list: few statements, and far from SQLite's limit of 32,766 parameters."""

_T = TypeVar("_T")


def chunks(values: Sequence[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


class _Values(TypeDecorator[Sequence[Any]]):
    """A list as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, numbers: bool) -> None:
        super().__init__()
        self.numbers = numbers

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        array = dialect.name == "postgresql"
        return dialect.type_descriptor(ARRAY(BigInteger() if self.numbers else Text()) if array else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return list if dialect.name == "postgresql" else _json


def _json(values: Sequence[Any]) -> str:
    return json.dumps(list(values))


class _Among(FunctionElement[bool]):
    inherit_cache = True
    type = Boolean()

    def self_group(self, against: OperatorType | None = None) -> Any:
        return self  # on SQLite SQLAlchemy would write `… = 1` behind it, and no index would serve


@compiles(_Among)
def _any_of_array(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, values = (compiler.process(clause, **more) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, values = (compiler.process(clause, **more) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


def among(column: Column[Any], name: str = "ids") -> ColumnElement[bool]:
    """`column IN` the list that is handed over as parameter `name`.

    For what every turn of the sending loop asks: however many values there are, the statement is the same text, which
    neither SQLAlchemy nor the database has to work out anew.
    """
    numbers = isinstance(column.type, Integer)
    return _Among(column, bindparam(name, type_=_Values(numbers)))


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

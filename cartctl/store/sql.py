"""What every store module needs: lists and rows as one parameter, and inserts that leave what is there alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
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
    String,
    Subquery,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

from cartctl.store.instants import to_micros

CHUNK = 500
"""Values per IN list: few statements, and far from SQLite's limit of 32,766 parameters."""

_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode


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
    return _encode(list(values)).decode()


def _parts(element: FunctionElement[Any], compiler: SQLCompiler, more: dict[str, Any]) -> Iterator[str]:
    return (compiler.process(clause, **more) for clause in element.clauses)


class _Among(FunctionElement[bool]):
    inherit_cache = True
    type = Boolean()

    def self_group(self, against: OperatorType | None = None) -> Any:
        return self  # on SQLite SQLAlchemy would write `… = 1` behind it, and no index would serve


@compiles(_Among)
def _any_of_array(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, values = _parts(element, compiler, more)
    return f"{column} = ANY ({values})"


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, values = _parts(element, compiler, more)
    return f"{column} IN (SELECT value FROM json_each({values}))"


def among(column: Column[Any], name: str = "ids") -> ColumnElement[bool]:
    """`column IN` the list that is handed over as parameter `name`.

    For what every turn of the sending loop asks: however many values there are, the statement is the same text, which
    neither SQLAlchemy nor the database has to work out anew.
    """
    numbers = isinstance(column.type, Integer)
    return _Among(column, bindparam(name, type_=_Values(numbers)))


class _Elements(FunctionElement[Any]):
    """The elements of a JSON array, as a table of one column."""

    inherit_cache = True


@compiles(_Elements)
def _of_json(element: _Elements, compiler: SQLCompiler, **more: Any) -> str:
    # Of an array PostgreSQL guesses that it is short, of json_array_elements that there are so many that it had better
    # read the whole table beside them.
    (array,) = _parts(element, compiler, more)
    return f"(SELECT value FROM unnest(ARRAY(SELECT json_array_elements(CAST({array} AS json)))) AS value)"


@compiles(_Elements, "sqlite")
def _each_of_json(element: _Elements, compiler: SQLCompiler, **more: Any) -> str:
    (array,) = _parts(element, compiler, more)
    return f"json_each({array})"


class _Nth(FunctionElement[Any]):
    """One of the values in a JSON array, by its place. SQLite understands `->>` only since 3.38."""

    inherit_cache = True


@compiles(_Nth)
def _nth(element: _Nth, compiler: SQLCompiler, **more: Any) -> str:
    array, place = _parts(element, compiler, more)
    return f"({array} ->> {place})"


@compiles(_Nth, "sqlite")
def _nth_on_sqlite(element: _Nth, compiler: SQLCompiler, **more: Any) -> str:
    array, place = _parts(element, compiler, more)
    return f"json_extract({array}, '$[{place}]')"


def given(*columns: Column[Any]) -> Subquery:
    """Rows of these columns that are handed over as parameter `rows`: see `as_rows`.

    However many there are, they are one statement, of which one text is made, once.
    """
    array = _Elements(bindparam("rows", type_=Text())).table_valued("value").c.value
    fields = [
        cast(_Nth(array, literal_column(str(place))), Text() if isinstance(column.type, String) else column.type)
        for place, column in enumerate(columns)
    ]
    named = [field.label(column.name) for field, column in zip(fields, columns, strict=True)]
    return select(*named).subquery("given")


def as_rows(rows: Iterable[Sequence[Any]]) -> str:
    """Return what `given` takes as `rows`: the values of each row in the order of its columns.

    No text may hold NUL: PostgreSQL refuses it, and SQLite ends there.
    """
    return _encode([[to_micros(each) if isinstance(each, datetime) else each for each in row] for row in rows]).decode()


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

"""Databases on the tests' PostgreSQL server, lent to one test after the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text

_SHAPE = """
SELECT md5(string_agg(concat_ws(' ', relname, relkind, attname, atttypid, attnotnull), ',' ORDER BY relname, attnum))
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'public'::regnamespace AND attnum > 0
UNION ALL SELECT string_agg(version_num, ',') FROM alembic_version
UNION ALL SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY conname) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT string_agg(indexdef, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT string_agg(proname, ',' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Tables, indexes, sequences and their columns, constraints, triggers, functions, the schema's version, settings."""
_LEAVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES = (
    "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
)


def on_server(server: str, name: str) -> str:
    """Return the URL of a database."""
    return str(create_engine(server).url.set(database=name).render_as_string(hide_password=False))


def admin(url: str, *statements: str) -> None:
    """Execute statements, each in a transaction of its own."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


class Shelf:
    """Lends databases, and takes them back empty: copying the template anew takes several times as long.

    One whose schema or settings a test has changed is thrown away.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._made = 0
        self._free: list[str] = []
        self._shape: list[str | None] = []

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend a database that holds the schema and nothing else; yields its URL."""
        name = self._free.pop() if self._free else self._make()
        yield on_server(self._server, name)
        if self._emptied(name):
            self._free.append(name)
        else:
            self._drop(name)

    def close(self) -> None:
        while self._free:
            self._drop(self._free.pop())

    def _make(self) -> str:
        self._made += 1
        name = f"cartctl_{os.getpid()}_{self._made}"
        copied = f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY"
        admin(self._server, f"DROP DATABASE IF EXISTS {name}", copied)
        if not self._shape:
            engine = create_engine(on_server(self._server, name))
            with engine.connect() as connection:
                self._shape = _shape(connection)
            engine.dispose()
        return name

    def _emptied(self, name: str) -> bool:
        engine = create_engine(on_server(self._server, name), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(_LEAVE))
            if as_made := _shape(connection) == self._shape:
                tables = connection.execute(text(_TABLES)).scalar_one()
                connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        engine.dispose()
        return as_made

    def _drop(self, name: str) -> None:
        admin(self._server, f"DROP DATABASE {name} WITH (FORCE)")


def _shape(connection: Connection) -> list[str | None]:
    return list(connection.execute(text(_SHAPE)).scalars())

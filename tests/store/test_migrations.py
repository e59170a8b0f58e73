"""Migrations: they build what the tables say, down to the last condition, and they lose nothing of what was there."""

import re
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Boolean, Column, Connection, MetaData, Table, func, select, text
from sqlalchemy.types import Integer, LargeBinary

from cartctl import resources
from cartctl.store import schema
from cartctl.store.database import EngineDatabase, connect, open_database
from cartctl.store.tables import for_ddl

ROWS = 3
VALUES: dict[str, Any] = {
    "enrollments.status": "live",
    "imports.kind": "orders",
    **{f"{table}.store": "main" for table in ("imports", "orders", "carts", "enrollments")},
    **{f"{table}.channel": "website" for table in ("orders", "carts")},
}
"""What is the same in every row, or may not be just anything."""
NEW = {
    "carts.erased": False,
    **{f"contacts.{name}": "" for name in ("attributes", "business_name", "first_name", "locale", "timezone")},
    "enrollments.began_at": None,
    "contacts.listed_at": None,
    "enrollments.is_test": False,
    "enrollments.segment": "",
    "enrollments.arm": "",
    "events.scanner_score": None,
    "message_transitions.facts": "",
    "messages.first_sent_at": None,
    "messages.is_test": False,
    "orders.erased": False,
    "orders.total_given": True,
}
"""What a column that an upgrade adds says of rows that are older."""
POSTGRESQL_CATALOGUE = {
    "column": """
        SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraint": """
        SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "index": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "table": """
        SELECT relname, obj_description(oid) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')""",
}


def catalogue(connection: Connection) -> dict[str, Any]:
    """Return all that the database itself says of its tables, by name; but for the order of columns."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
        return {name: _parts(sql) for name, sql in found if name not in ("alembic_version", "sqlite_sequence")}
    return {
        f"{kind} {row[0]}": tuple(row[1:])
        for kind, query in POSTGRESQL_CATALOGUE.items()
        for row in connection.execute(text(query))
        if not row[0].startswith("alembic_version")
    }


def _parts(sql: str) -> list[str]:
    """Split a statement at its outer commas and its outer brackets; an added column is the last part, or not."""
    words = re.sub(r"\s+", " ", sql.replace('"', "").replace("(false)", "false"))
    parts, depth = [""], 0
    for letter in words:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if (letter == "," and depth == 1) or (letter == "(" and depth == 1) or (letter == ")" and depth == 0):
            parts.append("")
        else:
            parts[-1] += letter
    return sorted(part.strip() for part in parts)


def test_a_migrated_database_and_one_made_of_the_tables_differ_in_nothing(db: EngineDatabase) -> None:
    """Alembic's own comparison looks at neither a partial index's condition nor a CHECK."""
    with db.write() as connection:
        migrated = catalogue(connection)
        for_ddl().drop_all(connection)
        for_ddl().create_all(connection)
        assert catalogue(connection) == migrated
    assert len(migrated) > 40, "it did look"


@pytest.mark.parametrize("older", ["0001", "0002", "0003"])
def test_upgrading_a_database_with_data_loses_nothing(db: EngineDatabase, database_url: str, older: str) -> None:
    with db.write() as connection:
        for_ddl().drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        config = Config()
        config.set_main_option("script_location", str(resources.migrations()))
        config.attributes["connection"] = connection
        command.upgrade(config, older)
        tables = _tables(connection)
        for table in tables.sorted_tables:
            connection.execute(table.insert(), [_row(table, n) for n in range(1, ROWS + 1)])
        # A run was killed while it sent the second message.
        connection.execute(text("UPDATE messages SET state = 'sending' WHERE id = 2"))
        sent_at = connection.execute(text("SELECT sent_at FROM messages WHERE id = 2")).scalar_one()
        before = {table: _contents(connection, table) for table in tables.sorted_tables}
    engine = connect(database_url)
    schema.upgrade(engine)
    engine.dispose()
    database = open_database(database_url)
    with database.read() as connection:
        assert {table: _contents(connection, table) for table in tables.sorted_tables} == before
        upgraded = _tables(connection)
        added = {
            f"{table.name}.{column.name}": set(
                connection.execute(select(upgraded.tables[table.name].c[column.name])).scalars()
            )
            for table in tables.sorted_tables
            for column in upgraded.tables[table.name].columns
            if column.name not in table.c
        }
        first_sent_at = connection.execute(text("SELECT first_sent_at FROM messages WHERE id = 2")).scalar_one()
        assert first_sent_at == sent_at, "the next run asks how long ago"
        added["messages.first_sent_at"].remove(sent_at)
        assert added == {name: {NEW[name]} for name in added}
        assert added.keys() == {name for name in NEW if name.split(".")[0] in tables.tables} - _known(tables)
        if "feeds" not in tables.tables:
            (feed,) = connection.execute(select(upgraded.tables["feeds"])).all()
            newest, imported = (
                connection.execute(select(func.max(tables.tables[table].c[column]))).scalar()
                for table, column in (("orders", "placed_at"), ("imports", "at"))
            )
            assert feed == ("main", "website", imported, newest)
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    database.close()


def _tables(connection: Connection) -> MetaData:
    """Return the tables as the database has them now."""
    found = MetaData()
    found.reflect(connection)
    found.remove(found.tables["alembic_version"])
    return found


def _known(tables: MetaData) -> set[str]:
    return {f"{table.name}.{column.name}" for table in tables.sorted_tables for column in table.columns}


def _row(table: Table, n: int) -> dict[str, Any]:
    """Return a row with something of its own in each column; the last one is as empty as it may be."""
    return {
        column.name: None if column.nullable and n == ROWS else _value(column, f"{table.name}.{column.name}", n)
        for column in table.columns
    }


def _value(column: Column[Any], name: str, n: int) -> Any:
    if name in VALUES:
        return VALUES[name]
    if column.foreign_keys or column.name == "id":
        return n
    if isinstance(column.type, Boolean):
        return n == 1
    if isinstance(column.type, LargeBinary):
        return bytes([n])
    if isinstance(column.type, Integer):
        return 1_772_447_400_000_000 + n if column.name.endswith("at") else n
    return f"é{n}"[: getattr(column.type, "length", None) or 10]


def _contents(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    columns = list(table.columns)
    return sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)

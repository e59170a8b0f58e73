"""Looking into a database from outside, as an operator with a shell would."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cartctl.store.database import EngineDatabase
from cartctl.store.tables import metadata


def rows(database: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(statement).fetchall()


def everything(database: Path) -> list[str]:
    """Return the whole database as SQL text; of none, nothing. But for when orders were last imported.

    That is to change with a file that is known, too: an unchanged export is a fresh one.
    """
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        return [line for line in connection.iterdump() if not line.startswith('INSERT INTO "feeds"')]


def carts(database: Path) -> dict[str, Any]:
    """{external id: (address, currency, minor units, status, the order that bought it)}."""
    found = rows(
        database,
        """SELECT carts.external_id, email_normalised, carts.currency, carts.total_minor, carts.status,
                  orders.external_id
             FROM carts LEFT JOIN contacts ON contacts.id = carts.contact_id
                        LEFT JOIN orders ON orders.id = carts.order_id""",
    )
    return {external_id: tuple(rest) for external_id, *rest in found}


def consents(database: Path) -> dict[str, str]:
    return dict(rows(database, "SELECT email_normalised, consent FROM contacts"))


def contents(database: EngineDatabase) -> dict[str, list[dict[str, Any]]]:
    with database.read() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in metadata.sorted_tables
        }


def as_text(database: EngineDatabase) -> str:
    return str(contents(database))

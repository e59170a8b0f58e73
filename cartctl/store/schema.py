"""Which schema this program speaks, and how a database gets there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from cartctl import resources
from cartctl.errors import SchemaError

HEAD = "0004"
"""The newest revision in sql/migrations/versions; a test holds the two together. Revisions are ordered as text."""

_UPGRADE_LOCK = 0x73636865  # "sche": one number for all cartctl processes on a PostgreSQL database


def revision(connection: Connection) -> str | None:
    """Return the database's revision; None for an empty database. Raises SchemaError for somebody else's database."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if tables:
        raise SchemaError(f"this database holds other tables ({', '.join(sorted(tables)[:3])} …): name another one")
    return None


def check(connection: Connection) -> bool:
    """Say whether the database is ready (True) or empty (False). Raises SchemaError when it is older or newer."""
    found = _fast_revision(connection) or revision(connection)
    if found is None:
        return False
    if found < HEAD:
        raise SchemaError(f"the database is at revision {found}, cartctl needs {HEAD}: run `cartctl db upgrade`")
    refuse_newer(found)
    return True


def refuse_newer(found: str | None) -> None:
    """Raise SchemaError when a newer cartctl has been at work."""
    if found is not None and found > HEAD:
        raise SchemaError(
            f"the database is at revision {found}, newer than this cartctl ({HEAD}): update cartctl on this machine"
        )


def _fast_revision(connection: Connection) -> str | None:
    """One catalogue look-up instead of a reflection of all tables: this is paid on every tick."""
    if connection.dialect.name != "sqlite":
        return None
    if not connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")).scalar():
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(engine: Engine) -> None:
    """Bring an empty or older database to HEAD, in one transaction; who comes second finds it done."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.migrations()).replace("%", "%%"))
    writing = engine.connect().execution_options(cartctl_write=True)
    with writing as connection, _unreferenced(connection), connection.begin():
        if connection.dialect.name == "postgresql":  # before anything is read; SQLite has one writer anyway
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _unreferenced(connection: Connection) -> Iterator[None]:
    """Let a table that others refer to be replaced, on SQLite: only outside a transaction can that be said.

    https://www.sqlite.org/lang_altertable.html#otheralter
    """
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite" or raw is None:
        yield
        return
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys = ON")

"""The schema: what the migrations build is what the tables say, on both databases."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from cartctl import resources
from cartctl.errors import SchemaError
from cartctl.store import schema
from cartctl.store.database import EngineDatabase, open_database
from cartctl.store.instants import from_micros, to_micros
from cartctl.store.tables import for_ddl, metadata
from tests.shop import T0, Cli


def test_migrations_build_exactly_the_tables(db: EngineDatabase) -> None:
    with db.read() as connection:
        # On SQLite Alembic takes an empty default for a changed one; PostgreSQL tells of both.
        options = {"compare_type": True, "compare_server_default": connection.dialect.name != "sqlite"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, for_ddl()) == []


def test_the_program_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.migrations()))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_opening_twice_sets_up_once(db: EngineDatabase, database_url: str) -> None:
    with db.write() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    with db.read() as connection:
        assert not schema.check(connection)
    for _ in range(2):
        database = open_database(database_url)
        with database.read() as connection:
            assert schema.check(connection)
        database.close()


@pytest.mark.parametrize(("revision", "advice"), [("0000", "cartctl db upgrade"), ("9999", "update cartctl")])
def test_another_revision_is_refused_with_what_to_do(db: EngineDatabase, revision: str, advice: str) -> None:
    with db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    with db.read() as connection, pytest.raises(SchemaError, match=advice):
        schema.check(connection)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE customers (id)")
    connection.close()
    with pytest.raises(SchemaError, match="holds other tables"):
        open_database(url)


def test_db_upgrade_and_status(cli: Cli, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    assert cli("db", "status", "--json").json == {"revision": None, "needed": schema.HEAD}
    assert cli("db", "upgrade", "-v").out == f"schema none -> {schema.HEAD}\n"
    assert cli("db", "upgrade", "-v").out == f"schema {schema.HEAD}: up to date\n"
    assert cli("db", "status").out == f"schema {schema.HEAD}, needed {schema.HEAD}\n"


def test_times_survive_to_the_microsecond() -> None:
    moment = T0.replace(microsecond=123_457)
    assert from_micros(to_micros(moment)) == moment
    with pytest.raises(ValueError, match="naive"):
        to_micros(moment.replace(tzinfo=None))


def test_a_dry_run_is_taken_back(db: EngineDatabase) -> None:
    with db.dry_run() as dry:
        with dry.write() as connection:
            connection.execute(text("INSERT INTO marks (name, value, at) VALUES ('x', 'y', 0)"))
        with dry.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM marks")).scalar() == 1
    with db.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM marks")).scalar() == 0


PLANS = {
    "detection": (
        "SELECT id FROM carts WHERE status = 'active' AND NOT is_empty AND last_activity_at <= 5",
        "ix_carts_idle",
    ),
    "claim": (
        "SELECT id FROM messages WHERE state = 'scheduled' AND attempt_at <= 5 ORDER BY attempt_at, id LIMIT 16",
        "ix_messages_attempt",
    ),
    "reaping": (
        "SELECT id FROM messages WHERE messages.state IN ('claimed', 'sending') AND lease_until < 5",
        "ix_messages_lease",
    ),
}


@pytest.mark.parametrize("query", PLANS)
def test_the_queries_of_every_tick_use_their_indexes(tmp_path: Path, query: str) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'plan.db'}")
    statement, index = PLANS[query]
    with database.read() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {statement}")).all()
    database.close()
    assert index in str(plan)

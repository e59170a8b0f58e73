"""What the database says when it fails: one line that an operator can act on, and never anybody's data."""

import re
import sqlite3
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from cartctl.errors import DatabaseBusyError, DatabaseError
from cartctl.store.database import EngineDatabase, open_database

ANNA = "anna@example.com"


@pytest.fixture
def server(postgres_url: str) -> Iterator[EngineDatabase]:
    database = open_database(postgres_url)
    yield database
    database.close()


def fail(database: EngineDatabase, code: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'it says no' USING ERRCODE = '{code}'; END $$")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("08006", "is the server up"),
        ("25006", "is it a standby?"),
        ("25P03", "a transaction that took too long"),
        ("42501", "grant the user"),
        ("53100", "short of room"),
        ("57P03", "is the server up"),
        ("58030", "the disk of the server"),
        ("XX001", "its log says more"),
    ],
)
def test_a_fault_of_the_server_is_one_line_with_advice(server: EngineDatabase, code: str, advice: str) -> None:
    with pytest.raises(DatabaseError, match=rf"^database postgresql.*: it says no: .*{re.escape(advice)}"):
        fail(server, code)


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03", "57014"])
def test_what_only_came_at_a_bad_moment_may_be_tried_again(server: EngineDatabase, code: str) -> None:
    with pytest.raises(DatabaseBusyError, match="try again"):
        fail(server, code)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO contacts (email_normalised) VALUES (:email)",
        "SELECT no_such FROM contacts WHERE email_normalised = :email",
    ],
)
def test_an_error_without_a_name_shows_no_values(db: EngineDatabase, statement: str) -> None:
    """Its traceback goes to cron's mail."""
    with db.write() as connection:
        connection.execute(text("INSERT INTO contacts (email_normalised) VALUES (:email)"), {"email": ANNA})
    with pytest.raises((SQLAlchemyError, sqlite3.Error)) as caught, db.write() as connection:
        connection.execute(text(statement), {"email": ANNA})
    shown = "".join(traceback.format_exception(caught.value))
    assert ANNA not in shown


def test_no_lock_is_waited_for_for_ever_and_a_dead_machine_is_found_out(server: EngineDatabase) -> None:
    """Through a socket of its own machine the server says 0 of what keeps a connection alive."""
    with server.read() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "1min"
        names = [f"tcp_keepalives_{name}" for name in ("idle", "interval", "count")]
        told = text("SELECT source FROM pg_settings WHERE name = ANY(:names)")
        assert connection.execute(told, {"names": names}).scalars().all() == ["session"] * 3
        driver: Any = connection.connection.driver_connection
        ours = driver.info.get_parameters()
        assert [ours[f"keepalives_{name}"] for name in ("idle", "interval", "count")] == ["60", "10", "6"]


def test_an_operators_own_patience_counts(postgres_url: str) -> None:
    url = make_url(postgres_url)
    own = {"options": "-c lock_timeout=7s", "keepalives_idle": "30"}
    database = open_database(url.update_query_dict(own).render_as_string(hide_password=False))
    with database.read() as connection:
        patience = connection.execute(text("SHOW lock_timeout")).scalar()
        driver: Any = connection.connection.driver_connection
        idle = driver.info.get_parameters()["keepalives_idle"]
    database.close()
    assert (patience, idle) == ("7s", "30")

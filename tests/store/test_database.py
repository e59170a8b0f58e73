"""What the database says when it fails: one line that an operator can act on."""

import re
from collections.abc import Iterator

import pytest

from cartctl.errors import DatabaseBusyError, DatabaseError
from cartctl.store.database import EngineDatabase, open_database


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

"""A database that fails in the middle of a run: what was answered is written down, and what never left stays due."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DataError

from cartctl.errors import DatabaseError
from cartctl.store.database import EngineDatabase, open_database
from tests.jobs.engine import Engine
from tests.shop import cart


@pytest.fixture
def server(postgres_url: str) -> Iterator[EngineDatabase]:
    database = open_database(postgres_url)
    yield database
    database.close()


def fail_once(database: EngineDatabase, code: str) -> None:
    """Let the server refuse, once, to note that a message was accepted. A sequence is not rolled back."""
    with database.write() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE failures")
        connection.exec_driver_sql(f"""
            CREATE FUNCTION fail_once() RETURNS trigger AS $$ BEGIN
                IF NEW.state = 'accepted' AND nextval('failures') = 1 THEN
                    RAISE EXCEPTION 'the server says no' USING ERRCODE = '{code}';
                END IF;
                RETURN NEW;
            END $$ LANGUAGE plpgsql
        """)
        connection.exec_driver_sql(
            "CREATE TRIGGER fail_once BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION fail_once()"
        )


@pytest.mark.parametrize("code", ["57014", "40P01", "55P03"])
def test_a_turn_that_the_server_cut_off_is_taken_again(server: EngineDatabase, tmp_path: Path, code: str) -> None:
    engine = Engine(server, tmp_path)
    engine.carts(cart())
    fail_once(server, code)
    assert engine.run("30m").sent.sent == 1
    assert engine.states == [("reminder", "accepted", ""), ("urgency", "scheduled", "")]
    assert len(engine.provider.given) == 1


@pytest.mark.parametrize("code", ["25006", "25P03", "42501", "53100", "57P01", "58030", "XX000", "22012"])
def test_what_was_answered_is_settled_before_the_run_ends(server: EngineDatabase, tmp_path: Path, code: str) -> None:
    engine = Engine(server, tmp_path)
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(6)))
    fail_once(server, code)
    with pytest.raises(DataError if code == "22012" else DatabaseError):
        engine.run("30m")
    states = [state for _, state, _ in engine.states]
    assert set(states) == {"accepted", "scheduled"}
    assert states.count("accepted") == len(engine.provider.given)
    engine.run("35m")
    assert len({mail.to for mail in engine.provider.given}) == len(engine.provider.given) == 6

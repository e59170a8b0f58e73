"""A refusal that is committed while the gate waits for it: on PostgreSQL, whatever its server does by default."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from cartctl.store import contacts
from cartctl.store.database import EngineDatabase, open_database
from tests.jobs.engine import HASHING_KEY, Engine
from tests.postgres import admin
from tests.shop import at, cart

WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE NOT granted AND datname = current_database()
"""


def by_default(url: str, name: str, value: str) -> None:
    """Let the server say so to every connection to this database that says nothing of it."""
    database = create_engine(url).url.database
    admin(url, f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")


@pytest.fixture(params=["read committed", "repeatable read", "serializable"])
def server(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[EngineDatabase]:
    by_default(postgres_url, "default_transaction_isolation", request.param)
    database = open_database(postgres_url)
    yield database
    database.close()


def test_no_mail_after_a_refusal_for_which_the_gate_had_to_wait(server: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(server, tmp_path)
    engine.carts(cart("c-1", email="anna@example.com"))
    others: list[threading.Thread] = []
    has_begun, is_over = threading.Event(), threading.Event()

    def refuse() -> None:
        with server.write(carts="change") as connection:
            refused = contacts.email_hash(HASHING_KEY, "anna@example.com")
            contacts.suppress(connection, refused, scope="all", reason="unsubscribed", at=at("29m"))
            has_begun.set()
            while not (connection.execute(text(WAITING)).scalar_one() or is_over.wait(0.02)):
                pass

    def meanwhile() -> None:
        if not others:
            others.append(threading.Thread(target=refuse))
            others[0].start()
            assert has_begun.wait(30)

    engine.while_rendering = meanwhile
    engine.run("30m")
    is_over.set()
    others[0].join()
    assert engine.provider.given == []
    assert engine.states == [("reminder", "cancelled", "suppressed")]


@pytest.mark.parametrize(("configured", "taken"), [("off", "on"), ("local", "local")])
def test_a_commit_is_on_disk_whatever_the_default(postgres_url: str, configured: str, taken: str) -> None:
    by_default(postgres_url, "synchronous_commit", configured)
    database = open_database(postgres_url)
    with database.write() as connection:
        found = connection.execute(text("SHOW synchronous_commit")).scalar()
    database.close()
    assert found == taken

"""A database that fails in the middle of a run: what was answered is written down, and what never left stays due."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError

from cartctl.errors import DatabaseError
from cartctl.jobs.sending import Note
from cartctl.mail.message import Accepted, Unknown
from cartctl.store.database import CartsLock, EngineDatabase, open_database
from cartctl.store.tables import messages
from tests.jobs.engine import Engine, Provider
from tests.shop import at, cart


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


class Faulty:
    """A database whose server is lost before a commit, or after it and before its answer came, when `faults` say so."""

    def __init__(self, database: EngineDatabase, *, before: Callable[[], bool], after: Callable[[], bool]) -> None:
        self._database, self._before, self._after = database, before, after

    def read(self) -> Any:
        return self._database.read()

    @contextmanager
    def write(self, *, carts: CartsLock | None = None) -> Iterator[Connection]:
        with self._database.write(carts=carts) as connection:
            yield connection
            if self._before():
                raise DatabaseError("the server is gone")
        if self._after():
            raise DatabaseError("the server is gone")


def unheard(engine: Engine, state: str) -> Faulty:
    """Lose the answer to the first commit after which some message is in `state`."""
    lost: list[str] = []

    def after() -> bool:
        if not lost and state in [each for _, each, _ in engine.states]:
            lost.append(state)
            return True
        return False

    return Faulty(engine.database, before=lambda: False, after=after)


def sent_at_and_coupon(engine: Engine, id_: int) -> tuple[Any, str]:
    with engine.database.read() as connection:
        row = connection.execute(select(messages).where(messages.c.id == id_)).one()
    return row.sent_at, row.coupon


def test_what_was_cleared_and_never_left_is_as_if_it_had_not_been(db: EngineDatabase, tmp_path: Path) -> None:
    """The commit came through, the news of it did not. The third step has a coupon."""
    engine = Engine(db, tmp_path)
    engine.carts(cart())
    for tick in ("30m", "24h"):
        engine.run(tick)
    with pytest.raises(DatabaseError):
        engine.run("48h", database=unheard(engine, "sending"))
    assert engine.states[-1] == ("offer", "scheduled", "never-left")
    assert sent_at_and_coupon(engine, 3) == (None, "")
    engine.run("48h5m")
    assert engine.states[-1] == ("offer", "accepted", "")
    assert [mail.step for mail in engine.provider.given] == ["reminder", "urgency", "offer"]


def test_a_doubt_of_an_earlier_attempt_stays(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path, Provider(lambda _mail: Unknown("answer 503"), name="resend"))
    engine.carts(cart())
    engine.run("30m")
    engine.provider.answer = lambda _mail: Accepted("r")
    with pytest.raises(DatabaseError):
        engine.run("35m", database=unheard(engine, "sending"))
    assert sent_at_and_coupon(engine, 1) == (at("30m"), "")
    engine.run("40m")
    assert engine.states[0] == ("reminder", "accepted", "")
    assert len({mail.html for mail in engine.provider.given}) == 1, "it was the very same mail"


def test_an_answer_that_was_settled_is_told_though_the_news_of_it_was_lost(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path)
    engine.carts(cart())
    notes: list[Note] = []
    with pytest.raises(DatabaseError):
        engine.run("30m", database=unheard(engine, "accepted"), on_note=notes.append)
    assert engine.states == [("reminder", "accepted", ""), ("urgency", "scheduled", "")]
    assert [(note.message_id, note.outcome) for note in notes] == [(1, "sent")]


def test_what_was_told_is_not_told_again_when_a_later_write_fails(db: EngineDatabase, tmp_path: Path) -> None:
    """The third mail's template is at fault, and the server is gone as that is to be noted."""
    engine = Engine(db, tmp_path)
    engine.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(3)))
    notes: list[Note] = []
    rendered: list[int] = []
    faulty: list[bool] = []

    def third() -> None:
        rendered.append(1)
        if len(rendered) == 3:
            faulty.append(True)
            raise ValueError("a cart nobody thought of")

    engine.while_rendering = third
    database = Faulty(db, before=lambda: bool(faulty) and bool(faulty.pop()), after=lambda: False)
    with pytest.raises(DatabaseError):
        engine.run("30m", database=database, concurrency=1, on_note=notes.append)
    told = [note.message_id for note in notes if note.outcome == "sent"]
    assert len(told) == len(set(told)) == len(engine.provider.given) == 2
    assert {state for _, state, _ in engine.states} == {"accepted", "scheduled"}

"""Runs beside each other, a run that slept too long, and a database that is taken away in the middle."""

import contextlib
import re
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from cartctl.domain.messages import MessageState
from tests.faults.provider import Provider
from tests.faults.rig import CONCURRENCY, Rig, is_stopped, wait_until
from tests.process import Process
from tests.shop import Cli, Outcome, iso, order, write_csv


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_at_once_send_each_message_once(rig: Rig, processes: int) -> None:
    rig.fill(10 * processes)
    running = [rig.start("30m", "--no-lock") for _ in range(processes)]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
    rig.provider.assert_nothing_twice()
    assert len(rig.provider.taken) == 10 * processes
    assert rig.states == {MessageState.ACCEPTED: 10 * processes, MessageState.SCHEDULED: 10 * processes}


def test_hosts_that_set_up_one_database_at_once(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    running = [Process(*words, folder=tmp_path) for words in [("run-due", "--no-lock")] * 3 + [("db", "upgrade")]]
    for process in running:
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("point", ["after-claim:1", "after-gate:1", "after-answer:1", "before-settle:1"])
def test_a_run_that_slept_past_its_lease_harms_nothing_when_it_wakes(rig: Rig, point: str) -> None:
    rig.fill(7)
    sleeper = rig.start("30m", failpoint=f"{point}:STOP")
    wait_until(lambda: is_stopped(sleeper))
    rig.cli("run-due", "--no-lock", "--at", iso("36m"), ok=False)
    sleeper.send_signal(signal.SIGCONT)
    sleeper.communicate(timeout=60)
    assert sleeper.returncode in (0, 1)
    rig.drain()
    rig.assert_the_contract(unknown=CONCURRENCY)
    rig.assert_nothing_was_lost()


def test_a_run_that_hangs_within_a_transaction_holds_nobody_up_for_ever(rig: Rig, database_url: str) -> None:
    """They say so in one line; nothing of theirs is half-done, and all goes well when it wakes."""
    rig.fill(7)
    orders = write_csv(rig.folder / "orders.csv", order(placed="29m", email="shopper3@example.com"))
    sleeper = rig.start("30m", failpoint="in-turn:2:STOP")
    wait_until(lambda: is_stopped(sleeper))
    configured = (rig.folder / "cartctl.toml").read_text(encoding="utf-8")
    patience = {"sqlite": {"timeout": "0.5"}, "postgresql": {"options": "-c lock_timeout=500"}}
    url = make_url(database_url)
    hasty = url.update_query_dict(patience[url.get_backend_name()]).render_as_string(hide_password=False)
    (rig.folder / "cartctl.toml").write_text(configured.replace(database_url, hasty), encoding="utf-8")
    for words in (["run-due", "--no-lock"], ["import", "orders", orders]):
        outcome = rig.cli(*words, "--at", iso("36m"), ok=False)
        assert outcome.exit_code == 2, (words, outcome.err)
        assert re.fullmatch("cartctl: database .*: another program .*; try again when it is done\n", outcome.err), words
    (rig.folder / "cartctl.toml").write_text(configured, encoding="utf-8")
    sleeper.send_signal(signal.SIGCONT)
    _, errors = sleeper.communicate(timeout=60)
    assert (sleeper.returncode, errors) == (0, "")
    rig.drain()
    rig.assert_the_contract(unknown=0)
    rig.assert_nothing_was_lost()


def test_a_run_that_wakes_first_sees_that_its_lease_ran_out(rig: Rig) -> None:
    """Its clock ran on while it slept. Nobody else has looked yet: what had not left goes back into the queue."""
    configured = (rig.folder / "cartctl.toml").read_text(encoding="utf-8")
    short = configured.replace("[sending]\n", '[sending]\nlease = "3s"\ntimeout = "1s"\n')
    (rig.folder / "cartctl.toml").write_text(short, encoding="utf-8")
    rig.fill(CONCURRENCY)
    sleeper = rig.start("30m", failpoint="after-gate:1:STOP")
    wait_until(lambda: is_stopped(sleeper))
    time.sleep(3.1)
    sleeper.send_signal(signal.SIGCONT)
    _, errors = sleeper.communicate(timeout=60)
    assert sleeper.returncode == 1
    assert "lease-expired" in errors
    story = rig.cli("messages", "show", "1").out
    assert "sending -> scheduled (lease-expired)" in story
    (rig.folder / "cartctl.toml").write_text(configured, encoding="utf-8")
    rig.drain()
    rig.assert_the_contract(unknown=0)
    rig.assert_nothing_was_lost()


@pytest.fixture
def server(pgserver: Any) -> Iterator[Any]:
    """A server for one test. Its user could not get into pytest's own folders for sure."""
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder)
        yield server
        server.cleanup()


def test_postgresql_restarts_in_the_middle(cli: Cli, tmp_path: Path, provider: Provider, server: Any) -> None:
    rig = Rig(cli, tmp_path, provider, server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    restarted = threading.Event()

    def restart(count: int) -> None:
        if count == 6:
            server.stop()
            server.start()
            restarted.set()

    try:
        rig.fill(15)
        provider.before_answer = restart
        process = rig.start("30m")
        _, errors = process.communicate(timeout=120)
        assert restarted.wait(60)
        assert "Traceback" not in errors
        assert rig.states[MessageState.SENDING] == 0, "what was answered is settled as soon as the server is back"
        rig.drain()
        rig.assert_the_contract(unknown=0)
        rig.assert_nothing_was_lost()
    finally:
        rig.database.close()


@pytest.mark.parametrize(("seconds", "patience"), [(3, 0.9), pytest.param(10, 2.9, marks=pytest.mark.soak)])
def test_a_database_locked_for_longer_than_its_patience(sqlite_rig: Rig, seconds: int, patience: float) -> None:
    """Another program holds it more than three times as long as a run waits for it at once."""
    outcome = _run_while_locked(sqlite_rig, seconds, f"?timeout={patience}")
    assert outcome.exit_code == 0
    assert sqlite_rig.states == {MessageState.ACCEPTED: 7, MessageState.SCHEDULED: 7}


def test_a_database_locked_for_ten_seconds(sqlite_rig: Rig) -> None:
    """As it is configured, a run just waits."""
    outcome = _run_while_locked(sqlite_rig, 10, "")
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert sqlite_rig.states == {MessageState.ACCEPTED: 7, MessageState.SCHEDULED: 7}


@pytest.mark.soak
def test_a_database_locked_until_the_run_gives_up(sqlite_rig: Rig) -> None:
    """The run ends; what was answered is settled as soon as the database is free, and the rest waits."""
    outcome = _run_while_locked(sqlite_rig, 10, "?timeout=0.9")
    assert outcome.exit_code == 2
    assert "another program is writing to it" in outcome.err
    states = sqlite_rig.states
    assert states[MessageState.UNKNOWN] == states[MessageState.SENDING] == states[MessageState.CLAIMED] == 0
    sqlite_rig.drain()
    sqlite_rig.assert_the_contract(unknown=0)
    sqlite_rig.assert_nothing_was_lost()


def _run_while_locked(rig: Rig, seconds: float, query: str) -> Outcome:
    """Run with seven messages due; from the third answer on another program holds the database."""
    rig.fill(7)
    text = (rig.folder / "cartctl.toml").read_text(encoding="utf-8")
    (rig.folder / "cartctl.toml").write_text(text.replace("cartctl.db", f"cartctl.db{query}"), encoding="utf-8")
    with contextlib.closing(
        sqlite3.connect(rig.folder / "cartctl.db", isolation_level=None, check_same_thread=False)
    ) as other:

        def hold(count: int) -> None:
            if count == 3:
                other.execute("BEGIN IMMEDIATE")
                timer.start()

        timer = threading.Timer(seconds, lambda: other.execute("ROLLBACK"))
        rig.provider.before_answer = hold
        outcome = rig.cli("run-due", "--at", iso("30m"), ok=False)
        timer.join()
    return outcome


def test_no_room_on_the_disk(sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process may write no file beyond the size that the log has by now."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # it would be cut off, and break whoever reads it next
    rig = sqlite_rig
    rig.fill(40)
    process = rig.start_as_cron_does("30m", preexec_fn=_few_bytes)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert "nothing was half-written" in errors
    before = len(rig.provider.taken)
    rig.drain()
    rig.assert_the_contract(unknown=CONCURRENCY)
    rig.assert_nothing_was_lost()
    assert before < 40, "the disk was full before the end"


def _few_bytes() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (450_000, resource.RLIM_INFINITY))


def test_a_database_that_may_not_grow(sqlite_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says that it is full; the run says so in one line, and the next one goes on."""
    rig = sqlite_rig
    rig.fill(40)
    real = sqlite3.connect
    with contextlib.closing(real(rig.folder / "cartctl.db")) as connection:
        connection.execute("VACUUM")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]

    def tight(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)  # type: ignore[call-overload] # as SQLAlchemy calls it
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        return connection

    monkeypatch.setattr(sqlite3.dbapi2, "connect", tight)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    outcome = rig.cli("run-due", "--at", iso("30m"), ok=False)
    monkeypatch.undo()
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    monkeypatch.chdir(rig.folder)
    assert outcome.exit_code == 2
    assert "make room" in outcome.err
    rig.drain()
    rig.assert_the_contract(unknown=CONCURRENCY)
    rig.assert_nothing_was_lost()

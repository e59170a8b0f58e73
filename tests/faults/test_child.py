"""A run with much to send has a child that renders. Whichever of the two dies, nothing is lost or sent twice."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.domain.messages import MessageState
from cartctl.jobs.send_due import MANY
from cartctl.resources import shipped_templates
from tests.faults.rig import CONCURRENCY, Rig, wait_until
from tests.process import Process
from tests.shop import cart, iso

CARTS = MANY + 20
LATER = 8


def children(process: Process) -> list[int]:
    """Return the processes that it has started (Linux)."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8")
    return [int(pid) for pid in listed.split()]


def has_ended(pid: int) -> bool:
    """Say whether it is gone, or waits for nothing but to be buried."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX"


def adapt(rig: Rig, more: str) -> None:
    """Give the rig templates of its own, the reminder with something more in its text."""
    own = rig.folder / "templates" / "cart-recovery"
    shutil.copytree(shipped_templates() / "cart-recovery", own)
    text = own / "reminder.txt"
    text.write_text(text.read_text(encoding="utf-8") + more, encoding="utf-8")
    settings = rig.folder / "cartctl.toml"
    settings.write_text('templates = "templates"\n' + settings.read_text(encoding="utf-8"), encoding="utf-8")


@pytest.fixture
def full(rig: Rig) -> Rig:
    rig.fill(CARTS)
    return rig


@pytest.fixture
def full_sqlite(sqlite_rig: Rig) -> Rig:
    sqlite_rig.fill(CARTS)
    return sqlite_rig


class Run:
    """A run in which something happens while the provider has its eighth mail."""

    def __init__(self, rig: Rig, happens: Callable[[Process, int], None], when: str = "30m") -> None:
        self.child = 0
        self.process = rig.start(when, session=True)
        self._happens = happens
        rig.provider.before_answer = self._look
        _, self.errors = self.process.communicate(timeout=120)
        rig.provider.before_answer = lambda _count: None

    def _look(self, count: int) -> None:
        if count == LATER:
            (self.child,) = children(self.process)
            self._happens(self.process, self.child)


def test_one_child_renders_and_keeps_nothing_open_but_its_pipe(full: Rig) -> None:
    """Not the lock, not the database, not cron's pipe: nobody has to wait for it to get one of them."""
    opened: list[str] = []

    def look(_run: Process, child: int) -> None:
        opened.extend(sorted(str(one.readlink()).partition(":")[0] for one in Path(f"/proc/{child}/fd").iterdir()))

    run = Run(full, look)
    assert (run.process.returncode, run.errors) == (0, "")
    assert opened == ["/dev/null"] * 3 + ["socket"]
    assert has_ended(run.child)
    assert full.states == {MessageState.ACCEPTED: CARTS, MessageState.SCHEDULED: CARTS}
    full.provider.assert_nothing_twice()


@pytest.mark.parametrize(("carts", "options"), [(MANY - 1, ()), (CARTS, ("--limit", str(CARTS)))])
def test_with_little_to_send_there_is_none(sqlite_rig: Rig, carts: int, options: tuple[str, ...]) -> None:
    sqlite_rig.fill(carts)
    found: list[int] = []
    process = sqlite_rig.start("30m", *options)
    sqlite_rig.provider.before_answer = lambda count: found.extend(children(process)) if count == LATER else None
    process.communicate(timeout=120)
    assert len(sqlite_rig.provider.taken) == carts
    assert found == []


def test_when_the_child_dies_the_run_goes_on_without_it(full: Rig) -> None:
    run = Run(full, lambda _run, child: os.kill(child, signal.SIGKILL))
    assert run.process.returncode == 1
    assert "(cart-recovery/reminder) waits: the process that renders has ended" in run.errors
    assert run.errors.count("\n") == 1, "but the mail that it was at, the run rendered all by itself"
    assert full.states == {MessageState.ACCEPTED: CARTS - 1, MessageState.SCHEDULED: CARTS}
    full.cli("run-due", "--at", "2026-03-02T10:50:00Z")
    assert full.states == {MessageState.ACCEPTED: CARTS, MessageState.SCHEDULED: CARTS}
    full.provider.assert_nothing_twice()


def test_when_the_run_is_killed_the_child_ends_and_the_next_run_goes_on(full: Rig) -> None:
    run = Run(full, lambda process, _child: process.send_signal(signal.SIGKILL))
    assert run.process.returncode == -signal.SIGKILL
    wait_until(lambda: has_ended(run.child))
    doubt = full.states[MessageState.SENDING]
    assert doubt <= CONCURRENCY
    full.cli("run-due", "--at", "2026-03-02T10:38:00Z", ok=False)
    assert full.states[MessageState.ACCEPTED] + full.states[MessageState.UNKNOWN] == CARTS
    assert full.states[MessageState.UNKNOWN] <= doubt
    full.provider.assert_nothing_twice()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_takes_its_child_along(full_sqlite: Rig, number: signal.Signals) -> None:
    """Ctrl-C and systemd tell both, cron's end of the day perhaps one."""
    run = Run(full_sqlite, lambda process, _child: os.killpg(process.pid, number))
    assert run.process.returncode != 0
    assert "Traceback" not in run.errors
    wait_until(lambda: has_ended(run.child))
    full_sqlite.cli("run-due", "--at", "2026-03-02T10:38:00Z", ok=False)
    assert full_sqlite.states[MessageState.ACCEPTED] + full_sqlite.states[MessageState.UNKNOWN] == CARTS
    full_sqlite.provider.assert_nothing_twice()


def test_ctrl_c_does_not_wait_for_a_child_that_does_not_answer(full_sqlite: Rig) -> None:
    def stop(process: Process, child: int) -> None:
        os.kill(child, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)

    run = Run(full_sqlite, stop)
    assert run.process.returncode == 130
    assert has_ended(run.child)


@pytest.mark.soak
def test_a_child_that_does_not_answer_is_given_up(full_sqlite: Rig) -> None:
    run = Run(full_sqlite, lambda _run, child: os.kill(child, signal.SIGSTOP))
    assert (run.process.returncode, run.errors.count("has ended")) == (1, 1)
    assert full_sqlite.states == {MessageState.ACCEPTED: CARTS - 1, MessageState.SCHEDULED: CARTS}
    assert has_ended(run.child)


def test_a_mail_whose_child_died_waits_no_longer_than_its_grace(full_sqlite: Rig) -> None:
    """It is due at 30 minutes after the last activity, and its day of grace ends at 24:30."""
    full_sqlite.cli("run-due", "--limit", "1", "--at", iso("30m"))
    run = Run(full_sqlite, lambda _run, child: os.kill(child, signal.SIGKILL), when="24h25m")
    assert run.errors.count("has ended") == 1
    waits = "SELECT attempt_at - due_at FROM messages WHERE reason = 'renderer-ended'"
    with sqlite3.connect(full_sqlite.folder / "cartctl.db") as connection:
        assert connection.execute(waits).fetchall() == [(24 * 60 * 60 * 1_000_000,)]


def test_where_there_can_be_no_child_the_run_renders_by_itself(full_sqlite: Rig) -> None:
    """Too many processes, or no memory for one more."""
    script = (
        "import os, sys\ndef fork(): raise BlockingIOError(11, 'Resource temporarily unavailable')\nos.fork = fork\n"
        "from cartctl.cli import main\nmain(['run-due', '--at', sys.argv[1]])"
    )
    command = [sys.executable, "-c", script, iso("30m")]
    done = subprocess.run(command, cwd=full_sqlite.folder, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(full_sqlite.provider.taken) == CARTS


def test_without_standard_streams_all_is_sent(full: Rig) -> None:
    """Then its pipe is where they would be."""
    command = f"{sys.executable} -m cartctl run-due --at {iso('30m')} <&- >&- 2>&-"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=full.folder, check=False, timeout=120)
    assert done.returncode == 0
    assert full.states == {MessageState.ACCEPTED: CARTS, MessageState.SCHEDULED: CARTS}


def test_one_slow_answer_keeps_nothing_waiting_that_is_being_rendered(sqlite_rig: Rig) -> None:
    """A lot takes longer to render than most answers take; then the slow one is all that is under way."""
    rig = sqlite_rig
    adapt(rig, "{% for n in range(60000) %}{% endfor %}")
    rig.fill(CARTS)
    meanwhile: list[int] = []

    def look(count: int) -> None:
        if count == LATER:
            before = len(rig.provider.taken)
            time.sleep(3)
            meanwhile.append(len(rig.provider.taken) - before)

    rig.provider.before_answer = look
    process = rig.start("30m")
    process.communicate(timeout=120)
    assert meanwhile[0] > 4 * CONCURRENCY


def test_a_key_that_is_refused_meanwhile_consumes_nothing(full_sqlite: Rig) -> None:
    """What the child has rendered, and what it has yet to, goes back into the queue."""
    full_sqlite.provider.status = lambda _id: 202 if len(full_sqlite.provider.taken) < LATER else 401
    run = Run(full_sqlite, lambda _run, _child: None)
    assert run.process.returncode == 1
    assert "refuses the key" in run.errors
    assert has_ended(run.child)
    assert full_sqlite.states == {MessageState.ACCEPTED: LATER, MessageState.SCHEDULED: CARTS}


def test_a_cart_that_its_template_cannot_bear_holds_up_no_other(sqlite_rig: Rig) -> None:
    """Named like one that fails in the run itself."""
    rig = sqlite_rig
    adapt(rig, "{{ 1 // (2 - items[0].quantity) }}")
    rig.fill(CARTS)
    rig.carts(cart("c-odd", email="odd@example.com", quantity="2"), when="5m")
    run = Run(rig, lambda _run, _child: None)
    assert (run.process.returncode, len(rig.provider.taken)) == (1, CARTS)
    (line,) = run.errors.splitlines()
    assert "(cart-recovery/reminder) waits: " in line
    assert "division" in line
    assert rig.states == {MessageState.ACCEPTED: CARTS, MessageState.SCHEDULED: CARTS + 1}

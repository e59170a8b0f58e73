"""A shop whose run-due is a real process, so that it can really die. Its provider, on this machine, outlives it."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from cartctl.domain.messages import OPEN, MessageState
from cartctl.store.database import EngineDatabase, connect
from cartctl.store.tables import enrollments, messages
from tests.faults.provider import Provider
from tests.process import Process
from tests.shop import Cli, Shop, cart, iso

DRAIN = ("48m", "54m", "24h36m", "24h54m", "26h", "48h54m", "50h")
"""Ticks that outlast every lease and every wait, and reach every step."""
CONCURRENCY = 4


class Rig(Shop):
    """A shop that delivers to the provider; `run-due` may be started as a process of its own."""

    def __init__(self, cli: Cli, folder: Path, provider: Provider, database_url: str) -> None:
        self.provider = provider
        super().__init__(cli, folder, database_url=database_url)
        self.configure(
            f'transport = "sendgrid"\ndatabase = "{database_url}"\n'
            'from = "Example Shop <shop@example.com>"\npostal_address = "1 Example Street"\n'
            f"[sending]\nconcurrency = {CONCURRENCY}\n"
            f'[sendgrid]\nhost = "{provider.url}"\nca_file = "{provider.ca_file}"\n'
        )
        self.database = EngineDatabase(connect(database_url))

    def fill(self, count: int) -> None:
        """Import so many carts of as many shoppers."""
        self.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(count)), when="5m")

    def start(self, when: str, *options: str, failpoint: str = "", session: bool = False) -> Process:
        """Start `cartctl run-due` as a process of its own."""
        words = ("run-due", "--at", iso(when), *options)
        return Process(*words, folder=self.folder, failpoint=failpoint, session=session)

    def start_as_cron_does(self, when: str, **more: Any) -> subprocess.Popen[str]:
        """Start it with a Python of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cartctl", "run-due", "--at", iso(when)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def killed(self, when: str, failpoint: str) -> None:
        """Run until it dies at the failpoint."""
        process = self.start(when, failpoint=failpoint)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, (process.returncode, errors)

    def drain(self) -> None:
        """Let time pass, with a run at every tick, until every sequence has come to its end."""
        for tick in DRAIN:
            self.cli("run-due", "--at", iso(tick), ok=False)

    @property
    def states(self) -> Counter[str]:
        with self.database.read() as connection:
            return Counter(connection.execute(select(messages.c.state)).scalars())

    def ids(self, state: MessageState) -> set[int]:
        with self.database.read() as connection:
            return set(connection.execute(select(messages.c.id).where(messages.c.state == state.value)).scalars())

    def assert_the_contract(self, *, unknown: int) -> None:
        """After draining: see each line. `unknown`: how many messages may at most be in doubt."""
        self.provider.assert_nothing_twice()
        states = self.states
        assert states[MessageState.CLAIMED] == states[MessageState.SENDING] == 0
        assert states[MessageState.UNKNOWN] <= unknown
        accepted = self.ids(MessageState.ACCEPTED)
        taken = {id_ for id_, _, _ in self.provider.taken}
        assert accepted <= taken, "accepted is only what the provider took"
        assert taken <= accepted | self.ids(MessageState.UNKNOWN), "what it took is accepted, or at least in doubt"
        with self.database.read() as connection:
            opened = select(func.count()).where(
                messages.c.enrollment_id == enrollments.c.id, messages.c.state.in_([state.value for state in OPEN])
            )
            rows = connection.execute(select(enrollments.c.status, opened.scalar_subquery())).all()
        assert {(status, count) for status, count in rows} <= {("live", 1), ("finished", 0)}

    def assert_nothing_was_lost(self) -> None:
        """Every shopper has had every step; those in doubt may have."""
        with self.database.read() as connection:
            rows = connection.execute(
                select(messages.c.enrollment_id, func.count())
                .where(messages.c.state.in_([MessageState.ACCEPTED, MessageState.UNKNOWN]))
                .group_by(messages.c.enrollment_id)
            ).all()
            count = connection.execute(select(func.count()).select_from(enrollments)).scalar_one()
        assert [steps for _, steps in rows] == [3] * count


def wait_until(holds: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_stopped(process: Process) -> bool:
    """Say whether the process was stopped by SIGSTOP (Linux: the third field of its stat)."""
    text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    return text.rpartition(")")[2].split()[0] == "T"

"""The same faults, chosen by chance: for some seconds always, and for hours with
`CARTCTL_TEST_SOAK_SECONDS=7200 pytest -m soak`.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.provider import running_provider
from tests.faults.rig import CONCURRENCY, Rig
from tests.faults.test_killed import POINTS
from tests.postgres import Shelf
from tests.shop import Cli

SOAK_SECONDS = float(os.environ.get("CARTCTL_TEST_SOAK_SECONDS", "60"))


@pytest.mark.parametrize("seconds", [4, pytest.param(SOAK_SECONDS, marks=pytest.mark.soak)], ids=["short", "long"])
def test_runs_that_die_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_shelf: Shelf, seconds: float
) -> None:
    """On SQLite and on PostgreSQL in turn, at least once each."""
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    ends = time.monotonic() + seconds
    round_ = 0
    while round_ < 2 or time.monotonic() < ends:
        round_ += 1
        folder = tmp_path / str(round_)
        folder.mkdir()
        monkeypatch.chdir(folder)
        if round_ % 2:
            _one_round(folder, random.Random(round_), f"sqlite:///{folder / 'cartctl.db'}")
        else:
            with postgres_shelf.lend() as url:
                _one_round(folder, random.Random(round_), url)


def _one_round(folder: Path, chance: random.Random, url: str) -> None:
    """Up to four runs die, alone or beside each other, at points and moments of chance; then the shop is drained."""
    with running_provider(folder) as provider:
        rig = Rig(Cli(folder), folder, provider, url)
        rig.fill(chance.randint(1, 30))
        doubt = 0
        for _ in range(chance.randint(1, 2)):
            point = chance.choice(list(POINTS)).partition(":")[0]
            processes = [
                rig.start("30m", "--no-lock", failpoint=f"{point}:{chance.randint(1, 5)}")
                for _ in range(chance.randint(1, 2))
            ]
            if chance.random() < 0.3:
                time.sleep(chance.uniform(0.2, 2))
                processes[0].send_signal(signal.SIGKILL)
            for process in processes:
                process.communicate(timeout=120)
                doubt += CONCURRENCY if process.returncode == -signal.SIGKILL else 0
        rig.drain()
        rig.assert_the_contract(unknown=doubt)
        rig.assert_nothing_was_lost()
        rig.database.close()

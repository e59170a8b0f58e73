"""What an idle tick costs: `cartctl run-due` with nothing due, and how that grows with what is not due; and detection.

    .venv/bin/python -m tests.bench.idle_tick [RUNS] [--carts N]

The tick over an empty database stands beside an interpreter that only imports its two pillars (aim: at most 1.5 times
as long), and beside the tick over N carts with as many messages of the future (aim: at most 3 times as long). Whole
processes, in turn, after one warm-up each; medians. Then a tenth of N carts that have just become idle are detected.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartctl.store.database import open_database
from tests.bench.stock import fill

OURS = [str(Path(sys.executable).with_name("cartctl")), "run-due"]
FLOOR = [sys.executable, "-c", "import typer, sqlalchemy"]


def main(runs: int, carts: int) -> None:
    """Measure and print a table."""
    seconds: dict[str, list[float]] = {"floor": [], "empty": [], "full": []}
    with tempfile.TemporaryDirectory() as folder:
        urls = {name: f"sqlite:///{folder}/{name}.db" for name in ("floor", "empty", "full", "idle")}
        _fill(urls["full"], carts, due=timedelta(days=1))
        _fill(urls["idle"], carts // 10, due=None)
        for run in range(runs + 1):
            for name, times in seconds.items():
                taken = _time(FLOOR if name == "floor" else OURS, urls[name], folder)
                if run:
                    times.append(taken)
        detection = _time([OURS[0], "detect"], urls["idle"], folder)
    _print(seconds, runs, carts)
    print(f"detection: {carts // 10} newly idle carts in {detection:.1f} s, {carts / 10 / detection:.0f} carts/s")


def _fill(url: str, carts: int, *, due: timedelta | None) -> None:
    database = open_database(url)
    fill(database, carts, now=datetime.now(UTC), due=due, items=0)
    database.close()


def _time(command: list[str], url: str, folder: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, env=os.environ | {"DATABASE_URL": url}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _print(seconds: dict[str, list[float]], runs: int, carts: int) -> None:
    shown = {
        "empty": "run-due, nothing due, empty database",
        "full": f"the same, {carts} carts, {carts} future messages",
        "floor": "python -c 'import typer, sqlalchemy'",
    }
    print(f"{'':54}{'median':>9}{'min':>9}{'max':>9}")
    for name, what in shown.items():
        times = seconds[name]
        print(f"{what:54}{statistics.median(times):8.3f}s{min(times):8.3f}s{max(times):8.3f}s")
    floor, empty, full = (statistics.median(seconds[name]) for name in ("floor", "empty", "full"))
    print(f"empty / imports alone {empty / floor:.2f} (aim: at most 1.5)")
    print(f"full / empty {full / empty:.2f} (aim: at most 3)")
    print(f"{runs} runs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="?", type=int, default=15)
    parser.add_argument("--carts", type=int, default=1_000_000)
    chosen = parser.parse_args()
    main(chosen.runs, chosen.carts)

"""What the default report costs over a large shop, beside a bare `SELECT count(*), sum(...)` join of the same tables.

    .venv/bin/python -m tests.bench.report [CARTS]

1,000,000 carts of a year, three in ten abandoned; a tenth of these are held out, each of the others has 2.6 messages.
Both are asked in turn in one run, each in a process of its own, which tells its processor time and its peak memory.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from cartctl import config, wiring
from cartctl.jobs.report import overall
from cartctl.jobs.report.asking import Asked
from cartctl.store.database import open_database
from tests.bench.stock import fill_history

BARE = """
SELECT COUNT(*), SUM(carts.total_minor), SUM(orders.total_minor), SUM(orders.net_minor), COUNT(messages.sent_at)
FROM carts
LEFT JOIN orders ON orders.id = carts.order_id
LEFT JOIN enrollments ON enrollments.cart_id = carts.id
LEFT JOIN messages ON messages.enrollment_id = enrollments.id
"""
NOW = datetime(2026, 11, 1, tzinfo=UTC)
RUNS = 3


def main(carts: int) -> None:
    """Fill a database, ask both in turn, and print the medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        for count in (carts // 10, carts):
            path = Path(folder) / f"{count}.db"
            database = open_database(f"sqlite:///{path}")
            fill_history(database, count, now=NOW)
            database.close()
            found: dict[str, list[tuple[float, float]]] = {"bare": [], "report": []}
            for _ in range(RUNS):
                for what, measured in found.items():
                    command = [sys.executable, "-m", "tests.bench.report", "--measure", what, str(path)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    seconds, megabytes = map(float, done.stdout.split())
                    measured.append((seconds, megabytes))
            medians = {what: statistics.median(one[0] for one in measured) for what, measured in found.items()}
            peaks = {what: max(one[1] for one in measured) for what, measured in found.items()}
            for what in found:
                print(f"{count:>9,} carts  {what:8}{medians[what]:7.2f} s{peaks[what]:7.0f} MB at most")
            print(f"{count:>9,} carts  the report takes {medians['report'] / medians['bare']:.1f} times as long")
    print(f"medians of {RUNS} runs in turn; the aim is 3 times at most, and memory that does not grow with the carts")


def measure(what: str, path: Path) -> None:
    """Print how many seconds of the processor it took, without the start of the process, and the peak memory in MB."""
    database = open_database(f"sqlite:///{path}")
    rules = wiring.rules(config.load(file=None, environment={}, folder=Path("/nowhere")))
    asked = Asked(now=NOW, recovery_window=timedelta(days=14), attribution_window=timedelta(days=5))
    started = time.process_time()
    if what == "bare":
        with database.read() as connection:
            connection.execute(text(BARE)).one()
    else:
        overall.run(database, rules=rules, asked=asked).as_json()
    seconds = time.process_time() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("carts", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "DATABASE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], Path(arguments.measure[1]))
    else:
        main(arguments.carts)

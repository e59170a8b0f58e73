"""What an idle tick costs: `cartctl run-due` with nothing due, beside an interpreter that only imports its two pillars.

    .venv/bin/python tests/bench/idle_tick.py [RUNS]

Both are whole processes, in turn, after one warm-up each. The ratio of the medians is the figure to quote; the aim is
at most 1.5.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = [str(Path(sys.executable).with_name("cartctl")), "run-due"]
FLOOR = [sys.executable, "-c", "import typer, sqlalchemy"]


def main(runs: int) -> None:
    """Measure and print a table."""
    seconds: dict[str, list[float]] = {"ours": [], "floor": []}
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs + 1):
            for name, command in (("ours", OURS), ("floor", FLOOR)):
                started = time.perf_counter()
                subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
                if run:
                    seconds[name].append(time.perf_counter() - started)
    ours, floor = statistics.median(seconds["ours"]), statistics.median(seconds["floor"])
    print(f"{'':42}{'median':>9}{'min':>9}{'max':>9}")
    for name, what in (("ours", "cartctl run-due, nothing due"), ("floor", "python -c 'import typer, sqlalchemy'")):
        times = seconds[name]
        print(f"{what:42}{statistics.median(times):8.3f}s{min(times):8.3f}s{max(times):8.3f}s")
    print(f"ratio of the medians {ours / floor:.2f} (aim: at most 1.5), {runs} runs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)

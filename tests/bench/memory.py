"""What a run keeps in memory: the peak of `cartctl run-due` with few messages due beside that with many.

    .venv/bin/python -m tests.bench.memory [FEW MANY] [--sqlite-only]

Each run is a process of its own, tells of each mail (`-v`), and sends all that is due over TLS to a provider on this
machine, with 32 connections. The aim: the peak with 200,000 within 10 % of that with 10,000. Linux alone tells a
process's peak so.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from cartctl.store.database import open_database
from cartctl.store.tables import carts
from tests.bench.provider import provider
from tests.bench.sending import CONFIGURATION, THREADS, _postgresql
from tests.bench.stock import fill

MOST_GROWTH = 1.10
PROGRAM = """
import re
from pathlib import Path
from cartctl.cli import main
try:
    main(["run-due", "--confirm-burst", "-v"])
except SystemExit as end:
    assert not end.code, end.code
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""Its own peak: what the parent hears of a child (ru_maxrss) begins with the size of the parent."""


def peak(folder: Path, host: str, ca_file: str, url: str, due: int, *, longer: int = 0) -> int:
    """Send `due` messages from a new database; return the peak of the process in kB.

    `longer`: by how many characters a cart's id, and so its line, is longer than it would be.
    """
    (folder / "cartctl.toml").write_text(CONFIGURATION.format(threads=THREADS, host=host, ca_file=ca_file))
    database = open_database(url)
    fill(database, due, now=datetime.now(UTC), due=timedelta(minutes=-5))
    with database.write() as connection:
        connection.execute(update(carts).values(external_id=carts.c.external_id + "-" * longer))
    database.close()
    environment = os.environ | {"DATABASE_URL": url, "SENDGRID_API_KEY": "SG.invented"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert f" {due} sent\n" in done.stdout, done.stdout[-1000:]
    return int(done.stdout.split()[-1])


def main(few: int, many: int, *, sqlite_only: bool) -> None:
    """Measure and print a table."""
    print(f"{'':14}{'due':>9}{'peak, MB':>10}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as name, provider(Path(name)) as (host, ca_file):
        folder = Path(name)
        for store in ("SQLite",) if sqlite_only else ("SQLite", "PostgreSQL"):
            peaks = []
            for due in (few, many):
                url = f"sqlite:///{folder / f'{due}.db'}" if store == "SQLite" else _new_database(folder, due)
                started = time.perf_counter()
                peaks.append(peak(folder, host, ca_file, url, due))
                print(f"{store:14}{due:9}{peaks[-1] / 1024:10.1f}{time.perf_counter() - started:9.0f}", flush=True)
            print(f"{store:14}{'growth':>9}{peaks[1] / peaks[0] - 1:10.1%}  (aim: at most {MOST_GROWTH - 1:.0%})")


def _new_database(folder: Path, due: int) -> str:
    import psycopg
    from sqlalchemy import make_url

    server, name = make_url(_postgresql(folder)), f"memory_{due}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return server.set(database=name).render_as_string(hide_password=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("few", nargs="?", type=int, default=10_000)
    parser.add_argument("many", nargs="?", type=int, default=200_000)
    parser.add_argument("--sqlite-only", action="store_true")
    chosen = parser.parse_args()
    main(chosen.few, chosen.many, sqlite_only=chosen.sqlite_only)

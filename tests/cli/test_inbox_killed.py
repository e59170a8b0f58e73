"""The drop folder, by processes that are killed (SIGKILL): every file takes effect once, and is moved once."""

import csv
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.cli.looking import rows
from tests.process import Process
from tests.shop import at, cart, order, write_csv

DATABASE = Path("cartctl.db")
GOOD, BAD = 300, 3
"""Rows of each export that are kept, and that are rejected."""


def contents() -> dict[str, str]:
    """The files of one drop, by name: orders and carts, events, refusals, codes, and no export."""
    Path("made").mkdir()
    numbers = range(GOOD)
    bad = [cart(f"bad-{n}", updated_at="soon") for n in range(BAD)]
    write_csv(Path("made/carts.csv"), *(cart(f"c-{n}", email=f"shopper-{n}@example.com") for n in numbers), *bad)
    worse = [order(f"bad-{n}", placed_at="soon") for n in range(BAD)]
    write_csv(Path("made/orders.csv"), *(order(f"o-{n}", cart_id=f"c-{n}") for n in numbers), *worse)
    event = {"timestamp": int(at("1h").timestamp()), "event": "bounce", "type": "bounce", "sg_event_id": "1"}
    events = [event | {"email": f"shopper-{n}@example.com"} for n in numbers] + [{"event": "open"}] * BAD
    Path("made/events.json").write_text(json.dumps(events), encoding="utf-8")
    refusals = [f"refuser-{n}@example.com" for n in numbers] + ["nobody"] * BAD
    Path("made/suppressions.csv").write_text("\n".join(["email", *refusals, ""]), encoding="utf-8")
    codes = [f"CODE-{n}" for n in numbers] + ["1.59E+17"] * BAD
    Path("made/coupons-recovery10.csv").write_text("\n".join(["code", *codes, ""]), encoding="utf-8")
    Path("made/notes.txt").write_text("buy milk\n", encoding="utf-8")
    return {path.name: path.read_text(encoding="utf-8") for path in Path("made").iterdir()}


@pytest.fixture
def dropped() -> dict[str, str]:
    """What was dropped, by name; it lies in inbox/, old enough."""
    found = contents()
    Path("inbox").mkdir()
    for name, text in found.items():
        path = Path("inbox") / name
        path.write_text(text, encoding="utf-8")
        os.utime(path, (time.time() - 120,) * 2)
    return found


def start() -> Process:
    return Process("import", "inbox", "inbox", folder=Path.cwd())


def kill_when(seen: Callable[[], bool]) -> str | None:
    """Run once and kill it as soon as `seen`; return what it said, or None when it was killed."""
    process = start()
    while process.poll() is None:
        if seen():
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    _, err = process.communicate()
    return None if process.returncode == -signal.SIGKILL else err


def imported() -> int:
    """How many imports have been committed."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)) as database:
        count: int = database.execute("SELECT count(*) FROM imports").fetchone()[0]
        return count
    return 0


def finish() -> str:
    """Run until nothing is left to do; return all that was said."""
    said = ""
    for _ in range(10):
        process = start()
        _, err = process.communicate()
        said += err
        if process.returncode == 0:
            return said
        assert process.returncode == 1, err
    raise AssertionError(said)


def check(dropped: dict[str, str]) -> None:
    """Every file took effect once, and lies once where it belongs, with its rejected rows beside it."""
    left = [path for path in Path("inbox").rglob("*") if path.is_file() and path.name != "lock"]
    assert sorted(path.relative_to("inbox").as_posix() for path in left) == sorted(
        [f"done/{name}" for name in dropped if name != "notes.txt"]
        + [f"done/{name}.rejects.{'jsonl' if name.endswith('.json') else 'csv'}" for name in dropped if name[0] != "n"]
        + ["failed/notes.txt", "failed/notes.txt.reason.txt"]
    )
    for path in left:
        if path.name in dropped:
            assert path.read_text(encoding="utf-8") == dropped[path.name]
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                assert len(list(csv.reader(stream))) == 1 + BAD
    for table in ("carts", "orders", "events", "coupons"):
        assert rows(DATABASE, f"SELECT count(*) FROM {table}") == [(GOOD,)], table
    assert rows(DATABASE, "SELECT count(*) FROM suppressions") == [(2 * GOOD,)]
    assert rows(DATABASE, "SELECT count(*) FROM carts WHERE order_id IS NOT NULL") == [(GOOD,)]
    assert rows(DATABASE, "SELECT count(*) FROM imports") == [(5,)]


def there(pattern: str) -> Callable[[], bool]:
    return lambda: any(Path("inbox").glob(pattern))


MOMENTS: dict[str, Callable[[], bool]] = {
    "while it reads the first": there(".inbox/*.part"),
    "about the first commit": there(".inbox/suppressions.csv.rejects.csv"),
    "after the first commit": lambda: imported() > 0,
    "after the first move": there("done/suppressions.csv.rejects.csv"),
    "while it reads the second": there(".inbox/orders.csv.*"),
    "after the fourth commit": lambda: imported() > 3,
    "about the last": there("failed/notes.txt*"),
}
"""In the order in which they come, so that each kill finds the folder as the one before has left it."""


def test_killed_at_one_bad_moment_after_another(dropped: dict[str, str]) -> None:
    killed = [moment for moment, seen in MOMENTS.items() if kill_when(seen) is None]
    finish()
    check(dropped)
    assert killed  # how many it were depends on the machine: a moment may pass unseen


def test_killed_again_and_again_at_any_moment(dropped: dict[str, str]) -> None:
    dice = random.Random(3)
    for _ in range(5):
        until = time.monotonic() + 0.4 + dice.random()
        kill_when(lambda until=until: time.monotonic() > until)  # type: ignore[misc] # a default binds it
    assert "Traceback" not in finish()
    check(dropped)


def test_two_at_once_do_it_once(dropped: dict[str, str]) -> None:
    processes = [start() for _ in range(3)]
    ends = [(process.communicate(), process.returncode)[1] for process in processes]
    assert set(ends) <= {0, 1, 75}
    finish()
    check(dropped)

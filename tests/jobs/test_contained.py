"""Work in a child process: what it finds comes back, whatever becomes of it, and it takes no more than it may."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cartctl.jobs.contained import MEGABYTE, Ended, Limits, run

SMALL = Limits(cpu_seconds=1, memory=64 * MEGABYTE, output=MEGABYTE)


def finds(*values: Any) -> Iterator[Any]:
    yield from values


def calculates() -> Iterator[Any]:
    yield "first"
    yield len(str(3**400_000_000))  # one instruction, so that no handler of Python's gets a turn


def hoards() -> Iterator[Any]:
    yield "first"
    kept = []
    while True:
        kept.append(bytearray(MEGABYTE))


def babbles() -> Iterator[Any]:
    while True:
        yield "x" * 1000


def dies() -> Iterator[Any]:
    yield "first"
    os.kill(os.getpid(), signal.SIGTERM)


def raises() -> Iterator[Any]:
    yield "first"
    raise RuntimeError("ours")


def test_what_is_found_comes_back() -> None:
    assert run(lambda: finds({"a": 1}, "ü\n", None), Limits()) == Ended([{"a": 1}, "ü\n", None])


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (calculates, "takes more than 1 s of the processor"),
        (hoards, "takes more than 64 MB of memory"),
        (dies, "ends the process that renders it (exit code -15)"),
        (raises, "ends the process that renders it (exit code 1)"),
    ],
)
def test_what_was_found_before_it_was_broken_off_comes_back(work: Callable[[], Iterator[Any]], why: str) -> None:
    assert run(work, SMALL) == Ended(["first"], why)


def test_output_ends_somewhere() -> None:
    ended = run(babbles, SMALL)
    assert ended.broken_off == "writes more than 1 MB"
    assert 900 < len(ended.found) < 1000


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    run(babbles, SMALL)
    run(dies, SMALL)
    left = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True, text=True, check=False
    )
    assert "Z" not in left.stdout

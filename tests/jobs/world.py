"""What the state machine's world is made of: places and days, carts, threads that keep their turn, databases."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cartctl.store.database import EngineDatabase, open_database

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")
"""One of each shopper. The last sets its clocks by half an hour."""
STARTS = {
    "a quiet week": 0,
    "clocks forward in America": 5,
    "in Europe": 26,
    "back on Lord Howe": 33,
    "forward there": 215,
    "back in Europe": 236,
    "in America": 243,
}
"""Days after T0 (2 March 2026)."""


class Inline(Executor):
    """Does everything at once and in its order, so that an example can be told again."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*arguments, **options))
        except BaseException as error:  # noqa: BLE001 - as a thread pool does it
            future.set_exception(error)
        return future


@dataclass
class Filled:
    """A cart as the shop knows it."""

    shopper: int
    seen: int
    bought_at: int | None = None


@contextmanager
def on_sqlite() -> Iterator[tuple[EngineDatabase, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cartctl.db"
        shutil.copy(empty_file(), path)
        database = open_database(f"sqlite:///{path}")
        yield database, Path(folder)
        database.close()


@lru_cache
def empty_file() -> Path:
    """A database with the schema, to be copied: making one takes longer than an example."""
    path = Path(tempfile.mkdtemp()) / "empty.db"
    open_database(f"sqlite:///{path}").close()
    return path

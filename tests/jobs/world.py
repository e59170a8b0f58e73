"""What the state machine's world is made of: places and days, carts, threads that keep their turn, databases."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cartctl.domain.times import zone_named
from cartctl.importers.records import Context
from cartctl.jobs import import_events
from cartctl.jobs.importing import Options
from cartctl.store.database import EngineDatabase, connect
from cartctl.store.tables import metadata
from tests.jobs.engine import Engine
from tests.shop import at

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")
"""Of the shoppers, in turn. The last sets its clocks by half an hour."""
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

LEGAL = {
    "": {"scheduled"},
    "scheduled": {"claimed", "skipped", "cancelled", "unknown"},
    "claimed": {"scheduled", "sending", "skipped", "cancelled", "unknown"},
    "sending": {"scheduled", "accepted", "failed", "unknown"},
    "unknown": {"accepted", "scheduled"},
    "cancelled": {"scheduled"},
    "accepted": set(),
    "skipped": set(),
    "failed": set(),
}
"""From each state of a message, where it may go."""


def offsets(moment: str) -> tuple[timedelta | None, ...]:
    """Say what the clocks of all zones show."""
    return tuple(at(moment).astimezone(zone_named(zone)).utcoffset() for zone in ZONES)


def number_of(email: str) -> int:
    """Return the shopper of an address."""
    return int(email.removeprefix("shopper").partition("@")[0])


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


Empty = Callable[[], AbstractContextManager[tuple[EngineDatabase, Path]]]
"""Opens an empty database, and a folder, for one example. The engine is the same for all: it keeps what it compiled."""


def on_sqlite(template: Path, folder: Path) -> Empty:
    path = folder / "cartctl.db"
    database = EngineDatabase(connect(f"sqlite:///{path}"))

    @contextmanager
    def empty() -> Iterator[tuple[EngineDatabase, Path]]:
        shutil.copy(template, path)
        yield database, folder
        database.close()

    return empty


def on_postgresql(url: str, folder: Path) -> Empty:
    database = EngineDatabase(connect(url))

    @contextmanager
    def empty() -> Iterator[tuple[EngineDatabase, Path]]:
        with database.write() as connection:
            names = ", ".join(table.name for table in metadata.sorted_tables)
            connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY")
        yield database, folder
        database.close()

    return empty


def import_event(engine: Engine, message_id: int, email: str, *, when: str) -> None:
    """Import a file in which SendGrid tells that it delivered a message."""
    about = {"email": email, "cc_message_id": str(message_id), "event": "delivered"}
    path = engine.folder / f"event-{message_id}-{when}.json"
    path.write_text(json.dumps([about | {"timestamp": int(at(when).timestamp())}]), encoding="utf-8")
    options = Options(context=Context("main"), rejects_folder=engine.folder)
    import_events.run(engine.database, path, options=options, rules=engine.rules, now=at(when))

"""What every command needs: the configuration, the clock, the database, and a way to speak.

This is where the clock and the environment are read; commands hand them on. No Typer here: see `cli.main`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cartctl import config
from cartctl.cli.logs import LOG, Format
from cartctl.domain.identity import without_addresses
from cartctl.domain.times import YEARS, NoOffsetError, parse_duration, parse_instant
from cartctl.errors import LockHeldError, UsageError
from cartctl.store import schema
from cartctl.store.database import EngineDatabase, open_database


class State:
    """What stood before the command; the configuration is read at first use."""

    def __init__(self, config_file: Path | None, *, verbose: bool, log_format: Format | None = None) -> None:
        self._config_file = config_file
        self.verbose = verbose
        self._log_format: Format | None = None
        self.log_as(log_format)
        self._loaded: config.Loaded | None = None

    @property
    def loaded(self) -> config.Loaded:
        if self._loaded is None:
            self._loaded = config.load(file=self._config_file, environment=os.environ, folder=Path())
            LOG.format = self._log_format or self._loaded.settings.log.format
        return self._loaded

    def go_on_without_configuration(self) -> None:
        """Put the defaults in the place of a configuration that cannot be read; the database stays the shop's own."""
        self._loaded = config.salvage(file=self._config_file, environment=os.environ, folder=Path())

    def log_as(self, format_: Format | None) -> None:
        """Choose the log's format, whatever the configuration says. None chooses nothing."""
        if format_:
            self._log_format = LOG.format = format_

    @contextmanager
    def database(self, *, at: datetime | None = None, writes: bool = True) -> Iterator[EngineDatabase]:
        """Open the database. Written under `--at` it becomes a rehearsal for good, so a shop's own is refused.

        Without `writes` an empty database is not set up: one in memory stands in for it.
        """
        from cartctl.wiring import delivering

        rehearsal = at is not None and writes
        if rehearsal and (name := delivering(self.loaded)):
            raise UsageError(
                f'--at: transport = "{name}" sends real mail, and a database written '
                'under --at must never do that: rehearse with transport = "outbox" and another database'
            )
        if writes:
            database = open_database(self.loaded.database_url, rehearsal_since=datetime.now(UTC) if rehearsal else None)
        else:
            database = self._to_look_at()
        try:
            yield database
        finally:
            database.close()

    def _to_look_at(self) -> EngineDatabase:
        if not self.loaded.database_is_missing:
            database = open_database(self.loaded.database_url, create=False)
            with database.read() as connection:
                if schema.check(connection):
                    return database
            database.close()
        return open_database("sqlite://")

    @contextmanager
    def lock(self, path: Path | None = None) -> Iterator[None]:
        """Let one run at a time through. Sending only saves work by it: its correctness does not rest on the lock.

        `path`: another lock than that of the sending loop.
        """
        from filelock import FileLock, Timeout

        path = path or self.loaded.lock_file
        try:
            with FileLock(path, timeout=0):
                yield
        except Timeout:
            raise LockHeldError(f"another run is at work (it holds {path}): nothing was done") from None
        except PermissionError:
            raise UsageError(f"{path}: the lock file cannot be written: check the folder's owner and rights") from None

    def say(self, text: str) -> None:
        """Print what is good to know: with -v, or to a person at a terminal; cron mails whatever is printed.

        A JSON log has told it already.
        """
        if not LOG.is_json and (self.verbose or sys.stdout.isatty()):
            print(text)


def read_at(text: str | None) -> datetime | None:
    """Read `--at`; it must carry its offset."""
    return None if text is None else read_time(text, "--at")


def read_time(text: str, option: str) -> datetime:
    """Read the time that an option names; it must carry its offset."""
    try:
        found = parse_instant(text)
    except NoOffsetError as error:
        raise UsageError(f"{option}: {error}: append one, such as Z or +01:00") from None
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if found.year not in YEARS:
        raise UsageError(f'{option}: "{text}" is absurd (the years from {YEARS[0]} to {YEARS[-1]} are not)')
    return found


def read_duration(text: str, option: str) -> timedelta:
    """Read how long an option says: more than nothing."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if not found:
        raise UsageError(f"{option}: {text} is no time at all (5m and 48h are)")
    return found


def clock(at: datetime | None) -> Callable[[], datetime]:
    """Return the clock: the real one, or one that was set to `at` a moment ago and runs on."""
    if at is None:
        return lambda: datetime.now(UTC)
    started = time.monotonic()
    return lambda: at + timedelta(seconds=time.monotonic() - started)


def shown_id(text: str, *, show_addresses: bool = False) -> str:
    """Return a shop's own id of a cart as it may be shown: some shops make it of the shopper's address."""
    return text if show_addresses else without_addresses(text)


def complain(text: str) -> None:
    """Print what went wrong, or wants attention, to standard error."""
    LOG.complain(text)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_with(head: dict[str, Any], name: str, items: Iterable[Any]) -> None:
    """Print `head` with a list added to it as `name`, one item a line as it comes: it need not fit into memory."""
    print(json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}"), end=f',\n  "{name}": [')
    between = "\n"
    for item in items:
        print(f"{between}    {json.dumps(item, ensure_ascii=False)}", end="")
        between = ",\n"
    print("]\n}" if between == "\n" else "\n  ]\n}")


def about_cart(cart: str, store: str, *, show_addresses: bool = False) -> str:
    """Say which cart a mail is about, behind a comma; of a contact's mail without one, for which store."""
    return f", cart {shown_id(cart, show_addresses=show_addresses)} of {store}" if cart else f", for {store}"


def show_time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"

"""Opening a database, and its two kinds of transaction: `read()` and `write()`.

SQLite: WAL, full sync (a commit survives a power cut), writers queue up (`BEGIN IMMEDIATE`) instead of failing.
PostgreSQL: `write(carts="change" | "rely")` adds a lock that keeps imports and detection from changing carts while
others decide upon them; two imports at once would otherwise not see each other's carts and orders. Who has waited for
it must see what was committed meanwhile: READ COMMITTED, whatever the server does by default.
"""

import logging
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from cartctl.errors import ConfigurationError, DatabaseBusyError, DatabaseError
from cartctl.store import keys, schema

BUSY_SECONDS = 60
"""Longer than any import of an ordinary size holds the database."""
_KEEPALIVES = {"idle": 60, "interval": 10, "count": 6}
"""Seconds, seconds and a number: after two minutes of silence server and client hold each other for gone."""
_CARTS_LOCK = 0x63617274  # "cart": one number for all cartctl processes on a PostgreSQL database

_DEFAULTS = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SELECT set_config('lock_timeout', '{seconds}s', false) WHERE current_setting('lock_timeout') = '0';
"""
"""That a message is being sent is on disk before its first byte leaves. What else is waited for, the operator says; and
no lock, unless he does, for ever: its holder may be a machine that hangs."""

_SECRETIVE: dict[str, Any] = {"hide_parameters": True, "logging_name": "cartctl"}
logging.getLogger("sqlalchemy.engine.Engine.cartctl").addFilter(lambda record: record.levelno > logging.DEBUG)
"""At DEBUG, SQLAlchemy logs whatever rows it read: addresses, and the keys that sign links."""

CartsLock = Literal["change", "rely"]


class Database(Protocol):
    """What the jobs are handed: transactions, and nothing else of the engine."""

    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self, *, carts: CartsLock | None = None) -> AbstractContextManager[Connection]:
        """Open a transaction that commits at the end of the block. `carts`: see the module's text."""
        ...


class EngineDatabase:
    """A database on disk or on a server.

    `rehearsal_since`: whatever is written makes it a rehearsal for good, noted in the same transaction.
    """

    def __init__(self, engine: Engine, *, rehearsal_since: datetime | None = None) -> None:
        self.engine = engine
        self.rehearsal_since = rehearsal_since

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Read, all statements at one moment; nobody waits for it. On SQLite every `read` is such."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self, *, carts: CartsLock | None = None) -> Iterator[Connection]:
        with self.engine.connect().execution_options(cartctl_write=True) as connection, connection.begin():
            self.open_write(connection, carts)
            yield connection

    def open_write(self, connection: Connection, carts: CartsLock | None) -> None:
        """Do what every writing transaction begins with."""
        if carts:
            _lock_carts(connection, carts)
        if self.rehearsal_since is not None:
            keys.mark_rehearsal(connection, now=self.rehearsal_since)

    @contextmanager
    def dry_run(self) -> Iterator[Database]:
        """Lend a database in which everything may be tried and nothing lasts.

        SQLite: a copy, so that nobody waits for it. PostgreSQL: a transaction that is taken back at the end.
        """
        if self.engine.dialect.name == "sqlite":
            with self._copy() as copy:
                yield copy
            return
        with self.engine.connect().execution_options(cartctl_write=True) as connection:
            outer = connection.begin()
            try:
                yield _DryRun(connection)
            finally:
                outer.rollback()

    @contextmanager
    def _copy(self) -> Iterator["EngineDatabase"]:
        with tempfile.TemporaryDirectory(prefix="cartctl-dry-run-") as folder:
            path = Path(folder) / "copy.db"
            with self.engine.connect() as source, closing(sqlite3.connect(path)) as target:
                source.connection.driver_connection.backup(target)  # type: ignore[union-attr] # sqlite3's own connection
            copy = EngineDatabase(connect(f"sqlite:///{path}"))
            try:
                yield copy
            finally:
                copy.close()

    def close(self) -> None:
        self.engine.dispose()


def _lock_carts(connection: Connection, carts: CartsLock) -> None:
    """Keep others from changing carts and orders until the end of this transaction. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        function = "pg_advisory_xact_lock" if carts == "change" else "pg_advisory_xact_lock_shared"
        connection.execute(text(f"SELECT {function}({_CARTS_LOCK})"))


class _DryRun:
    """One transaction that is never committed; inside it every `write` is a savepoint."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection

    @contextmanager
    def write(self, *, carts: CartsLock | None = None) -> Iterator[Connection]:
        with self._connection.begin_nested():
            yield self._connection


def open_database(url: str, *, create: bool = True, rehearsal_since: datetime | None = None) -> EngineDatabase:
    """Open the database; an empty one is set up first, unless `create` is False. Raises DatabaseError, SchemaError."""
    database = EngineDatabase(connect(url), rehearsal_since=rehearsal_since)
    try:
        with database.read() as connection:
            ready = schema.check(connection)
        if not ready and create:
            schema.upgrade(database.engine)
    except BaseException:
        database.close()
        raise
    return database


def connect(url: str, *, busy_seconds: float | None = None) -> Engine:
    """Build the engine for a database URL, without looking at what the database holds.

    `busy_seconds`: how long a writer waits for another one, else what the URL says, else `BUSY_SECONDS`.
    """
    parsed = _parse(url)
    build = _sqlite if parsed.get_backend_name() == "sqlite" else _postgresql
    try:
        engine = build(parsed, busy_seconds)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the database needs the Python package {error.name}: pip install 'cartctl[postgres]'"
        ) from None
    except (ArgumentError, ValueError):
        raise _unreadable_url() from None
    event.listen(engine, "handle_error", _name_error)
    return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise _unreadable_url() from None
    if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
        return parsed.set(drivername="postgresql+psycopg")  # SQLAlchemy's default driver is another
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ConfigurationError(f"cartctl runs on SQLite and on PostgreSQL with psycopg, not on {parsed.drivername}")
    return parsed


def _unreadable_url() -> ConfigurationError:
    """The URL itself may hold a password: it is not repeated."""
    return ConfigurationError(
        "the database URL cannot be read (sqlite:///cartctl.db and postgresql+psycopg://user@host/name are such)"
    )


def _postgresql(url: URL, busy_seconds: float | None) -> Engine:
    """`?options=-c lock_timeout=5s`, or one of the role's, says how long to wait for another writer."""
    keepalives = {f"keepalives_{name}": number for name, number in _KEEPALIVES.items()}
    ours = {name: number for name, number in keepalives.items() if name not in url.query}
    engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=ours, **_SECRETIVE)
    settings = [f"SET tcp_{name} = {number}" for name, number in keepalives.items()]
    if busy_seconds is not None:
        settings.append(f"SET lock_timeout = {int(busy_seconds * 1000)}")
    settings.append(_DEFAULTS.format(seconds=BUSY_SECONDS))

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute(";".join(settings))
        connection.commit()

    return engine


def _sqlite(url: URL, busy_seconds: float | None) -> Engine:
    """`?timeout=5` in the URL says how many seconds to wait for another writer."""
    if busy_seconds is None:
        busy_seconds = float(str(url.query.get("timeout", BUSY_SECONDS)))
    options = {"timeout": busy_seconds, "check_same_thread": False}
    engine = create_engine(url, connect_args=options, **_SECRETIVE)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise _sqlite_error(error, f"database {_shown(url)}") from error

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("cartctl_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _shown(url: URL) -> str:
    """The URL for people: without the password, which may also stand behind the question mark."""
    return url.set(query={}).render_as_string(hide_password=True)


def _name_error(context: ExceptionContext) -> None:
    """Turn what an operator can mend into one line; the rest is a fault of ours and keeps its traceback."""
    original: Any = context.original_exception
    url = context.dialect.name if context.engine is None else _shown(context.engine.url)
    if isinstance(original, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
        original, sqlite3.IntegrityError | sqlite3.ProgrammingError
    ):
        raise _sqlite_error(original, f"database {url}") from original
    state: str = getattr(original, "sqlstate", None) or ""
    if state == _CANCELED or state[:2] in _BUSY_STATES:
        what = f"{original.__class__.__name__}: another program holds it; try again when it is done"
        raise DatabaseBusyError(f"database {url}: {what}") from original
    advice = _SERVER_ADVICE.get(state) or _SERVER_ADVICE.get(state[:2])
    is_operational = any(kind.__name__ == "OperationalError" for kind in type(original).__mro__)
    if advice or is_operational or context.connection is None:
        detail = str(original).strip().splitlines()[0]
        raise DatabaseError(f"database {url}: {detail}: {advice or _UNREACHED}") from original
    # PostgreSQL's second line repeats the row's values: an address, say.
    for error in (original, context.sqlalchemy_exception):
        if error is not None:
            error.args = tuple(str(error).strip().splitlines()[:1])


def _sqlite_error(error: sqlite3.Error, where: str) -> Exception:
    for sign, advice in _SQLITE_ADVICE.items():
        if sign in str(error).lower():
            kind = DatabaseBusyError if sign == "locked" else DatabaseError
            return kind(f"{where}: {error}: {advice}")
    return error


# PostgreSQL's errors by the class of their SQLSTATE (its manual, appendix A). Importing psycopg to compare types would
# cost every tick on SQLite.
_BUSY_STATES = ("40", "55")
"""Transaction rolled back (deadlock, serialization); a lock that was not to be had."""
_CANCELED = "57014"
"""By its statement_timeout: mostly, somebody held a lock."""
_UNREACHED = "is the server up, and is the URL right?"
_SERVER_ADVICE = {
    "08": _UNREACHED,
    "25": "the server only reads (is it a standby?), or has ended a transaction that took too long",
    "42501": "grant the user of the URL what it may not do",
    "53": "the server is short of room, memory or connections",
    "57": _UNREACHED,
    "58": "the disk of the server refuses its work",
    "XX": "a fault within the server: its log says more",
}

_SQLITE_ADVICE = {
    "locked": "another program is writing to it; try again when it is done",
    "readonly": "its file or folder cannot be written to: check the owner and the rights",
    "unable to open": "does the folder exist, and may this user write there?",
    "not a database": "this file is something else: name another one",
    "malformed": "the file is damaged: restore a backup",
    "full": "make room, then run the command again; nothing was half-written",
    "disk i/o error": "the disk or its quota refused a write; nothing was half-written",
}

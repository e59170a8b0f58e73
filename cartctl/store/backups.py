"""Backups: copying a SQLite database while it is used, and what PostgreSQL's own program is told."""

import contextlib
import os
import shlex
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Engine

from cartctl.errors import DatabaseError, UnwritableFileError
from cartctl.store import keys
from cartctl.store.instants import to_micros

SQLITE = b"SQLite format 3\0"
"""How such a file begins."""


def backup(engine: Engine, target: Path, *, force: bool, now: datetime) -> int:
    """Write a copy of the database as it is at one moment into `target`; return its size in bytes. Others may write.

    The file appears when it is whole, checked and on the disk; only its owner may read it. Without `force` a file that
    is there is left alone. Raises UnwritableFileError, DatabaseError.
    """
    partial = target.with_name(f"{target.name}.part")
    try:
        if target.exists() and not force:
            raise UnwritableFileError(f"{target} is there already: name another file, or say --force to replace it")
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(engine, partial, now)
        _sync(partial)
        partial.replace(target)
        _sync(target.parent)
        return target.stat().st_size
    except OSError as fault:
        raise UnwritableFileError(f"{target}: the backup cannot be written: {fault.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            for left in (partial, *(Path(f"{partial}{end}") for end in ("-wal", "-shm", "-journal"))):
                left.unlink(missing_ok=True)


def _copy(engine: Engine, partial: Path, now: datetime) -> None:
    """In one step: one that is taken in several begins anew whenever somebody writes, and may never end."""
    source = engine.raw_connection()
    try:
        driver = source.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        with closing(sqlite3.connect(partial)) as copy:
            driver.backup(copy)
            mark = "INSERT OR REPLACE INTO marks (name, value, at) VALUES (?, 'yes', ?)"
            copy.execute(mark, (keys.BACKUP, to_micros(now)))
            copy.commit()
            copy.execute("PRAGMA journal_mode = DELETE")  # so that the copy is one file
            (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise DatabaseError(f"the backup failed: {error}: nothing was written") from error
    finally:
        source.close()
    if verdict != "ok":
        raise DatabaseError(f"the copy is damaged, so the database is: {verdict}: restore an older backup")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pg_dump(url: URL, file: Path) -> str:
    """Return the command that backs up a PostgreSQL database. The password is left out: pg_dump reads PGPASSWORD or
    ~/.pgpass, or asks.
    """
    query = {name: value for name, value in url.query.items() if "password" not in name}
    where = URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=query
    )
    return f"pg_dump --format=custom --file={shlex.quote(str(file))} {shlex.quote(where.render_as_string())}"


def has_contact(file: Path, email: str) -> bool:
    """Say whether a copy of a SQLite database has this normalised address; one that cannot be read has not."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)) as copy:
            found = copy.execute("SELECT 1 FROM contacts WHERE email_normalised = ?", (email,))
            return found.fetchone() is not None
    except sqlite3.Error:
        return False

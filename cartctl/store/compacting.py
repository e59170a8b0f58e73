"""Keeping nothing of what was deleted in the file of a SQLite database."""

import contextlib
import sqlite3

from sqlalchemy import Engine

_ROOM = "needs as much free disk as the database takes, and a moment in which nobody reads it"


def compact(engine: Engine) -> str:
    """Rewrite the whole file and empty its log (-wal): what was deleted or changed is in neither any more.

    Returns "", or what was in the way: then bytes of what was deleted may be left.
    """
    connection = engine.raw_connection()
    try:
        driver = connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("VACUUM")
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        return f"{error}: VACUUM {_ROOM}"
    finally:
        connection.close()
    return f"another program still reads an older state: emptying the log {_ROOM}" if busy else ""


def empty_log(engine: Engine) -> None:
    """Move the log (-wal) into the file and empty it, unless somebody reads meanwhile."""
    connection = engine.raw_connection()
    try:
        driver = connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        with contextlib.suppress(sqlite3.Error):
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()

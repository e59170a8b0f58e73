"""Facts about the database itself: is it a rehearsal or a restored backup, and the keys it signs and hashes with."""

import secrets
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, delete, select, text

from cartctl.store.sql import insert_missing
from cartctl.store.tables import marks

SIGNING = "signing-key"
HASHING = "hashing-key"
"""Never rotates: with another key no suppression would be found again."""
_REHEARSAL, _RESTORED = "rehearsal", "restored"
BACKUP = "backup"
"""Stands in copies alone: whoever opens one as its database has restored it."""
IDS_LEFT_OUT = 10_000_000
"""More messages than are made between a backup and its restoring; an id keeps the eight digits of its file's name."""


def key(connection: Connection, name: str, *, now: datetime) -> str:
    """Return the key called `name`, made at its first use. Needs a write transaction."""
    found = _value(connection, name)
    if found is None:
        _set_once(connection, name, secrets.token_urlsafe(32), now)
        found = _value(connection, name)
    assert found is not None
    return found


def known(connection: Connection, name: str) -> str | None:
    """Return the key called `name`, if it was ever needed."""
    return _value(connection, name)


def database_id(hashing_key: bytes) -> str:
    """Name the database for ever, saying nothing of its key: messages are counted from 1 in every database."""
    return sha256(b"cartctl messages " + hashing_key).hexdigest()[:16]


def mark_rehearsal(connection: Connection, *, now: datetime) -> None:
    """Note for ever that this database was written under a clock that was set by hand."""
    _set_once(connection, _REHEARSAL, "yes", now)


def is_rehearsal(connection: Connection) -> bool:
    return _value(connection, _REHEARSAL) is not None


def backup_since(connection: Connection) -> datetime | None:
    """Return when this database was copied, if it is a copy that nothing has been sent from yet."""
    return _at(connection, BACKUP)


def mark_restored(connection: Connection, *, now: datetime) -> None:
    """Note that what was sent before `now` may be unknown here."""
    connection.execute(delete(marks).where(marks.c.name.in_((BACKUP, _RESTORED))))
    _set_once(connection, _RESTORED, "yes", now)


def leave_out_message_ids(connection: Connection) -> None:
    """Let the next message's id lie beyond all that may have been given since the backup.

    Those name mails that are out there: in links, file names, Message-IDs and idempotency keys.
    """
    newest = "(SELECT COALESCE(MAX(id), 0) FROM messages)"
    if connection.dialect.name == "postgresql":
        sequence = "pg_get_serial_sequence('messages', 'id')"
        connection.execute(text(f"SELECT setval({sequence}, GREATEST(nextval({sequence}), {newest}) + {IDS_LEFT_OUT})"))
        return
    known = f"MAX({newest}, COALESCE((SELECT MAX(seq) FROM sqlite_sequence WHERE name = 'messages'), 0))"
    beyond: int = connection.execute(text(f"SELECT {known} + {IDS_LEFT_OUT}")).scalar_one()
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'messages'"))  # no row before the first message
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('messages', :beyond)"), {"beyond": beyond})


def restored_since(connection: Connection) -> datetime | None:
    return _at(connection, _RESTORED)


def _at(connection: Connection, name: str) -> datetime | None:
    return connection.execute(select(marks.c.at).where(marks.c.name == name)).scalar()


def _value(connection: Connection, name: str) -> str | None:
    return connection.execute(select(marks.c.value).where(marks.c.name == name)).scalar()


def _set_once(connection: Connection, name: str, value: str, now: datetime) -> None:
    insert_missing(connection, marks, [{"name": name, "value": value, "at": now}], ["name"])

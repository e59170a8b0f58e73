"""Forget a person for good.

1. In one transaction: their keyed hash is noted, their mails are called off, every row about them is made anonymous.
2. Wherever the address still stands in a text (the name of a file, an id, a line of a log) it is taken out.
3. SQLite: the file is rewritten, so that no freed page and no log holds what stood there.

Each step may be done again: whoever was forgotten before is looked for once more. Counts and money stay as they were.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete

from cartctl.store import compacting, erasing, forgotten, keys, people
from cartctl.store.contacts import email_hash, suppressed
from cartctl.store.database import EngineDatabase
from cartctl.store.people import Belongings
from cartctl.store.tables import intake

REASON = "forgotten"


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was done. `before`: when the same was done earlier. `left`: what kept the file from being rewritten."""

    before: datetime | None
    carts: int = 0
    orders: int = 0
    cancelled: int = 0
    texts: int = 0
    left: str = ""


def run(database: EngineDatabase, email: str, *, now: datetime) -> Forgotten | None:
    """Forget the person with this normalised address; None: nothing is held about them, and nothing was done."""
    with database.write(carts="change") as connection:
        hash_ = email_hash(keys.key(connection, keys.HASHING, now=now).encode(), email)
        before = forgotten.since(connection, hash_)
        contact = people.find(connection, email)
        waiting = people.intake_of(connection, email)
        if not (contact or before or waiting or suppressed(connection, [hash_])):
            return None
        forgotten.add(connection, hash_, at=now)
        own = people.of_contact(connection, contact.id) if contact else Belongings((), (), ())
        cancelled = erasing.erase(connection, own, reason=REASON, at=now)
        connection.execute(delete(intake).where(intake.c.id.in_(waiting)))
    texts = 0
    with database.read() as connection:
        found = erasing.traces(connection, email)
    if found:
        with database.write() as connection:
            texts = erasing.wipe(connection, email, hash_)
    left = compacting.compact(database.engine) if database.engine.dialect.name == "sqlite" else ""
    return Forgotten(
        before=before, carts=len(own.carts), orders=len(own.orders), cancelled=cancelled, texts=texts, left=left
    )

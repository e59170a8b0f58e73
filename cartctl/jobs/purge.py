"""Retention: make anonymous what is about people with whom nothing has happened for long.

Works in chunks, each in one short transaction: whatever dies, each person is either as they were or erased, and the
next run goes on. Counts and money of every report stay. Nobody is forgotten by it: who comes back later is a new
contact, but what was known of them up to then does not come back, from whatever file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from cartctl.domain.carts import Consent
from cartctl.store import ageing, erasing, keys, people, suppressions
from cartctl.store.database import Database
from cartctl.store.people import Belongings

CHUNK = 200
REASON = "purged"


@dataclass(slots=True)
class Purged:
    """How many were made anonymous; carts and orders count whether they bore an address or not."""

    contacts: int = 0
    carts: int = 0
    orders: int = 0


def run(database: Database, *, before: datetime, now: datetime, dry_run: bool = False) -> Purged:
    """Erase what is older than `before`. `dry_run`: only count it."""
    result = Purged()
    work = _Purge(before, now, dry_run, result)
    for chunk in (work.contacts, work.carts, work.orders):
        after_id: int | None = 0
        while after_id is not None:
            if dry_run:
                with database.read() as connection:
                    after_id = chunk(connection, after_id)
            else:
                with database.write(carts="change") as connection:
                    after_id = chunk(connection, after_id)
    return result


@dataclass(frozen=True)
class _Purge:
    """Each method erases one chunk; it returns the id after which to go on, or None at the end."""

    before: datetime
    now: datetime
    dry_run: bool
    result: Purged

    def contacts(self, connection: Connection, after_id: int) -> int | None:
        rows = ageing.contacts_before(connection, self.before, after_id=after_id, limit=CHUNK)
        own = people.of_contacts(connection, [row.id for row in rows])
        if not self.dry_run:
            # A no must outlive the contact that it was said by.
            refused = {row.email_normalised: "consent-refused" for row in rows if row.consent == Consent.REFUSED}
            if refused:
                key = keys.key(connection, keys.HASHING, now=self.now).encode()
                suppressions.suppress(connection, refused, hashing_key=key, now=self.now)
        return self._erase(connection, own, [row.id for row in rows])

    def carts(self, connection: Connection, after_id: int) -> int | None:
        ids = ageing.carts_before(connection, self.before, after_id=after_id, limit=CHUNK)
        return self._erase(connection, Belongings((), tuple(ids), ()), ids)

    def orders(self, connection: Connection, after_id: int) -> int | None:
        ids = ageing.orders_before(connection, self.before, after_id=after_id, limit=CHUNK)
        return self._erase(connection, Belongings((), (), tuple(ids)), ids)

    def _erase(self, connection: Connection, own: Belongings, ids: Sequence[int]) -> int | None:
        if not self.dry_run:
            erasing.erase(connection, own, reason=REASON, at=self.now)
        self.result.contacts += len(own.contacts)
        self.result.carts += len(own.carts)
        self.result.orders += len(own.orders)
        return ids[-1] if len(ids) == CHUNK else None

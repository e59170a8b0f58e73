"""What an unsubscribe link does: nothing until it is confirmed, then all at once, and back again if it was a slip.

A link never expires: somebody who finds an old mail must be able to make an end. It names a message; whom that was
addressed to is looked up. Where that is no longer known (the person was forgotten, the message is gone) there is nobody
left to write to, and the answer is the same friendly yes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from cartctl.store import contacts, suppressions, visits
from cartctl.store.database import Database

REASON = suppressions.UNSUBSCRIBE_LINK
"""What an undo may take back. A bounce or a complaint has another reason, and stays."""

NOBODYS = ".invalid"
"""Ends what stands in for the address of somebody who was forgotten: never an address itself (RFC 2606, section 2)."""


class Extent(StrEnum):
    """How far an unsubscription goes."""

    SEQUENCE = "sequence"
    """Only mails like this one."""
    EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a link belongs to. `email` is normalised."""

    message_id: int
    email: str
    sequence: str
    store: str
    locale: str
    sent_at: datetime | None

    def scope(self, extent: Extent) -> str:
        return suppressions.EVERYWHERE if extent is Extent.EVERYTHING else self.sequence


@dataclass(frozen=True, slots=True)
class Standing:
    """What an address may be sent."""

    extent: Extent | None
    """None: everything."""
    may_undo: bool
    """Whether a link set it, and so can take it back."""


def find(connection: Connection, message_id: int) -> Person | None:
    """Return whom a message was addressed to; None where that is not known any longer."""
    row = visits.person_of(connection, message_id)
    if row is None or row.email_normalised.endswith(NOBODYS):
        return None
    return Person(message_id, row.email_normalised, row.sequence, row.store, row.locale, row.sent_at)


def standing(connection: Connection, person: Person, *, hashing_key: bytes) -> Standing:
    hash_ = contacts.email_hash(hashing_key, person.email)
    reasons = suppressions.reasons(connection, hash_)
    for extent in (Extent.EVERYTHING, Extent.SEQUENCE):
        if person.scope(extent) in reasons:
            return Standing(extent, reasons[person.scope(extent)] == REASON)
    return Standing(None, may_undo=False)


def unsubscribe(database: Database, person: Person, extent: Extent, *, hashing_key: bytes, now: datetime) -> Standing:
    """Suppress the address and stop what is under way for it. Doing so twice is doing it once."""
    with database.write(carts="change") as connection:
        new = suppressions.suppress(
            connection, {person.email: REASON}, hashing_key=hashing_key, now=now, scope=person.scope(extent)
        )
        if new:
            visits.note(connection, person.message_id, "unsubscribe", at=now, detail=extent.value)
        return standing(connection, person, hashing_key=hashing_key)


def undo(database: Database, person: Person, *, hashing_key: bytes, now: datetime) -> Standing:
    """Take back what such links set for this address. What was stopped meanwhile stays stopped."""
    scopes = [person.scope(extent) for extent in Extent]
    with database.write(carts="change") as connection:
        hash_ = contacts.email_hash(hashing_key, person.email)
        if suppressions.lift(connection, hash_, scopes=scopes, reason=REASON):
            visits.note(connection, person.message_id, "resubscribe", at=now)
        return standing(connection, person, hashing_key=hashing_key)

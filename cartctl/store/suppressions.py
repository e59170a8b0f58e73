"""Suppressing addresses: imports of bounces, complaints and refusals, the unsubscribe link, and what lifts it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from cartctl.store import enrollments
from cartctl.store.contacts import email_hash
from cartctl.store.sql import chunks, insert_new
from cartctl.store.tables import contacts, suppressions
from cartctl.store.tables import enrollments as enrollments_table

EVERYWHERE = "all"
"""The scope of a suppression that holds for every sequence."""
_REASON_LENGTH = 80

UNSUBSCRIBE_LINK = "unsubscribe-link"
"""The one reason that whoever has the link can take back; so whatever else is heard of an address outweighs it."""
_OUTWEIGH = (
    update(suppressions)
    .where(
        suppressions.c.email_hash == bindparam("hash"),
        suppressions.c.scope == bindparam("in_scope"),
        suppressions.c.reason == UNSUBSCRIBE_LINK,
    )
    .values(reason=bindparam("why"))
)


def suppress(
    connection: Connection,
    reasons: Mapping[str, str],
    *,
    hashing_key: bytes,
    now: datetime,
    scope: str = EVERYWHERE,
) -> int:
    """Never write to these normalised addresses again; return how many were not suppressed before.

    `scope`: a sequence's name, where only its mails are meant.
    What is scheduled for them is cancelled here. What a run is about to send waits for this transaction when it is
    opened with `carts="change"`, and then meets the suppression at the gate.
    """
    new = 0
    for emails in chunks(sorted(reasons)):
        rows = [
            {
                "email_hash": email_hash(hashing_key, email),
                "scope": scope,
                "reason": reasons[email][:_REASON_LENGTH],
                "at": now,
            }
            for email in emails
        ]
        new += len(insert_new(connection, suppressions, rows, "email_hash", "scope"))
        for row in rows:
            if row["reason"] != UNSUBSCRIBE_LINK:
                connection.execute(_OUTWEIGH, {"hash": row["email_hash"], "in_scope": scope, "why": row["reason"]})
        running = connection.execute(
            select(enrollments_table.c.id)
            .join(contacts, contacts.c.id == enrollments_table.c.contact_id)
            .where(
                contacts.c.email_normalised.in_(emails),
                enrollments_table.c.status.in_((enrollments.LIVE, enrollments.SUSPENDED)),
                *([] if scope == EVERYWHERE else [enrollments_table.c.sequence == scope]),
            )
        )
        enrollments.stop(connection, list(running.scalars()), reason="suppressed", at=now)
    return new


def reasons(connection: Connection, hash_: str) -> dict[str, str]:
    """Return why an address is suppressed, by scope."""
    found = select(suppressions.c.scope, suppressions.c.reason).where(suppressions.c.email_hash == hash_)
    return {row.scope: row.reason for row in connection.execute(found)}


def lift(connection: Connection, hash_: str, *, scopes: Sequence[str], reason: str) -> int:
    """Remove the suppressions of an address in these scopes that were set for this reason; return how many."""
    done = connection.execute(
        delete(suppressions).where(
            suppressions.c.email_hash == hash_, suppressions.c.scope.in_(scopes), suppressions.c.reason == reason
        )
    )
    return done.rowcount


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One suppression; `email` where a contact has the address, else "": its hash does not tell."""

    email_hash: str
    email: str
    scope: str
    reason: str
    at: datetime


def listed(connection: Connection, hashing_key: bytes) -> list[Listed]:
    """Return all suppressions, oldest first. Every contact's address is hashed for it: a second for half a million."""
    rows = connection.execute(select(suppressions).order_by(suppressions.c.at, suppressions.c.id)).all()
    wanted = {row.email_hash for row in rows}
    known: dict[str, str] = {}
    if wanted:
        every = select(contacts.c.email_normalised).execution_options(yield_per=5000)
        for email in connection.execute(every).scalars():
            hash_ = email_hash(hashing_key, email)
            if hash_ in wanted:
                known[hash_] = email
    return [
        Listed(
            email_hash=row.email_hash,
            email=known.get(row.email_hash, ""),
            scope=row.scope,
            reason=row.reason,
            at=row.at,
        )
        for row in rows
    ]

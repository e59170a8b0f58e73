"""Suppressing addresses by the batch: what imports of bounces, complaints and refusals write."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from cartctl.store import enrollments
from cartctl.store.contacts import email_hash
from cartctl.store.sql import chunks, insert_new
from cartctl.store.tables import contacts, suppressions
from cartctl.store.tables import enrollments as enrollments_table

EVERYWHERE = "all"
"""The scope of a suppression that holds for every sequence."""
_REASON_LENGTH = 80


def suppress(connection: Connection, reasons: Mapping[str, str], *, hashing_key: bytes, now: datetime) -> int:
    """Never write to these normalised addresses again; return how many were not suppressed before.

    What is scheduled for them is cancelled here. What a run is about to send waits for this transaction when it is
    opened with `carts="change"`, and then meets the suppression at the gate.
    """
    new = 0
    for emails in chunks(sorted(reasons)):
        rows = [
            {
                "email_hash": email_hash(hashing_key, email),
                "scope": EVERYWHERE,
                "reason": reasons[email][:_REASON_LENGTH],
                "at": now,
            }
            for email in emails
        ]
        new += len(insert_new(connection, suppressions, rows, "email_hash", "scope"))
        running = connection.execute(
            select(enrollments_table.c.id)
            .join(contacts, contacts.c.id == enrollments_table.c.contact_id)
            .where(
                contacts.c.email_normalised.in_(emails),
                enrollments_table.c.status.in_((enrollments.LIVE, enrollments.SUSPENDED)),
            )
        )
        enrollments.stop(connection, list(running.scalars()), reason="suppressed", at=now)
    return new

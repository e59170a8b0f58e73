"""Who is never written to, so that it can be told what the mails do: drawn once for a contact and a sequence, for ever.

1. Whoever was drawn before stays where they are, even if the percentage was changed since.
2. Whoever would not be written to anyway (suppressed, no consent) is drawn into neither arm.
3. The lot is a keyed hash of address and sequence: nobody can choose it, and it comes out the same if the contact
is forgotten and comes back.
"""

import hmac
from collections.abc import Sequence as Ordered
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.carts import Consent
from cartctl.domain.decide import refused
from cartctl.domain.sequences import HOLDOUT, TREATED, Sequence
from cartctl.jobs.rules import Rules
from cartctl.store import contacts, enrollments, keys


def draw(
    connection: Connection,
    sequence: Sequence,
    rows: Ordered[Row[Any]],
    drawn: Ordered[Row[Any]],
    rules: Rules,
    *,
    now: datetime,
) -> dict[int, str]:
    """Return the arms of the contacts of these carts; who is missing is in neither.

    `rows` have contact_id, email_normalised and consent; a lot is drawn for those of `drawn` alone.
    """
    if not sequence.holdout:
        return {}
    arms = enrollments.arms(connection, sequence.name, [row.contact_id for row in rows])
    fresh = [row for row in drawn if row.contact_id not in arms]
    if not fresh:
        return arms
    key = keys.key(connection, keys.HASHING, now=now).encode()
    hashes = {row.contact_id: contacts.email_hash(key, row.email_normalised) for row in fresh}
    suppressed = contacts.suppressed(connection, hashes.values())
    for row in fresh:
        scopes = {(hashes[row.contact_id], scope) for scope in ("all", sequence.name)}
        if not scopes & suppressed and not refused(Consent(row.consent), rules.consent_required):
            is_held = lot(key, sequence.name, row.email_normalised) < sequence.holdout
            arms[row.contact_id] = HOLDOUT if is_held else TREATED
    return arms


def lot(key: bytes, sequence: str, email: str) -> float:
    """Return a number from 0 to 100 that only `key`, the sequence and the normalised address decide."""
    digest = hmac.digest(key, f"holdout\n{sequence}\n{email}".encode(), "sha256")
    return int.from_bytes(digest[:8]) / 2**64 * 100

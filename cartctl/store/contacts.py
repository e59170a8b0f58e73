"""Contacts: one row per normalised address, what the person said about mail, and what lists say of them."""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select, update

from cartctl.domain.carts import Consent
from cartctl.store.sql import among, chunks, insert_missing
from cartctl.store.tables import contacts, suppressions

_LOCK = select(contacts.c.id).where(among(contacts.c.id)).order_by(contacts.c.id).with_for_update(key_share=True)
_SUPPRESSED = select(suppressions.c.email_hash, suppressions.c.scope).where(among(suppressions.c.email_hash))


def ensure(connection: Connection, emails: Iterable[str]) -> Mapping[str, int]:
    """Return the contact ids of normalised addresses, making the missing ones."""
    wanted = sorted(set(emails))
    found = _ids(connection, wanted)
    if missing := [email for email in wanted if email not in found]:
        insert_missing(connection, contacts, [{"email_normalised": email} for email in missing], ["email_normalised"])
        found |= _ids(connection, missing)
    return found


def listed(connection: Connection, ids: Iterable[int], *, at: datetime) -> None:
    """Note that a list, or somebody by hand, told of these contacts."""
    for chunk in chunks(sorted(ids)):
        connection.execute(update(contacts).where(contacts.c.id.in_(chunk)).values(listed_at=at))


def _ids(connection: Connection, emails: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(emails):
        rows = connection.execute(
            select(contacts.c.email_normalised, contacts.c.id).where(contacts.c.email_normalised.in_(chunk))
        )
        found.update((email, id_) for email, id_ in rows)
    return found


def known_attributes(row: Row[Any]) -> dict[str, Any]:
    """Return the attributes in a row that has the column: name to text, number or truth."""
    return dict(json.loads(row.attributes)) if row.attributes else {}


def by_id(connection: Connection, id_: int) -> Row[Any]:
    return connection.execute(select(contacts).where(contacts.c.id == id_)).one()


def by_ids(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    return [
        row for chunk in chunks(ids) for row in connection.execute(select(contacts).where(contacts.c.id.in_(chunk)))
    ]


def by_email(connection: Connection, emails: Sequence[str]) -> list[Row[Any]]:
    """Return the contacts of normalised addresses, those there are."""
    found: list[Row[Any]] = []
    for chunk in chunks(emails):
        found += connection.execute(select(contacts).where(contacts.c.email_normalised.in_(chunk))).all()
    return found


def describe(connection: Connection, columns: Mapping[int, Mapping[str, str]]) -> None:
    """Write down who contacts are: by id, columns and their new values."""
    for id_, values in columns.items():
        connection.execute(update(contacts).where(contacts.c.id == id_).values(**values))


def hear_consent(
    connection: Connection,
    signals: Iterable[tuple[int, Consent, datetime]],
    *,
    source: str,
    over_refusals: bool = True,
) -> None:
    """Keep the newest grant or refusal of each contact; of two at one time the refusal.

    `over_refusals`: whether a newer grant takes a refusal back.
    """
    said = [
        {"contact": contact_id, "said": consent.value, "said_at": at}
        for contact_id, consent, at in signals
        if consent != Consent.UNKNOWN
    ]
    if not said:
        return
    newer = or_(
        contacts.c.consent_at.is_(None),
        contacts.c.consent_at < bindparam("said_at"),
        and_(
            contacts.c.consent_at == bindparam("said_at"),
            contacts.c.consent == Consent.GRANTED.value,
            bindparam("said") == Consent.REFUSED.value,
        ),
    )
    if not over_refusals:
        newer = and_(
            newer, or_(contacts.c.consent != Consent.REFUSED.value, bindparam("said") == Consent.REFUSED.value)
        )
    connection.execute(
        update(contacts)
        .where(contacts.c.id == bindparam("contact"), newer)
        .values(consent=bindparam("said"), consent_at=bindparam("said_at"), consent_source=source),
        said,
    )


def lock(connection: Connection, ids: Iterable[int]) -> None:
    """Make other processes wait that decide about these contacts; in the order of ids, so that none waits in a circle.

    On PostgreSQL this leaves room for new rows that refer to them. SQLite has one writer anyway.
    """
    if connection.dialect.name == "sqlite":
        return
    for chunk in chunks(sorted(set(ids))):
        connection.execute(_LOCK, {"ids": chunk})


def email_hash(key: bytes, email_normalised: str) -> str:
    """The keyed hash under which an address is suppressed; it does not tell the address."""
    return hmac.digest(key, email_normalised.encode(), "sha256").hex()


def suppress(connection: Connection, hash_: str, *, scope: str, reason: str, at: datetime) -> None:
    """Never write to this address again: in one sequence (its name), or at all (`scope` "all")."""
    row = {"email_hash": hash_, "scope": scope, "reason": reason, "at": at}
    insert_missing(connection, suppressions, [row], ["email_hash", "scope"])


def suppressed(connection: Connection, hashes: Iterable[str]) -> set[tuple[str, str]]:
    """Return (hash, scope) of all suppressions of these addresses."""
    return {(hash_, scope) for hash_, scope in connection.execute(_SUPPRESSED, {"ids": list(hashes)})}

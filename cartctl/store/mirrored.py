"""What a mirror outside is to show of contacts enrolled themselves and of their messages, and which page shows it.

A page's row is made before the page: whoever died in between left a row without a page's id, and so nothing outside
that nobody knows of.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, select, update

from cartctl.domain.identity import NOBODY
from cartctl.domain.messages import MessageState
from cartctl.store.sql import chunks, insert_missing
from cartctl.store.tables import contacts, enrollments, message_transitions, messages, mirrored

CONTACT, MESSAGE, TEMPLATE = "contact", "message", "template"
_SOMEBODY = ~contacts.c.email_normalised.endswith(NOBODY, autoescape=True)


def sequences_in_use(connection: Connection) -> set[str]:
    """Return the sequences that any contact was ever enrolled in itself."""
    found = select(enrollments.c.sequence).where(enrollments.c.cart_id.is_(None)).distinct()
    return set(connection.execute(found).scalars())


def contacts_after(connection: Connection, sequences: Iterable[str], *, after_id: int, limit: int) -> list[Row[Any]]:
    """Return enrollments of contacts themselves, each with its contact, in the order of ids."""
    columns = select(
        enrollments,
        contacts.c.email_normalised,
        contacts.c.first_name,
        contacts.c.business_name,
        contacts.c.attributes,
    )
    return _after(connection, columns, enrollments.c.id, sequences, after_id, limit)


def messages_after(connection: Connection, sequences: Iterable[str], *, after_id: int, limit: int) -> list[Row[Any]]:
    """Return their messages, each with its sequence, its contact, and when its state last changed."""
    changed = (
        select(func.max(message_transitions.c.at))
        .where(message_transitions.c.message_id == messages.c.id)
        .scalar_subquery()
    )
    columns = select(messages, enrollments.c.sequence, contacts.c.email_normalised, changed.label("changed_at")).join(
        enrollments, enrollments.c.id == messages.c.enrollment_id
    )
    return _after(connection, columns, messages.c.id, sequences, after_id, limit)


def _after(
    connection: Connection, columns: Select[Any], id_: Any, sequences: Iterable[str], after_id: int, limit: int
) -> list[Row[Any]]:
    shown = (id_ > after_id, enrollments.c.sequence.in_(sorted(sequences)), enrollments.c.cart_id.is_(None), _SOMEBODY)
    found = columns.join(contacts, contacts.c.id == enrollments.c.contact_id).where(*shown)
    return list(connection.execute(found.order_by(id_).limit(limit)).all())


def accepted(connection: Connection, enrollment_ids: Sequence[int]) -> dict[int, dict[str, datetime]]:
    """Return when each step of each enrollment was accepted."""
    found: dict[int, dict[str, datetime]] = {}
    for chunk in chunks(list(enrollment_ids)):
        rows = connection.execute(
            select(messages.c.enrollment_id, messages.c.step, messages.c.sent_at).where(
                messages.c.enrollment_id.in_(chunk),
                messages.c.state == MessageState.ACCEPTED.value,
                messages.c.sent_at.is_not(None),
            )
        )
        for row in rows:
            found.setdefault(row.enrollment_id, {})[row.step] = row.sent_at
    return found


def gone(connection: Connection, kind: str) -> list[Row[Any]]:
    """Return the pages of whoever was forgotten or purged: of them nothing is to be shown any more."""
    table = {CONTACT: enrollments, MESSAGE: messages}[kind]
    somebody = select(table.c.id).join(contacts, contacts.c.id == table.c.contact_id).where(_SOMEBODY)
    found = []
    rows = connection.execute(select(mirrored).where(mirrored.c.kind == kind).order_by(mirrored.c.subject)).all()
    for chunk in chunks(rows):
        left = connection.execute(somebody.where(table.c.id.in_([int(row.subject) for row in chunk]))).scalars()
        shown = {str(id_) for id_ in left}
        found += [row for row in chunk if row.subject not in shown]
    return found


def known(connection: Connection, kind: str, subjects: Sequence[str]) -> dict[str, Row[Any]]:
    """Return what is known of the pages of these subjects."""
    found: dict[str, Row[Any]] = {}
    for chunk in chunks(list(subjects)):
        rows = connection.execute(select(mirrored).where(mirrored.c.kind == kind, mirrored.c.subject.in_(chunk)))
        found.update((row.subject, row) for row in rows)
    return found


def announce(connection: Connection, kind: str, subjects: Iterable[str], *, at: datetime) -> None:
    """Note that pages are about to be made."""
    rows = [{"kind": kind, "subject": subject, "page_id": "", "at": at} for subject in subjects]
    insert_missing(connection, mirrored, rows, ["kind", "subject"])


def keep(connection: Connection, kind: str, subject: str, *, page_id: str, fingerprint: str, at: datetime) -> None:
    """Note which page shows it, and what was written there."""
    announce(connection, kind, [subject], at=at)
    page = update(mirrored).where(_is(kind, subject))
    connection.execute(page.values(page_id=page_id, fingerprint=fingerprint, at=at))


def drop(connection: Connection, kind: str, subject: str) -> None:
    connection.execute(delete(mirrored).where(_is(kind, subject)))


def _is(kind: str, subject: str) -> Any:
    return and_(mirrored.c.kind == kind, mirrored.c.subject == subject)

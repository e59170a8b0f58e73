"""Events: what a provider, or the shopper, did later. Each is kept once, and without an address."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, text

from cartctl.store.sql import chunks, insert_new
from cartctl.store.tables import contacts, events, messages


def remember(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Keep events and return the content hashes of those that were new.

    A row has `content_hash` (64 characters at most), `source`, `kind`, `at`, and may have `message_id`, `store`,
    `subject` and `detail`. The hash alone says whether two are the same; of two in one call the first is kept.
    """
    blank = {"message_id": None, "store": "", "subject": "", "detail": ""}
    once = {row["content_hash"]: blank | dict(row) for row in reversed(rows)}
    return insert_new(connection, events, list(once.values()), "content_hash")


def have_any(connection: Connection, message_ids: Iterable[int]) -> set[int]:
    """Return those of these messages of which an event is known."""
    found: set[int] = set()
    for chunk in chunks(sorted(message_ids)):
        found.update(connection.execute(select(events.c.message_id).where(events.c.message_id.in_(chunk))).scalars())
    return found


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message, as far as an event may be about it. `email` is where it went, normalised."""

    id: int
    enrollment_id: int
    state: str
    transport: str
    receipt: str
    email: str


def remember_staged(connection: Connection, store: str, *, source: str) -> int:
    """Keep the webhooks that `Staging.add_delivery` staged; return how many of them were known or repeat another."""
    staged: int = connection.execute(text("SELECT COUNT(*) FROM staged_deliveries")).scalar_one()
    if not staged:
        return 0
    new = connection.execute(
        text("""
        INSERT INTO events (content_hash, source, kind, at, store, subject)
        SELECT digest, :source, state, at, :store, subject FROM staged_deliveries WHERE true
        ON CONFLICT (content_hash) DO NOTHING
        """),
        {"source": source, "store": store},
    )
    return staged - new.rowcount


def staged_twice(connection: Connection) -> int:
    """Return how many of the staged webhooks repeat another one of them."""
    statement = text("SELECT COUNT(*) - COUNT(DISTINCT digest) FROM staged_deliveries")
    return int(connection.execute(statement).scalar_one())


def messages_by_id(connection: Connection, ids: Iterable[int]) -> dict[int, Addressed]:
    found: dict[int, Addressed] = {}
    for chunk in chunks(sorted(set(ids))):
        for row in connection.execute(_ADDRESSED.where(messages.c.id.in_(chunk))):
            found[row.id] = Addressed(*row)
    return found


def messages_by_receipt(connection: Connection, receipts: Iterable[str]) -> dict[str, Addressed]:
    """Return messages by what the provider called them."""
    found: dict[str, Addressed] = {}
    for chunk in chunks(sorted(set(receipts) - {""})):
        # The second condition is the partial index's, spelt as there.
        wanted = _ADDRESSED.where(messages.c.receipt.in_(chunk), text("messages.receipt <> ''"))
        for row in connection.execute(wanted):
            found[row.receipt] = Addressed(*row)
    return found


_ADDRESSED = select(
    messages.c.id,
    messages.c.enrollment_id,
    messages.c.state,
    messages.c.transport,
    messages.c.receipt,
    contacts.c.email_normalised,
).join(contacts, contacts.c.id == messages.c.contact_id)

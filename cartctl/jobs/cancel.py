"""Stopping the mails about one cart, or to one person, of whatever they are in now. For good: no step follows."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from cartctl.domain.carts import CartStatus
from cartctl.errors import UsageError
from cartctl.store import contacts, enrollments, lookup
from cartctl.store.database import Database

REASON = "operator"
_OPEN = (CartStatus.ACTIVE, CartStatus.ABANDONED)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """`carts` that will not be written about any more, and how many scheduled `messages` were called off.

    `sequences`: in so many the person was without a cart.
    """

    carts: int
    messages: int
    sequences: int = 0


def cancel(database: Database, name: str, sequences: Collection[str], *, now: datetime) -> Cancelled:
    """Stop these sequences for a cart (its id) or a shopper (the address). Raises UsageError for an unknown one.

    A cart that has not been enrolled yet will not be. What a provider has been handed cannot be called back.
    """
    with database.write(carts="change") as connection:
        found = lookup.find(connection, name)
        if not found:
            raise UsageError(lookup.unknown(connection, name))
        contacts.lock(connection, found.contact_ids)
        open_carts = [row for row in found.carts if row.status in _OPEN and row.contact_id in found.contact_ids]
        called_off = 0
        stopped: set[int] = set()
        for sequence in sorted(sequences):
            known = enrollments.of_carts(connection, sequence, [row.id for row in found.carts])
            running = [one for one in known.values() if one.status in (enrollments.LIVE, enrollments.SUSPENDED)]
            called_off += enrollments.stop(connection, [one.id for one in running], reason=REASON, at=now)
            enrollments.give_reason(connection, [one.id for one in known.values()], reason=REASON)
            fresh = [row for row in open_carts if row.id not in known]
            enrollments.add(
                connection,
                [
                    {
                        "sequence": sequence,
                        "cart_id": row.id,
                        "contact_id": row.contact_id,
                        "store": row.store,
                        "status": enrollments.CANCELLED,
                        "reason": REASON,
                        "enrolled_at": now,
                        "ended_at": now,
                    }
                    for row in fresh
                ],
            )
            stopped |= {one.cart_id for one in running} | {row.id for row in fresh}
        theirs = enrollments.live_without_cart(connection, found.contact_ids) if found.is_person else []
        theirs = [one for one in theirs if one.sequence in sequences]
        called_off += enrollments.stop(connection, [one.id for one in theirs], reason=REASON, at=now)
    return Cancelled(len(stopped), called_off, len(theirs))

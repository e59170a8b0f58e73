"""Unique coupon codes: each goes to one message, for good once it has left the machine.

A message that waits, or is tried again, keeps its code. One that is skipped or cancelled before it was ever handed
over gives it back (`messages.record` does that); one that was handed over never does, whatever became of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from cartctl.domain.messages import REACHED
from cartctl.store.instants import EPOCH
from cartctl.store.sql import chunks, insert_new
from cartctl.store.tables import coupons, messages

RETIRED = EPOCH
"""Stands as the expiry of codes that may have been given by what was lost: no import lets them be given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code as it is imported. `expires_at`: the first moment at which it is worth nothing; None: never."""

    coupon: str
    code: str
    expires_at: datetime | None = None


def save(connection: Connection, codes: Sequence[Code], *, now: datetime) -> tuple[int, int]:
    """Add codes; one that is known gets the expiry it has now, but for a retired one. Who was given it stays as it is.

    Returns how many were new and how many changed.
    """
    wanted = {(code.coupon, code.code): code for code in codes}
    known = _known(connection, wanted.values())
    changes = [
        {"coupon_id": id_, "new_expires_at": wanted[key].expires_at}
        for key, (id_, expires_at) in known.items()
        if expires_at not in (wanted[key].expires_at, RETIRED)
    ]
    if changes:
        statement = update(coupons).where(coupons.c.id == bindparam("coupon_id"))
        connection.execute(statement.values(expires_at=bindparam("new_expires_at")), changes)
    fresh: list[dict[str, Any]] = [
        {"coupon": code.coupon, "code": code.code, "expires_at": code.expires_at, "imported_at": now}
        for key, code in wanted.items()
        if key not in known
    ]
    insert_new(connection, coupons, fresh, "coupon", "code")
    return len(fresh), len(changes)


def _known(connection: Connection, codes: Iterable[Code]) -> dict[tuple[str, str], tuple[int, datetime | None]]:
    by_coupon: dict[str, list[str]] = {}
    for code in codes:
        by_coupon.setdefault(code.coupon, []).append(code.code)
    found: dict[tuple[str, str], tuple[int, datetime | None]] = {}
    for name, texts in by_coupon.items():
        for chunk in chunks(texts):
            rows = connection.execute(
                select(coupons.c.id, coupons.c.code, coupons.c.expires_at).where(
                    coupons.c.coupon == name, coupons.c.code.in_(chunk)
                )
            )
            found.update(((name, code), (id_, expires_at)) for id_, code, expires_at in rows)
    return found


def reserve(connection: Connection, wanted: Mapping[int, str], *, now: datetime) -> dict[int, str]:
    """Give each message (id -> name of its coupon) a code of its own; a message that is missing here found none left.

    A message keeps the code that it has, unless that has expired meanwhile: then it gets another. Of the free codes
    those that last longest go first. No code is given twice: on PostgreSQL rows that another process is about to
    take are passed over, SQLite has one writer.
    """
    expired = connection.execute(
        select(coupons.c.message_id).where(coupons.c.message_id.in_(sorted(wanted)), coupons.c.expires_at <= now)
    )
    release(connection, list(expired.scalars()))
    given = held(connection, wanted)
    by_coupon: dict[str, list[int]] = {}
    for id_, name in wanted.items():
        if id_ not in given:
            by_coupon.setdefault(name, []).append(id_)
    taken: list[dict[str, int]] = []
    for name, ids in by_coupon.items():
        for id_, (coupon_id, code) in zip(sorted(ids), _free(connection, name, len(ids), now=now), strict=False):
            given[id_] = code
            taken.append({"coupon_id": coupon_id, "message": id_})
    if taken:
        statement = update(coupons).where(coupons.c.id == bindparam("coupon_id"))
        connection.execute(statement.values(message_id=bindparam("message")), taken)
    return given


def held(connection: Connection, message_ids: Iterable[int]) -> dict[int, str]:
    """Return the codes that these messages were given."""
    found: dict[int, str] = {}
    for chunk in chunks(sorted(message_ids)):
        rows = connection.execute(select(coupons.c.message_id, coupons.c.code).where(coupons.c.message_id.in_(chunk)))
        found.update((id_, code) for id_, code in rows)
    return found


def _free(connection: Connection, name: str, count: int, *, now: datetime) -> list[tuple[int, str]]:
    """Lock and return free codes. Two statements, for each can walk along the index of free codes."""
    free = select(coupons.c.id, coupons.c.code).where(coupons.c.coupon == name, coupons.c.message_id.is_(None))
    lasting = free.where(coupons.c.expires_at.is_(None))
    passing = free.where(coupons.c.expires_at > now).order_by(coupons.c.expires_at.desc())
    found: list[tuple[int, str]] = []
    for statement in (lasting, passing):
        if len(found) < count:
            limited = statement.limit(count - len(found)).with_for_update(skip_locked=True)
            found += [(id_, code) for id_, code in connection.execute(limited)]
    return found


def last_shown(connection: Connection, contact_ids: Iterable[int]) -> dict[int, datetime]:
    """Return when each contact was last sent a message with a code, of whatever sequence; tests do not count."""
    found: dict[int, datetime] = {}
    for chunk in chunks(sorted(contact_ids)):
        shown = select(messages.c.contact_id, func.max(messages.c.sent_at)).where(
            messages.c.contact_id.in_(chunk),
            messages.c.sent_at.is_not(None),  # as in the partial index
            messages.c.coupon != "",
            messages.c.state.in_(sorted(state.value for state in REACHED)),
            ~messages.c.is_test,
        )
        found.update((id_, at) for id_, at in connection.execute(shown.group_by(messages.c.contact_id)))
    return found


def release(connection: Connection, message_ids: Iterable[int]) -> None:
    """Take back the codes of messages that will not be sent, but for those that a transport has seen."""
    for chunk in chunks(sorted(message_ids)):
        unseen = select(messages.c.id).where(messages.c.id.in_(chunk), messages.c.coupon == "")
        connection.execute(update(coupons).where(coupons.c.message_id.in_(unseen)).values(message_id=None))


def retire_free(connection: Connection, *, now: datetime) -> int:
    """Let no code be given that nobody has; return how many could have been."""
    nobodys = coupons.c.message_id.is_(None)
    good = or_(coupons.c.expires_at.is_(None), coupons.c.expires_at > now)
    count = connection.execute(select(func.count()).select_from(coupons).where(nobodys, good)).scalar_one()
    connection.execute(update(coupons).where(nobodys).values(expires_at=RETIRED))
    return count


def free(connection: Connection, name: str, *, now: datetime, limit: int) -> int:
    """Count the codes that may still be given, `limit` at most."""
    left = select(coupons.c.id).where(coupons.c.coupon == name, coupons.c.message_id.is_(None))
    found = 0
    for lasting in (coupons.c.expires_at.is_(None), coupons.c.expires_at > now):
        some = left.where(lasting).limit(limit - found).subquery()
        found += connection.execute(select(func.count()).select_from(some)).scalar_one()
    return found


def is_kept(connection: Connection, name: str) -> bool:
    """Say whether codes of this coupon were ever imported."""
    return connection.execute(select(coupons.c.id).where(coupons.c.coupon == name).limit(1)).scalar() is not None

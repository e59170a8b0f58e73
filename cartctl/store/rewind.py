"""Taking a scratch copy back to an earlier moment, as far as it is recorded what was then.

Messages have all their changes on record; a cart and an enrollment keep the times of their latest ones. What happened
after the moment is undone; what is not recorded is taken as it is now. Nothing after it: nothing is changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from cartctl.domain.messages import NOTED, OPEN, MessageState
from cartctl.store.sql import chunks
from cartctl.store.tables import messages as messages_table

_CHANGES = text("""
SELECT message_id, at, to_state, reason FROM message_transitions WHERE message_id IN :ids ORDER BY id
""").bindparams(bindparam("ids", expanding=True))


def latest_transition(connection: Connection) -> int:
    """Return when any message last changed, in microseconds since 1970; 0 where none ever did."""
    latest = text("SELECT at FROM message_transitions ORDER BY id DESC LIMIT 1")
    return connection.execute(latest).scalar() or 0


def messages(connection: Connection, rows: Sequence[Row[Any]], since: int) -> list[tuple[Any, ...]]:
    """Return these rows (in the order of the table's columns) as they were, without those that waited or were not yet.

    What waited is put into the queue anew, as of that time. What had been handed over by then stays so.
    """
    changed: dict[int, tuple[str, str]] = {}
    changed_later: set[int] = set()
    for chunk in chunks([row.id for row in rows]):
        for id_, at, to_state, reason in connection.execute(_CHANGES, {"ids": chunk}):
            if at <= since:
                changed[id_] = (to_state, reason)
            else:
                changed_later.add(id_)
    names = [column.name for column in messages_table.c]
    kept: list[tuple[Any, ...]] = []
    for row in rows:
        was_sent = row.sent_at is not None and (row.first_sent_at or row.sent_at) <= since
        if row.reason in NOTED or row.id not in changed_later or was_sent:  # noted: as it was enrolled
            kept.append(tuple(row))
        elif row.id in changed and MessageState(changed[row.id][0]) not in OPEN:
            state, reason = changed[row.id]
            empty = ("sent_at", "first_sent_at", "lease_token", "lease_until")
            was = {"state": state, "reason": reason, **dict.fromkeys(empty)}
            kept.append(tuple(was.get(name, value) for name, value in zip(names, row, strict=True)))
    return kept


_LATER_RESUMED = """
UPDATE carts SET status = 'active', abandoned_at = NULL
WHERE status = 'abandoned' AND id IN (SELECT cart_id FROM enrollments WHERE resumed_at > :since)
"""
# An order that was placed only later has not closed it: then it had been found, or not yet.
_NOT_YET_BOUGHT = """
UPDATE carts SET
  status = CASE WHEN detected_at > :since OR detected_at IS NULL OR last_activity_at > :since THEN 'active'
                WHEN detected_at - last_activity_at > :max_age THEN 'expired' ELSE 'abandoned' END,
  abandoned_at = last_activity_at, recovered_at = NULL, credited = false
WHERE status IN ('recovered', 'converted') AND order_id IS NULL
"""
_NOT_YET_FOUND = """
UPDATE carts SET status = 'active'
WHERE status IN ('abandoned', 'expired') AND (detected_at > :since OR last_activity_at > :since)
"""
_ACTIVE = """
UPDATE carts SET abandoned_at = NULL, awaits_enrollment = false,
  first_abandoned_at = CASE WHEN detected_at <= :since THEN first_abandoned_at END,
  detected_at = CASE WHEN detected_at <= :since THEN detected_at END
WHERE status = 'active' AND detected_at IS NOT NULL AND (detected_at > :since OR last_activity_at > :since)
"""
_SUSPEND = "UPDATE enrollments SET status = 'suspended', reason = 'reactivated', resumed_at = NULL"
_LATER_ENROLLED = "DELETE FROM enrollments WHERE enrolled_at > :since AND cart_id IS NOT NULL"
_NOT_YET_RESUMED = f"{_SUSPEND} WHERE resumed_at > :since"
# Of a shopper's carts one alone was written about: the one that came last into the sequence.
_NOT_YET_ENDED = """
UPDATE enrollments SET status = 'live', reason = '', ended_at = NULL
WHERE id IN (
  SELECT id FROM (
    SELECT id, ROW_NUMBER() OVER (PARTITION BY contact_id, store, sequence
                                  ORDER BY COALESCE(resumed_at, enrolled_at) DESC, id DESC) AS place
    FROM enrollments WHERE ended_at > :since AND NOT (status = 'suspended' AND ended_at <= :since)
      AND NOT EXISTS (SELECT 1 FROM enrollments AS other
                      WHERE other.status = 'live' AND other.contact_id = enrollments.contact_id
                        AND other.store = enrollments.store AND other.sequence = enrollments.sequence)
  ) AS ended WHERE place = 1)
"""
_OTHERS_ENDED = f"{_SUSPEND} WHERE status <> 'live' AND ended_at > :since"
_CART_IS_ACTIVE = f"""
{_SUSPEND} WHERE status = 'live' AND cart_id IN (SELECT id FROM carts WHERE carts.status = 'active')
"""


def carts_and_enrollments(scratch: Connection, bounds: Mapping[str, int]) -> list[int]:
    """Undo what happened after `since`; return the carts that only a later order closed."""
    opened = text("SELECT id FROM carts WHERE status IN ('recovered', 'converted') AND order_id IS NULL ORDER BY id")
    ids = list(scratch.execute(opened).scalars())
    for statement in (
        *(_LATER_ENROLLED, _NOT_YET_BOUGHT, _NOT_YET_FOUND, _LATER_RESUMED, _ACTIVE),
        *(_NOT_YET_RESUMED, _NOT_YET_ENDED, _OTHERS_ENDED, _CART_IS_ACTIVE),
    ):
        used = {name: bounds[name] for name in ("since", "max_age") if f":{name}" in statement}
        scratch.execute(text(statement), used)
    return ids


def coupons(scratch: Connection) -> None:
    """Free the codes of messages that were not there."""
    scratch.execute(
        text("""
        UPDATE coupons SET message_id = NULL
        WHERE message_id IS NOT NULL AND message_id NOT IN (
          SELECT id FROM messages WHERE coupon <> '' OR state IN ('scheduled', 'claimed', 'sending'))
        """)
    )

"""Which code a message shows: one of its own, of those that were imported, else the one that all shoppers get.

1. A message that was handed over before shows the code that it showed then.
2. With the claim, in its transaction, a message whose step names a coupon takes an unused code (store.coupons). It
   keeps it while it waits and when it is tried again.
3. Where none is left: the code of `[coupons]`. Where there is none either, the gate skips the step.
4. Who was shown a code within `coupon.cooldown` before the message was due is shown none. What the step says decides
   whether it is sent all the same.
5. A test takes no imported code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.sequences import Step
from cartctl.jobs.rules import Rules
from cartctl.store import coupons

TEST_CODE = "TEST-CODE"
"""What a test shows where there is no code for all."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes by message id. `used_up` names, by message id, coupons of which all imported codes are gone.

    `cooling`: messages that show none because the same person was shown one lately, and when that was.
    """

    by_message: Mapping[int, str] = field(default_factory=dict)
    used_up: Mapping[int, str] = field(default_factory=dict)
    cooling: Mapping[int, datetime] = field(default_factory=dict)


def reserve(
    connection: Connection,
    message_rows: Sequence[Row[Any]],
    steps: Mapping[int, Step | None],
    rules: Rules,
    *,
    now: datetime,
) -> Codes:
    """Choose the codes of claimed messages (`steps` by message id). Belongs into the claim's transaction."""
    cooling = _cooling(connection, message_rows, steps, rules)
    coupons.release(connection, cooling)
    wanted = _without_code(message_rows, steps, cooling)
    given = coupons.reserve(connection, wanted, now=now) if wanted else {}
    codes = _all(message_rows, steps, given, cooling, rules)
    missing = {id_: name for id_, name in wanted.items() if id_ not in codes}
    used_up = {name for name in sorted(set(missing.values())) if coupons.is_kept(connection, name)}
    return Codes(codes, {id_: name for id_, name in missing.items() if name in used_up}, cooling)


def reserved(
    connection: Connection, message_rows: Sequence[Row[Any]], steps: Mapping[int, Step | None], rules: Rules
) -> Codes:
    """Return what `reserve` chose for these messages, while they are still claimed."""
    cooling = _cooling(connection, message_rows, steps, rules)
    wanted = _without_code(message_rows, steps, cooling)
    codes = _all(message_rows, steps, coupons.held(connection, wanted) if wanted else {}, cooling, rules)
    return Codes(codes, cooling=cooling)


def _cooling(
    connection: Connection, message_rows: Sequence[Row[Any]], steps: Mapping[int, Step | None], rules: Rules
) -> dict[int, datetime]:
    """Return the messages that come too soon after a code, and when that was shown.

    Counted from when each message is due: claim and gate agree.
    """
    asking = [row for row in message_rows if _asks(row, steps) and not row.is_test]
    if not asking or not rules.coupon_cooldown:
        return {}
    last = coupons.last_shown(connection, sorted({row.contact_id for row in asking}))
    return {
        row.id: last[row.contact_id]
        for row in asking
        if row.contact_id in last and last[row.contact_id] > row.due_at - rules.coupon_cooldown
    }


def _asks(row: Row[Any], steps: Mapping[int, Step | None]) -> bool:
    """Say whether a message wants a code and has not shown one yet."""
    step = steps.get(row.id)
    return step is not None and bool(step.coupon) and not row.coupon


def _without_code(
    message_rows: Sequence[Row[Any]], steps: Mapping[int, Step | None], cooling: Mapping[int, datetime]
) -> dict[int, str]:
    """Return which imported coupon each message asks for, by message id."""
    found: dict[int, str] = {}
    for row in message_rows:
        step = steps.get(row.id)
        if step is not None and step.coupon and not row.coupon and not row.is_test and row.id not in cooling:
            found[row.id] = step.coupon
    return found


def _all(
    message_rows: Sequence[Row[Any]],
    steps: Mapping[int, Step | None],
    given: Mapping[int, str],
    cooling: Mapping[int, datetime],
    rules: Rules,
) -> dict[int, str]:
    codes: dict[int, str] = {}
    for row in message_rows:
        step = steps.get(row.id)
        if step is not None and step.coupon and row.id not in cooling:
            code = row.coupon or given.get(row.id) or rules.coupon_code(step.coupon)
            if code or row.is_test:
                codes[row.id] = code or TEST_CODE
    return codes

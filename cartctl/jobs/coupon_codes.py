"""Which code a message shows: one of its own, of those that were imported, else the one that all shoppers get.

1. A message that was handed over before shows the code that it showed then.
2. With the claim, in its transaction, a message whose step names a coupon takes an unused code (store.coupons). It
   keeps it while it waits and when it is tried again.
3. Where none is left: the code of `[coupons]`. Where there is none either, the gate skips the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.sequences import Step
from cartctl.jobs.rules import Rules
from cartctl.store import coupons


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes by message id. `used_up` names, by message id, coupons of which all imported codes are gone."""

    by_message: Mapping[int, str] = field(default_factory=dict)
    used_up: Mapping[int, str] = field(default_factory=dict)


def reserve(
    connection: Connection,
    message_rows: Sequence[Row[Any]],
    steps: Mapping[int, Step | None],
    rules: Rules,
    *,
    now: datetime,
) -> Codes:
    """Choose the codes of claimed messages (`steps` by message id). Belongs into the claim's transaction."""
    wanted = _without_code(message_rows, steps)
    given = coupons.reserve(connection, wanted, now=now) if wanted else {}
    codes = _all(message_rows, steps, given, rules)
    missing = {id_: name for id_, name in wanted.items() if id_ not in codes}
    used_up = {name for name in sorted(set(missing.values())) if coupons.is_kept(connection, name)}
    return Codes(codes, {id_: name for id_, name in missing.items() if name in used_up})


def reserved(
    connection: Connection, message_rows: Sequence[Row[Any]], steps: Mapping[int, Step | None], rules: Rules
) -> Mapping[int, str]:
    """Return what `reserve` chose for these messages, while they are still claimed."""
    wanted = _without_code(message_rows, steps)
    return _all(message_rows, steps, coupons.held(connection, wanted) if wanted else {}, rules)


def _without_code(message_rows: Sequence[Row[Any]], steps: Mapping[int, Step | None]) -> dict[int, str]:
    found: dict[int, str] = {}
    for row in message_rows:
        step = steps.get(row.id)
        if step is not None and step.coupon and not row.coupon:
            found[row.id] = step.coupon
    return found


def _all(
    message_rows: Sequence[Row[Any]], steps: Mapping[int, Step | None], given: Mapping[int, str], rules: Rules
) -> dict[int, str]:
    codes: dict[int, str] = {}
    for row in message_rows:
        step = steps.get(row.id)
        if step is not None and step.coupon:
            code = row.coupon or given.get(row.id) or rules.coupon_code(step.coupon)
            if code:
                codes[row.id] = code
    return codes

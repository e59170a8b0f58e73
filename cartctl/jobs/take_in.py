"""What becomes of a body when it is posted: applied at once, kept for the next run, or refused.

1. Orders, events and carts whose shopper refuses mail take effect at once, each body in a transaction of its own:
   whoever bought or refused gets no more.
2. Other carts wait in the intake, all that came together in one transaction: nothing is due before a run has seen them.
3. What cannot be read waits there, too: the next run puts it to the rejects, with the reason. A shop's own body
   (`track`) is refused instead: whoever posts it can mend it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from cartctl.domain.carts import Consent
from cartctl.errors import DatabaseError, InputFileError
from cartctl.importers.jsonfile import loads, loads_loosely
from cartctl.jobs.posted import TRACK, Body, Contexts, Reading, apply, read
from cartctl.jobs.rules import Rules
from cartctl.store import intake
from cartctl.store.database import EngineDatabase

_NAMES_OF_ITEMS = ("product_name", "sku", "product_id", "variant")
_AHEAD = timedelta(minutes=5)
"""By so much a shop's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one body."""

    outcome: Literal["applied", "waits", "nothing", "refused", "away"]
    """`away`: the database; the body was not taken."""
    reason: str = ""


def run(
    database: EngineDatabase, bodies: Sequence[Body], *, contexts: Contexts, rules: Rules, now: datetime
) -> list[Taken]:
    """Take in bodies; say of each what became of it. Whatever is said is on disk."""
    taken: dict[int, Taken] = {}
    waiting: list[tuple[Body, bytes]] = []
    is_away = False
    for place, body in enumerate(bodies):
        if is_away:  # each further try would keep the others waiting
            taken[place] = Taken("away")
            continue
        reading = _read(body, contexts, now)
        taken[place] = _judged(database, reading, rules=rules, now=now)
        is_away = taken[place].outcome == "away"
        if taken[place].outcome == "waits" and isinstance(reading, Reading):
            is_list = bool(reading.errors) and not (reading.carts or reading.orders or reading.events)
            waiting += [(body, raw) for raw in (_unread(reading) if is_list else [reading.body.raw])]
    if waiting and (is_away or not _kept(database, waiting, now)):
        taken |= {place: Taken("away") for place, one in taken.items() if one.outcome == "waits"}
    return [taken[place] for place in range(len(bodies))]


def _kept(database: EngineDatabase, waiting: Sequence[tuple[Body, bytes]], now: datetime) -> bool:
    try:
        with database.write() as connection:
            intake.keep(connection, list(_rows(waiting, now)))
    except DatabaseError:
        return False
    return True


def _read(body: Body, contexts: Contexts, now: datetime) -> Reading | str:
    """Read a body; what is no JSON at all is refused with the reason, for no importer could make anything of it."""
    try:
        if body.feed == TRACK:
            return read(replace(body, raw=_timed(loads(body.raw), now)), contexts)
        loads_loosely(body.raw)
        return read(body, contexts)
    except (ValueError, InputFileError) as error:
        return f"the body {error}" if isinstance(error, ValueError) else "the body is no JSON object"


def _timed(posted: Any, now: datetime) -> bytes:
    """Return a shop's carts; one that names no time is as it was when it came."""
    for cart in posted if isinstance(posted, list) else [posted]:
        if isinstance(cart, dict):
            if cart.get("updated_at") is None:
                cart["updated_at"] = now.isoformat()
            items = cart.get("items")
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict) and not any(item.get(name) for name in _NAMES_OF_ITEMS):
                    raise ValueError(f"has an item with none of {', '.join(_NAMES_OF_ITEMS)}")
    return msgspec.json.encode(posted)


def _complaint(reading: Reading) -> str:
    error = reading.errors[0]
    return f"{error.column}: {error.reason}" if error.column else f"the body {error.reason}"


def _judged(database: EngineDatabase, reading: Reading | str, *, rules: Rules, now: datetime) -> Taken:
    if isinstance(reading, str):
        return Taken("refused", reason=reading)
    if reading.body.feed == TRACK and reading.errors:
        return Taken("refused", reason=_complaint(reading))
    if reading.body.feed == TRACK and any(line.cart and line.cart.updated_at > now + _AHEAD for line in reading.carts):
        return Taken("refused", reason="updated_at: it lies in the future: is the shop's clock right?")
    refuses = any(line.cart and line.cart.consent is Consent.REFUSED for line in reading.carts)
    if reading.orders or reading.events or refuses:
        return _apply(database, reading, rules=rules, now=now)
    return Taken("waits" if reading.carts or reading.errors else "nothing")


def _apply(database: EngineDatabase, reading: Reading, *, rules: Rules, now: datetime) -> Taken:
    """Apply one body at once. One that cannot be applied waits: a run tells the operator, a provider would not listen.

    Of a list of events those that cannot be read wait, the others take effect.
    """
    try:
        with database.write(carts="change") as connection:
            if apply(connection, [reading], rules=rules, now=now):
                raise _UnfitError
            intake.keep(connection, list(_rows([(reading.body, raw) for raw in _unread(reading)], now)))
    except DatabaseError:
        return Taken("away")
    except Exception:  # noqa: BLE001 - see above
        return Taken("waits")
    return Taken("applied")


class _UnfitError(Exception):
    """The body turned out wrong when it was put together."""


def _unread(reading: Reading) -> list[bytes]:
    """Return the records of a body that cannot be read."""
    return ["".join(error.raw).encode() for error in reading.errors]


def _rows(bodies: Sequence[tuple[Body, bytes]], now: datetime) -> Iterator[dict[str, object]]:
    for body, raw in bodies:
        yield {"kind": body.feed, "store": body.store, "body": raw, "received_at": now}

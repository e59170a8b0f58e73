"""What became of the messages after they were accepted: delivered, bounced, complained of, opened, clicked."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from cartctl.jobs.report.asking import Asked, folded, read, rows
from cartctl.jobs.report.results import DELIVERED, Deliverability, Delivered
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database


def run(database: Database, *, rules: Rules, asked: Asked) -> Deliverability:
    """Compute what became of all messages, by the transport that took them."""
    with database.read() as connection:
        frame = read(connection, "deliverability", asked, rules)
    by_transport = _by(frame, ["transport"])
    return Deliverability(
        all=_together(by_transport.values()),
        by_transport={str(name): row for (name,), row in sorted(by_transport.items())},
    )


def by_step(connection: Connection, asked: Asked, rules: Rules) -> dict[tuple[Any, ...], Delivered]:
    """Return what became of each step's messages, by sequence and step."""
    found: dict[tuple[Any, ...], list[Delivered]] = {}
    frame = read(connection, "deliverability", asked, rules)
    told = {name for (name,), row in _by(frame, ["transport"]).items() if row.delivered}
    for (sequence, step, _), row in _by(frame, ["sequence", "step", "transport"], told).items():
        found.setdefault((sequence, step), []).append(row)
    return {key: _together(parts) for key, parts in found.items()}


def _by(frame: pd.DataFrame, columns: list[str], told: set[str] | None = None) -> dict[tuple[Any, ...], Delivered]:
    """Add up by these columns, the transport among them. `told`: the transports that tell of deliveries."""
    found = {}
    for row in rows(folded(frame, columns)):
        counts: Mapping[str, int] = {name: int(getattr(row, name)) for name in DELIVERED}
        tells = row.transport in told if told is not None else int(row.told_delivered) > 0
        if not tells:  # a click proves one delivery, and says nothing of how many there were
            counts = {**counts, "delivered": 0}
        found[tuple(getattr(row, name) for name in columns)] = Delivered(
            **counts, reached=counts["delivered"] if tells else counts["accepted"]
        )
    return found


def _together(parts: Iterable[Delivered]) -> Delivered:
    parts = list(parts)
    return Delivered(**{name: sum(getattr(part, name) for part in parts) for name in (*DELIVERED, "reached")})

"""Which files were imported, and how often run-due ran."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from cartctl.store.tables import imports, runs


def find(connection: Connection, identity: str) -> dict[str, Any] | None:
    """Return the counts of the earlier import of the very same file, read the very same way."""
    counts = connection.execute(
        select(imports.c.counts).where(imports.c.identity == identity).order_by(imports.c.id.desc()).limit(1)
    ).scalar()
    return None if counts is None else json.loads(counts)


def record(
    connection: Connection,
    *,
    identity: str,
    kind: str,
    store: str,
    format_name: str,
    name: str,
    counts: Mapping[str, Any],
    at: datetime,
) -> None:
    connection.execute(
        insert(imports).values(
            identity=identity,
            kind=kind,
            store=store,
            format=format_name,
            name=name,
            counts=json.dumps(counts),
            at=at,
        )
    )


def run_started(connection: Connection, job: str, *, at: datetime) -> int:
    id_: int = connection.execute(insert(runs).values(job=job, started_at=at).returning(runs.c.id)).scalar_one()
    return id_


def busiest_run(connection: Connection, sequence: str, *, since: datetime) -> int:
    """Return the most messages of a sequence that one run since then has sent."""
    counts = connection.execute(
        select(runs.c.counts).where(runs.c.job == "run-due", runs.c.started_at >= since, runs.c.counts != "")
    ).scalars()
    return max((json.loads(text).get("by_sequence", {}).get(sequence, 0) for text in counts), default=0)


def run_finished(connection: Connection, run_id: int, counts: Mapping[str, Any], *, at: datetime) -> None:
    connection.execute(update(runs).where(runs.c.id == run_id).values(finished_at=at, counts=json.dumps(counts)))

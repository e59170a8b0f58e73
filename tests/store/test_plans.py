"""The queries of every tick use their indexes, as the planner says of a database with many rows that are not due."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, literal, select

from cartctl.domain.brakes import Scope
from cartctl.domain.messages import MessageState
from cartctl.store import brakes, carts, feeds, messages, queue, tables
from cartctl.store.database import EngineDatabase
from cartctl.store.instants import UtcTime
from cartctl.store.messages import Change
from tests.bench.stock import fill
from tests.shop import T0

IDLE = timedelta(minutes=30)
OURS = Scope(sequences=frozenset({"cart-recovery"}), place=("main", "website"), but_tests_to=frozenset())
QUERIES: dict[str, tuple[str, Callable[[Connection], Any]]] = {
    "is anything due": ("ix_messages_attempt", lambda c: queue.any_due(c, due_by=T0)),
    "claim": (
        "ix_messages_attempt",
        lambda c: queue.claim(c, due_by=T0, limit=32, token="t", lease_until=T0, at=T0),
    ),
    "reap": ("ix_messages_lease", lambda c: queue.expired_leases(c, before=T0)),
    "give back": ("ix_messages_lease", lambda c: queue.held_by_run(c, "t")),
    "gaps and caps": ("ix_messages_reached", lambda c: messages.reached(c, [1, 2, 3], latest=5)),
    "is anything idle": ("ix_carts_idle", lambda c: carts.any_idle(c, now=T0, idle_after=IDLE)),
    "detect": (
        "ix_carts_idle",
        lambda c: carts.abandon_idle(c, now=T0, idle_after=IDLE, max_age=timedelta(days=3), limit=1000),
    ),
    "is anything held": ("ix_messages_attempt", brakes.any_held),
    "what a brake would hold": (
        "ix_messages_attempt",
        lambda c: brakes.waiting(c, OURS, now=T0, grace=IDLE, limit=201, after=T0),
    ),
    "late orders": ("ix_messages_attempt", lambda c: feeds.places_due(c, now=T0)),
    "latest messages": ("ix_messages_", lambda c: brakes.recent(c, "cart-recovery", since=None, limit=500)),
    "does anything await enrollment": ("ix_carts_awaiting", carts.any_awaiting),
}


@contextmanager
def statements(database: EngineDatabase, verb: str) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements of this kind that are executed meanwhile, with their values."""
    seen: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().startswith(verb):
            seen.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", see)
    yield seen
    event.remove(database.engine, "before_cursor_execute", see)


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_every_query_of_a_tick_uses_its_index(db: EngineDatabase, count: int) -> None:
    fill(db, count, now=T0, due=timedelta(days=1), items=0)
    _put_off_once(db)
    failed: list[str] = []
    for name, (index, query) in QUERIES.items():
        plan = planned(db, query)
        if index not in plan or "Seq Scan" in plan or _scans_a_table(plan):
            failed.append(f"{name}:\n{plan}")
    assert not failed, "\n\n".join(failed)


def planned(database: EngineDatabase, query: Callable[[Connection], Any], verb: str = "SELECT") -> str:
    """Return the plans of the statements of one kind that `query` executes."""
    with statements(database, verb) as seen, database.write() as connection:
        query(connection)
    explain = "EXPLAIN QUERY PLAN" if database.engine.dialect.name == "sqlite" else "EXPLAIN"
    with database.read() as connection:
        rows = [connection.exec_driver_sql(f"{explain} {text}", values).all() for text, values in seen]
    return "\n".join(" ".join(str(column) for column in row) for each in rows for row in each)


def test_a_claim_looks_up_each_contact_and_is_not_slower_for_all_that_the_run_has_sent(db: EngineDatabase) -> None:
    """Nothing had been sent when the database last counted its rows."""
    fill(db, 2_000, now=T0, due=timedelta(minutes=-5), items=0)
    plan = planned(db, lambda c: queue.claim(c, due_by=T0, limit=32, token="t", lease_until=T0, at=T0))
    looks_up = (
        r"ix_messages_reached.*(\n.*Index Cond: \(\(contact_id = messages.contact_id|contact_id=\? AND sent_at>\?)"
    )
    assert re.search(looks_up, plan), plan


def test_some_of_many_are_changed_by_their_ids(db: EngineDatabase) -> None:
    fill(db, 6_000, now=T0, due=timedelta(days=1), items=0)
    changes = [Change(id=id_, to_state=MessageState.CLAIMED, values={"receipt": f"r-{id_}"}) for id_ in range(30, 40)]
    plan = planned(db, lambda c: messages.move_each(c, MessageState.SCHEDULED, changes, at=T0), "UPDATE messages")
    assert re.search(r"using pk_messages|SEARCH messages USING INTEGER PRIMARY KEY", plan), plan


def _put_off_once(database: EngineDatabase) -> None:
    """Give every message the history of one that a run claimed and put off: an empty table may well be walked along."""
    steps = (("scheduled", "claimed", ""), ("claimed", "scheduled", "quiet-hours"))
    with database.write() as connection:
        for before, after, reason in steps:
            row = (tables.messages.c.id, literal(T0, UtcTime), literal(before), literal(after), literal(reason))
            names = ["message_id", "at", "from_state", "to_state", "reason"]
            connection.execute(insert(tables.message_transitions).from_select(names, select(*row)))
    with database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def _scans_a_table(plan: str) -> bool:
    """SQLite says SCAN for a walk along a whole table, and SCAN … USING INDEX for one along a partial index."""
    return any(re.search(r"SCAN (carts|messages)\b(?!.*INDEX)", line) for line in plan.splitlines())

"""How the shop stands at one moment: what the last run did, what is due, what was sent, what holds.

`figures` is the cheap part, which is also written for Prometheus after each run; `run` adds what a person wants to
know besides. A number of the same name is the same number in the report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from cartctl.domain.brakes import Brake
from cartctl.jobs.rules import Rules
from cartctl.store import brakes
from cartctl.store import figures as store_figures
from cartctl.store.database import Database

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """A run of run-due. `finished_at` is None while it is at work, and for good if it died."""

    started_at: datetime
    finished_at: datetime | None

    @property
    def seconds(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTotals:
    """One step's messages since the beginning. `sent` and `failed` only grow; `unknown` are those not yet settled."""

    sequence: str
    step: str
    delivers: bool
    """Whether the transport that had them reaches shoppers."""
    sent: int
    failed: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers at `at`, aware UTC. `order_feeds` is how fresh each is, by (store, channel)."""

    at: datetime
    last_run: LastRun | None
    due: int
    """Messages that are due and have not left, held ones too."""
    due_held: int
    """How many of them a brake holds."""
    oldest_due_at: datetime | None
    by_step: Sequence[StepTotals]
    order_feeds: Mapping[tuple[str, str], datetime]

    @property
    def oldest_due_seconds(self) -> float:
        """How long the oldest due message has been due; 0 where none is."""
        return (self.at - self.oldest_due_at).total_seconds() if self.oldest_due_at else 0.0

    def order_age_seconds(self, store: str, channel: str) -> float:
        return (self.at - self.order_feeds[store, channel]).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that `cartctl status` shows."""

    figures: Figures
    sent_today: int
    """Since midnight, on each store's own clock."""
    sent_last_7_days: int
    brakes: Sequence[Brake]
    carts: Mapping[str, int]
    """carts, active, abandoned and recovered."""
    includes_outbox: bool

    @property
    def sent(self) -> int:
        return sum(step.sent for step in self.figures.by_step if step.delivers or self.includes_outbox)

    @property
    def failed(self) -> int:
        return sum(step.failed for step in self.figures.by_step)

    @property
    def unknown(self) -> int:
        return sum(step.unknown for step in self.figures.by_step)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        figures = self.figures
        last = figures.last_run
        return {
            "at": figures.at.isoformat(),
            "last_run": {
                "started_at": last.started_at.isoformat(),
                "finished_at": last.finished_at.isoformat() if last.finished_at else None,
                "seconds": last.seconds,
            }
            if last
            else None,
            "due": figures.due,
            "due_held": figures.due_held,
            "oldest_due_at": figures.oldest_due_at.isoformat() if figures.oldest_due_at else None,
            "oldest_due_seconds": figures.oldest_due_seconds,
            "sent": {"today": self.sent_today, "last_7_days": self.sent_last_7_days, "total": self.sent},
            "includes_outbox": self.includes_outbox,
            "failed": self.failed,
            "unknown": self.unknown,
            "brakes": [brake.as_json() for brake in self.brakes],
            "order_feeds": [
                {
                    "store": store,
                    "channel": channel,
                    "fresh_at": fresh_at.isoformat(),
                    "age_seconds": figures.order_age_seconds(store, channel),
                }
                for (store, channel), fresh_at in figures.order_feeds.items()
            ],
            "carts": dict(self.carts),
        }


def figures(connection: Connection, *, now: datetime) -> Figures:
    """Ask for the numbers that are watched."""
    latest = store_figures.latest_runs(connection, limit=1)
    due, due_held, oldest = store_figures.due(connection, now=now)
    return Figures(
        at=now,
        last_run=LastRun(started_at=latest[0].started_at, finished_at=latest[0].finished_at) if latest else None,
        due=due,
        due_held=due_held,
        oldest_due_at=oldest,
        by_step=[StepTotals(**row._mapping) for row in store_figures.messages_by_step(connection)],  # noqa: SLF001 - SQLAlchemy's public name
        order_feeds=store_figures.order_feeds(connection, now=now),
    )


def run(database: Database, *, rules: Rules, recovery_window: timedelta, include_outbox: bool, now: datetime) -> Status:
    """Look at everything. `include_outbox` as in the report: mails that reached nobody count, too."""
    with database.read() as connection:
        today = 0
        for store in store_figures.stores(connection):
            local = now.astimezone(rules.store(store).zone)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            today += store_figures.sent_since(connection, midnight, store=store, include_outbox=include_outbox)
        return Status(
            figures=figures(connection, now=now),
            sent_today=today,
            sent_last_7_days=store_figures.sent_since(connection, now - WEEK, include_outbox=include_outbox),
            brakes=brakes.holding(connection),
            carts=store_figures.carts_now(connection, recovery_window=recovery_window),
            includes_outbox=include_outbox,
        )

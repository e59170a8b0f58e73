"""What the recovered carts were worth. The numbers come from sql/reports/*.sql, read by pandas, store by store.

Definitions stand in DEFINITIONS, beside the numbers they define. Money is never added across currencies.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Connection, text

from cartctl import resources
from cartctl.domain.money import Money
from cartctl.domain.times import Bound
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database
from cartctl.store.figures import stores
from cartctl.store.instants import to_micros

DEFINITIONS = {
    "carts": "carts with something in them, by their first activity in the period",
    "abandoned": "carts left alone past the limit and not bought before that, by when they were first abandoned",
    "recovered": "of these abandoned carts, those bought within {recovery_window} of their abandonment",
    "recovery_rate": "recovered ÷ abandoned: the same carts above and below the line",
    "revenue": "what orders that closed these carts came to, each order once; net is after refunds and cancellations",
    "by_step": "messages accepted by the transport for these carts; recovered: bought within {attribution_window} "
    "after that message, it being the last before the order",
    "late_orders": "messages to shoppers who had by then bought, because the order was imported later",
}

_FIRST, _LAST = -(2**62), 2**62


@dataclass(frozen=True, slots=True)
class Counted:
    """Carts of one channel, or of all."""

    carts: int
    abandoned: int
    recovered: int

    @property
    def recovery_rate(self) -> float | None:
        """From 0 to 1; None when nothing was abandoned."""
        return self.recovered / self.abandoned if self.abandoned else None


@dataclass(frozen=True, slots=True)
class Revenue:
    """In one currency."""

    abandoned: Money
    recovered_gross: Money
    recovered_net: Money


@dataclass(frozen=True, slots=True)
class StepCount:
    sequence: str
    step: str
    sent: int
    recovered: int


@dataclass(frozen=True, slots=True)
class Report:
    """One period's numbers."""

    since: Bound
    until: Bound
    all: Counted
    by_channel: Mapping[str, Counted]
    revenue: Mapping[str, Revenue]
    by_step: Sequence[StepCount]
    late_orders: int
    includes_outbox: bool

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object: money as decimal strings, the rate as a number from 0 to 1."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "carts": self.all.carts,
            "abandoned": self.all.abandoned,
            "recovered": self.all.recovered,
            "recovery_rate": self.all.recovery_rate,
            "late_orders": self.late_orders,
            "includes_outbox": self.includes_outbox,
            "revenue": {
                currency: {
                    "abandoned": str(revenue.abandoned),
                    "recovered_gross": str(revenue.recovered_gross),
                    "recovered_net": str(revenue.recovered_net),
                }
                for currency, revenue in self.revenue.items()
            },
            "by_step": [
                {"sequence": row.sequence, "step": row.step, "sent": row.sent, "recovered": row.recovered}
                for row in self.by_step
            ],
            "by_channel": [
                {
                    "channel": channel,
                    "carts": row.carts,
                    "abandoned": row.abandoned,
                    "recovered": row.recovered,
                    "recovery_rate": row.recovery_rate,
                }
                for channel, row in self.by_channel.items()
            ],
        }


def run(
    database: Database,
    *,
    rules: Rules,
    since: Bound,
    until: Bound,
    recovery_window: timedelta,
    attribution_window: timedelta,
    include_outbox: bool,
) -> Report:
    """Compute the report for carts in `since` <= time < `until`."""
    windows = {
        "recovery_window": recovery_window // timedelta(microseconds=1),
        "attribution_window": attribution_window // timedelta(microseconds=1),
        "include_outbox": include_outbox,
    }
    with database.read() as connection:
        periods = [
            windows
            | {
                "store": store,
                "since": _micros(since, rules, store, default=_FIRST),
                "until": _micros(until, rules, store, default=_LAST),
            }
            for store in stores(connection)
        ]
        channels = _read(connection, "carts", periods, by=["channel"])
        channels = channels[(channels["carts"] > 0) | (channels["abandoned"] > 0)]
        abandoned = _read(connection, "abandoned_value", periods, by=["currency"])
        recovered = _read(connection, "recovered_value", periods, by=["currency"])
        steps = _read(connection, "steps", periods, by=["sequence", "step"])
        late = _read(connection, "late_orders", periods, by=[])
    by_channel = {
        str(row.channel): Counted(int(row.carts), int(row.abandoned), int(row.recovered)) for row in _rows(channels)
    }
    return Report(
        since=since,
        until=until,
        all=Counted(
            *(sum(getattr(c, name) for c in by_channel.values()) for name in ("carts", "abandoned", "recovered"))
        ),
        by_channel=by_channel,
        revenue=_revenue(abandoned, recovered),
        by_step=_in_order(steps, rules),
        late_orders=sum(int(row.late_orders) for row in _rows(late)),
        includes_outbox=include_outbox,
    )


def _read(connection: Connection, name: str, periods: Sequence[Mapping[str, Any]], *, by: list[str]) -> pd.DataFrame:
    """Run one query for every store and add up the stores. Sums stay whole numbers, however large."""
    query = text(resources.report_query(name))
    wanted = set(query.compile().params)
    frames = [
        pd.read_sql_query(query, connection, params={k: v for k, v in period.items() if k in wanted}, dtype=object)
        for period in periods
    ]
    columns = list(pd.read_sql_query(query, connection, params=_nobody(wanted)).columns) if not frames else []
    stacked = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return stacked.groupby(by, as_index=False).sum() if by and len(stacked) else stacked


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Iterate over rows whose cells are what the query returned: texts and whole numbers."""
    yield from frame.itertuples()


def _nobody(names: set[str]) -> dict[str, Any]:
    return {name: "" if name == "store" else False if name == "include_outbox" else 0 for name in names}


def _micros(bound: Bound, rules: Rules, store: str, *, default: int) -> int:
    if bound is None:
        return default
    if isinstance(bound, datetime):
        return to_micros(bound)
    return to_micros(datetime(bound.year, bound.month, bound.day, tzinfo=rules.store(store).zone))


def _revenue(abandoned: pd.DataFrame, recovered: pd.DataFrame) -> dict[str, Revenue]:
    left = {str(row.currency): int(row.abandoned_minor) for row in _rows(abandoned)}
    back = {str(row.currency): (int(row.gross_minor), int(row.net_minor)) for row in _rows(recovered)}
    return {
        currency: Revenue(
            Money.from_minor(left.get(currency, 0), currency),
            Money.from_minor(back.get(currency, (0, 0))[0], currency),
            Money.from_minor(back.get(currency, (0, 0))[1], currency),
        )
        for currency in sorted(left.keys() | back.keys())
    }


def _in_order(steps: pd.DataFrame, rules: Rules) -> list[StepCount]:
    """Steps in the order in which they are sent; those that are no longer in their sequence last."""

    def place(row: StepCount) -> tuple[str, int, str]:
        sequence = rules.sequences.get(row.sequence)
        keys = [step.key for step in sequence.steps] if sequence else []
        return (row.sequence, keys.index(row.step) if row.step in keys else len(keys), row.step)

    rows = [StepCount(str(row.sequence), str(row.step), int(row.sent), int(row.recovered)) for row in _rows(steps)]
    return sorted(rows, key=place)

"""What a report is asked, and how its queries are read: sql/reports/*.sql, by pandas, store by store.

Times are folded into days, weeks and months here: the queries count in slots of a quarter of an hour, on which the
midnights of every zone lie.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

import pandas as pd
from sqlalchemy import Connection, text

from cartctl import resources
from cartctl.domain.scanners import LIKELY_HUMAN_BELOW
from cartctl.domain.times import Bound
from cartctl.errors import UsageError
from cartctl.jobs.rules import Rules
from cartctl.store.figures import stores, stores_enrolled
from cartctl.store.instants import from_micros, to_micros

_FIRST, _LAST = -(2**62), 2**62
_SLOT = 900_000_000
"""Microseconds: a quarter of an hour. No zone has been off from UTC by anything else since 1990."""
_ONE_SLOT = 2**62
_PIECES = 400
"""Each is asked for by itself; a year of days is less."""
_MICROSECOND = timedelta(microseconds=1)


class By(StrEnum):
    """What a period is cut into."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def begins(self, day: date) -> date:
        """Return the first day of the day's week (a Monday) or month."""
        if self is By.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is By.MONTH else day

    def after(self, begins: date) -> date:
        """Return the first day of what follows what begins then."""
        return self.begins(begins + timedelta(days={By.DAY: 1, By.WEEK: 7, By.MONTH: 32}[self]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The carts first abandoned in `since` <= time < `until`, as they stand at `now`."""

    now: datetime
    since: Bound = None
    until: Bound = None
    recovery_window: timedelta
    """Bought so soon after the abandonment: recovered."""
    attribution_window: timedelta
    """Bought so soon after a message, or a click: because of it."""
    include_outbox: bool = False
    """Whether messages count that only went to the outbox."""
    by: By | None = None

    def before(self, rules: Rules) -> "Asked":
        """Ask the same of the period before, which is as long. Raises ValueError where `since` is missing."""
        if self.since is None:
            raise ValueError("without a beginning there is no period before")
        since, until = self.since, self.until if self.until is not None else self.now
        if _is_day(since) and _is_day(until):
            return replace(self, since=since - (until - since), until=since)
        begins, ends = (_instant(bound, rules.default_store.zone) for bound in (since, until))
        return replace(self, since=begins - (ends - begins), until=since)  # a day ends at each store's own midnight

    def pieces(self, rules: Rules, earliest: datetime) -> Iterator[tuple[date, "Asked"]]:
        """Ask for each day, week or month by itself, with its first day. `earliest`: before it there is nothing.
        Raises UsageError for more than _PIECES of them.

        Days are those of the calendar of `timezone` here, and of each store's own where they are asked for.
        """
        assert self.by is not None
        zone = rules.default_store.zone
        first = _day(self.since if self.since is not None else earliest, zone)
        last = _day(self.until, zone, before=True) if self.until is not None else _day(self.now, zone)
        begins = [self.by.begins(first)]
        while (after := self.by.after(begins[-1])) <= last:
            begins.append(after)
            if len(begins) > _PIECES:
                raise UsageError(
                    f"--by: more than {_PIECES} periods: ask with a later --since, or cut into longer periods"
                )
        for number, begin in enumerate(begins):
            since = begin if number else self.since
            until = begins[number + 1] if number + 1 < len(begins) else self.until
            yield begin, replace(self, since=since, until=until, by=None)


def _day(bound: date | datetime, zone: tzinfo, *, before: bool = False) -> date:
    """Return the day of a bound, or the one that ends with it."""
    if isinstance(bound, datetime):
        return (bound - before * _MICROSECOND).astimezone(zone).date()
    return bound - before * timedelta(days=1)


def _is_day(bound: Bound) -> bool:
    return bound is not None and not isinstance(bound, datetime)


def _instant(bound: date | datetime, zone: tzinfo) -> datetime:
    if isinstance(bound, datetime):
        return bound
    return datetime(bound.year, bound.month, bound.day, tzinfo=zone).astimezone(UTC)


def read(connection: Connection, name: str, asked: Asked, rules: Rules) -> pd.DataFrame:
    """Run one query for every store: its columns, with `store`, and `period` (a date) where periods are asked for.

    Cells are texts and whole numbers, however large; a sum over nothing is missing: see `rows`.
    """
    query = text(resources.report_query(name))
    wanted = set(query.compile().params)
    frames = []
    for store, bounds in periods(connection, asked, rules).items():
        values = _windows(asked) | {"store": store, "since": bounds[0], "until": bounds[1]}
        frame = pd.read_sql_query(
            query, connection, params={name: value for name, value in values.items() if name in wanted}, dtype=object
        )
        frame.insert(0, "store", store)
        if "slot" in frame.columns:
            frame = _in_periods(frame, asked, rules.store(store).zone)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def read_over_all(
    connection: Connection, name: str, asked: Asked, rules: Rules, *, not_before: datetime | None = None
) -> pd.DataFrame:
    """Run a query that counts people, who may shop in several stores: over all stores at once.

    Where the same day begins at different moments in two stores, the period is that of both together. `not_before`: it
    begins no earlier, whatever is asked.
    """
    query = text(resources.report_query(name))
    bounds = periods(connection, asked, rules).values()
    values = _windows(asked) | {
        "since": max(min((since for since, _ in bounds), default=0), to_micros(not_before) if not_before else _FIRST),
        "until": max((until for _, until in bounds), default=0),
    }
    wanted = set(query.compile().params)
    return pd.read_sql_query(
        query, connection, params={name: value for name, value in values.items() if name in wanted}, dtype=object
    )


def periods(connection: Connection, asked: Asked, rules: Rules) -> dict[str, tuple[int, int]]:
    """Return beginning and end of what is asked, in microseconds, by store: each has midnights of its own."""
    found = {}
    for store in sorted({*stores(connection), *stores_enrolled(connection)}):
        zone = rules.store(store).zone
        since, until = (
            default if bound is None else to_micros(_instant(bound, zone))
            for bound, default in ((asked.since, _FIRST), (asked.until, _LAST))
        )
        found[store] = (since, until)
    return found


def folded(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Add up the rows that are alike in these columns; columns of texts that are not among them are gone."""
    if not len(frame):
        return frame
    texts = [name for name in frame.columns if name not in by and isinstance(frame[name].iloc[0], str | date)]
    kept = frame.drop(columns=texts)
    return kept.groupby(list(by), as_index=False).sum() if by else kept.sum().to_frame().T


def rows(frame: pd.DataFrame) -> Iterator[Any]:
    """Iterate over rows whose cells are what the query returned: texts and whole numbers."""
    yield from frame.itertuples(index=False)


def _windows(asked: Asked) -> dict[str, Any]:
    return {
        "recovery_window": asked.recovery_window // _MICROSECOND,
        "attribution_window": asked.attribution_window // _MICROSECOND,
        "include_outbox": asked.include_outbox,
        "human_below": LIKELY_HUMAN_BELOW,
        "now": to_micros(asked.now),
        "slot": _SLOT if asked.by else _ONE_SLOT,
    }


def _in_periods(frame: pd.DataFrame, asked: Asked, zone: tzinfo) -> pd.DataFrame:
    """Replace slots by the first day of their period, on the store's own calendar."""
    by = asked.by
    if by is not None:
        days = {slot: from_micros(slot * _SLOT).astimezone(zone).date() for slot in set(frame["slot"])}
        frame.insert(1, "period", pd.Series([by.begins(days[slot]) for slot in frame["slot"]], dtype=object))
    return frame.drop(columns="slot")

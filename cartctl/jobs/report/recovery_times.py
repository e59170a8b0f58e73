"""How long after the abandonment recovered carts were bought."""

from collections.abc import Mapping
from datetime import timedelta

from cartctl.jobs.report.asking import Asked, folded, read, rows
from cartctl.jobs.report.results import RecoveryTimes
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database

EDGES = tuple(timedelta(hours=hours) for hours in (1, 6, 12, 24, 48, 72, 120, 168, 336))


def run(database: Database, *, rules: Rules, asked: Asked) -> RecoveryTimes:
    """Compute median, quartiles, and how many were bought within which time."""
    with database.read() as connection:
        frame = folded(read(connection, "recovery_times", asked, rules), ["minutes"])
    by_minutes = {int(row.minutes): int(row.carts) for row in rows(frame)}
    carts = sum(by_minutes.values())
    edges = [edge for edge in EDGES if edge < asked.recovery_window] + [asked.recovery_window]
    within = dict.fromkeys(edges, 0)
    for minutes, count in by_minutes.items():
        within[next(edge for edge in edges if timedelta(minutes=minutes) < edge)] += count
    return RecoveryTimes(
        carts=carts,
        lower_quartile=_quantile(by_minutes, -(-carts // 4)),
        median=_quantile(by_minutes, -(-carts // 2)),
        upper_quartile=_quantile(by_minutes, -(-carts * 3 // 4)),
        within=within,
    )


def _quantile(by_minutes: Mapping[int, int], place: int) -> timedelta | None:
    """Return the time of the cart at this place, counted from 1, of all by their time."""
    for minutes in sorted(by_minutes):
        place -= by_minutes[minutes]
        if place <= 0:
            return timedelta(minutes=minutes)
    return None

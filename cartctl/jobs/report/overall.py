"""What `cartctl report` shows by itself: what was abandoned, what came back, and what that was worth."""

from cartctl.jobs.report import lift, steps
from cartctl.jobs.report.asking import Asked
from cartctl.jobs.report.cohorts import read_cohorts
from cartctl.jobs.report.results import Counted, Report
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database


def run(database: Database, *, rules: Rules, asked: Asked) -> Report:
    """Compute the report."""
    with database.read() as connection:
        cohorts = read_cohorts(connection, asked, rules)
        by_step = steps.count(connection, asked, rules, cohorts.bought)
        lifts = lift.measure(connection, asked, rules)
    return Report(
        since=asked.since,
        until=asked.until,
        all=cohorts.by().get((), Counted()),
        by_channel={str(channel): row for (channel,), row in cohorts.by("channel").items()},
        by_period={begins: row for (begins,), row in cohorts.by("period").items()} if asked.by else {},
        by_step=by_step,
        lift=lifts,
        includes_outbox=asked.include_outbox,
    )

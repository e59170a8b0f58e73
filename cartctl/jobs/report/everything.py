"""All that the HTML report shows, of the same carts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cartctl.jobs.report import deliverability, overall, recovery_times, steps
from cartctl.jobs.report.asking import Asked, read, rows
from cartctl.jobs.report.results import Deliverability, RecoveryTimes, Report, StepFigures
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many of the abandoned carts the mails reached."""

    written_to: int
    clicked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """The reports that make one page."""

    report: Report
    reach: Reach
    steps: Sequence[StepFigures]
    times: RecoveryTimes
    delivery: Deliverability


def run(database: Database, *, rules: Rules, asked: Asked) -> Everything:
    """Compute them all. What is imported meanwhile may be in one of them and not in another."""
    with database.read() as connection:
        reached = list(rows(read(connection, "reach", asked, rules)))
    return Everything(
        report=overall.run(database, rules=rules, asked=asked),
        reach=Reach(
            written_to=sum(int(row.written_to) for row in reached), clicked=sum(int(row.clicked) for row in reached)
        ),
        steps=steps.run(database, rules=rules, asked=asked),
        times=recovery_times.run(database, rules=rules, asked=asked),
        delivery=deliverability.run(database, rules=rules, asked=asked),
    )

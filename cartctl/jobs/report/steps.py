"""The steps of each sequence: what was sent, what was bought after it, and what became of the messages."""

from collections.abc import Sequence

import pandas as pd
from sqlalchemy import Connection

from cartctl.jobs.report import deliverability
from cartctl.jobs.report.asking import Asked, folded, read, rows
from cartctl.jobs.report.cohorts import tiers_by
from cartctl.jobs.report.results import Delivered, StepCount, StepFigures, Tier
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database


def run(database: Database, *, rules: Rules, asked: Asked) -> list[StepFigures]:
    """Compute each step's numbers, in the order in which the steps are sent."""
    with database.read() as connection:
        counts = count(connection, asked, rules, read(connection, "bought", asked, rules))
        delivery = deliverability.by_step(connection, asked, rules)
    return [StepFigures(count=one, delivery=delivery.get((one.sequence, one.step), Delivered())) for one in counts]


def count(connection: Connection, asked: Asked, rules: Rules, bought: pd.DataFrame) -> list[StepCount]:
    """Count messages by step. `bought`: what the query of that name returned."""
    tiers = {
        name: tiers_by(bought, (f"{name}_sequence", f"{name}_step"), f"{name}_step") for name in ("sent", "clicked")
    }
    found = [
        StepCount(
            sequence=row.sequence,
            step=row.step,
            sent=int(row.sent),
            recovered=tiers["sent"].get((row.sequence, row.step), Tier()),
            clicked=tiers["clicked"].get((row.sequence, row.step), Tier()),
            late=int(row.late),
            immature=int(row.immature),
        )
        for row in rows(folded(read(connection, "sent", asked, rules), ["sequence", "step"]))
    ]
    return _in_order(found, rules)


def _in_order(found: Sequence[StepCount], rules: Rules) -> list[StepCount]:
    """Steps in the order in which they are sent; those that are no longer in their sequence last."""

    def place(row: StepCount) -> tuple[str, int, str]:
        sequence = rules.sequences.get(row.sequence)
        keys = [step.key for step in sequence.steps] if sequence else []
        return (row.sequence, keys.index(row.step) if row.step in keys else len(keys), row.step)

    return sorted(found, key=place)

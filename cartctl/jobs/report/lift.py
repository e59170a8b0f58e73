"""What came back because of the mails: who was written to beside the holdout, who was not."""

import math

from sqlalchemy import Connection

from cartctl.domain import stats
from cartctl.domain.sequences import HOLDOUT, TREATED
from cartctl.jobs.report.asking import Asked, read_over_all, rows
from cartctl.jobs.report.results import Arm, Lift
from cartctl.jobs.rules import Rules
from cartctl.store import figures
from cartctl.store.database import Database

FEWEST, FEWEST_BUYERS = 30, 5
"""With fewer contacts in either arm, or fewer buyers in all, a handful of shoppers would speak for all of them."""


def run(database: Database, *, rules: Rules, asked: Asked) -> list[Lift]:
    """Measure every sequence that has, or had in the period, a holdout."""
    with database.read() as connection:
        return measure(connection, asked, rules)


def measure(connection: Connection, asked: Asked, rules: Rules) -> list[Lift]:
    """Measure it in the caller's transaction."""
    arms: dict[str, dict[str, Arm]] = {name: {} for name, sequence in rules.sequences.items() if sequence.holdout}
    # Until a mail reached anybody, those "written to" were not: they would make the mails look idle.
    begun = None if asked.include_outbox else figures.first_written_to(connection)
    if begun or asked.include_outbox:
        for row in rows(read_over_all(connection, "lift", asked, rules, not_before=begun)):
            arm = Arm(contacts=int(row.contacts), converted=int(row.converted), immature=int(row.immature))
            arms.setdefault(row.sequence, {})[row.arm] = arm
    return [
        _lift(name, found.get(TREATED, Arm()), found.get(HOLDOUT, Arm()), rules) for name, found in sorted(arms.items())
    ]


def _lift(name: str, treated: Arm, holdout: Arm, rules: Rules) -> Lift:
    sequence = rules.sequences.get(name)
    share = sequence.holdout / 100 if sequence and sequence.holdout else 0.1
    numbers = (treated.converted, treated.contacts, holdout.converted, holdout.contacts)
    more = stats.more_needed(*numbers, other_share=share) or _to_the_floor(treated, holdout, share)
    low, high = stats.newcombe(*numbers) if treated.contacts and holdout.contacts else (None, None)
    return Lift(
        sequence=name,
        treated=treated,
        holdout=holdout,
        low=low,
        high=high,
        more_needed=more,
        sentence=sentence(low, high, more),
    )


def _to_the_floor(treated: Arm, holdout: Arm, share: float) -> int:
    """Say about how many more carts it takes until there are so many that an interval is worth a sentence."""
    short = max((FEWEST - treated.contacts) / (1 - share), (FEWEST - holdout.contacts) / share, 0.0)
    buyers, contacts = treated.converted + holdout.converted, treated.contacts + holdout.contacts
    if buyers < FEWEST_BUYERS:
        short = max(short, (FEWEST_BUYERS - buyers) * contacts / max(buyers, 1))
    return math.ceil(short)


def sentence(low: float | None, high: float | None, more: int) -> str:
    """Say in plain words what the interval tells."""
    if low is None or high is None or more:
        return f"too early to tell: about {more:,} more carts are needed"
    if high < 0:
        return f"between {_of_100(-high, -low)} of 100 carts fewer came back because of the mails"
    return f"between {_of_100(low, high)} of 100 carts came back because of the mails"


def _of_100(low: float, high: float) -> str:
    """Two shares as whole numbers of 100; with a decimal where the lower would read as nothing."""
    decimals = 0 if low >= 0.005 else 1
    return f"{low * 100:.{decimals}f} and {high * 100:.{decimals}f}"

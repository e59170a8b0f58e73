"""What the endpoint took in takes effect: the first thing of a run, before it looks for abandoned carts.

1. Read a chunk of the intake, body by body.
2. In one transaction: remove these bodies, apply what could be read, write the rejects beside. Whatever dies, each body
   is either still there or was applied once.
3. A chunk that fails for a reason nobody foresaw is tried body by body; the one that fails alone is rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cartctl.domain.identity import without_addresses
from cartctl.errors import DatabaseError, InputFileError, UnwritableFileError
from cartctl.importers.records import RowError
from cartctl.importers.rejects import Rejects
from cartctl.jobs.posted import Body, Reading, apply, read
from cartctl.jobs.problems import Problems
from cartctl.jobs.sending import Intake, SendJob
from cartctl.store import intake

CHUNK = 500


@dataclass(slots=True)
class Drained:
    """How many bodies took effect; `problems` names what did not."""

    applied: int = 0
    rejected: int = 0
    problems: Problems = field(default_factory=Problems)


def run(job: SendJob) -> Drained:
    """Apply everything that waits. Raises DatabaseError."""
    drained = Drained()
    how = job.intake
    last = 0
    while how is not None:
        with job.database.read() as connection:
            rows = intake.waiting(connection, after=last, limit=CHUNK)
        if not rows:
            break
        last = rows[-1].id
        bodies = [Body(id=row.id, feed=row.kind, store=row.store, raw=row.body) for row in rows]
        _chunk(job, how, [_read(body, how) for body in bodies], drained)
    return drained


def _read(body: Body, how: Intake) -> Reading:
    try:
        return read(body, how.contexts)
    except InputFileError:
        return _refused(body, "is no JSON object, or of a feed that this version does not know")
    except Exception as error:  # noqa: BLE001 - see the module's third point
        return _refused(body, f"cannot be read: {type(error).__name__}")


def _refused(body: Body, reason: str) -> Reading:
    raw = body.raw.decode("utf-8", "replace")
    return Reading(body, errors=(RowError(body.id, "", reason, (raw,)),))


def _chunk(job: SendJob, how: Intake, readings: Sequence[Reading], drained: Drained) -> None:
    try:
        _apply(job, how, readings, drained)
    except DatabaseError:
        raise
    except UnwritableFileError as error:
        if len(readings) == 1:
            number = readings[0].body.id
            problem = f"the endpoint's intake: body {number} stays there: {error}"
            drained.problems.add(number, "bodies stay in the endpoint's intake", problem)
            return
        _one_by_one(job, how, readings, drained)
    except Exception as error:
        if len(readings) > 1:
            _one_by_one(job, how, readings, drained)
        elif readings[0].errors:
            raise
        else:
            refused = _refused(readings[0].body, f"cannot be applied: {type(error).__name__}")
            _chunk(job, how, [refused], drained)


def _one_by_one(job: SendJob, how: Intake, readings: Sequence[Reading], drained: Drained) -> None:
    for reading in readings:
        _chunk(job, how, [reading], drained)


def _apply(job: SendJob, how: Intake, readings: Sequence[Reading], drained: Drained) -> None:
    with job.database.write(carts="change") as connection:
        taken = intake.take(connection, [reading.body.id for reading in readings])
        ours = [reading for reading in readings if reading.body.id in taken]
        late = apply(connection, [reading for reading in ours if not reading.errors], rules=job.rules, now=job.clock())
        errors = [
            replace(error, row=reading.body.id, raw=(reading.body.raw.decode("utf-8", "replace"),))
            for reading in ours
            for error in (*reading.errors[:1], *([late[reading.body.id]] if reading.body.id in late else ()))
        ]
        problems = _write(errors, how.rejects_folder)
        job.at("before-intake-commit")
    drained.applied += len(ours) - len(errors)
    drained.rejected += len(errors)
    for problem in problems:
        drained.problems.append(problem)


def _write(errors: Sequence[RowError], folder: Path | None) -> list[str]:
    """Write what was rejected into a file named by the first of them: the same file, should the run die here."""
    if not errors:
        return []
    told = f"the endpoint's intake: {len(errors)} posted bodies rejected"
    if folder is None:
        return [told]
    with Rejects(folder / f"intake-{errors[0].row}.rejects.jsonl", "intake", None) as rejects:
        for error in errors:
            rejects.add(error)
        rejects.keep()
    return [f"{told}, see {rejects.path}; the first: {without_addresses(rejects.first)}"]

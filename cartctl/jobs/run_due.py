"""The job cron runs: detect, enroll, send what is due.

1. Note the run.                                        store.imports
2. Reap what a dead process left.                        jobs.reap
3. Mark idle carts, enroll the newly abandoned ones.     jobs.detect
4. See which brakes hold, and tell of them.              jobs.brakes
5. Claim, render, gate, send, settle.                    jobs.send_due
6. Note how it went.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from cartctl.jobs import brakes, detect, send_due
from cartctl.jobs.brakes import Braking
from cartctl.jobs.detect import Detected
from cartctl.jobs.reap import reap
from cartctl.jobs.sending import SendJob, Sent
from cartctl.store import imports


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one run did."""

    detected: Detected
    sent: Sent
    braking: Braking

    @property
    def has_problems(self) -> bool:
        return bool(self.sent.problems or self.braking.holding)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        sent = self.sent
        cancelled = sent.cancelled + Counter(superseded=self.detected.superseded)
        return {
            "detected": self.detected.total,
            "expired": self.detected.expired,
            "enrolled": self.detected.enrolled,
            "sent": sent.sent,
            "deferred": sum(sent.deferred.values()),
            "retried": sent.retried,
            "failed": sent.failed,
            "unknown": sent.unknown,
            "skipped": dict(sorted(sent.skipped.items())),
            "cancelled": dict(sorted(cancelled.items())),
            "brakes": [brake.as_json() for brake in self.braking.holding],
        }


def run(job: SendJob) -> RunResult:
    """Do all of it once. What went wrong is in the result, by message."""
    with job.database.write() as connection:
        run_id = imports.run_started(connection, "run-due", at=job.clock())
    sent = Sent()
    reap(job, sent)
    detected = detect.run(job.database, rules=job.rules, clock=job.clock)
    braking = brakes.run(job)
    result = RunResult(detected, send_due.run(job, sent), braking)
    counts = result.as_json() | {"by_sequence": dict(sorted(sent.by_sequence.items()))}
    with job.database.write() as connection:
        imports.run_finished(connection, run_id, counts, at=job.clock())
    return result

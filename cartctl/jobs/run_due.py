"""The job cron runs: detect, enroll, send what is due.

1. Note the run.                                        store.imports
2. Reap what a dead process left.                        jobs.reap
3. Let what the endpoint took in take effect.            jobs.drain
4. Mark idle carts, enroll the newly abandoned ones.     jobs.detect
5. See which brakes hold, and tell of them.              jobs.brakes
6. Claim, render, gate, send, settle.                    jobs.send_due
7. Note how it went.
8. Tell who asked for it which segments were entered.    jobs.alerting
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cartctl.jobs import brakes, detect, send_due
from cartctl.jobs.brakes import Braking
from cartctl.jobs.detect import Detected
from cartctl.jobs.reap import reap
from cartctl.jobs.sending import SendJob, Sent
from cartctl.store import alerts, imports, intake

if TYPE_CHECKING:
    from cartctl.jobs.drain import Drained


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one run did."""

    detected: Detected
    sent: Sent
    braking: Braking
    drained: "Drained | None"

    @property
    def has_problems(self) -> bool:
        return bool(self.sent.problems or self.braking.holding or self.past_grace)

    @property
    def past_grace(self) -> list[str]:
        """Name the steps that came too late to be sent; not while a brake holds, which is told of once a day."""
        if self.braking.holding:
            return []
        steps = sorted(self.sent.past_grace.items())
        mails = {step: "1 mail is" if count == 1 else f"{count} mails are" for step, count in steps}
        return [f"{step}: {mails[step]} past the grace (sending.grace), and not sent" for step, _ in steps]

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        sent = self.sent
        cancelled = sent.cancelled + Counter(superseded=self.detected.superseded)
        return {
            "intake": {
                "applied": self.drained.applied if self.drained else 0,
                "rejected": self.drained.rejected if self.drained else 0,
            },
            "detected": self.detected.total,
            "expired": self.detected.expired,
            "enrolled": self.detected.enrolled,
            "held_out": self.detected.held_out,
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
    drained = _drain(job)
    if drained:
        sent.problems.take_in(drained.problems)
    detected = detect.run(job.database, rules=job.rules, clock=job.clock)
    braking = brakes.run(job)
    result = RunResult(detected, send_due.run(job, sent), braking, drained)
    counts = result.as_json() | {"by_sequence": dict(sorted(sent.by_sequence.items()))}
    with job.database.write() as connection:
        imports.run_finished(connection, run_id, counts, at=job.clock())
    for problem in _alert(job):
        sent.problems.append(problem)
    return result


def _drain(job: SendJob) -> "Drained | None":
    """Most ticks find nothing there, and must not pay for the importers."""
    with job.database.read() as connection:
        if intake.is_empty(connection):
            return None
    from cartctl.jobs import drain

    return drain.run(job)


def _alert(job: SendJob) -> list[str]:
    """Most ticks have nothing to tell."""
    if job.messenger is None:
        return []
    with job.database.read() as connection:
        if not alerts.any_waiting(connection, due_by=job.clock()):
            return []
    from cartctl.jobs import alerting

    return alerting.run(job.database, job.rules, job.messenger(), clock=job.clock)

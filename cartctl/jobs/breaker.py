"""The circuit breaker: a provider that fails again and again is left alone, so that an outage harms few messages.

Failures in a row are counted from run to run, until an answer shows that the provider is well. Five end the run.

- After any, the next run first asks the provider whether it is well (`Transport.probe`): no mail leaves. If nobody
  answers, or it says that it fails, nothing is handed over.
- After five even that is no proof: some answer questions and fail with mails. One message is tried, ten minutes after
  the last failure; if that fails too, the next comes after twice the distance, an hour at most.

Mails that are refused for no fault of their recipients are no outage; five of them, and none accepted, end the run too.
Until a run has seen a mail accepted, it hands over no more than five.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cartctl.jobs.sending import Sent
from cartctl.mail.message import Accepted, Answer, Probed, Rejected, Transport, Unavailable, Unknown
from cartctl.store import breakers
from cartctl.store.database import Database

FAILURES = 5
UNLIMITED = 1_000_000
FIRST_REST = timedelta(minutes=10)
LONGEST_REST = timedelta(hours=1)
STAYS_DUE = "what is due stays due"


@dataclass(slots=True)
class Breaker:
    """The provider's health, as far as this run and those before it have seen it."""

    transport: str
    failures: int = 0
    """In a row, up to now."""
    failures_before: int = 0
    """So many of them the last run has left."""
    refusals: int = 0
    has_accepted: bool = False
    stops: str = ""
    """Why this run hands over nothing more."""

    @classmethod
    def of(cls, database: Database, transport: Transport, *, now: datetime) -> "Breaker":
        """Read what the last run has left; after a failure, ask the provider."""
        with database.read() as connection:
            failures, failed_at = breakers.failures(connection, transport.name)
        breaker = cls(transport.name, failures, failures)
        if failed_at:
            breaker.stops = breaker._look(transport, failed_at, now)
        return breaker

    def _look(self, transport: Transport, failed_at: datetime, now: datetime) -> str:
        failed = f"{self.transport} failed {self.failures} times in a row"
        if self.failures >= FAILURES and failed_at <= now < (until := failed_at + rest(self.failures)):
            return f"{failed}: nothing is handed over before {until:%H:%M} UTC, and then one message; {STAYS_DUE}"
        if (found := _ask(transport)).is_down:
            return f"{failed} and is not well yet ({found.fault}): nothing is handed over; {STAYS_DUE}"
        return ""

    @property
    def window(self) -> int:
        """How many messages may be under way."""
        if self.has_accepted:
            return UNLIMITED
        return 1 if self.failures >= FAILURES else FAILURES - max(self.failures, self.refusals)

    def hear(self, answer: Answer) -> None:
        """Count an answer. What comes in after the end of the run was under way by then, and says nothing new."""
        if self.stops:
            return
        match answer:
            case Accepted():
                self.failures, self.refusals, self.has_accepted = 0, 0, True
            case Rejected(bad_recipient=True) | Unavailable(for_recipient=True):
                self.failures = 0
            case Rejected(reason):
                self.failures, self.refusals = 0, self.refusals + 1
                if self.refusals >= FAILURES and not self.has_accepted:
                    self.stops = (
                        f"{self.transport} refused {self.refusals} mails and took none (last: {reason}): this run "
                        f"sends nothing more; {STAYS_DUE}. Look for what is wrong with sender, account or templates"
                    )
            case Unknown(provider_is_well=True):
                pass
            case Unknown(reason) | Unavailable(reason):
                self._count(reason)

    def _count(self, reason: str) -> None:
        self.failures += 1
        if self.failures >= FAILURES:
            self.stops = (
                f"{self.transport} failed {self.failures} times in a row (last: {reason}): nothing more is sent for "
                f"{rest(self.failures) // timedelta(minutes=1)} minutes, and then one message; {STAYS_DUE}"
            )

    def note(self, database: Database, result: Sent, *, now: datetime) -> None:
        """Say what happened, and keep it for the next run."""
        if self.stops:
            result.problems.append(self.stops)
        if self.failures != self.failures_before:
            with database.write() as connection:
                breakers.keep(connection, self.transport, failures=self.failures, at=now)


def rest(failures: int) -> timedelta:
    """Return how long no message is handed over after so many failures in a row, five or more."""
    doublings = min(failures - FAILURES, 10)
    return min(LONGEST_REST, FIRST_REST * (1 << doublings))


def _ask(transport: Transport) -> Probed:
    try:
        return transport.probe()
    except Exception:  # noqa: BLE001 - a question that went wrong keeps no mail back: a message will tell
        return Probed()

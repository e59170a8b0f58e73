"""The circuit breaker: a provider that fails again and again is left alone, so that an outage harms few messages.

It opens after five failures in a row; the run then stops handing over. The next run tries one message, a probe: if
the provider takes or refuses it, the run goes on as ever; if it fails, that run stops at once. Until a run has its
first answer that is no failure, it hands over no more than five messages.
"""

from dataclasses import dataclass
from datetime import datetime

from cartctl.jobs.sending import Sent
from cartctl.mail.message import Accepted, Answer, Rejected, Throttled, Unavailable, Unknown
from cartctl.store import breakers
from cartctl.store.database import Database

FAILURES = 5
UNLIMITED = 1_000_000


@dataclass(slots=True)
class Breaker:
    """The provider's health, as far as one run has seen it."""

    transport: str
    was_open: bool
    trusted: bool = False
    """An answer of this run was no failure."""
    failures: int = 0
    last: str = ""
    stops: bool = False

    @classmethod
    def of(cls, database: Database, transport: str) -> "Breaker":
        with database.read() as connection:
            return cls(transport, was_open=breakers.is_open(connection, transport))

    @property
    def window(self) -> int:
        """How many messages may be under way."""
        if self.trusted:
            return UNLIMITED
        return 1 if self.was_open else FAILURES - self.failures

    def hear(self, answer: Answer) -> None:
        match answer:
            case Accepted() | Rejected() | Unavailable(for_recipient=True):
                self.trusted, self.failures = True, 0
            case Unknown(reason) | Unavailable(reason):
                self._count(reason)
            case Throttled():
                self._count("throttled")

    def _count(self, reason: str) -> None:
        self.failures, self.last = self.failures + 1, reason
        if self.failures >= FAILURES or (self.was_open and not self.trusted):
            self.stops = True

    def note(self, database: Database, result: Sent, *, now: datetime) -> None:
        """Say what happened, and keep it for the next run."""
        if self.stops:
            result.problems.append(
                f"{self.transport} failed {self.failures} times in a row (last: {self.last}): this run sends nothing "
                "more, the next one tries a single message first; what is due stays due"
                if not self.was_open or self.trusted
                else f"{self.transport} still fails (last: {self.last}): one message was tried; what is due stays due"
            )
        # A run whose probe was never sent, or was not answered about the mail, has learnt nothing.
        is_open = self.stops or (self.was_open and not self.trusted)
        if is_open != self.was_open:
            with database.write() as connection:
                breakers.keep(connection, self.transport, is_open=is_open, now=now)

"""A provider that says "not so fast" (429, SMTP's 421) is no provider that fails: it is waited for, and given less.

A short wait is waited out within the run; then half as many messages may be under way as before, and slowly more again:
one more for four acceptances of each. For a long wait, or after five short ones with no acceptance in between, the run
ends quietly: what is due stays due.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cartctl.jobs.sending import Sent
from cartctl.mail.message import Accepted, Answer, Throttled

LONGEST = timedelta(seconds=30)
UNTOLD = timedelta(seconds=2)
"""Where the provider does not say how long; twice as long each time that this was not enough."""
SHORTEST = timedelta(seconds=1)
IN_VAIN = 5
GROWTH = 0.25


@dataclass(slots=True)
class Throttle:
    """How much one provider takes at once, as far as one run has seen it."""

    transport: str
    window: float
    """How many messages may be under way."""
    until: datetime | None = None
    """The run hands over nothing before."""
    most: int = 0
    """So many were under way at once since the last wait."""
    in_vain: int = 0
    """Waits since the last acceptance."""
    accepted: int = 0
    put_off: int = 0

    def hear(self, answer: Answer, *, under_way: int, now: datetime) -> None:
        """Count an answer. `under_way`: how many were, this one among them."""
        self.most = max(self.most, under_way)
        match answer:
            case Accepted():
                self.accepted, self.in_vain = self.accepted + 1, 0
                self.window += GROWTH / self.window
            case Throttled(until, wait):
                self.put_off += 1
                told = until or now + (wait or UNTOLD * (1 << self.in_vain))
                self.until = max(told, self.until or told, now + SHORTEST)

    def wait(self, *, now: datetime) -> float | None:
        """Return the seconds to wait before the run goes on; None: it ends here."""
        if self.until is None or self.until - now > LONGEST or self.in_vain == IN_VAIN:
            return None
        seconds = (self.until - now).total_seconds()
        self.window = max(1, self.most // 2)
        self.until, self.most, self.in_vain = None, 0, self.in_vain + 1
        return max(0, seconds)

    def note(self, result: Sent) -> None:
        """Say what was put off: a complaint only where nothing at all was taken."""
        if not self.put_off:
            return
        mails = "1 mail" if self.put_off == 1 else f"{self.put_off} mails"
        told = f"{self.transport} wants fewer at a time (throttled): it put off {mails} and took {self.accepted}; "
        told += "what is due stays due. sending.rate_per_second keeps to what it allows"
        (result.remarks if self.accepted else result.problems).append(told)

"""Brakes: what holds mail back, and which mail. What a brake holds stays due as it was: it waits, or ends past grace.

A brake holds only while there is something to hold; but a pause, and the brake of a sequence whose mail bounces or is
complained about, hold until somebody lets them go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

EVERYTHING = ""
"""The subject of a pause of all sequences."""
TELL_EVERY = timedelta(days=1)
RECENT = 500
"""So many of a sequence's latest messages are looked at for bounces and complaints."""
_FEWEST = 100
"""Of fewer messages no rate is made."""
_BOUNCED_OVER, _COMPLAINED_OVER = 0.05, 0.003
_BURST_FROM, _BURST_FACTOR = 200, 5


class Kind(StrEnum):
    """What `run-due` tells of: brakes, and two warnings that hold nothing."""

    PAUSE = "pause"
    ORDERS = "orders"
    BURST = "burst"
    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    TEST = "test"
    NO_ORDERS = "no-orders"
    LOW_POOL = "low-pool"

    @property
    def holds(self) -> bool:
        return self not in (Kind.NO_ORDERS, Kind.LOW_POOL)


@dataclass(frozen=True, slots=True)
class Condition:
    """Why a brake should hold, or a warning be given, now."""

    kind: Kind
    subject: str
    """A sequence, a place (see `place_name`), a coupon; EVERYTHING."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """A brake or warning as it is remembered. `released_at`: somebody let it go then; it holds no more."""

    kind: Kind
    subject: str
    since: datetime
    told_at: datetime
    why: str
    released_at: datetime | None = None

    @classmethod
    def begun(cls, condition: Condition, now: datetime) -> "Brake":
        """A brake that begins to hold and is told of now, to the minute: a day later is the same tick again."""
        minute = now.replace(second=0, microsecond=0)
        return cls(kind=condition.kind, subject=condition.subject, since=minute, told_at=minute, why=condition.why)

    @property
    def is_on(self) -> bool:
        return self.released_at is None

    @property
    def holds(self) -> bool:
        return self.is_on and self.kind.holds

    def is_to_be_told(self, now: datetime) -> bool:
        return now - self.told_at >= TELL_EVERY

    def as_json(self) -> dict[str, str]:
        """Return the documented JSON object."""
        return {"kind": self.kind.value, "subject": self.subject, "since": self.since.isoformat(), "why": self.why}

    @property
    def line(self) -> str:
        return f"{what(self.kind, self.subject)} is held: {self.why}" if self.kind.holds else self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which mail a brake holds: what meets all that is named."""

    sequences: frozenset[str] | None = None
    place: tuple[str, str] | None = None
    """Store and channel of the cart; a contact without one may buy through any channel of the store."""
    but_tests_to: frozenset[str] | None = None
    """All but test mail to these addresses."""

    def covers(self, *, sequence: str, place: tuple[str, str], is_test: bool, email: str) -> bool:
        return (
            (self.sequences is None or sequence in self.sequences)
            and (self.place is None or place in (self.place, (self.place[0], "")))
            and (self.but_tests_to is None or not (is_test and email in self.but_tests_to))
        )


def place_name(store: str, channel: str) -> str:
    """Name the carts of one store and channel as a subject."""
    return f"{store}/{channel}"


def place_of(subject: str) -> tuple[str, str]:
    store, _, channel = subject.rpartition("/")
    return store, channel


def what(kind: Kind, subject: str) -> str:
    """Say which mail a brake holds."""
    if kind == Kind.ORDERS:
        return f"mail about carts of {described(subject)}"
    if kind == Kind.TEST:
        return "mail to others than test_recipients"
    return f"mail of {subject}" if subject else "all mail"


def described(subject: str) -> str:
    store, channel = place_of(subject)
    return f"{store} ({channel})"


def fed_at(imported_at: datetime, newest_order_at: datetime | None, *, now: datetime) -> datetime:
    """Say how fresh a feed of orders is: the later of its last import and its newest order, but for one to come."""
    if newest_order_at is None or newest_order_at > now:
        return imported_at
    return max(imported_at, newest_order_at)


def burst_over(busiest_run: int) -> int:
    """Return how many messages of a sequence may be due at once."""
    return max(_BURST_FROM, _BURST_FACTOR * busiest_run)


def too_many(sent: int, *, bounced: int, complained: int) -> Mapping[Kind, str]:
    """Judge the latest messages of a sequence (RECENT at most). One complaint alone is no rate."""
    found: dict[Kind, str] = {}
    if sent < _FEWEST:
        return found
    if bounced > _BOUNCED_OVER * sent:
        found[Kind.BOUNCES] = f"{bounced} of its last {sent} messages bounced for good (more than 5 %)"
    if complained > max(1, _COMPLAINED_OVER * sent):
        found[Kind.COMPLAINTS] = f"{complained} of its last {sent} messages were called spam (more than 0.3 %)"
    return found

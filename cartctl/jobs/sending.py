"""What a run of the sending loop is handed, and what it tells: the nouns of `send_due`, `turn` and `reap`."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from cartctl.importers.records import Context
from cartctl.jobs.compose import Composer, Content
from cartctl.jobs.problems import Problems
from cartctl.jobs.rules import Clock, Rules
from cartctl.mail.message import Answer, OutgoingMessage, Transport
from cartctl.store.database import Database

if TYPE_CHECKING:
    from cartctl.jobs.alerting import Messenger


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What became of one claimed message, and why: for the log and the dry run."""

    message_id: int
    sequence: str
    step: str
    store: str
    cart: str
    to: str
    outcome: str
    """sent, failed, unknown, retried, deferred, skipped or cancelled."""
    why: str


@dataclass(slots=True)
class Sent:
    """The numbers of one run. `problems` name the messages that need a look, by id."""

    sent: int = 0
    by_sequence: Counter[str] = field(default_factory=Counter)
    """How `sent` is made up."""
    deferred: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    unknown: int = 0
    retried: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    past_grace: Counter[str] = field(default_factory=Counter)
    """Which steps those were that are past their grace, as sequence/step."""
    cancelled: Counter[str] = field(default_factory=Counter)
    problems: Problems = field(default_factory=Problems)
    remarks: list[str] = field(default_factory=list)
    """What is worth a line, and no complaint."""

    def add(self, other: "Sent") -> None:
        """Take in what another loop of the same run has counted."""
        self.sent += other.sent
        self.failed += other.failed
        self.unknown += other.unknown
        self.retried += other.retried
        for mine, theirs in (
            (self.by_sequence, other.by_sequence),
            (self.deferred, other.deferred),
            (self.skipped, other.skipped),
            (self.past_grace, other.past_grace),
            (self.cancelled, other.cancelled),
        ):
            mine.update(theirs)
        self.problems.take_in(other.problems)
        self.remarks += other.remarks


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """What it takes to send: built once a run, and only if there is something to send."""

    transport: Transport
    composer: Composer
    executor: Executor
    hashing_key: bytes


@dataclass(frozen=True, kw_only=True)
class Intake:
    """How a run reads what the endpoint took in."""

    contexts: Callable[[str], Context]
    """Returns how the bodies of a store are read."""
    rejects_folder: Path | None
    """Where the rejects go; None: nowhere, as in a dry run."""


@dataclass(frozen=True, kw_only=True)
class SendJob:
    """Everything one run of the sending loop works with."""

    database: Database
    rules: Rules
    clock: Clock
    equip: Callable[[Database, str], Equipment]
    """Called with a transport's name ("": the configured one) when it has something to send: most ticks need none."""
    concurrency: int
    """At most so many messages are with each transport, or await their settlement, at any moment."""
    pause: Callable[[float], None]
    """Waits so many seconds."""
    intake: Intake | None = None
    """How what the endpoint took in is read; None: it is left alone."""
    messenger: "Callable[[], Messenger] | None" = None
    """How somebody is told that a contact has entered a segment; None: nobody is."""
    rate_per_second: float | None = None
    """Of each transport."""
    side_by_side: bool = False
    """Whether several transports carry at once, each in a thread: the database must lend each a connection."""
    limit: int | None = None
    confirm_burst: bool = False
    """Whether sequences may send more at once than they are used to: all that is due now."""
    on_note: Callable[[Note], None] = lambda _note: None
    at: Callable[[str], None] = lambda _point: None
    """Called at the points where a process may die; tests make it die there."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A claimed message and its mail. Without one (its step is gone) the gate says what becomes of it."""

    row: Row[Any]
    content: Content
    mail: OutgoingMessage | None
    sent_at: datetime | None = None
    """When the gate let it leave."""


@dataclass(frozen=True, slots=True)
class Overslept:
    """The lease ran out before the mail was handed over: this process slept. Nothing left, and nobody is to blame."""


@dataclass(frozen=True, slots=True)
class Flown:
    """A mail that was handed over, and the answer. `since` is the first time that it was, in this attempt or before."""

    ready: Ready
    since: datetime
    answer: Answer | Overslept

"""What is handed to a transport, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that comes with a mail. Name and type are plain ASCII of our own: `report.html`, `text/html`; no
    parameters in the type, which SendGrid refuses. Text is UTF-8.
    """

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """One mail, rendered. `date` is when the run hands it over."""

    id: int
    """The message's id in the database, counted from 1; 0: a mail that is none of its messages, such as a report."""
    sequence: str
    step: str
    """Without an `id`, sequence and step are what tells this mail from every other one of the database."""
    sender: str
    """`Name <address>`, as configured."""
    reply_to: str | None = None
    to: str
    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    date: datetime
    body: bytes = b""
    """As it leaves, where its transport has written that beforehand; then without html, text and attachments."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it go to another process: what dataclasses do for that takes several times as long."""
        return _restored, tuple(getattr(self, name) for name in _PARTS)

    @property
    def unique(self) -> str:
        """Tell this mail from every other one of its database: in a Message-ID, a file's name, a key."""
        return str(self.id) if self.id else f"{self.sequence}-{self.step}"


_PARTS = tuple(part.name for part in fields(OutgoingMessage))


def _restored(*values: Any) -> OutgoingMessage:
    return OutgoingMessage(**dict(zip(_PARTS, values, strict=True)))


def split_address(text: str) -> tuple[str, str]:
    """Return (name, address) of `Name <address>` or `address`. The name may hold commas, as shops' names do."""
    stripped = text.strip()
    if stripped.endswith(">") and "<" in stripped:
        name, _, address = stripped[:-1].rpartition("<")
        return name.strip().strip('"'), address.strip()
    return "", stripped


def with_ascii_domains(message: OutgoingMessage) -> OutgoingMessage:
    """Write domains outside ASCII as DNS knows them (bücher.example: xn--bcher-kva.example, RFC 5890).

    Every provider and server takes those. Not beside a part before the @ that is itself outside ASCII: that takes
    SMTPUTF8, where the domain stands as it is. Raises ValueError for what is no domain.
    """
    reply_to = message.reply_to and _with_ascii_domain(message.reply_to)
    to, sender = _with_ascii_domain(message.to), _with_ascii_domain(message.sender)
    if (to, sender, reply_to) == (message.to, message.sender, message.reply_to):
        return message
    return replace(message, to=to, sender=sender, reply_to=reply_to)


def _with_ascii_domain(text: str) -> str:
    if text.isascii():
        return text
    local, _, domain = split_address(text)[1].rpartition("@")
    if domain.isascii() or not local.isascii():
        return text
    import idna  # few mails need it

    before, _, behind = text.rpartition(domain)
    return f"{before}{idna.encode(domain, uts46=True).decode()}{behind}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it."""

    receipt: str
    """The provider's own id; never an address."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider will never take it."""

    reason: str
    bad_recipient: bool = False
    """The address itself is at fault, for every mail: it should be suppressed."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Not now: after `until`, or `wait` from now; neither known: as after a failure."""

    until: datetime | None = None
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing was taken: it never left this machine, or the provider put it off without saying until when."""

    reason: str
    for_recipient: bool = False
    """The provider is well: it puts off mail to this recipient alone."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been taken: the answer was lost, or says nothing."""

    reason: str
    provider_is_well: bool = False
    """It answered, knowing this very message: no sign of an outage."""
    for_good: bool = False
    """Asked again it would say the same."""


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Key, account or sender are refused: no message can be sent until somebody mends that. Nothing was taken."""

    reason: str


@dataclass(frozen=True, slots=True)
class Probed:
    """What a transport learns when it only asks its provider whether it is known there. No mail leaves.

    `fault` is blank where the provider would take mail from us. `is_down`: nobody answers, or the provider says that it
    fails; a mail would fare no better. `date` is its clock's, where it tells.
    """

    fault: str = ""
    date: datetime | None = None
    is_down: bool = False


Answer = Accepted | Rejected | Throttled | Unavailable | Unknown | Misconfigured


IDEMPOTENT_TRANSPORTS: Mapping[str, timedelta] = {"outbox": timedelta.max, "resend": timedelta(hours=23)}
"""Handing the same message over again has no second effect, for so long after it was FIRST handed to this transport.

The outbox writes the same file. Resend keeps an idempotency key for 24 hours from the first request; the hour between
is for clocks and queues. Later, or over another transport, the same message would be a second mail.
"""


class Transport(Protocol):
    """What carries a message. `send` is called from several threads at once and never raises for a mail's sake.

    `probe` asks whether it would take mails, without one.
    """

    @property
    def name(self) -> str: ...

    @property
    def delivers(self) -> bool:
        """Whether a message handed over can reach a shopper (not: a folder, a sandbox, a loopback host)."""
        ...

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        """Do beforehand, where there is time, what `send` would do before the first byte leaves."""
        ...

    def send(self, message: OutgoingMessage) -> Answer: ...

    def probe(self) -> Probed: ...


def with_body(message: OutgoingMessage, body_of: Callable[[OutgoingMessage], bytes]) -> OutgoingMessage:
    """Write its body. A mail of which none can be written stays as it is, and `send` says why."""
    try:
        return replace(message, body=body_of(message), html="", text="", attachments=())
    except Exception:  # noqa: BLE001 - packages raise what they like
        return message

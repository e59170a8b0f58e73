"""What a mail server's reply says, and of whom: of the address, of this mail, or of us.

Most servers judge everything at RCPT, sender and client too (Postfix: smtpd_delay_reject), so that a refusal there need
not be the recipient's fault. What may be suppressed for good is therefore named code by code. The numbers are those of
RFC 5321 (4.2), RFC 3463 and its registry (RFC 5248), with RFC 4954 (log-in), RFC 7372 (client), RFC 7504 and RFC 7505
(domains that take no mail). Where they say nothing exact, a few words are heard that Postfix, Exim, Sendmail, qmail,
Exchange, Gmail and Amazon SES use. The words themselves are not kept: they may repeat the address.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto


class Refusal(Enum):
    """What a reply that is no yes means, whichever command it answers."""

    BAD_ADDRESS = auto()
    """The recipient's fault: the address takes no mail, whoever sends it."""
    NEVER = auto()
    """This mail is refused; of the next one, and of the address, that says nothing."""
    NO_RELAY = auto()
    """Ours: the server carries no mail for us, at least none to other servers. It may take what is for its own."""
    NOT_FROM_US = auto()
    """Ours, it seems: sender, machine or account. It can be meant for one recipient: a mailbox may be closed to us."""
    LATER = auto()
    BUSY = auto()
    """Too many at once, or too many in a row: of the mail it says nothing."""


_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")
_CLOSING, _NO_MAIL_FOR_DOMAIN = 421, 556
_BUSY = frozenset({_CLOSING, 454})
"""Answers about the connection or the account, not about the mail."""
_LOG_IN_FIRST = frozenset({530, 534, 535, 538})
_BAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_NOT_FROM_US = frozenset(
    {
        *("4.1.7", "5.1.7", "4.1.8", "5.1.8"),  # the sender's mailbox, the sender's domain
        "5.4.5",  # congestion for good: so Gmail says that the day's quota is used up
        *("5.7.25", "5.7.27"),  # no reverse DNS for the client; the sender's domain takes no mail
    }
)
_BRACKETED = re.compile(rb"<[^<>]*>")
_NAME = re.compile(rb"[@.]\w")
"""In an address, a host, a link: `privaterelay.appleid.com` has nothing to do with relaying."""
_SAYS_NO_RELAY = re.compile(rb"\brelay|\brcpthosts")
_SAYS_NOT_FROM_US = re.compile(
    rb"\b(?:sender address|sender verify|client host|helo command|access denied|blocked using|send as)\b"
    rb"|\b(?:authentication|not authenticated|not verified)\b"
)
_NO_FAULT_OF_THE_ADDRESS = re.compile(rb"\b(?:sender|client|helo|rate|temporar\w+)\b")
"""Beside a code for an address: a next server's words about us; Gmail's 5.2.1 for a mailbox that gets too much mail."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: its numbers, and what its words were taken for."""

    code: int
    enhanced: str
    """RFC 3463: `5.1.1`; "" where there is none."""
    says_no_relay: bool = False
    says_not_from_us: bool = False
    spares_address: bool = False

    @classmethod
    def of(cls, code: int, text: bytes | str) -> "Reply":
        """`text`: what came behind the code; of several lines all, as smtplib puts them together."""
        raw = text if isinstance(text, bytes) else text.encode("ascii", "replace")
        found = _ENHANCED.match(raw)
        words = b" ".join(word for word in _BRACKETED.sub(b" ", raw).lower().split() if not _NAME.search(word))
        return cls(
            code,
            found[0].decode() if found else "",
            says_no_relay=bool(_SAYS_NO_RELAY.search(words)),
            says_not_from_us=bool(_SAYS_NOT_FROM_US.search(words)),
            spares_address=bool(_NO_FAULT_OF_THE_ADDRESS.search(words)),
        )

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".strip()

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_definite(self) -> bool:
        return 500 <= self.code < 600

    @property
    def speaks_of_server(self) -> bool:
        """Whether something is wrong with the server itself, whoever the mail is for (RFC 3463, 3.4)."""
        return self.enhanced.startswith("4.3.")

    @property
    def refusal(self) -> Refusal:
        """Say what it means. The first that fits counts; codes go before words."""
        if self.code == _CLOSING:
            return Refusal.BUSY
        if self.code in _LOG_IN_FIRST or (self._is_vague and self.says_no_relay):
            return Refusal.NO_RELAY  # 454 4.7.1 among them: Postfix's defer_unauth_destination
        if self.enhanced in _NOT_FROM_US or (self._is_vague and self.says_not_from_us):
            return Refusal.NOT_FROM_US
        return self.otherwise

    @property
    def otherwise(self) -> Refusal:
        """Say what it means if it is not about us."""
        if self.is_temporary:
            return Refusal.BUSY if self.code in _BUSY else Refusal.LATER
        blames = self.enhanced in _BAD_ADDRESS or (self.code == _NO_MAIL_FOR_DOMAIN and not self.enhanced)
        return Refusal.BAD_ADDRESS if blames and not self.spares_address else Refusal.NEVER

    @property
    def _is_vague(self) -> bool:
        """Whether words may tell more: no enhanced code, or one for "other", protocol (5) and policy (7).

        Not so where it names an address, a mailbox, a system, a route or a content: Exchange's `5.4.1 Recipient address
        rejected: Access denied` is an unknown recipient, Gmail's `4.2.1 Peak SMTP relay limit exceeded` a limit.
        """
        subject = self.enhanced[2:].partition(".")[0]
        return subject in ("", "0", "5", "7") or self.enhanced.endswith(".1.0")

"""SMTP: mail to a server of one's own or a provider's, over kept-alive connections (RFC 5321).

    1. Connect, TLS, log in; a connection that stands is used again.
    2. MAIL, RCPT, DATA. Whatever goes wrong so far, the server has no mail.
    3. The mail itself. From its first byte on, no answer means that nobody knows.

What a server says in words may repeat the address, so only its numbers are kept: `550 5.1.1`. What they mean is told by
`replies`.
"""

import contextlib
import re
import smtplib
import socket
import ssl
import weakref
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cartctl.errors import ConfigurationError
from cartctl.mail.message import (
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Probed,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
    with_ascii_domains,
    with_body,
)
from cartctl.mail.mime import as_mime, envelope_address
from cartctl.mail.replies import Refusal, Reply
from cartctl.mail.sockets import CONNECT_SECONDS, Answers, tls_context, unreached

Security = Literal["starttls", "tls", "none"]
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
"""RFC 6409, and RFC 8314, 3.3."""
_OURSELVES = "[127.0.0.1]"
"""What we call ourselves in EHLO: looking up this machine's name can take all the patience of a dead name server."""
_LINE_START_DOT = re.compile(rb"(?m)^\.")


class Smtp:
    """Hands mails to one SMTP server. Any number of threads share it; each mail has a connection to itself."""

    name = "smtp"

    def __init__(
        self,
        host: str,
        *,
        port: int | None,
        security: Security,
        username: str,
        password: str,
        timeout: timedelta,
        database_id: str,
        delivers: bool,
        ca_file: str | None = None,
    ) -> None:
        """`database_id` makes a Message-ID unique: messages are counted from 1 in every database.

        Raises ConfigurationError for a log-in or a file with which nothing could ever be sent.
        """
        self._host, self._port, self._security = host, port or PORTS[security], security
        self._username, self._password = username, password
        if not (username + password).isascii():
            raise ConfigurationError("smtp.username, smtp.password: SMTP's log-in carries nothing outside ASCII")
        self._seconds = timeout.total_seconds()
        self._database_id = database_id
        self._tls = None if security == "none" else tls_context(ca_file, setting="smtp.ca_file")
        self._idle: deque[_Session] = deque()
        self._taken: deque[bool] = deque(maxlen=1)
        weakref.finalize(self, _leave, self._idle)
        self.delivers = delivers

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        """Write its MIME text beforehand."""
        return with_body(message, self._body)

    def _body(self, message: OutgoingMessage) -> bytes:
        return as_mime(with_ascii_domains(message), unique=self._unique(message))

    def _unique(self, message: OutgoingMessage) -> str:
        return f"cartctl-{self._database_id}-{message.unique}"

    def send(self, message: OutgoingMessage) -> Answer:
        """Hand one mail over and say what became of it."""
        try:
            content = message.body or self._body(message)
            message = with_ascii_domains(message)
            sender, recipient = envelope_address(message.sender), envelope_address(message.to)
            letter = _Letter(sender, recipient, content, self._unique(message))
        except ValueError as error:
            return Rejected(f"cannot be written as a mail: {type(error).__name__}")
        with contextlib.suppress(IndexError):
            used = self._idle.pop()
            answer = self._hand_over(used, letter)
            if used.begun or not used.lost:
                return answer
            # Servers hang up after some time or some mails. Nothing was sent yet, so a new connection may try.
        try:
            return self._hand_over(self._connect(), letter)
        except _RefusedError as refused:
            return refused.answer
        except Exception as error:  # noqa: BLE001 - whatever it was: nothing was sent
            return Unavailable(_unreached(error))

    def probe(self) -> Probed:
        """Connect, log in, and say nothing more (NOOP)."""
        try:
            session = self._connect()
        except _RefusedError as refused:
            fault = getattr(refused.answer, "reason", f"{self._host} is too busy to answer")
            return Probed(fault, is_down=isinstance(refused.answer, Unavailable))
        except Exception as error:  # noqa: BLE001 - whatever it was: there is no connection
            return Probed(_unreached(error), is_down=True)
        try:
            reply = Reply.of(*session.noop())
        except OSError as error:  # smtplib's errors are of that kind
            return Probed(_unreached(error), is_down=True)
        finally:
            _leave(deque([session]))
        return Probed("" if reply.is_good else f"{self._host} answers {reply}")

    def _connect(self) -> "_Session":
        """Open a connection and log in. Raises _RefusedError, or what the network raises."""
        tls_at_once = self._tls if self._security == "tls" else None
        session = _Session(self._host, self._seconds, tls_at_once, self._taken)
        try:
            session.greet(self._port)
            if self._security == "starttls" and self._tls:
                session.encrypt(self._tls)
            if self._username:
                session.log_in(self._username, self._password)
        except smtplib.SMTPResponseException as error:
            session.close()
            reply = Reply.of(error.smtp_code, error.smtp_error)
            refused = Misconfigured(f"{self._host} refuses us: {reply}")
            raise _RefusedError(_put_off(reply) if reply.is_temporary else refused) from None
        except BaseException:
            session.close()
            raise
        return session

    def _hand_over(self, session: "_Session", letter: "_Letter") -> Answer:
        """Send one mail over a connection, and keep the connection if it can be used again."""
        session.begun = session.lost = False
        try:
            answer = session.deliver(letter)
        except Exception as error:  # noqa: BLE001 - whatever it was: what counts is whether the mail was begun
            session.lost = True
            answer = Unknown(_cut_off(error)) if session.begun else Unavailable(_unreached(error))
        if session.lost:
            session.close()
        else:
            self._idle.append(session)
        return answer


@dataclass(frozen=True, slots=True)
class _Letter:
    sender: str
    recipient: str
    content: bytes
    unique: str


class _RefusedError(Exception):
    """The server will not work for us, now or ever: `answer` says which."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class _Session(smtplib.SMTP):
    """One connection. `begun`: the mail in hand was begun to be written. `lost`: it cannot be used again.

    `taken`, which all connections to a server share, holds something once it has taken a mail.
    """

    def __init__(self, host: str, seconds: float, tls: ssl.SSLContext | None, taken: deque[bool]) -> None:
        super().__init__(local_hostname=_OURSELVES, timeout=seconds)
        self._host = host  # smtplib checks STARTTLS's certificate against it
        self._tls_at_once, self._taken = tls, taken
        self.begun = self.lost = False

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), min(CONNECT_SECONDS, timeout))
        try:
            if self._tls_at_once:
                sock = self._tls_at_once.wrap_socket(sock, server_hostname=host)
            sock.settimeout(timeout)
        except BaseException:
            sock.close()
            raise
        return sock

    def getreply(self) -> tuple[int, bytes]:
        if self.sock and self.file is None:  # a new connection, or one that has just been encrypted
            self._answers = Answers(self.sock, self.timeout)
            self.file = self._answers.makefile("rb")
        self._answers.expect()
        reply = super().getreply()
        if self.sock:
            self.sock.settimeout(self.timeout)
        return reply

    def greet(self, port: int) -> None:
        self._expect_good(*self.connect(self._host, port))
        self.ehlo_or_helo_if_needed()

    def encrypt(self, tls: ssl.SSLContext) -> None:
        if not self.has_extn("starttls"):
            raise _RefusedError(Misconfigured(f"{self._host} offers no STARTTLS, and no mail goes in the clear"))
        self.starttls(context=tls)
        self.ehlo_or_helo_if_needed()

    def log_in(self, username: str, password: str) -> None:
        try:
            self.login(username, password)
        except (smtplib.SMTPResponseException, smtplib.SMTPServerDisconnected):
            raise
        except smtplib.SMTPException:
            raise _RefusedError(Misconfigured(f"{self._host} offers no log-in that we know")) from None

    def deliver(self, letter: _Letter) -> Answer:
        """Go through one mail. Raises what the network raises."""
        options = ""
        if not letter.content.isascii() or not letter.recipient.isascii():
            if not self.has_extn("smtputf8"):
                return Rejected("an address outside ASCII, and the server offers no SMTPUTF8")
            options = " BODY=8BITMIME SMTPUTF8"  # RFC 6531, 3.4 and 3.6: who offers the one offers the other
        self.command_encoding = "utf-8" if options else "ascii"
        reply = self._say(f"MAIL FROM:<{letter.sender}>{options}")
        if not reply.is_good:
            # No recipient was named yet: whoever is refused here for good, it is us.
            ours = reply.is_definite or reply.refusal in (Refusal.NO_RELAY, Refusal.NOT_FROM_US)
            refused = Misconfigured(f"{self._host} refuses the sender: {reply}: check `from` and smtp.username")
            return self._turned_away(reply, refused if ours else self._meaning(reply))
        reply = self._say(f"RCPT TO:<{letter.recipient}>")
        if not reply.is_good:
            return self._turned_away(reply, self._meaning(reply, to_recipient=True))
        reply = self._say("DATA")
        if reply.code != 354:
            return self._turned_away(reply, self._meaning(reply))
        self.begun = True
        self.send(_LINE_START_DOT.sub(b"..", letter.content) + b".\r\n")
        reply = Reply.of(*self.getreply())
        self.lost = reply.code == 421
        if reply.is_good:
            self._taken.append(True)
            return Accepted(letter.unique)
        if reply.is_temporary or reply.is_definite:
            return self._meaning(reply)
        self.lost = True
        return Unknown(f"answer {reply}")

    def _say(self, command: str) -> Reply:
        return Reply.of(*self.docmd(command))

    def _turned_away(self, reply: Reply, answer: Answer) -> Answer:
        """Leave the mail before its first byte, so that the connection is ready for the next."""
        self.lost = True
        if reply.code != 421 and (reply.is_temporary or reply.is_definite):
            with contextlib.suppress(OSError):  # smtplib's errors are of that kind
                self.lost = not Reply.of(*self.rset()).is_good
        return answer

    def _meaning(self, reply: Reply, *, to_recipient: bool = False) -> Answer:
        """Say what becomes of a mail that met this reply. `to_recipient`: it was the answer to RCPT."""
        refusal = reply.refusal
        if refusal is Refusal.NOT_FROM_US and self._took_one():
            refusal = reply.otherwise
        match refusal:
            case Refusal.NO_RELAY:
                return Misconfigured(f"{self._host} relays no mail for us: {reply}: check smtp.host and smtp.username")
            case Refusal.NOT_FROM_US:
                return Misconfigured(
                    f"{self._host} takes no mail from us: {reply}: check `from`, smtp.username and the account there"
                )
            case Refusal.BAD_ADDRESS | Refusal.NEVER if reply.is_definite:
                return Rejected(f"{reply}", bad_recipient=refusal is Refusal.BAD_ADDRESS)
        return _put_off(reply, to_recipient=to_recipient) if reply.is_temporary else Unavailable(f"answer {reply}")

    def _took_one(self) -> bool:
        """Whether the server has taken a mail since it last seemed to refuse us: then it may be for one recipient.

        Each mail that it takes speaks for one refusal. So a mailbox that is closed to us costs its own mail, and an
        account that is closed while we send costs one, not all that follow.
        """
        with contextlib.suppress(IndexError):
            return self._taken.pop()
        return False

    def _expect_good(self, code: int, text: bytes) -> None:
        if not 200 <= code < 300:
            raise smtplib.SMTPConnectError(code, text)


def _put_off(reply: Reply, *, to_recipient: bool = False) -> Throttled | Unavailable:
    if reply.otherwise is Refusal.BUSY:
        return Throttled()
    return Unavailable(f"put off: {reply}", for_recipient=to_recipient and not reply.speaks_of_server)


def _unreached(error: Exception) -> str:
    """Look for what the network said: smtplib hides it behind an error of its own."""
    hidden = error.__context__ if isinstance(error, smtplib.SMTPServerDisconnected) else None
    return unreached(hidden if isinstance(hidden, OSError) else error)


def _cut_off(error: Exception) -> str:
    hidden = error.__context__ or error
    return "no answer in time" if isinstance(hidden, TimeoutError) else f"connection lost: {type(hidden).__name__}"


def _leave(idle: deque[_Session]) -> None:
    """Take leave of the server. Whether it hears that does not matter."""
    for session in idle:
        with contextlib.suppress(OSError):
            session.putcmd("QUIT")
        session.close()

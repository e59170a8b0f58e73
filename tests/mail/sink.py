"""A stand-in for a mail server: a real SMTP server that keeps what it takes, and answers as it is told."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

USERNAME, PASSWORD = "shop", "s3cret-of-nobody"


@dataclass(frozen=True)
class Taken:
    """One mail, as it came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]


@dataclass
class Sink:
    """`replies` answers a command (MAIL, RCPT, DATA, LOGIN; `RCPT anna@example.com`) with something else than yes."""

    replies: dict[str, str] = field(default_factory=dict)
    mails: list[Taken] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    transports: set[Any] = field(default_factory=set)
    port: int = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append("MAIL")
        self.peers.add(session.peer)
        self.transports.add(server.transport)
        reply = self.replies.get("MAIL", "250 2.1.0 fine")
        if reply.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append("RCPT")
        reply = self.replies.get(f"RCPT {address}") or self.replies.get("RCPT", "250 2.1.5 fine")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.commands.append("DATA")
        reply = self.replies.get("DATA", "250 2.0.0 queued as 4F3A for anna@example.com")
        if reply.startswith("2"):
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            options = tuple(envelope.mail_options)
            self.mails.append(Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, options))
        return reply

    async def handle_RSET(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.commands.append("RSET")
        return "250 2.0.0 fine"

    def authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.commands.append("LOGIN")
        right = isinstance(data, LoginPassword) and data == LoginPassword(USERNAME.encode(), PASSWORD.encode())
        if "LOGIN" in self.replies:
            return AuthResult(success=False, handled=False, message=self.replies["LOGIN"])
        return AuthResult(success=right, handled=False)


class _Controller(Controller):
    """One that finds a free port by itself."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd gives this one no types


@contextlib.contextmanager
def smtp_server(tls: ssl.SSLContext, *, security: str, **options: Any) -> Iterator[Sink]:
    """Run a server. `security`: starttls (offered and required), tls (from the first byte) or none."""
    sink = Sink()
    if security == "starttls":
        options |= {"tls_context": tls, "require_starttls": True}
    elif security == "tls":
        options["ssl_context"] = tls
    settings: dict[str, Any] = {"enable_SMTPUTF8": False, "authenticator": sink.authenticate} | options
    controller = _Controller(sink, hostname="127.0.0.1", port=0, **settings)
    controller.start()
    sink.port = controller.port
    try:
        yield sink
    finally:
        asyncio.run_coroutine_threadsafe(_hang_up(sink), controller.loop).result(5)
        controller.stop()


async def _hang_up(sink: Sink) -> None:
    """Close what clients left open, and let the loop hear of it."""
    for transport in sink.transports:
        transport.abort()
    await asyncio.sleep(0.01)

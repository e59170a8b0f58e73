"""Each transport beside a stand-in that answers as a test wants: what `test_contract` asks of all of them alike."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Protocol

from cartctl.mail.message import Transport
from cartctl.mail.outbox import Outbox
from cartctl.mail.resend import Resend
from cartctl.mail.sendgrid import SendGrid
from cartctl.mail.smtp import Smtp
from tests.mail.builders import NOW
from tests.mail.provider import Authority, Behaviour, misbehaving, read_request, smtp_until
from tests.mail.sink import PASSWORD, USERNAME, smtp_server

KEY = "key-of-nobody"


class Stand(Protocol):
    """A stand-in at work."""

    transport: Transport

    def taken(self) -> list[int]:
        """Return the ids of the mails it took, in the order in which they came."""

    def contents(self) -> list[bytes]:
        """Return those mails, as they came."""

    def connections(self) -> int: ...


class Rig(Protocol):
    """How to set up one transport. `answering` knows: accept, refuse, no-such-address, later, locked-out."""

    name: str

    def client(self, port: int, *, seconds: float = 5.0, ca_file: str | None = None) -> Transport: ...

    def answering(self, kind: str) -> contextlib.AbstractContextManager[Stand]: ...

    def dying(self, moment: str, then: Behaviour, *, after: int = 0) -> contextlib.AbstractContextManager[int]:
        """Run a server that stops before a mail (BEFORE), in it (PART), or when its answer is due (ANSWER).

        Of each connection's mails it takes as many as `after` says before that.
        """


class _Api(ThreadingHTTPServer):
    """A provider that keeps connections alive, and answers every request alike."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answer: tuple[int, dict[str, str], Any], authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.bodies: list[str] = []
        self.peers: set[Any] = set()
        self.socket = authority.server_context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate leaves: that is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Api

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.bodies.append(f"{self.path} {body}")
        self.server.peers.add(self.client_address)
        time.sleep(0.01)  # so that threads meet
        status, headers, about = self.server.answer
        number = re.search(r'"cc_message_id"[:,"a-z]*(\d+)', body)
        assert number
        headers = {name: value.replace("NUMBER", number[1]) for name, value in headers.items()}
        content = json.dumps(about).replace("NUMBER", number[1]).encode() if about else b""
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class _HttpStand:
    def __init__(self, transport: Transport, api: _Api, pattern: str) -> None:
        self.transport, self._api, self._pattern = transport, api, pattern

    def taken(self) -> list[int]:
        found = (re.search(self._pattern, body) for body in self._api.bodies)
        return [int(match[1]) for match in found if match]

    def contents(self) -> list[bytes]:
        return [body.encode() for body in self._api.bodies]

    def connections(self) -> int:
        return len(self._api.peers)


class _HttpRig:
    """What SendGrid and Resend share."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    path: ClassVar[str]
    pattern: ClassVar[str]
    answers: ClassVar[dict[str, tuple[int, dict[str, str], Any]]]
    yes: ClassVar[bytes]

    def client(self, port: int, *, seconds: float = 5.0, ca_file: str | None = None) -> Transport:
        raise NotImplementedError

    @contextlib.contextmanager
    def answering(self, kind: str) -> Iterator[Stand]:
        with _Api(self.answers[kind], self.authority) as api:
            thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield _HttpStand(self.client(api.server_address[1]), api, rf"^{self.path} .*{self.pattern}")
            finally:
                api.shutdown()
                thread.join()

    @contextlib.contextmanager
    def dying(self, moment: str, then: Behaviour, *, after: int = 0) -> Iterator[int]:
        def behave(connection: Any) -> None:
            for _ in range(after):
                read_request(connection)
                connection.sendall(self.yes)
            if moment == "PART":
                connection.recv(10)
            elif moment == "ANSWER":
                read_request(connection)
            then(connection)

        tls = None if moment == "BEFORE" else self.authority.server_context
        with misbehaving(behave, tls=tls) as url:
            yield int(url.rpartition(":")[2])


class SendGridRig(_HttpRig):
    name = "sendgrid"
    path = "/v3/mail/send"
    yes = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    pattern = r'"cc_message_id":"(\d+)"'
    answers: ClassVar = {
        "accept": (202, {"X-Message-Id": "abc.DEF-NUMBER"}, None),
        "refuse": (400, {}, {"errors": [{"field": "subject", "message": "no, anna@example.com"}]}),
        "no-such-address": (
            400,
            {},
            {"errors": [{"field": "personalizations.0.to.0.email", "message": "anna@example.com is none"}]},
        ),
        "later": (
            429,
            {"Retry-After": "120"},
            {"errors": [{"field": None, "message": "too many for anna@example.com"}]},
        ),
        "locked-out": (401, {}, {"errors": [{"field": None, "message": f"{KEY} is no key"}]}),
    }

    def client(self, port: int, *, seconds: float = 5.0, ca_file: str | None = None) -> Transport:
        return SendGrid(
            KEY,
            host=f"https://localhost:{port}",
            timeout=timedelta(seconds=seconds),
            clock=lambda: NOW,
            delivers=False,
            ca_file=ca_file or self.authority.ca_file,
        )


class ResendRig(_HttpRig):
    name = "resend"
    path = "/emails"
    yes = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"id": "r"}'
    pattern = r'"name":"cc_message_id","value":"(\d+)"'
    answers: ClassVar = {
        "accept": (200, {}, {"id": "49a3999c-0ce1-4ea6-ab68-NUMBER"}),
        "refuse": (422, {}, {"name": "missing_required_field", "message": "no, anna@example.com"}),
        "no-such-address": (422, {}, {"name": "validation_error", "message": "Invalid `to` field: anna@example.com"}),
        "later": (429, {"retry-after": "120"}, {"name": "rate_limit_exceeded", "message": "anna@example.com"}),
        "locked-out": (403, {}, {"name": "invalid_api_key", "message": f"{KEY} is no key"}),
    }

    def client(self, port: int, *, seconds: float = 5.0, ca_file: str | None = None) -> Transport:
        return Resend(
            KEY,
            host=f"https://localhost:{port}",
            timeout=timedelta(seconds=seconds),
            clock=lambda: NOW,
            database_id="d1",
            delivers=False,
            ca_file=ca_file or self.authority.ca_file,
        )


class SmtpRig:
    """A server with TLS from the first byte, and a log-in."""

    name = "smtp"
    replies: ClassVar[dict[str, dict[str, str]]] = {
        "accept": {},
        "refuse": {"DATA": "554 5.6.0 no, anna@example.com"},
        "no-such-address": {"RCPT": "550 5.1.1 <anna@example.com> does not live here"},
        "later": {"RCPT": "421 4.7.0 too many for anna@example.com"},
        "locked-out": {"LOGIN": f"535 5.7.8 {PASSWORD} is no password"},
    }

    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    def client(
        self, port: int, *, seconds: float = 5.0, ca_file: str | None = None, username: str = "", security: Any = "tls"
    ) -> Transport:
        return Smtp(
            "localhost",
            port=port,
            security=security,
            username=username,
            password=PASSWORD if username else "",
            timeout=timedelta(seconds=seconds),
            database_id="d1",
            delivers=False,
            ca_file=ca_file or self.authority.ca_file,
        )

    @contextlib.contextmanager
    def answering(self, kind: str) -> Iterator[Stand]:
        with smtp_server(self.authority.server_context, security="tls", auth_require_tls=False) as sink:
            sink.replies.update(self.replies[kind])

            class SmtpStand:
                transport = self.client(sink.port, username=USERNAME)

                def taken(self) -> list[int]:
                    found = [re.search(rb"Message-ID: <cartctl-d1-(\d+)@", mail.content) for mail in sink.mails]
                    return [int(match[1]) for match in found if match]

                def contents(self) -> list[bytes]:
                    return [mail.content for mail in sink.mails]

                def connections(self) -> int:
                    return len(sink.peers)

            yield SmtpStand()

    @contextlib.contextmanager
    def dying(self, moment: str, then: Behaviour, *, after: int = 0) -> Iterator[int]:
        tls = None if moment == "BEFORE" else self.authority.server_context
        with misbehaving(then if moment == "BEFORE" else smtp_until(moment, then, after=after), tls=tls) as url:
            yield int(url.rpartition(":")[2])


class OutboxStand:
    """The outbox has no server: its stand-in is a folder."""

    def __init__(self, folder: Path) -> None:
        self.transport: Transport = Outbox(folder)
        self._folder = folder

    def taken(self) -> list[int]:
        return [int(path.name[:8]) for path in sorted(self._folder.glob("*.eml"))]

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self._folder.glob("*.eml"))]


NETWORK: tuple[type[Any], ...] = (SendGridRig, ResendRig, SmtpRig)

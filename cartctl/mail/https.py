"""Requests to a provider over HTTPS: kept-alive connections, time-outs, no redirects, and what a fault means.

A plain answer that comes in one piece is read here; the standard library's http.client, which takes ten times as long,
reads all others. The connections are our own, for the sake of one rule: until the first byte of a request was handed
to the network nothing can have been taken, from then on nobody knows. A request is one write: that halves what TLS
costs, and leaves no half-told request behind.
"""

import contextlib
import http.client
import json
import re
import socket
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cartctl.errors import ConfigurationError
from cartctl.mail.message import Throttled, Unavailable, Unknown
from cartctl.mail.sockets import CONNECT_SECONDS, Answers, readable, tls_context, unreached

LONGEST_WAIT = timedelta(days=1)
"""A wait beyond this is no advice but a broken clock: it would put mails off past their time."""

_PIECE = 65536
_STATUS = re.compile(r"HTTP/1\.1 ([2-5][0-9]{2})(?: .*)?")
_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer read to its end, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's value, None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Endpoint:
    """One address of a provider that takes requests of one kind, POST unless said. Any number of threads share it."""

    def __init__(
        self,
        host: str,
        path: str,
        *,
        headers: Mapping[str, str],
        timeout: timedelta,
        ca_file: str | None,
        section: str,
        method: str = "POST",
    ) -> None:
        """`section` is the table of the configuration that `host` and `ca_file` come from, for complaints.

        Raises ConfigurationError for a host or a file with which nothing could ever be sent.
        """
        self._seconds = timeout.total_seconds()
        self._idle: deque[http.client.HTTPConnection] = deque()
        weakref.finalize(self, _close, self._idle)
        parts, self._name, self._port = _address(host, setting=f"{section}.host")
        self._tls = tls_context(ca_file, setting=f"{section}.ca_file") if parts.scheme == "https" else None
        lines = [f"{method} {parts.path.rstrip('/')}{path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += ["Accept-Encoding: identity", "User-Agent: cartctl"]  # Resend refuses requests that name no program
        self._head = "\r\n".join([*lines, *_lines(headers)])

    def ask(self) -> Reply | Unavailable | Unknown:
        """Send a request without content, as GET is."""
        return self.post(b"")

    def post(self, content: bytes, headers: Mapping[str, str] | None = None) -> Reply | Unavailable | Unknown:
        """Send one request and return the answer, or what became of it."""
        head = "\r\n".join([self._head, *_lines(headers or {}), f"Content-Length: {len(content)}", "", ""])
        try:
            connection = self._connection()
        except Exception as error:  # noqa: BLE001 - whatever it was: nothing was sent
            return Unavailable(unreached(error))
        try:
            reply, again = _exchange(connection.sock, head.encode("ascii") + content, self._seconds)
        except Exception as error:  # noqa: BLE001 - whatever it was: the request may have arrived
            connection.close()
            timeout = isinstance(error, TimeoutError)
            return Unknown("no answer in time" if timeout else f"connection lost: {type(error).__name__}")
        if again:
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    def _connection(self) -> http.client.HTTPConnection:
        """Return a connection that stands: the one used last, as the others may be forgotten by the provider."""
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not readable(connection.sock):
                    return connection
                connection.close()
        wait = min(CONNECT_SECONDS, self._seconds)
        if self._tls:
            connection = http.client.HTTPSConnection(self._name, self._port, timeout=wait, context=self._tls)
        else:
            connection = http.client.HTTPConnection(self._name, self._port, timeout=wait)
        connection.connect()
        return connection


def _exchange(sock: socket.socket, request: bytes, seconds: float) -> tuple[Reply, bool]:
    """Write a request and read its answer; also say whether the connection may be used again.

    `seconds`: for the writing, and for the whole answer.
    """
    sock.settimeout(seconds)
    sock.sendall(request)
    answers = Answers(sock, seconds)
    begun = sock.recv(_PIECE)
    if reply := _plain(begun):
        return reply, True
    answers.begun = begun
    # It asks its socket for a file to read from, and for nothing else.
    with http.client.HTTPResponse(answers, method="POST") as response:  # type: ignore[arg-type]
        response.begin()
        while response.status < 200:  # provisional (RFC 9110, 15.2): the answer follows. http.client knows of 100 alone
            response.headers = None  # type: ignore[assignment] # so that it begins once more
            response.begin()
        body = response.read()
        headers = {name.lower(): value.strip() for name, value in reversed(response.headers.items())}
        return Reply(response.status, headers, body), not response.will_close


def _plain(answer: bytes) -> Reply | None:
    """Read an answer that is here in full, and after which the connection stands; None: it is not so plain."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.fullmatch(first)
    fields = [_FIELD.fullmatch(line) for line in lines]
    headers = {field[1].lower(): field[2] for field in fields if field}
    if not status or len(headers) < len(lines) or "transfer-encoding" in headers:
        return None
    stays = headers.get("connection", "keep-alive").lower() == "keep-alive"
    return Reply(int(status[1]), headers, body) if stays and headers.get("content-length") == str(len(body)) else None


def _close(idle: deque[http.client.HTTPConnection]) -> None:
    for connection in idle:
        connection.close()


def _address(host: str, *, setting: str) -> tuple[SplitResult, str, int | None]:
    """Split `https://api.example.com:443` and return it with its name and port."""
    try:
        parts = urlsplit(host)
        is_host = re.fullmatch(r"[a-z0-9._:-]+", parts.hostname or "") and "@" not in parts.netloc
        if is_host and re.fullmatch(r"[!-~]*", parts.path):
            return parts, parts.hostname or "", parts.port
    except ValueError:
        pass
    raise ConfigurationError(f'{setting}: "{host}" is no address (https://api.example.com is)')


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def bearer(key: str, *, variable: str) -> dict[str, str]:
    """Return the headers of a JSON API with a key. Raises ConfigurationError that names `variable`, never the key."""
    stripped = key.strip()  # it may have been read with its line's end
    if not (stripped.isascii() and stripped.isprintable() and " " not in stripped):
        raise ConfigurationError(f"{variable} holds characters that no key has: copy it anew")
    return {"Authorization": f"Bearer {stripped}", "Content-Type": "application/json"}


def date_of(reply: Reply) -> datetime | None:
    """Return what the provider's clock showed when it answered."""
    return _date(reply.headers.get("date"))


def throttled(reply: Reply, now: datetime) -> Throttled:
    """Read when to come back: the latest that is said. What cannot be read, or is beyond all reason, does not count.

    X-RateLimit-Reset is a time (seconds since 1970, SendGrid), Retry-After seconds or a date (RFC 9110, 10.2.3),
    RateLimit-Reset seconds (the IETF's draft 6, Resend).
    """
    dates = (_epoch(reply.headers.get("x-ratelimit-reset")), _date(reply.headers.get("retry-after")))
    until = max((date for date in dates if date is not None and abs(date - now) <= LONGEST_WAIT), default=None)
    for name in ("retry-after", "ratelimit-reset"):
        wait = _seconds(reply.headers.get(name))
        if wait is not None and timedelta(0) <= wait <= LONGEST_WAIT and (until is None or until < now + wait):
            return Throttled(wait=wait)
    return Throttled(until=until)


def _epoch(text: str | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _seconds(text: str | None) -> timedelta | None:
    try:
        return timedelta(seconds=int(text or ""))
    except (ValueError, OverflowError):
        return None

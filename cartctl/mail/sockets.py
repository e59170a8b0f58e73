"""What all transports that use the network share: TLS that checks, sockets that stand, words for those that do not."""

import io
import select
import socket
import ssl
import time
from typing import Any

from cartctl.errors import ConfigurationError

CONNECT_SECONDS = 5.0
LONGEST_ANSWER = 1 << 20
"""Bytes. No provider's answer comes near it."""


class Answers(io.RawIOBase):
    """What a socket brings, one answer after the other: each in so many seconds in all, and of bounded length.

    A socket's own time-out is for each piece: a server that drips would hold its thread, and the run, for ever.
    """

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock, self._seconds = sock, seconds
        self.begun = b""
        """What has been read of it already."""
        self.expect()

    def expect(self) -> None:
        """The next answer is awaited from now on."""
        self._until = time.monotonic() + self._seconds
        self._room = LONGEST_ANSWER

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Stand in for the socket, of which http.client asks this alone."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.begun:
            count = min(len(buffer), len(self.begun))
            buffer[:count], self.begun = self.begun[:count], self.begun[count:]
            return count
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        if self._room <= 0:
            raise OSError("the answer does not end")
        self._sock.settimeout(left)
        count = self._sock.recv_into(buffer)
        self._room -= count
        return count


def tls_context(ca_file: str | None, *, setting: str) -> ssl.SSLContext:
    """Return the context for all of a transport's connections. `ca_file` None: the system's certificates.

    Build it once: with a full bundle it takes 25 ms. Raises ConfigurationError that names `setting`.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"{setting}: {ca_file}: no file of certificates ({error.strerror})") from None


def readable(sock: socket.socket) -> bool:
    """Say, without waiting, whether something can be read: on an idle connection the end of it, or a farewell."""
    waiting = select.poll()  # select() knows no descriptor above 1023
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(0))


def unreached(error: Exception) -> str:
    """Say why there is no connection, without anything from the wire."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "no trusted connection: the provider's certificate was refused"
    if isinstance(error, ssl.SSLError):
        return f"no trusted connection: {error.reason or type(error).__name__}"
    said = error.strerror if isinstance(error, OSError) else None
    return f"no connection: {said or type(error).__name__}"

"""A stand-in for a mail provider, on real sockets with real TLS: one that answers, and one that misbehaves."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme


class Authority:
    """A certificate authority of the test's own, and what a server and a client need of it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.server_context)


Behaviour = Callable[[socket.socket], object]


@contextlib.contextmanager
def misbehaving(behave: Behaviour, *, tls: ssl.SSLContext | None) -> Iterator[str]:
    """Accept connections and leave each to `behave`; yields the URL. Without `tls` it gets the bare socket."""
    listener = socket.create_server(("localhost", 0))
    done = threading.Event()
    open_now: list[socket.socket] = []

    def serve() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):  # the client's leaving is part of the game
                connection, _ = listener.accept()
                with tls.wrap_socket(connection, server_side=True) if tls else connection as ready:
                    open_now[:] = [ready]
                    behave(ready)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        done.set()
        for each in (listener, *open_now):  # a client that keeps its connection keeps nobody waiting
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def read_request(connection: socket.socket) -> bytes:
    """Read a whole request: its headers, and as much body as they promise."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("the client left in the middle of its request")
    return piece


def smtp_until(moment: str, then: Behaviour = lambda _: None, *, after: int = 0, greets: bool = True) -> Behaviour:
    """Speak SMTP up to a moment, then do something else: nothing more, if nothing is said.

    It takes as many mails as `after` says first. Moments: GREETING; a command (EHLO, MAIL, RCPT, DATA); PART of the
    mail was read; the mail was read, ANSWER is due. NEVER: it goes on.
    """

    def behave(connection: socket.socket) -> None:
        if moment == "GREETING":
            then(connection)
            return
        if greets:
            connection.sendall(b"220 localhost ESMTP\r\n")
        taken = 0
        with connection.makefile("rb") as lines:
            while line := lines.readline():
                verb = line[:4].decode().upper()
                if verb == moment and taken == after:
                    break
                if verb == "DATA":
                    connection.sendall(b"354 go on\r\n")
                    if moment == "PART" and taken == after:
                        lines.read(10)
                        break
                    while lines.readline() not in (b".\r\n", b""):
                        pass
                    if moment == "ANSWER" and taken == after:
                        break
                    taken += 1
                connection.sendall(b"250 fine\r\n")
            then(connection)

    return behave


def reset(connection: socket.socket) -> None:
    """End a connection the hard way."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("localhost", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port

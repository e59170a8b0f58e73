"""Connections that are silent, slow or too many, over real sockets: the server goes on, and says what it says."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from uvicorn import Config, Server

from cartctl import config
from cartctl.web import create_app
from cartctl.web.connections import Connection
from cartctl.web.security import HEADERS
from tests.shop import Shop
from tests.web.site import mailed

DEADLINE = 60.0
"""Seconds after which a connection that is not closed, or not answered, is a failure."""
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Strict(Connection):
    """With limits that a test can reach."""

    head_seconds = 0.3
    head_bytes = 1000
    most = 5


class Patient(Strict):
    head_seconds = 3600.0


@contextmanager
def served(shop: Shop, http: Any) -> Iterator[int]:
    """Serve the shop from a thread; yield the port."""
    app = create_app(config.load(file=None, environment={}, folder=shop.folder))
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = Server(Config(app, http=http, log_config=None, lifespan="on", timeout_keep_alive=3600))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        until = time.monotonic() + DEADLINE
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)


def answer(connection: socket.socket) -> bytes:
    """Return the head and the body of one answer."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = connection.recv(10_000)
        if not piece:
            return found
        found += piece
    length = int(found.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(found.partition(b"\r\n\r\n")[2]) < length:
        found += connection.recv(10_000)
    return found


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"\r\n"],
        [b"GET /healthz HTTP/1.1\r\nHost: x\r\n"],
        [GET, b"\r\n"],
        [GET, b"GET /healthz HTTP/1.1\r\n"],
        [b"POST /u/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n", b"a"],
    ],
    ids=["nothing", "a blank line", "half a head", "a blank line later", "half a head later", "a body nobody wants"],
)
def test_a_connection_that_dawdles_is_ended(shop: Shop, pieces: list[bytes]) -> None:
    mailed(shop)
    with served(shop, Strict) as port, connect(port) as connection:
        for number, piece in enumerate(pieces):
            connection.sendall(piece)
            if number < len(pieces) - 1:
                assert answer(connection).startswith(b"HTTP/1.1 ")
        assert connection.recv(10_000) == b""


def test_a_head_without_end_is_refused(shop: Shop) -> None:
    mailed(shop)
    with served(shop, Strict) as port, connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 2000)
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert_guarded(said)


def test_a_body_that_comes_with_its_head_is_no_head(shop: Shop) -> None:
    mailed(shop)
    link = next(line for line in shop.mails[0].part("plain").split() if "/u/" in line).partition("/u/")[2]
    with served(shop, Strict) as port, connect(port) as connection:
        for _ in range(2):
            head = f"POST /u/{link} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
            connection.sendall(head.encode() + b"x" * 200_000)
            assert answer(connection).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_keep_nobody_out(shop: Shop) -> None:
    mailed(shop)
    with served(shop, Patient) as port, ExitStack() as idle:
        for _ in range(40):
            idle.enter_context(connect(port))
        asking = idle.enter_context(connect(port))
        asking.sendall(GET)
        assert answer(asking).startswith(b"HTTP/1.1 200 ")
        for _ in range(3):
            idle.enter_context(connect(port))
        asking.sendall(GET)
        assert answer(asking).startswith(b"HTTP/1.1 200 "), "others have been idle longer"


def test_where_every_connection_is_at_work_one_more_is_told_so(shop: Shop) -> None:
    """Each of them sends a body that does not come. What the server says has the headers of every answer."""
    mailed(shop)
    link = next(line for line in shop.mails[0].part("plain").split() if "/u/" in line).partition("/u/")[2]
    head = f"POST /u/{link} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
    with served(shop, Patient) as port, ExitStack() as busy:
        working = [busy.enter_context(connect(port)) for _ in range(Patient.most)]
        for each in working:
            each.sendall(head)
        until = time.monotonic() + DEADLINE
        said = b""
        while not said.startswith(b"HTTP/1.1 503 ") and time.monotonic() < until:
            with connect(port) as one_more:
                one_more.sendall(GET)
                said = answer(one_more)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 60" in said
        assert_guarded(said)
        for each in working:
            each.sendall(b"a=b&c=d&e")
            assert answer(each).startswith(b"HTTP/1.1 200 ")
        with connect(port) as later:
            later.sendall(GET)
            assert answer(later).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_request_is_refused_as_all_else(shop: Shop) -> None:
    mailed(shop)
    with served(shop, Strict) as port, connect(port) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        said = answer(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert_guarded(said)


def assert_guarded(said: bytes) -> None:
    own = {name.lower() for name in HEADERS} - {"content-security-policy"}
    names = [line.partition(":")[0] for line in said.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]]
    assert own <= set(names)
    assert "content-security-policy" in names
    assert len(names) == len(set(names))

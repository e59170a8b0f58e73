"""A provider that keeps every mail it took, over real TLS, and does something of the test's choosing in between."""

import contextlib
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme


class Provider:
    """`taken` are the mails that it accepted, as (message id, address, subject)."""

    def __init__(self) -> None:
        self.url = ""
        self.ca_file = ""
        self.taken: list[tuple[int, str, str]] = []
        self.before_answer: Callable[[int], object] = lambda _count: None
        """Called with how many mails were taken so far, before the answer to the latest of them is written."""
        self.status: Callable[[int], int] = lambda _id: 202
        """The answer to a message, by its id. Only 202 takes the mail; 0 takes it and hangs up."""
        self._lock = threading.Lock()

    def take(self, body: bytes) -> tuple[int, int]:
        """Return the answer to a request, and the message's id."""
        mail: dict[str, Any] = json.loads(body)
        person = mail["personalizations"][0]
        id_ = int(person["custom_args"]["cc_message_id"])
        status = self.status(id_)
        with self._lock:
            if status in (0, 202):
                self.taken.append((id_, person["to"][0]["email"], mail["subject"]))
            count = len(self.taken)
        self.before_answer(count)
        return status, id_

    def assert_nothing_twice(self) -> None:
        """No (cart, step) was accepted twice: neither the same message, nor the same subject to the same shopper."""
        assert [id_ for id_, times in Counter(id_ for id_, _, _ in self.taken).items() if times > 1] == []
        assert [mail for mail, times in Counter(mail[1:] for mail in self.taken).items() if times > 1] == []


@contextlib.contextmanager
def running_provider(folder: Path) -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            """Say what its key may, which a run asks after a failure."""
            content = b'{"scopes": ["mail.send"]}'
            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, id_ = provider.take(body)
            if not status:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # the client may be dead by now
                self.send_response(status)
                self.send_header("X-Message-Id", f"receipt-{id_}")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name for it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that dies in the middle of a request is what these tests are about."""

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    provider.ca_file = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(provider.ca_file)
    server = Server(("localhost", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    provider.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A real server on a port of its own, and a stand-in for the shop that both lead to."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

from cartctl import config
from cartctl.web import create_app
from tests.shop import Shop, at

MUG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect width="72" height="72" fill="#dbe7ff"/>
<path d="M18 20h30v28a8 8 0 0 1-8 8H26a8 8 0 0 1-8-8z" fill="#1f4fd8"/>
<path d="M48 26h6a6 6 0 0 1 6 6v4a8 8 0 0 1-8 8h-4" fill="none" stroke="#1f4fd8" stroke-width="4"/></svg>"""
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 40" width="200" height="40">
<rect width="200" height="40" rx="8" fill="#0b5d3b"/><circle cx="22" cy="20" r="10" fill="#ffffff"/>
<rect x="44" y="14" width="136" height="12" rx="6" fill="#ffffff"/></svg>"""


@dataclass
class StandIn:
    """The shop's own pages: whatever is asked for is there. `asked` is what was."""

    port: int
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"


@contextlib.contextmanager
def stand_in_shop() -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            picture = {"/mug.svg": MUG, "/logo.svg": LOGO}.get(self.path)
            body = (picture or "<!doctype html><title>The shop</title><h1>The shop's own cart</h1>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "image/svg+xml" if picture else "text/html")
            self.send_header("Content-Length", str(len(body)))
            # As the shop's pages do: a picture may stand on other sites' pages.
            self.send_header("Cross-Origin-Resource-Policy", "cross-origin")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop = StandIn(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Clock:
    """What time it is for the server, since T0."""

    now: str = "25h"


@contextlib.contextmanager
def served(shop: Shop, port: int) -> Iterator[Clock]:
    """Serve a shop's endpoint over HTTP."""
    clock = Clock()
    app = create_app(
        config.load(file=None, environment={}, folder=shop.folder), clock=lambda: at(clock.now), monotonic=lambda: 0.0
    )
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, ws="none", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        yield clock
    finally:
        server.should_exit = True
        thread.join()

"""Connections as the open internet makes them: silent, slow, or too many. For uvicorn, in the place of its own.

uvicorn ends a connection that is idle after an answer. It waits for ever for a first request, reads a head of any
length, and refuses everybody once there are many connections, however idle. Here a head has its seconds and bytes, and
whoever comes when there is no room takes that of the connection which has been idle longest.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cartctl.web.security import HEADERS, SURPLUS


class Connection(HttpToolsProtocol):
    """One connection. The limits are each process's own."""

    head_seconds = 10.0
    head_bytes = 64 * 1024
    most = 800
    """Open at a time: a process has mostly 1,024 files, and the database needs some."""

    _timer: asyncio.TimerHandle | None = None
    _idle_since = 0.0
    _read = 0
    _is_surplus = False

    @property
    def is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._limit_head()
        if len(self.connections) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._timer is not None:  # what came was all head
            self._read += len(data)
            if self._read > self.head_bytes and not self.transport.is_closing():
                self._refuse(431, "The head of the request is too large.")
        elif self.is_idle and not self.transport.is_closing():
            # Another head has begun, or a body goes on that nobody wants any more: uvicorn counts for neither.
            self._limit_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._is_surplus:
            state: Any = self.scope["state"]
            state[SURPLUS] = True

    def on_headers_complete(self) -> None:
        self._unlimit_head()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _limit_head(self) -> None:
        self._read = 0
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _unlimit_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.is_idle and not self.transport.is_closing():
            self.transport.close()

    def _make_room(self) -> None:
        """Close the connection that has been idle longest; where none is, this one is too many."""
        others = [
            each
            for each in self.connections
            if isinstance(each, Connection) and each is not self and each.is_idle and not each.transport.is_closing()
        ]
        if others:
            min(others, key=lambda each: each._idle_since).transport.close()  # noqa: SLF001 - one of our own
        else:
            self._is_surplus = True

    def _refuse(self, status: int, text: str) -> None:
        headers = HEADERS | {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text))}
        head = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + f"{head}connection: close\r\n\r\n{text}".encode())
        self.transport.close()

"""A mail provider on this machine for benchmarks: TLS, kept-alive connections, and an answer 50 ms after each request.

Its own process, so that it does not share the interpreter with whoever is measured.
"""

import asyncio
import contextlib
import multiprocessing
import ssl
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import trustme

LATENCY_SECONDS = 0.05
ANSWER = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: %d\r\nContent-Length: 0\r\n\r\n"


class Answering(asyncio.Protocol):
    """Reads requests one after the other, and answers each after the latency."""

    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) >= length:
            self.received = body[length:]
            asyncio.get_running_loop().call_later(LATENCY_SECONDS, self.answer)

    def answer(self) -> None:
        Answering.taken += 1
        if not self.transport.is_closing():
            self.transport.write(ANSWER % Answering.taken)


@contextlib.contextmanager
def provider(folder: Path, *, more_certificates: str = "") -> Iterator[tuple[str, str]]:
    """Run it; yields its URL and the file of certificates to trust, which `more_certificates` make a real bundle."""
    authority = trustme.CA()
    ca_file, key_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(authority.cert_pem.bytes() + more_certificates.encode())
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(key_file))
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(str(key_file), theirs), daemon=True)
    process.start()
    try:
        yield f"https://localhost:{mine.recv()}", str(ca_file)
    finally:
        process.terminate()
        process.join()


def _serve(key_file: str, started: Connection) -> None:
    async def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(key_file)
        server = await asyncio.get_running_loop().create_server(Answering, "localhost", 0, ssl=context, backlog=512)
        started.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())

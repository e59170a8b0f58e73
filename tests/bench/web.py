"""How fast a click is answered: `/r/{token}` beside what is usually written, and beside a server that does nothing.

    .venv/bin/python -m tests.bench.web [--seconds N] [--connections N]

One load maker (keep-alive connections in asyncio, each asking again as soon as it is answered) asks three servers in
turn, several rounds of it, each one uvicorn process over its own copy of the same SQLite file, while `cartctl run-due`
writes mails from that file. (a) is a FastAPI `def` route with one SELECT in a session dependency, and writes nothing;
(b) is a bare Starlette 303. Aims: 3 × (a), p99 below 10 × the median, no "database is locked", every 303 a click.
"""

import argparse
import asyncio
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from cartctl.mail.links import Links
from cartctl.store import keys
from cartctl.store.database import open_database
from tests.bench.stock import fill

MESSAGES = 50_000
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
CONFIGURATION = """
base_url = "http://127.0.0.1"
[web]
rate_limit = 0
[stores.main]
hosts = ["shop.example.com"]
[coupons]
recovery10 = "BACK10"
"""
SERVERS = ("ours", "usual", "bare")


def usual() -> FastAPI:
    """Build (a)."""
    engine = create_engine(os.environ["DATABASE_URL"], connect_args={"check_same_thread": False})
    app = FastAPI()

    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    @app.get("/r/{token}")
    def follow(token: str, session: Annotated[Session, Depends(session)]) -> RedirectResponse:
        query = text(
            "SELECT carts.cart_url FROM messages JOIN enrollments ON enrollments.id = messages.enrollment_id "
            "JOIN carts ON carts.id = enrollments.cart_id WHERE messages.id = :id"
        )
        id_ = sum(token.encode()) % MESSAGES + 1
        return RedirectResponse(session.execute(query, {"id": id_}).scalar() or "/", 303)

    return app


def bare() -> Starlette:
    """Build (b)."""

    async def follow(request: Request) -> RedirectResponse:
        return RedirectResponse("https://shop.example.com/cart", 303)

    return Starlette(routes=[Route("/r/{token}", follow)])


@dataclass
class Measured:
    """What one server was seen to do."""

    milliseconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    clicks: int = 0
    complaints: str = ""

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def percentiles(self) -> tuple[float, float]:
        ordered = sorted(self.milliseconds)
        return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]


def main(seconds: float, connections: int, rounds: int) -> None:
    """Measure in turn, and print a table."""
    found = {name: Measured() for name in SERVERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        links = _prepare(folder)
        for _ in range(rounds):
            for server in SERVERS:
                _measure(folder, server, links, found[server], seconds, connections)
        found["ours"].clicks = _clicks(folder / "ours.db")
    _print(found)


def _prepare(folder: Path) -> list[str]:
    """Fill one database, copy it for each server, and return the paths of the links."""
    (folder / "cartctl.toml").write_text(CONFIGURATION)
    now = datetime.now(UTC)
    first = folder / "ours.db"
    database = open_database(f"sqlite:///{first}")
    fill(database, MESSAGES, now=now, due=timedelta(seconds=1), items=1)
    with database.write() as connection:
        connection.execute(text("UPDATE carts SET cart_url = 'https://shop.example.com/cart?id=' || id"))
        signing = keys.key(connection, keys.SIGNING, now=now)
        keys.key(connection, keys.HASHING, now=now)
    database.close()
    for other in SERVERS[1:]:
        shutil.copy(first, folder / f"{other}.db")
    made = Links("http://127.0.0.1", [signing])
    return [made.link("recover", id_, now=now).removeprefix("http://127.0.0.1") for id_ in range(1, MESSAGES + 1)]


def _measure(folder: Path, name: str, links: list[str], into: Measured, seconds: float, connections: int) -> None:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{folder}/{name}.db", "CARTCTL_OUTBOX": str(folder / "out")}
    with _server(folder, name, environment) as (process, port), _writer(folder, environment) as writer:
        asyncio.run(_load(port, cycle(links), into, min(1.0, seconds / 4), connections, counts=False))
        asyncio.run(_load(port, cycle(links[len(links) // 2 :]), into, seconds, connections, counts=True))
    for ended in (process, writer):
        into.complaints += ended.stderr.read() if ended.stderr else ""


@contextmanager
def _server(folder: Path, name: str, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = [sys.executable, "-m", "cartctl", "serve", "--port", str(port)]
    other = [sys.executable, "-m", "uvicorn", f"tests.bench.web:{name}", "--factory", "--port", str(port)]
    command = own if name == "ours" else [*other, "--no-access-log", "--log-level", "warning"]
    here = str(Path(__file__).parent.parent.parent)
    process = subprocess.Popen(
        command, cwd=folder, env=environment | {"PYTHONPATH": here}, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process, port
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _writer(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A run that has more mails to write than there is time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cartctl", "run-due"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is not None:
            print("the run ended before the measurement did: its end was measured without a writer beside")
        process.terminate()
        process.wait(60)


async def _load(
    port: int, links: "cycle[str]", into: Measured, seconds: float, connections: int, *, counts: bool
) -> None:
    started = time.perf_counter()
    results = await asyncio.gather(*(_one(port, links, started + seconds) for _ in range(connections)))
    took = time.perf_counter() - started
    for status, _ in (one for result in results for one in result):
        into.statuses[status] = into.statuses.get(status, 0) + 1
    if counts:
        times = [taken for result in results for _, taken in result]
        into.milliseconds += times
        into.rates.append(len(times) / took)


async def _one(port: int, links: "cycle[str]", until: float) -> list[tuple[int, float]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found: list[tuple[int, float]] = []
    while time.perf_counter() < until:
        asked = time.perf_counter()
        writer.write(
            f"GET {next(links)} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {BROWSER}\r\n"
            "Accept-Language: en\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
        if length and int(length):
            await reader.readexactly(int(length))
        found.append((int(head[9:12]), (time.perf_counter() - asked) * 1000))
    writer.close()
    return found


def _clicks(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM events WHERE kind = 'click'").fetchone()
    return int(count)


def _print(found: dict[str, Measured]) -> None:
    titles = {"ours": "cartctl serve, /r/{token}", "usual": "(a) def route, one SELECT", "bare": "(b) bare 303"}
    print(f"{'':28}{'requests/s':>12}{'median ms':>12}{'p99 ms':>10}  answers")
    for name, one in found.items():
        median, p99 = one.percentiles
        print(f"{titles[name]:28}{one.rate:12.0f}{median:12.1f}{p99:10.1f}  {one.statuses}")
    ours, (median, p99) = found["ours"], found["ours"].percentiles
    print(f"ours / (a): {ours.rate / found['usual'].rate:.2f} (aim 3)")
    print(f"ours / (b): {ours.rate / found['bare'].rate:.2f}")
    print(f"p99 / median: {p99 / median:.1f} (aim below 10)")
    print(f"clicks written: {ours.clicks} of {ours.statuses.get(303, 0)} answers 303")
    locked = sum(one.complaints.count("locked") for one in found.values())
    print(f'"database is locked": {locked} times')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=5, help="how long each server is asked in each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments: Any = parser.parse_args()
    main(arguments.seconds, arguments.connections, arguments.rounds)

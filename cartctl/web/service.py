"""What requests share: database, rules, keys, pages, limits. Opened when the server starts, closed when it stops."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request

from cartctl import wiring
from cartctl.config import Loaded
from cartctl.domain import scanners
from cartctl.domain.scanners import Follower
from cartctl.errors import DatabaseBusyError, DatabaseError
from cartctl.jobs import take_in
from cartctl.jobs.posted import Body
from cartctl.jobs.rules import Clock, Rules
from cartctl.jobs.take_in import Taken
from cartctl.mail.links import Links
from cartctl.store import visits
from cartctl.store.database import EngineDatabase, open_database
from cartctl.store.visits import PROBE, Visit
from cartctl.web.batches import Batches
from cartctl.web.limits import PER_MESSAGE, Allowance, Clients, Monotonic
from cartctl.web.pages import Pages
from cartctl.web.reports import Reports
from cartctl.web.signatures import Keys

log = logging.getLogger("cartctl.web")
PATIENCE_SECONDS = 2.0
"""How long a shopper waits for a click to be on disk. Where an import holds the database, the click follows later."""
_TRIES = 30
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One running endpoint."""

    loaded: Loaded
    database: EngineDatabase
    rules: Rules
    links: Links
    hashing_key: bytes
    pages: Pages
    clients: Clients
    clock: Clock
    per_message: Allowance
    reader: Batches[int, Row[Any] | None]
    writer: Batches[Visit, bool]
    keys: Keys
    taker: Batches[Body, Taken]
    per_key: Allowance
    strangers: Allowance
    """How many wrong keys one address may try."""
    reports: Reports

    def close(self) -> None:
        """Write down what is still waiting, then let go of the database."""
        self.taker.close()
        self.reader.close()
        self.writer.close()
        self.database.close()

    async def keep(self, visit: Visit) -> None:
        """Write a visit down; return when it is on disk, or when the shopper has waited long enough."""
        await asyncio.wait([self.writer.ask(visit)], timeout=PATIENCE_SECONDS)

    async def read(self, ask: Callable[[Connection], _T]) -> _T:
        """Ask the database in a thread, so that no other request waits."""

        def run() -> _T:
            with self.database.read() as connection:
                return ask(connection)

        return await asyncio.to_thread(run)

    def visit(self, request: Request, message_id: int, kind: str, sent_at: datetime | None, *, at: datetime) -> Visit:
        """Judge a visit at `at`. HEAD is a probe, whatever `kind` a GET would be."""
        if request.method == "HEAD":
            return Visit(message_id, PROBE, at, 100)
        return Visit(message_id, kind, at, self._score(request, sent_at, at))

    def _score(self, request: Request, sent_at: datetime | None, at: datetime) -> int:
        headers = request.headers
        return scanners.score(
            Follower(
                user_agent=headers.get("user-agent", ""),
                accept_language=headers.get("accept-language", ""),
                purpose=" ".join(headers.get(name, "") for name in ("sec-purpose", "purpose", "x-moz")),
                since_send=None if sent_at is None else at - sent_at,
                is_known_scanner=self.clients.is_scanner(self.clients.address(request.scope)),
            )
        )


def open_service(loaded: Loaded, pages: Pages, keys: Keys, clock: Clock, monotonic: Monotonic) -> Service:
    """Open the database and start the threads. Raises CartctlError."""
    # Else a thread with a click to write waits 5 ms for the interpreter, again and again.
    sys.setswitchinterval(wiring.SWITCH_SECONDS)
    database = open_database(loaded.database_url)
    signing, hashing = wiring.secret_keys(loaded, database, clock())
    settings = loaded.settings
    rules = wiring.rules(loaded)
    contexts = partial(wiring.endpoint_context, settings)
    return Service(
        loaded=loaded,
        database=database,
        rules=rules,
        links=Links(settings.base_url, signing),
        hashing_key=hashing,
        pages=pages,
        clients=Clients(settings.web.trusted_proxies, settings.web.scanners),
        clock=clock,
        per_message=Allowance(PER_MESSAGE, monotonic),
        reader=Batches("reader", lambda ids: _read(database, ids)),
        writer=Batches("writer", lambda kept: _write(database, kept)),
        keys=keys,
        taker=Batches("taker", lambda of: take_in.run(database, of, contexts=contexts, rules=rules, now=clock())),
        per_key=Allowance(settings.web.rate_limit_per_key, monotonic),
        strangers=Allowance(settings.web.rate_limit, monotonic),
        reports=Reports(database, rules, settings, monotonic),
    )


def _read(database: EngineDatabase, message_ids: Sequence[int]) -> list[Row[Any] | None]:
    with database.read() as connection:
        found = visits.carts_of(connection, message_ids)
    return [found.get(id_) for id_ in message_ids]


def _write(database: EngineDatabase, kept: Sequence[Visit]) -> list[bool]:
    """Write visits down in one transaction. A database that is held or away is asked again, for half a minute."""
    for remaining in range(_TRIES, 0, -1):
        try:
            _write_once(database, kept)
        except DatabaseBusyError:
            continue  # it has waited already
        except DatabaseError:
            if remaining == 1:
                log.error("%d clicks could not be written down: the database is away", len(kept))  # noqa: TRY400
                raise
            time.sleep(1)
        else:
            break
    return [True] * len(kept)


def _write_once(database: EngineDatabase, kept: Sequence[Visit]) -> None:
    try:
        with database.write() as connection:
            visits.remember(connection, kept, at_once=scanners.AT_ONCE, at_once_score=scanners.AT_ONCE_SCORE)
    except IntegrityError:
        # A message was deleted since it was read. It must not cost the others their click.
        if len(kept) > 1:
            for visit in kept:
                _write_once(database, [visit])

"""What requests share: database, rules, keys, pages, limits. Opened when the server starts, closed when it stops."""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request

from cartctl import wiring
from cartctl.config import Loaded
from cartctl.domain import scanners
from cartctl.domain.scanners import Follower
from cartctl.errors import DatabaseBusyError, DatabaseError, SchemaError
from cartctl.jobs import take_in
from cartctl.jobs.posted import Body
from cartctl.jobs.rules import Clock, Rules
from cartctl.jobs.take_in import Taken
from cartctl.jobs.unsubscribe import Standing
from cartctl.mail.links import Links
from cartctl.store import schema, visits
from cartctl.store.database import EngineDatabase, connect, open_database
from cartctl.store.visits import CLICK, PROBE, CartsAtOnce, Visit
from cartctl.web.batches import Batches
from cartctl.web.keeping import Persistence
from cartctl.web.limits import PER_MESSAGE, Allowance, Clients, Monotonic, allowance_key
from cartctl.web.pages import Pages
from cartctl.web.reports import Reports
from cartctl.web.signatures import Keys

log = logging.getLogger("cartctl.web")
TRY_SECONDS = 2.0
"""How long one try to write waits for another writer."""
CLICK_SECONDS = 0.5
"""How long a shopper waits for a click to be on disk. Where an import holds the database, the click follows later."""
CHECK_SECONDS = 3.0
"""How long a load balancer waits for the database."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """What a shopper wants of the mails, by a link of the message `message_id`. `apply` raises DatabaseError."""

    message_id: int
    apply: Callable[[], Standing]


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
    reader: Batches[int, Any | None]
    at_once: CartsAtOnce | None
    """None where a database on a server would have to be waited for."""
    writer: Batches[Visit, bool]
    changer: Batches[Change, Standing | None]
    checker: Batches[None, str]
    persistence: Persistence
    keys: Keys
    taker: Batches[Body, Taken]
    per_key: Allowance
    strangers: Allowance
    """How much one address may ask that has no key, or a wrong one."""
    reports: Reports

    def close(self) -> None:
        """Write down what is still waiting, then let go of the database."""
        self.persistence.stop()
        for each in (self.taker, self.changer, self.writer, self.reader, self.checker):
            each.close()
        if self.at_once:
            self.at_once.close()
        self.persistence.report()
        self.database.close()

    async def cart_of(self, message_id: int) -> Any | None:
        """Return the row of `visits.carts_of`; None where there is no such message."""
        if self.at_once:
            try:
                return self.at_once.read(message_id)
            except DatabaseBusyError:
                pass  # the thread waits, and says what is wrong
        return await self.reader.ask(message_id)

    async def keep(self, visit: Visit) -> None:
        """Write a visit down. A click is on disk when this returns, or the shopper has waited long enough."""
        asked = self.writer.ask(visit)
        if visit.kind == CLICK and not self.writer.is_behind(CLICK_SECONDS):
            await asyncio.wait([asked], timeout=CLICK_SECONDS)

    async def change(self, change: Change) -> Standing | None:
        """Let a change of the subscription take effect; None where it is not on disk in time.

        It stays in its place in the queue then, and is done as soon as the database takes it.
        """
        asked = self.changer.ask(change)
        done, _ = await asyncio.wait([asked], timeout=self.persistence.answer_seconds)
        return asked.result() if done else None

    async def problem(self) -> str:
        """Return "database", "schema" or nothing; what exactly is wrong `cartctl db status` tells the operator."""
        asked = self.checker.ask(None)
        done, _ = await asyncio.wait([asked], timeout=CHECK_SECONDS)
        return asked.result() if done else "database"

    async def read(self, ask: Callable[[Connection], _T]) -> _T:
        """Ask the database in a thread, so that no other request waits."""

        def run() -> _T:
            with self.database.read() as connection:
                return ask(connection)

        return await asyncio.to_thread(run)

    def wait_of_stranger(self, request: Request) -> float:
        """Count a post without a right link, key or signature; return the seconds to wait, 0 where none."""
        if request.method != "POST":  # it was counted when it came
            return 0.0
        return self.strangers.wait(allowance_key(self.clients.address(request.scope)))

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


def open_service(
    loaded: Loaded, pages: Pages, keys: Keys, strangers: Allowance, clock: Clock, monotonic: Monotonic
) -> Service:
    """Open the database and start the threads. Raises CartctlError."""
    # Else a thread with a click to write waits 5 ms for the interpreter, again and again.
    sys.setswitchinterval(wiring.SWITCH_SECONDS)
    with closing(open_database(loaded.database_url)) as database:
        signing, hashing = wiring.secret_keys(loaded, database, clock())
    database = EngineDatabase(connect(loaded.database_url, busy_seconds=TRY_SECONDS))
    persistence = Persistence()
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
        at_once=CartsAtOnce(database.engine) if database.engine.dialect.name == "sqlite" else None,
        reader=Batches("reader", lambda ids: _read(database, ids)),
        writer=Batches("writer", lambda kept: _write(database, kept, persistence)),
        changer=Batches("changer", lambda changes: [_change(one, persistence) for one in changes], largest=1),
        checker=Batches("checker", lambda asked: [_check(database)] * len(asked)),
        persistence=persistence,
        keys=keys,
        taker=Batches("taker", lambda of: take_in.run(database, of, contexts=contexts, rules=rules, now=clock())),
        per_key=Allowance(settings.web.rate_limit_per_key, monotonic),
        strangers=strangers,
        reports=Reports(database, rules, settings, monotonic),
    )


def _read(database: EngineDatabase, message_ids: Sequence[int]) -> list[Any | None]:
    with database.read() as connection:
        found = visits.carts_of(connection, message_ids)
    return [found.get(id_) for id_ in message_ids]


def _write(database: EngineDatabase, kept: Sequence[Visit], persistence: Persistence) -> list[bool]:
    """Write visits down in one transaction."""
    try:
        persistence.insist(lambda: _write_once(database, kept), "clicks")
    except Exception as error:  # noqa: BLE001 - the thread goes on, and nobody else would say it
        if not isinstance(error, DatabaseError):
            log.error("%s: clicks cannot be written down", type(error).__name__)  # noqa: TRY400 - it may quote the data
        persistence.lose("clicks", [visit.message_id for visit in kept])
        return [False] * len(kept)
    return [True] * len(kept)


def _change(change: Change, persistence: Persistence) -> Standing | None:
    """Let one change take effect: whoever comes next need not wait for it to be told."""
    try:
        return persistence.insist(change.apply, "unsubscriptions")
    except DatabaseError:
        persistence.lose("unsubscriptions", [change.message_id])
        return None


def _check(database: EngineDatabase) -> str:
    try:
        with database.read() as connection:
            return "" if schema.check(connection) else "schema"
    except DatabaseError as error:
        return "schema" if isinstance(error, SchemaError) else "database"


def _write_once(database: EngineDatabase, kept: Sequence[Visit]) -> None:
    try:
        with database.write() as connection:
            visits.remember(connection, kept, at_once=scanners.AT_ONCE, at_once_score=scanners.AT_ONCE_SCORE)
    except IntegrityError:
        # A message was deleted since it was read. It must not cost the others their click.
        if len(kept) > 1:
            for visit in kept:
                _write_once(database, [visit])

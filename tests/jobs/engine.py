"""The sending loop with a transport that answers as it is told: one cart a call, time set by hand."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cartctl import config, wiring
from cartctl.domain.purchases import PurchaseRules
from cartctl.importers.records import Context
from cartctl.jobs import run_due
from cartctl.jobs.compose import Composer
from cartctl.jobs.importing import Options, import_file
from cartctl.jobs.run_due import RunResult
from cartctl.jobs.sending import Equipment, SendJob
from cartctl.mail.links import Links
from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Probed
from cartctl.mail.render import Renderer
from cartctl.store.database import Database, EngineDatabase
from cartctl.store.tables import enrollments, message_transitions, messages
from tests.shop import at, cart, write_csv

RULES = wiring.rules(
    config.load(
        file=None,
        environment={"CARTCTL_COUPONS": '{recovery10 = "BACK10"}', "CARTCTL_SAFETY__ORDERS_MAX_AGE": "0"},
        folder=Path("/nowhere"),
    )
)
PURCHASE = PurchaseRules(
    slack=timedelta(hours=1), idle_after=timedelta(minutes=30), not_purchases=frozenset({"cancelled"})
)
RENDERER = Renderer(wiring.template_folders(config.load(file=None, environment={}, folder=Path("/nowhere"))))
HASHING_KEY = b"a key for tests"


class Provider:
    """A transport for tests: keeps what it was given, and answers with what `answer` returns or raises."""

    delivers = True

    def __init__(self, answer: Callable[[OutgoingMessage], Answer] | None = None, *, name: str = "sendgrid") -> None:
        self.name = name
        self.given: list[OutgoingMessage] = []
        self.answer = answer or (lambda mail: Accepted(f"receipt-{mail.id}"))
        self.probed = Probed()
        """What it says when it is only asked: even when it fails with mails, it says that it is well."""

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        return message

    def send(self, message: OutgoingMessage) -> Answer:
        self.given.append(message)
        return self.answer(message)

    def probe(self) -> Probed:
        return self.probed


class Killed(BaseException):
    """Stands for a process that dies at this point: nothing below catches it."""


class Watched(Composer):
    """A composer that lets something happen while it renders: between claim and gate."""

    meanwhile: Callable[[], None]

    def compose(self, *arguments: Any, **options: Any) -> OutgoingMessage:
        mail = super().compose(*arguments, **options)
        self.meanwhile()
        return mail


class Engine:
    """A shop driven through its jobs, with a provider of the test's own."""

    def __init__(self, database: EngineDatabase, folder: Path, provider: Provider | None = None) -> None:
        self.database, self.folder = database, folder
        self.provider = provider or Provider()
        self.rules = RULES
        self.renderer = RENDERER
        self.providers: dict[str, Provider] = {}
        """Those of sequences that have one of their own, by name."""
        self.while_rendering: Callable[[], None] = lambda: None
        self.executor: Callable[[], Executor] = lambda: ThreadPoolExecutor(4)
        self.store = "main"
        self.notes: tuple[str, ...] = ()
        self._files = 0

    def carts(self, *rows: dict[str, str], when: str = "5m") -> None:
        import_file(self.database, self._file(rows), kind="carts", options=self._options, rules=PURCHASE, now=at(when))

    def shoppers(self, count: int) -> None:
        """As many carts, each of somebody else."""
        self.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(count)))

    def orders(self, *rows: dict[str, str], when: str) -> None:
        options = self._options
        found = import_file(
            self.database, self._file(rows), kind="orders", options=options, rules=PURCHASE, now=at(when)
        )
        self.notes = found.notes

    @property
    def _options(self) -> Options:
        return Options(context=Context(self.store), rejects_folder=self.folder)

    def _file(self, rows: tuple[dict[str, str], ...]) -> Path:
        self._files += 1
        return write_csv(self.folder / f"file-{self._files}.csv", *rows)

    def run(self, when: str, **changes: Any) -> RunResult:
        job = SendJob(
            database=self.database,
            rules=self.rules,
            clock=lambda: at(when),
            equip=self._equip,
            concurrency=4,
            pause=lambda _seconds: None,
        )
        return run_due.run(replace(job, **changes))

    def _equip(self, database: Database, transport: str = "") -> Equipment:
        composer = Watched(
            self.renderer,
            Links("https://mail.example.com", ["key"]),
            wiring.sender(config.load(file=None, environment={}, folder=Path("/nowhere"))),
            self.rules,
        )
        composer.meanwhile = self.while_rendering
        return Equipment(
            transport=self.providers.get(transport, self.provider),
            composer=composer,
            executor=self.executor(),
            hashing_key=HASHING_KEY,
        )

    @property
    def states(self) -> list[tuple[str, str, str]]:
        """(step, state, reason) of all messages, oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(select(messages).order_by(messages.c.id)).all()
        return [(row.step, row.state, row.reason) for row in rows]

    @property
    def live(self) -> list[str]:
        """The statuses of all enrollments."""
        with self.database.read() as connection:
            return list(connection.execute(select(enrollments.c.status).order_by(enrollments.c.id)).scalars())

    def transitions(self, message_id: int) -> list[tuple[str, str, str]]:
        with self.database.read() as connection:
            rows = connection.execute(
                select(message_transitions)
                .where(message_transitions.c.message_id == message_id)
                .order_by(message_transitions.c.id)
            ).all()
        return [(row.from_state, row.to_state, row.reason) for row in rows]

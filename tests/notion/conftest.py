"""Notion, and what asks it, with a clock that runs only while somebody waits."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cartctl.notion.client import Notion
from tests.mail.provider import Authority
from tests.notion.mirror import Mirror
from tests.notion.standin import KEY, Standin, running
from tests.shop import Cli


class Watch:
    """A clock that is moved by waiting alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def standin(authority: Authority) -> Iterator[Standin]:
    with running(authority) as notion:
        yield notion


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def ask(standin: Standin, watch: Watch) -> Iterator[Callable[..., Notion]]:
    """Return what makes a client of the stand-in."""
    made: list[Notion] = []

    def make(key: str = KEY, *, host: str = "") -> Notion:
        notion = Notion(
            key,
            host=host or standin.url,
            timeout=timedelta(seconds=5),
            ca_file=standin.ca_file,
            per_second=3,
            pause=watch.pause,
            monotonic=lambda: watch.seconds,
        )
        made.append(notion)
        return notion

    yield make
    for notion in made:
        notion.close()


@pytest.fixture
def mirror(cli: Cli, tmp_path: Path, standin: Standin, sqlite_url: str) -> Iterator[Mirror]:
    """A shop with contacts and a Notion, on SQLite."""
    found = Mirror(cli, tmp_path, standin, sqlite_url)
    yield found
    found.database.close()


@pytest.fixture
def any_mirror(cli: Cli, tmp_path: Path, standin: Standin, database_url: str) -> Iterator[Mirror]:
    """The same on SQLite and on PostgreSQL."""
    found = Mirror(cli, tmp_path, standin, database_url)
    yield found
    found.database.close()

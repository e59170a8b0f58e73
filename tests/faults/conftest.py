"""The rig: a shop on SQLite and on PostgreSQL, and its provider."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.provider import Provider, running_provider
from tests.faults.rig import Rig
from tests.shop import Cli


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    with running_provider(tmp_path) as running:
        yield running


@pytest.fixture
def rig(cli: Cli, tmp_path: Path, provider: Provider, database_url: str) -> Iterator[Rig]:
    made = Rig(cli, tmp_path, provider, database_url)
    yield made
    made.database.close()


@pytest.fixture
def sqlite_rig(cli: Cli, tmp_path: Path, provider: Provider, sqlite_url: str) -> Iterator[Rig]:
    made = Rig(cli, tmp_path, provider, sqlite_url)
    yield made
    made.database.close()

"""What the tests of `cartctl doctor` share: reading its lines, and putting into the database what it is to find."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from cartctl.store.database import EngineDatabase, open_database
from cartctl.store.tables import runs
from tests.shop import Shop

SENDGRID = """
transport = "sendgrid"
from = "Example Shop <shop@example.com>"
postal_address = "1 Example Street, Exampletown"
base_url = "https://mail.example.com"
"""


def now() -> datetime:
    """Read anew by every test: a suite takes longer than what is late here."""
    return datetime.now(UTC)


def look(shop: Shop, *options: str) -> dict[str, tuple[str, str]]:
    """Return {check: (level, text)}, and hold the exit code to the levels."""
    outcome = shop.cli("doctor", "--json", *options, ok=False)
    found = {one["check"]: (one["level"], one["text"]) for one in outcome.json["checks"]}
    assert len(found) == len(outcome.json["checks"]), "each thing has one line"
    broken = any(level == "fail" for level, _ in found.values())
    assert (outcome.json["ok"], outcome.exit_code, outcome.err) == (not broken, int(broken), "")
    return found


def opened(shop: Shop) -> EngineDatabase:
    return open_database(f"sqlite:///{shop.folder / 'cartctl.db'}")


def put(shop: Shop, *statements: Any) -> None:
    database = opened(shop)
    with database.write() as connection:
        for statement in statements:
            connection.execute(statement)
    database.close()


def ran(*minutes_ago: float, finished: bool = True) -> Any:
    """Runs of run-due that began so many minutes ago."""
    starts = [now() - timedelta(minutes=minutes) for minutes in minutes_ago]
    return insert(runs).values(
        [{"job": "run-due", "started_at": start, "finished_at": start if finished else None} for start in starts]
    )

"""What the endpoint took in takes effect once, in order, whatever dies and whatever else is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cartctl.importers.records import Context
from cartctl.jobs import drain
from cartctl.jobs.sending import Intake
from cartctl.store import intake
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import carts, contacts
from cartctl.store.tables import intake as intake_table
from tests.jobs.engine import Engine, Killed
from tests.shop import at, iso


class Shop(Engine):
    """An engine whose endpoint took something in."""

    def posted(self, *bodies: Any, feed: str = "track") -> None:
        rows = [
            {"kind": feed, "store": "main", "body": body if isinstance(body, bytes) else json.dumps(body).encode()}
            for body in bodies
        ]
        with self.database.write() as connection:
            intake.keep(connection, [row | {"received_at": at("0m")} for row in rows])

    def drain(self, when: str = "1h", **changes: Any) -> Any:
        how = Intake(contexts=Context, rejects_folder=changes.pop("rejects", self.folder))
        return self.run(when, intake=how, **changes)

    @property
    def left(self) -> int:
        with self.database.read() as connection:
            return len(connection.execute(select(intake_table)).all())

    @property
    def carts_saved(self) -> list[tuple[str, str]]:
        """(id, who) of every cart."""
        with self.database.read() as connection:
            statement = select(carts.c.external_id, contacts.c.email_normalised).join(contacts).order_by(carts.c.id)
            return [(row[0], row[1]) for row in connection.execute(statement)]


@pytest.fixture
def shop(db: EngineDatabase, tmp_path: Path) -> Shop:
    return Shop(db, tmp_path)


def a_cart(number: int, **fields: Any) -> dict[str, Any]:
    person = {"cart_id": f"c-{number}", "email": f"p{number}@example.com", "updated_at": iso("0m")}
    return person | {"currency": "EUR", "items": [{"product_name": "Mug", "unit_price": "5"}]} | fields


def test_a_run_that_dies_applies_nothing_and_the_next_all_of_it_once(shop: Shop) -> None:
    shop.posted(*(a_cart(number) for number in range(3)))

    def die(point: str) -> None:
        if point == "before-intake-commit":
            raise Killed

    with pytest.raises(Killed):
        shop.drain(at=die)
    assert (shop.left, shop.carts_saved) == (3, [])
    assert shop.drain().drained.applied == 3
    assert (shop.left, len(shop.carts_saved)) == (0, 3)
    assert shop.drain("61m").drained is None


def test_more_than_a_chunk_is_applied_in_the_order_it_came(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "CHUNK", 4)
    newest = [a_cart(1, updated_at=iso(f"{minute}m"), email=f"at{minute}@example.com") for minute in range(10)]
    shop.posted(*newest)
    assert shop.drain().drained.applied == 10
    assert shop.carts_saved == [("c-1", "at9@example.com")]


def test_what_cannot_be_applied_is_rejected_with_its_reason_and_blocks_nothing(shop: Shop) -> None:
    shop.posted(
        a_cart(1),
        b"{",
        a_cart(2, email="nobody"),
        a_cart(3, items=[{"product_name": "Mug", "quantity": 10**6, "unit_price": "9" * 9}] * 9),
        a_cart(4),
        b"\xff",
        b"",
    )
    shop.posted({"id": 1}, feed="nobody-knows")
    result = shop.drain()
    assert (result.drained.applied, result.drained.rejected) == (2, 6)
    assert result.has_problems
    assert [id_ for id_, _ in shop.carts_saved] == ["c-1", "c-4"]
    assert shop.left == 0
    (rejects,) = shop.folder.glob("intake-*.rejects.jsonl")
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [line["rejected_row"] for line in lines] == ["2", "3", "4", "6", "7", "8"]
    assert lines[1]["rejected_column"] == "email"
    assert "absurd" in lines[2]["rejected_reason"]
    assert lines[1]["record"]["email"] == "nobody"
    (problem,) = result.sent.problems
    assert str(rejects) in problem
    assert "@" not in problem


def test_rejects_that_cannot_be_written_keep_their_bodies(shop: Shop) -> None:
    shop.posted(a_cart(1), b"{", a_cart(2))
    result = shop.drain(rejects=shop.folder / "missing")
    assert (result.drained.applied, result.drained.rejected, shop.left) == (2, 0, 1)
    assert any("stays there" in problem for problem in result.sent.problems)
    assert shop.drain("61m").drained.rejected == 1
    assert shop.left == 0


def test_a_dry_run_leaves_the_intake_alone(shop: Shop) -> None:
    shop.posted(a_cart(1), b"{")
    real = shop.database
    with real.dry_run() as pretended:
        shop.database = pretended  # type: ignore[assignment] # a run needs no more of it than the jobs do
        result = shop.drain(rejects=None)
        shop.database = real
    assert (result.drained.applied, result.drained.rejected, result.detected.total) == (1, 1, 1)
    assert (shop.left, shop.carts_saved) == (2, [])
    assert list(shop.folder.glob("intake-*")) == []


def test_the_same_bodies_in_any_number_leave_the_same_carts(shop: Shop) -> None:
    shop.posted(a_cart(1), a_cart(2), a_cart(1))
    shop.drain()
    before = shop.carts_saved
    shop.posted(a_cart(2), a_cart(1))
    shop.drain("61m")
    assert shop.carts_saved == before == [("c-1", "p1@example.com"), ("c-2", "p2@example.com")]

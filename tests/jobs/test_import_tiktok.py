"""TikTok's dumps come in any order, on different days: what they come to in the end is always the same."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cartctl.importers import tiktok
from cartctl.importers.records import Context
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.store.database import EngineDatabase, open_database
from tests.importers.tiktok_records import answer, detail, jsonl, seconds, webhook
from tests.jobs.engine import PURCHASE
from tests.shop import at

FILES: dict[str, list[Any]] = {
    "unpaid webhook": [webhook("UNPAID", when="0m", notification="6")],
    "unpaid details": [answer(detail())],
    "paid webhook": [webhook(when="2h", notification="7")],
    # The amount is less than the cart's: TikTok took something off at the payment.
    "paid details": [
        detail("AWAITING_SHIPMENT", updated="2h", paid_time=seconds("2h"))
        | {"payment": {"currency": "GBP", "total_amount": "15.00"}}
    ],
    "sent webhook": [webhook("IN_TRANSIT", when="20h", notification="8")],
    "cancelled webhook": [webhook("CANCEL", when="30h", notification="9")],
    "cancelled details": [
        detail("CANCELLED", updated="30h", paid_time=seconds("2h"))
        | {"payment": {"currency": "GBP", "total_amount": "15.00"}}
    ],
}
END = (
    """SELECT external_id, generation, channel, currency, total_minor, status, order_id IS NOT NULL, credited,
              created_at, last_activity_at, recovered_at, first_abandoned_at, contact_id
         FROM carts WHERE store = :store""",
    """SELECT sku, quantity, unit_price_minor FROM cart_items JOIN carts ON carts.id = cart_items.cart_id
        WHERE store = :store""",
    """SELECT external_id, channel, status, is_purchase, currency, total_minor, net_minor, total_given, placed_at,
              updated_at, cart_ref, contact_id FROM orders WHERE store = :store""",
    "SELECT kind, at, subject FROM events WHERE store = :store ORDER BY at",
)


class World:
    """One database with a shop for every try, so that none knows of another."""

    def __init__(self, folder: Path, database: EngineDatabase) -> None:
        self._folder, self._database = folder, database
        self._shops = 0

    def one(self, path: Path) -> ImportResult:
        """Import one file into a shop of its own."""
        self._shops += 1
        options = Options(context=Context(f"shop-{self._shops}"), rejects_folder=self._folder)
        return import_file(self._database, path, options=options, kind="tiktok", rules=PURCHASE, now=at("2d"))

    def end(self, *files: Sequence[Any]) -> list[list[tuple[Any, ...]]]:
        """Import these files into a shop of their own, one a day; return what is then known of it."""
        self._shops += 1
        store = f"shop-{self._shops}"
        for day, records in enumerate(files):
            path = self._folder / "dump.jsonl"
            path.write_text(jsonl(*records), encoding="utf-8")
            options = Options(context=Context(store), rejects_folder=self._folder)
            import_file(self._database, path, options=options, kind="tiktok", rules=PURCHASE, now=at(f"{day + 2}d"))
        with self._database.read() as connection:
            return [[tuple(row) for row in connection.execute(text(query), {"store": store})] for query in END]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tiktok")
    database = open_database(f"sqlite:///{folder / 'cartctl.db'}")
    yield World(folder, database)
    database.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names=st.lists(st.sampled_from(sorted(FILES)), min_size=2, unique=True))
def test_the_end_is_the_same_in_whichever_order_the_files_come(world: World, names: list[str]) -> None:
    assert world.end(*(FILES[name] for name in names)) == world.end(*(FILES[name] for name in sorted(names)))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names=st.permutations(sorted(FILES)), cut=st.integers(0, len(FILES) - 1))
def test_one_file_or_many_comes_to_the_same(world: World, names: list[str], cut: int) -> None:
    files = [FILES[name] for name in names]
    together = [record for file in files[cut:] for record in file]
    assert world.end(*files[:cut], together) == world.end(*files)


def test_what_they_come_to(world: World) -> None:
    cart, (items,), (order,), events = world.end(*FILES.values())
    assert cart[0][5] == "recovered"
    assert items == ("1729", 1, 1250)
    assert order[2:8] == ("cancelled", 1, "GBP", 1500, 0, 1)
    assert [kind for kind, *_ in events] == ["awaiting_shipment", "in_transit", "cancelled"]


def test_a_repetition_that_comes_too_late_to_be_remembered_is_counted_all_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiktok, "_REMEMBERED", 1)
    records = [webhook(order=str(number), notification=str(number)) for number in (1, 2, 3, 1)]
    path = tmp_path / "late.jsonl"
    path.write_text(jsonl(*records), encoding="utf-8")
    result = world.one(path)
    assert (result.accepted, result.ignored, result.ignored_because) == (3, 1, {"delivered before": 1})
    assert (result.saved["orders"]["created"], result.saved["orders"]["duplicates"]) == (3, 1)

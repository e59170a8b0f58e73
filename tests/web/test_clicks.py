"""No click is lost, whoever else is writing to the database."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from cartctl.errors import DatabaseError
from cartctl.web.batches import Batches
from tests.shop import Shop, cart
from tests.web.site import CART_URL, STORE, mailed, open_site

PEOPLE = [f"{name}@example.com" for name in ("anna", "bela", "carla", "dora")]


def test_clicks_of_many_are_all_kept_while_a_run_writes(any_shop: Shop) -> None:
    for number, email in enumerate(PEOPLE[1:], 2):
        any_shop.carts(cart(f"c-{number}", email=email, cart_url=CART_URL), when="5m")
    settings = "[web]\nrate_limit = 0\n" + STORE
    mailed(any_shop, settings=settings)
    with open_site(any_shop, settings) as site, ThreadPoolExecutor(8) as executor:
        links = [site.links(to=email)[0] for email in PEOPLE] * 20
        answers = executor.map(lambda link: site.client.get(link).status_code, links)
        assert any_shop.run_once("24h")["sent"] == len(PEOPLE)
        assert set(answers) == {303}
        assert [kind for kind, _ in site.visits] == ["click"] * len(links)


def test_who_meets_a_long_import_is_led_on_and_the_click_follows(shop: Shop) -> None:
    mailed(shop)
    path = shop.folder / "cartctl.db"
    with open_site(shop) as site, closing(sqlite3.connect(path, isolation_level=None)) as importing:
        importing.execute("BEGIN IMMEDIATE")
        assert site.client.get(site.links()[0]).status_code == 303
        assert site.visits == []
        importing.execute("ROLLBACK")
    assert site.visits == [("click", 0)], "stopping the server waits for it"


def test_stopping_writes_down_what_waits() -> None:
    done: list[int] = []
    hold = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        hold.wait()
        done.extend(items)
        return list(items)

    async def ask_and_leave() -> None:
        batches = Batches("test", work)
        for number in range(600):
            batches.ask(number)
        hold.set()
        await asyncio.to_thread(batches.close)

    asyncio.run(ask_and_leave())
    assert done == list(range(600))


def test_a_fault_is_told_to_those_it_concerns() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise DatabaseError("away")
        return [item * 2 for item in items]

    async def ask() -> None:
        batches = Batches("test", work)
        assert await batches.ask(2) == 4
        with pytest.raises(DatabaseError, match="away"):
            await batches.ask(3)
        assert await batches.ask(4) == 8, "the thread goes on"
        batches.close()

    asyncio.run(ask())

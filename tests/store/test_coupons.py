"""Coupon codes: one for each message, whoever asks, however often."""

import threading
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update

from cartctl.store import coupons
from cartctl.store.coupons import Code
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import coupons as coupons_table
from cartctl.store.tables import messages
from tests.jobs.engine import Engine
from tests.shop import at, cart

NAME = "recovery10"


def with_messages(database: EngineDatabase, folder: Path, count: int) -> list[int]:
    """Have `count` messages scheduled, each of a shopper of its own."""
    engine = Engine(database, folder)
    engine.carts(*(cart(f"c-{n}", email=f"shopper-{n}@example.com") for n in range(count)))
    engine.run("30m")
    with database.read() as connection:
        return sorted(connection.execute(select(messages.c.id).where(messages.c.state == "scheduled")).scalars())


def put(database: EngineDatabase, *codes: str, expires: datetime | None = None, name: str = NAME) -> tuple[int, int]:
    with database.write() as connection:
        return coupons.save(
            connection, [Code(coupon=name, code=code, expires_at=expires) for code in codes], now=at("0m")
        )


def take(database: EngineDatabase, *message_ids: int, when: str = "1h", name: str = NAME) -> dict[int, str]:
    with database.write() as connection:
        return coupons.reserve(connection, dict.fromkeys(message_ids, name), now=at(when))


def owners(database: EngineDatabase) -> dict[str, int | None]:
    with database.read() as connection:
        rows = connection.execute(select(coupons_table.c.code, coupons_table.c.message_id))
        return {code: message_id for code, message_id in rows}  # noqa: C416 - rows are no pairs to the type checker


def test_each_message_gets_a_code_of_its_own_and_keeps_it(db: EngineDatabase, tmp_path: Path) -> None:
    one, two, three = with_messages(db, tmp_path, 3)
    put(db, "A", "B")
    given = take(db, one, two)
    assert sorted(given.values()) == ["A", "B"]
    assert take(db, one, two, three) == given  # and none is left for the third
    assert take(db, two) == {two: given[two]}


def test_codes_of_another_coupon_are_not_touched(db: EngineDatabase, tmp_path: Path) -> None:
    (one,) = with_messages(db, tmp_path, 1)
    put(db, "A", name="welcome")
    assert take(db, one) == {}
    assert take(db, one, name="welcome") == {one: "A"}


def test_the_code_that_lasts_longest_goes_first(db: EngineDatabase, tmp_path: Path) -> None:
    ids = with_messages(db, tmp_path, 3)
    put(db, "soon", expires=at("2h"))
    put(db, "later", expires=at("20h"))
    put(db, "over", expires=at("1h"))
    put(db, "never")
    assert take(db, *ids) == dict(zip(ids, ("never", "later", "soon"), strict=True))


def test_an_expired_code_is_never_given(db: EngineDatabase, tmp_path: Path) -> None:
    (one,) = with_messages(db, tmp_path, 1)
    put(db, "A", expires=at("1h"))
    assert take(db, one, when="1h") == {}


def test_a_code_that_expired_while_it_waited_is_exchanged(db: EngineDatabase, tmp_path: Path) -> None:
    (one,) = with_messages(db, tmp_path, 1)
    put(db, "A", expires=at("2h"))
    assert take(db, one) == {one: "A"}
    assert take(db, one, when="3h") == {}
    put(db, "B", expires=at("9h"))
    assert take(db, one, when="3h") == {one: "B"}
    assert owners(db) == {"A": None, "B": one}


def test_a_code_is_given_back_unless_a_transport_has_seen_it(db: EngineDatabase, tmp_path: Path) -> None:
    one, two = with_messages(db, tmp_path, 2)
    put(db, "A", "B")
    given = take(db, one, two)
    with db.write() as connection:
        connection.execute(update(messages).where(messages.c.id == two).values(coupon=given[two]))
        coupons.release(connection, [one, two])
    assert owners(db) == {given[one]: None, given[two]: two}


def test_importing_again_changes_the_expiry_and_nothing_else(db: EngineDatabase, tmp_path: Path) -> None:
    (one,) = with_messages(db, tmp_path, 1)
    assert put(db, "A", "B") == (2, 0)
    given = take(db, one)[one]
    assert put(db, "A", "B") == (0, 0)
    assert put(db, "A", "B", "B", expires=at("9h")) == (0, 2)
    assert owners(db)[given] == one


def test_two_processes_never_give_one_code_to_two_messages(db: EngineDatabase, tmp_path: Path) -> None:
    ids = with_messages(db, tmp_path, 16)
    put(db, *(f"CODE-{n}" for n in range(12)))
    given: list[str] = []
    barrier = threading.Barrier(4)

    def work(mine: list[int]) -> None:
        barrier.wait()
        for id_ in mine:
            given.extend(take(db, id_).values())

    threads = [threading.Thread(target=work, args=(ids[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given)) == 12
    assert sorted(code for code, owner in owners(db).items() if owner) == sorted(given)


def test_codes_were_kept_once_even_if_all_are_gone(db: EngineDatabase, tmp_path: Path) -> None:
    (one,) = with_messages(db, tmp_path, 1)
    put(db, "A")
    take(db, one)
    with db.read() as connection:
        assert (coupons.is_kept(connection, NAME), coupons.is_kept(connection, "welcome")) == (True, False)

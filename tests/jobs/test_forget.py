"""Forgetting while mail is under way, and imports of people who were forgotten, whatever they hold."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartctl.domain.identity import address_pattern
from cartctl.jobs import forget
from cartctl.jobs.report import overall
from cartctl.jobs.report.asking import Asked
from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Throttled
from cartctl.store.database import EngineDatabase
from tests.cli.looking import contents
from tests.jobs.engine import RULES, Engine, Provider
from tests.jobs.test_purge import ORDER, ROW
from tests.jobs.world import on_sqlite
from tests.shop import at, cart, order

ANNA = "anna@example.com"


def forget_anna(database: EngineDatabase, when: str = "1h") -> None:
    assert forget.run(database, ANNA, now=at(when)) is not None


def test_a_claimed_message_does_not_leave(db: EngineDatabase, tmp_path: Path) -> None:
    engine = Engine(db, tmp_path)
    engine.carts(cart())
    engine.while_rendering = lambda: forget_anna(db)
    engine.run("30m")
    assert engine.provider.given == []
    assert engine.states == [("reminder", "cancelled", "forgotten")]


@pytest.mark.parametrize(
    ("answer", "state"),
    [(Accepted("r-1"), ("reminder", "accepted", "")), (Throttled(None, None), ("reminder", "cancelled", "forgotten"))],
)
def test_what_is_being_sent_is_settled_as_ever_and_nothing_follows(
    db: EngineDatabase, tmp_path: Path, answer: Answer, state: tuple[str, str, str]
) -> None:
    def meanwhile(_mail: OutgoingMessage) -> Answer:
        forget_anna(db)
        return answer

    engine = Engine(db, tmp_path, Provider(meanwhile))
    engine.carts(cart())
    engine.run("30m")
    engine.run("24h")
    assert len(engine.provider.given) == 1
    assert engine.states == [state]
    assert ANNA not in str(contents(db))


def figures(database: EngineDatabase) -> Any:
    asked = Asked(
        now=at("14d"),
        recovery_window=at("14d") - at("0m"),
        attribution_window=at("5d") - at("0m"),
        include_outbox=True,
    )
    return overall.run(database, rules=RULES, asked=asked).as_json()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROW, min_size=1, max_size=5),
    bought=st.lists(ORDER, max_size=3),
    known=st.integers(0, 5),
)
def test_the_same_files_change_nothing_and_name_nobody_after_forgetting(
    sqlite_template: Path, tmp_path: Path, rows: list[Any], bought: list[Any], known: int
) -> None:
    shared = {id_ for id_, _, email, _ in rows if email not in (ANNA, "")}  # whose name stands there nobody can say
    carts = [
        cart(id_, seen=f"{hours}h", email=email, cart_token=token, last_name=name)
        for id_, hours, email, token in rows
        for name in ["Wilhelmine" if email == ANNA and id_ not in shared else ""]
    ]
    orders = [
        order(id_, placed=f"{hours}h", email=email, **({"cart_id": ref} if ref == "c-2" else {"cart_token": ref}))
        for id_, hours, email, ref in bought
    ]
    with on_sqlite(sqlite_template, tmp_path)() as (database, folder):
        engine = Engine(database, folder)
        engine.carts(cart("c-0", email=ANNA), *carts[:known], when="5h")
        if orders:
            engine.orders(*orders, when="5h")
        engine.run("6h")
        before = figures(database)
        forget_anna(database, "7h")
        assert figures(database) == before
        for _ in range(2):
            engine.carts(cart("c-0", email=ANNA), *carts[:known], when="8h")
            if orders:
                engine.orders(*orders, when="8h")
        assert figures(database) == before
        engine.carts(*carts, when="9h")
        engine.run("10h")
        after = contents(database)
        engine.carts(*reversed(carts), when="11h")
        assert {name: rows for name, rows in contents(database).items() if name != "imports"} == {
            name: rows for name, rows in after.items() if name != "imports"
        }
        assert ANNA not in str(after)
        assert "Wilhelmine" not in str(after)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("to Anna@Example.com.", True),
        ("?email=anna%40example.com&x=1", True),
        ("url%3Fmail%3Danna%40example.com", True),
        ('"anna\\u0040example.com"', True),
        ("carts_anna@example.com.csv", True),
        ("joanna@example.com", False),
        ("anna@example.com.au", False),
        ("anna@example.company", False),
        ("anna@example,com", False),
    ],
)
def test_an_address_is_found_in_texts_and_others_are_not(text: str, found: bool) -> None:
    assert bool(address_pattern(ANNA).search(text)) is found

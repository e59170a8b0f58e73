"""Retention: what is old is made anonymous, and no report and no file tells of it any more."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartctl.jobs import purge
from cartctl.store.database import EngineDatabase
from tests.cli.anna import annas
from tests.cli.looking import as_text, contents
from tests.jobs.engine import Engine
from tests.jobs.world import on_sqlite
from tests.shop import Cli, Shop, at, cart, iso, order

ANNA = "anna@example.com"
PURGE = ("purge", "--json", "--at")


@pytest.fixture
def old_shop(any_shop: Shop) -> Shop:
    """Sixty days ago Anna bought, Ben left a cart, somebody left one without an address; Clara did so yesterday."""
    path = any_shop.folder / "cartctl.toml"
    text = path.read_text(encoding="utf-8").partition("\n[coupons]")[0]
    any_shop.configure(f'{text}\n[retention]\npersonal_data = "30d"\n')
    any_shop.carts(
        annas(product_name="Mug for Anna"),
        cart("b-1", email="ben@example.com", first_name="Benjamin", consent="no"),
        cart("n-1", email="", first_name="Nobody", phone="+4930555"),
        when="5m",
    )
    any_shop.run("40m")
    any_shop.orders(order(email=ANNA, cart_token="tal-1"), order("o-2", phone="+4930777"), when="2h")
    any_shop.carts(cart("x-1", seen="59d", email="clara@example.com", first_name="Clara"), when="59d")
    any_shop.cli("run-due", "--at", iso("60d"))
    return any_shop


def purged(shop: Shop, when: str = "60d", *options: str) -> dict[str, Any]:
    result: dict[str, Any] = shop.cli(*PURGE, iso(when), *options).json
    return result


def test_what_is_old_goes_and_the_report_stays(old_shop: Shop, database: EngineDatabase) -> None:
    report = old_shop.report("60d")
    assert purged(old_shop) == {"before": iso("30d"), "contacts": 2, "carts": 3, "orders": 2}
    assert old_shop.report("60d") == report
    found = as_text(database).lower()
    for word in (ANNA, "zwickl", "for anna", "ben@", "benjamin", "nobody'", "+4930", "tal-1", "kao-1"):
        assert word not in found, word
    assert "clara@example.com" in found
    assert purged(old_shop) == {"before": iso("30d"), "contacts": 0, "carts": 0, "orders": 0}


def test_a_dry_run_counts_and_changes_nothing(old_shop: Shop, database: EngineDatabase) -> None:
    before = contents(database)
    assert purged(old_shop, "60d", "--dry-run")["carts"] == 3
    assert contents(database) == before


def test_files_of_that_time_bring_nobody_back(old_shop: Shop, database: EngineDatabase, cli: Cli) -> None:
    purged(old_shop)
    report, before = old_shop.report("60d"), contents(database)
    for kind in ("orders", "carts"):
        for path in sorted(Path().glob(f"{kind}-*.csv")):
            cli("import", kind, path, "--again", "--at", iso("60d1h"))
    after = contents(database)
    assert old_shop.report("60d") == report
    assert [after[name] for name in ("contacts", "carts", "cart_items", "cart_aliases", "orders")] == [
        before[name] for name in ("contacts", "carts", "cart_items", "cart_aliases", "orders")
    ]


def test_who_comes_back_is_a_new_contact(old_shop: Shop, database: EngineDatabase) -> None:
    purged(old_shop)
    old_shop.carts(annas(cart_id="c-9", seen="61d"), when="61d")
    old_shop.carts(annas(cart_id="c-1", seen="61d"), when="61d")
    old_shop.run_once("61d1h")
    assert [to for to, _, _ in old_shop.sent].count(ANNA) == 2
    carts = [row for row in contents(database)["carts"] if row["external_id"] == "c-1"]
    assert [(row["generation"], row["erased"], row["last_name"]) for row in carts] == [
        (1, True, ""),
        (2, False, "Zwickl"),
    ]


def test_a_refusal_outlives_its_contact(old_shop: Shop) -> None:
    purged(old_shop)
    old_shop.carts(cart("b-9", seen="61d", email="ben@example.com"), when="61d")
    old_shop.run_once("61d1h")
    assert "ben@example.com" not in [to for to, _, _ in old_shop.sent]


def test_without_the_setting_nothing_is_purged(shop: Shop) -> None:
    shop.carts(annas(), when="5m")
    outcome = shop.cli("purge", "-v")
    assert outcome.out.startswith("nothing is purged: retention.personal_data is not set")
    assert shop.cli("purge").out == ""
    assert shop.cli("contact", "show", ANNA).exit_code == 0


def test_less_than_a_month_is_refused(shop: Shop) -> None:
    shop.configure('[retention]\npersonal_data = "7d"\n')
    outcome = shop.cli("purge", ok=False)
    assert (outcome.exit_code, "retention.personal_data: 7d is less than 30d" in outcome.err) == (2, True)


def test_it_is_silent_under_cron_and_says_what_it_did_with_v(old_shop: Shop) -> None:
    outcome = old_shop.cli("purge", "-v", "--at", iso("60d"))
    assert outcome.out.startswith("2 contacts, 3 carts, 2 orders erased: nothing of them is newer than 2026-04-01")
    assert old_shop.cli("purge", "--at", iso("60d")).out == ""


class Killed(BaseException):
    """Stands for a process that dies here."""


def test_it_goes_on_where_it_was_killed(sqlite_template: Path, tmp_path: Path) -> None:
    with on_sqlite(sqlite_template, tmp_path)() as (database, folder):
        Engine(database, folder).carts(*(cart(f"c-{n}", email=f"a{n}@example.com") for n in range(500)))
        writes = 0

        class Dying(EngineDatabase):
            def write(self, **options: Any) -> Any:
                nonlocal writes
                writes += 1
                if writes == 2:
                    raise Killed
                return super().write(**options)

        with pytest.raises(Killed):
            purge.run(Dying(database.engine), before=at("30d"), now=at("60d"))
        rest = purge.run(database, before=at("30d"), now=at("60d"))
        assert (rest.contacts, rest.carts) == (500 - purge.CHUNK, 500 - purge.CHUNK)


PEOPLE = st.sampled_from(["anna@example.com", "ben@example.com", ""])
ROW = st.tuples(st.sampled_from(["c-1", "c-2", "c-3"]), st.integers(0, 3), PEOPLE, st.sampled_from(["", "t-1", "t-2"]))
ORDER = st.tuples(st.sampled_from(["o-1", "o-2"]), st.integers(4, 5), PEOPLE, st.sampled_from(["", "t-1", "c-2"]))
"""Placed after every activity: a cart that is touched after its purchase begins anew when its file comes again."""


def test_contacts_of_a_list_are_as_new_as_the_list(any_shop: Shop, database: EngineDatabase) -> None:
    """Nobody has written to them yet, and nothing is said of consent."""
    path = any_shop.folder / "cartctl.toml"
    any_shop.configure(path.read_text(encoding="utf-8") + '\n[retention]\npersonal_data = "30d"\n')
    Path("people.csv").write_text("email,first_name\ndora@example.com,Dora\n", encoding="utf-8")
    any_shop.cli("import", "contacts", "people.csv", "--at", iso("1h"))
    assert purged(any_shop, "2h")["contacts"] == 0
    assert purged(any_shop, "30d")["contacts"] == 0
    assert purged(any_shop, "31d")["contacts"] == 1
    assert "dora" not in as_text(database).lower()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=5), bought=st.lists(ORDER, max_size=3))
def test_whatever_was_imported_the_same_files_change_nothing_after_a_purge(
    sqlite_template: Path, tmp_path: Path, rows: list[Any], bought: list[Any]
) -> None:
    carts = [
        cart(id_, seen=f"{hours}h", email=email, cart_token=token, first_name="Wilhelmine")
        for id_, hours, email, token in rows
    ]
    orders = [
        order(id_, placed=f"{hours}h", email=email, **({"cart_id": ref} if ref == "c-2" else {"cart_token": ref}))
        for id_, hours, email, ref in bought
    ]
    with on_sqlite(sqlite_template, tmp_path)() as (database, folder):
        engine = Engine(database, folder)
        engine.carts(*carts, when="5h")
        if orders:
            engine.orders(*orders, when="5h")
        purge.run(database, before=at("30d"), now=at("60d"))
        before = contents(database)
        engine.carts(*reversed(carts), when="60d")
        if orders:
            engine.orders(*reversed(orders), when="60d")
        after = contents(database)
        for name in ("contacts", "carts", "cart_aliases", "cart_items", "orders"):
            assert after[name] == before[name]
        assert "Wilhelmine" not in str(after)
        assert "@example.com" not in str(after)

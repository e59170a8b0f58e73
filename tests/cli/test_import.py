"""`cartctl import carts` and `cartctl import orders`."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from tests.cli.exports import BAD, GOOD, native
from tests.cli.looking import carts, consents, everything, rows
from tests.shop import Cli, Shop, cart, order, write_csv

pytestmark = pytest.mark.usefixtures("sqlite_url")

DATA = Path(__file__).parent.parent / "data"
DATABASE = Path("cartctl.db")


# The four formats


def test_native_carts_file(cli: Cli) -> None:
    assert cli("import", "carts", DATA / "native/carts.csv", "--json").json == {
        "file": str(DATA / "native/carts.csv"),
        "format": "native-carts",
        "rows": 6,
        "accepted": 5,
        "ignored": 1,
        "rejected": 0,
        "ignored_because": {"blank": 1},
        "rejects_file": None,
        "already_imported": False,
        "carts": {"created": 3, "updated": 0, "unchanged": 0},
    }
    assert carts(DATABASE) == {
        "c-1": ("anna@example.com", "EUR", 10430, "active", None),
        "c-2": (None, "JPY", 3600, "active", None),
        "c-3": ("bea@example.com", "KWD", 12345, "active", None),
    }
    assert consents(DATABASE) == {"anna@example.com": "granted", "bea@example.com": "refused"}


def test_native_orders_file_closes_the_carts_it_bought(cli: Cli) -> None:
    cli("import", "carts", DATA / "native/carts.csv")
    result = cli("import", "orders", DATA / "native/orders.csv", "--json").json
    assert (result["format"], result["rows"], result["accepted"]) == ("native-orders", 3, 3)
    assert result["orders"] == {"created": 3, "updated": 0, "unchanged": 0, "carts_closed": 2, "unmatchable": 1}
    assert {key: row[3:] for key, row in carts(DATABASE).items()} == {
        "c-1": ("recovered", "o-1"),
        "c-2": ("recovered", "o-2"),
        "c-3": ("active", None),
    }
    assert rows(DATABASE, "SELECT external_id, total_minor, net_minor FROM orders ORDER BY 1") == [
        ("o-1", 10430, 10430),
        ("o-2", 3600, 2400),
        ("o-3", 500, 500),
    ]


def test_shopify_files(cli: Cli) -> None:
    seen = cli("import", "carts", DATA / "shopify/checkouts_export.csv", "--json").json
    assert (seen["format"], seen["rows"], seen["accepted"]) == ("shopify-checkouts", 4, 4)
    bought = cli("import", "orders", DATA / "shopify/orders_export.csv", "--json").json
    assert (bought["format"], bought["rows"], bought["orders"]["carts_closed"]) == ("shopify-orders", 4, 2)
    assert carts(DATABASE) == {
        "37107488451315": ("anna@example.com", "USD", 13226, "recovered", "6798482565856"),
        "37107488451316": (None, "USD", 1800, "recovered", "6798482565857"),
    }
    assert consents(DATABASE)["anna@example.com"] == "granted"


def test_files_of_the_other_kind_are_refused_with_the_right_command(cli: Cli) -> None:
    for kind, name, right in [
        ("carts", "native/orders.csv", "orders"),
        ("orders", "native/carts.csv", "carts"),
        ("carts", "shopify/orders_export.csv", "orders"),
        ("orders", "shopify/checkouts_export.csv", "carts"),
    ]:
        outcome = cli("import", kind, DATA / name, ok=False)
        assert outcome.exit_code == 2
        assert f"`cartctl import {right} {DATA / name}`" in outcome.err
    assert carts(DATABASE) == {}


@pytest.mark.parametrize(
    ("kind", "header"), [("carts", "cart_id,updated_at,email"), ("orders", "order_id,placed_at,email")]
)
def test_header_alone_is_an_empty_export(cli: Cli, kind: str, header: str) -> None:
    result = cli("import", kind, native(header=header), "--json").json
    assert (result["rows"], result["accepted"], result["rejected"]) == (0, 0, 0)
    assert result[kind]["created"] == 0


# Currency, zone, store


@pytest.mark.parametrize(
    ("cell", "option", "configured", "currency"),
    [
        ("usd", "GBP", "EUR", "USD"),
        ("", "GBP", "EUR", "GBP"),
        ("", None, "EUR", "EUR"),
        ("", None, None, "XXX"),
    ],
)
def test_currency_is_the_rows_else_the_options_else_the_stores_else_none(
    cli: Cli, cell: str, option: str | None, configured: str | None, currency: str
) -> None:
    if configured:
        Path("cartctl.toml").write_text(f'[stores.main]\ncurrency = "{configured}"\n')
    path = native(GOOD + "," + cell, header="cart_id,updated_at,email,currency")
    cli("import", "carts", path, *(["--currency", option] if option else []))
    assert carts(DATABASE)["c-1"][1] == currency


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [("EUR", "49.90", 4990), ("JPY", "500", 500), ("KWD", "1.234", 1234), ("EUR", "9.9951", 1000), ("JPY", "0.5", 0)],
)
def test_money_is_kept_in_the_minor_units_of_its_currency(cli: Cli, currency: str, price: str, minor: int) -> None:
    path = write_csv(Path("carts.csv"), cart(currency=currency, unit_price=price))
    cli("import", "carts", path)
    assert rows(DATABASE, "SELECT total_minor FROM carts") == [(minor,)]
    assert rows(DATABASE, "SELECT unit_price_minor FROM cart_items") == [(minor,)]


@pytest.mark.parametrize(
    ("option", "configured", "hour"), [("America/New_York", "Europe/Berlin", 15), (None, "Europe/Berlin", 9)]
)
def test_time_without_offset_is_read_in_the_zone_of_the_option_else_of_the_store(
    cli: Cli, option: str | None, configured: str, hour: int
) -> None:
    Path("cartctl.toml").write_text(f'[stores.main]\ntimezone = "{configured}"\n')
    cli("import", "carts", native("c-1,2026-03-02 10:00,"), *(["--timezone", option] if option else []))
    assert rows(DATABASE, "SELECT strftime('%H', last_activity_at / 1e6, 'unixepoch') FROM carts") == [(f"{hour:02d}",)]


def test_time_without_offset_where_no_zone_is_named_is_rejected_with_both_remedies(cli: Cli) -> None:
    outcome = cli("import", "carts", native("c-1,2026-03-02 10:00,"), ok=False)
    assert outcome.exit_code == 1
    assert "name its zone with --timezone Europe/Berlin or stores.main.timezone" in outcome.err


def test_files_belong_to_the_only_store_else_to_the_one_that_is_named(cli: Cli) -> None:
    cli("import", "carts", native(GOOD))
    Path("cartctl.toml").write_text("[stores.shoes]\n")
    cli("import", "carts", native(GOOD))
    Path("cartctl.toml").write_text("[stores.shoes]\n[stores.hats]\n")
    outcome = cli("import", "carts", native(GOOD), ok=False)
    assert (outcome.exit_code, outcome.err) == (
        2,
        "cartctl: --store: which shop are these files of? (hats, shoes)\n",
    )
    cli("import", "carts", native(GOOD), "--store", "hats")
    assert rows(DATABASE, "SELECT store FROM carts ORDER BY id") == [("main",), ("shoes",), ("hats",)]


def test_carts_and_orders_of_two_stores_never_meet(cli: Cli) -> None:
    cli("import", "carts", native(GOOD), "--store", "shoes")
    cli("import", "orders", write_csv(Path("orders.csv"), order(email="anna@example.com")), "--store", "hats")
    assert carts(DATABASE)["c-1"][3] == "active"


# Newer and older


def test_older_file_changes_nothing_of_a_newer_cart(cli: Cli) -> None:
    new = write_csv(Path("new.csv"), cart(seen="1h", unit_price="20.00"))
    old = write_csv(Path("old.csv"), cart(seen="0m", unit_price="10.00", email="bea@example.com"))
    cli("import", "carts", new)
    cli("import", "carts", old)
    assert rows(DATABASE, "SELECT count(*) FROM carts") == [(1,)]
    assert carts(DATABASE)["c-1"] == ("anna@example.com", "EUR", 2000, "active", None)


def test_newer_file_replaces_items_and_all(cli: Cli) -> None:
    cli("import", "carts", write_csv(Path("old.csv"), cart(), cart(product_name="Tea")))
    new = write_csv(Path("new.csv"), cart(seen="1h", product_name="Cake", unit_price="3.00", email=""))
    assert cli("import", "carts", new, "--json").json["carts"]["updated"] == 1
    assert rows(DATABASE, "SELECT name FROM cart_items") == [("Cake",)]
    assert carts(DATABASE)["c-1"][0] is None


def test_older_state_of_an_order_changes_nothing(cli: Cli) -> None:
    newer = order(status="refunded", refunded="49.90", updated_at="2026-03-05T10:00:00Z")
    older = order(status="paid", updated_at="2026-03-03T10:00:00Z")
    cli("import", "orders", write_csv(Path("newer.csv"), newer))
    assert cli("import", "orders", write_csv(Path("older.csv"), older), "--json").json["orders"]["unchanged"] == 1
    assert rows(DATABASE, "SELECT status, net_minor FROM orders") == [("refunded", 0)]


SIGNALS = [
    ("carts", "0m", "granted"),
    ("carts", "20m", "unknown"),
    ("orders", "10m", "refused"),
]


@pytest.mark.parametrize("order_", list(itertools.permutations(range(3))))
def test_newest_grant_or_refusal_of_a_contact_wins_in_any_order_of_files(cli: Cli, order_: tuple[int, ...]) -> None:
    for number in order_:
        kind, when, said = SIGNALS[number]
        row = cart(f"c-{number}", seen=when, consent=said) if kind == "carts" else order(placed=when, consent=said)
        row["email"] = "Anna@Example.com"
        cli("import", kind, write_csv(Path(f"{number}.csv"), row))
    assert consents(DATABASE) == {"anna@example.com": "refused"}


@pytest.mark.parametrize("words", [("granted", "refused"), ("refused", "granted")])
def test_of_a_grant_and_a_refusal_at_one_time_the_refusal_wins(cli: Cli, words: tuple[str, str]) -> None:
    for number, said in enumerate(words):
        cli("import", "carts", write_csv(Path(f"{number}.csv"), cart(f"c-{number}", consent=said)))
    assert consents(DATABASE) == {"anna@example.com": "refused"}


@pytest.mark.parametrize("files", [1, 2])
def test_what_was_said_under_a_former_address_stays_with_that_address(cli: Cli, files: int) -> None:
    seen = [
        cart(seen="0m", email="anna@example.com", consent="refused"),
        cart(seen="9m", email="bea@example.com", consent=""),
    ]
    for number, batch in enumerate([seen] if files == 1 else [[row] for row in seen]):
        cli("import", "carts", write_csv(Path(f"{number}.csv"), *batch))
    assert consents(DATABASE) == {"anna@example.com": "refused", "bea@example.com": "unknown"}


def test_unticked_box_takes_no_consent_back(cli: Cli) -> None:
    from tests.importers.shopify_rows import checkout, export

    for number, ticked in enumerate(["yes", "no", ""]):
        path = Path(f"checkouts_export_{number}.csv")
        created = f"2026-03-0{number + 2} 05:00:00 -0500"
        path.write_text(export(checkout(Name=f"#{number}", Id="", Accepts_Marketing=ticked, Created_at=created)))
        cli("import", "carts", path)
    assert consents(DATABASE) == {"anna@example.com": "granted"}


# The same file again


@pytest.mark.parametrize("kind", ["carts", "orders"])
def test_same_file_again_changes_nothing_and_says_so(cli: Cli, kind: str) -> None:
    first = cli("import", kind, DATA / f"native/{kind}.csv", "--json").json
    before = everything(DATABASE)
    again = cli("import", kind, DATA / f"native/{kind}.csv", "--json").json
    assert again["already_imported"] is True
    assert {key: again[key] for key in ("rows", "accepted", "ignored", "rejected")} == {
        key: first[key] for key in ("rows", "accepted", "ignored", "rejected")
    }
    assert again[kind] | {"created": 0, "updated": 0, "unchanged": 3} == again[kind]
    text = cli("import", kind, DATA / f"native/{kind}.csv").out
    assert text == f"{DATA / f'native/{kind}.csv'}: already imported; nothing changed (--again reads it anew)\n"
    assert everything(DATABASE) == before


def test_same_content_under_another_name_is_the_same_file(cli: Cli) -> None:
    cli("import", "carts", native(GOOD))
    assert cli("import", "carts", native(GOOD, name="copy.csv"), "--json").json["already_imported"] is True


def test_same_file_with_rejected_rows_again_is_no_failure(cli: Cli) -> None:
    path = native(GOOD, BAD)
    assert cli("import", "carts", path, ok=False).exit_code == 1
    Path("carts.rejects.csv").unlink()
    again = cli("import", "carts", path, "--json").json
    assert (again["rejected"], again["rejects_file"], again["already_imported"]) == (1, None, True)
    assert not Path("carts.rejects.csv").exists()


@pytest.mark.parametrize("kind", ["carts", "orders"])
def test_again_reads_anew_and_changes_nothing(cli: Cli, kind: str) -> None:
    cli("import", "carts", DATA / "native/carts.csv")
    cli("import", "orders", DATA / "native/orders.csv")
    before = [line for line in everything(DATABASE) if "imports" not in line]
    result = cli("import", kind, DATA / f"native/{kind}.csv", "--again", "--json").json
    assert result["already_imported"] is False
    assert {key: result[kind][key] for key in ("created", "updated", "unchanged")} == {
        "created": 0,
        "updated": 0,
        "unchanged": 3,
    }
    assert [line for line in everything(DATABASE) if "imports" not in line] == before


@pytest.mark.parametrize(
    "options", [["--store", "other"], ["--timezone", "Europe/Berlin"], ["--currency", "EUR"]], ids=lambda o: str(o[0])
)
def test_same_bytes_read_another_way_are_another_import(cli: Cli, options: list[str]) -> None:
    path = native(GOOD)
    cli("import", "carts", path)
    assert cli("import", "carts", path, *options, "--json").json["already_imported"] is False
    assert cli("import", "carts", path, *options, "--json").json["already_imported"] is True


# Several files


def test_one_file_is_an_object_and_several_are_a_list_in_their_order(cli: Cli) -> None:
    one, two = native(GOOD, name="one.csv"), native("c-2,2026-03-02T10:00:00Z,", name="two.csv")
    assert isinstance(cli("import", "carts", one, "--json").json, dict)
    both: list[dict[str, Any]] = cli("import", "carts", one, two, "--json").json
    assert [(result["file"], result["already_imported"]) for result in both] == [("one.csv", True), ("two.csv", False)]


def test_file_that_is_no_export_keeps_the_others_not_out(cli: Cli) -> None:
    one, wrong = native(GOOD, name="one.csv"), native(header="a,b", name="wrong.csv")
    two = native("c-2,2026-03-02T10:00:00Z,", name="two.csv")
    outcome = cli("import", "carts", one, wrong, two, "--json", ok=False)
    assert outcome.exit_code == 2
    assert [result["file"] for result in outcome.json] == ["one.csv", "two.csv"]
    assert outcome.err.startswith("cartctl: wrong.csv: no carts export that cartctl knows. Its columns are a, b.")
    assert set(carts(DATABASE)) == {"c-1", "c-2"}


def test_rejects_of_one_file_that_cannot_be_written_leave_what_was_imported_before_and_say_so(cli: Cli) -> None:
    Path("two.rejects.csv").mkdir()
    outcome = cli("import", "carts", native(GOOD, name="one.csv"), native(BAD, name="two.csv"), "--json", ok=False)
    assert outcome.exit_code == 2
    assert [(result["file"], result["carts"]["created"]) for result in outcome.json] == [("one.csv", 1)]
    assert "two.rejects.csv: the rejected rows cannot be written" in outcome.err


def test_list_stays_a_list_when_only_one_of_several_files_is_read(cli: Cli) -> None:
    outcome = cli("import", "carts", native(GOOD), "nothing.csv", "--json", ok=False)
    assert (outcome.exit_code, len(outcome.json)) == (2, 1)


def test_rejected_rows_of_one_file_and_a_wrong_other_file_are_both_told(cli: Cli) -> None:
    outcome = cli("import", "carts", native(BAD), "nothing.csv", "--json", ok=False)
    assert outcome.exit_code == 2
    assert sorted(line.split(":")[1].strip() for line in outcome.err.splitlines()) == ["carts.csv", "nothing.csv"]


# Output


def test_import_is_silent_without_v_and_one_line_with_it(cli: Cli) -> None:
    path = native(GOOD)
    outcome = cli("import", "carts", path)
    assert (outcome.out, outcome.err) == ("", "")
    outcome = cli("import", "carts", path, "--again", "-v")
    assert outcome.out == (
        "carts.csv: native-carts, 1 rows: 1 accepted, 0 ignored, 0 rejected; carts: 0 created, 0 updated, 1 unchanged\n"
    )


def test_rows_of_one_cart_far_apart_in_a_long_file_come_together(shop: Shop) -> None:
    many = [cart(f"c-{i % 3000}", product_name=f"Item {i // 3000}", unit_price="1.00") for i in range(6000)]
    result = shop.carts(*many, when="1h").json
    assert (result["accepted"], result["carts"]["created"]) == (6000, 3000)
    assert rows(DATABASE, "SELECT count(*), min(total_minor), max(total_minor) FROM carts") == [(3000, 200, 200)]

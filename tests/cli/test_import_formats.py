"""The formats of other shops through the command line: what an import of them leads to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartctl.importers.registry import formats
from tests.cli.looking import carts, rows
from tests.importers import shopify_rows
from tests.importers.examples import EXAMPLES
from tests.shop import Cli, Shop, at, iso, order

pytestmark = pytest.mark.usefixtures("sqlite_url")

DATABASE = Path("cartctl.db")
PEOPLE = {"1": "anna@example.com", "2": "bea@example.com", "3": ""}


def checkout(id_: str = "1", *, seen: str = "0m", **fields: Any) -> dict[str, Any]:
    """A checkout of Shopify's REST API, created and left at `seen`."""
    record = {
        "id": int(id_),
        "token": f"token-{id_}",
        "email": PEOPLE[id_] or None,
        "buyer_accepts_marketing": id_ == "1",
        "created_at": iso(seen),
        "updated_at": iso(seen),
        "completed_at": None,
        "abandoned_checkout_url": f"https://shop.example.com/recover/{id_}",
        "currency": "EUR",
        "total_price": f"{id_}0.50",
        "line_items": [{"title": "Blue mug", "variant_title": "large", "quantity": 1, "price": f"{id_}0.50"}],
    }
    return record | fields


def written(name: str, *records: Mapping[str, Any]) -> Path:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return Path(name)


def as_csv(id_: str, *, seen: str = "0m") -> dict[str, str]:
    return shopify_rows.checkout(
        **{
            "Name": f"#{id_}",
            "Id": id_,
            "Email": PEOPLE[id_],
            "Accepts Marketing": "yes" if id_ == "1" else "no",
            "Currency": "EUR",
            "Total": f"{id_}0.50",
            "Created_at": iso(seen),
            "Lineitem name": "Blue mug - large",
            "Lineitem price": f"{id_}0.50",
        }
    )


def days(shop: Shop, carts_file: Path) -> dict[str, Any]:
    """Import the carts, let them be abandoned, let Anna buy; return what the days came to."""
    shop.cli("import", "carts", carts_file, "--at", iso("10m"))
    shop.run("31m")
    shop.orders(order(email="anna@example.com", placed="2h"), when="3h")
    shop.run("25h")
    return {"report": shop.report("26h"), "sent": shop.sent, "carts": carts(shop.folder / "cartctl.db")}


def test_same_checkouts_through_csv_and_json_give_the_same_report(tmp_path: Path) -> None:
    outcomes = []
    for name in ("csv", "json"):
        folder = tmp_path / name
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            shop = Shop(Cli(folder), folder)
            file = folder / f"checkouts_export.{name}"
            if name == "csv":
                file.write_text(shopify_rows.export(*map(as_csv, PEOPLE)), encoding="utf-8")
            else:
                file.write_text(json.dumps({"checkouts": [checkout(id_) for id_ in PEOPLE]}), encoding="utf-8")
            outcomes.append(days(shop, file))
    from_csv, from_json = outcomes
    assert from_csv == from_json
    assert from_csv["report"]["revenue"] == {
        "EUR": {"abandoned": "61.50", "recovered_gross": "49.90", "recovered_net": "49.90"}
    }
    assert [(to, step) for to, step, _ in from_csv["sent"]] == [
        ("anna@example.com", "reminder"),
        ("bea@example.com", "reminder"),
        ("bea@example.com", "urgency"),
    ]


def test_completed_checkout_stops_the_mails_of_every_cart_of_the_shopper(shop: Shop) -> None:
    shop.carts({"cart_id": "older", "updated_at": iso("-5m"), "email": "anna@example.com", "total": "5"}, when="0m")
    shop.cli("import", "carts", written("a.jsonl", checkout()), "--at", iso("5m"))
    shop.run("31m")
    completed = checkout(completed_at=iso("1h"), updated_at=iso("1h"))
    result = shop.cli("import", "carts", written("b.jsonl", completed), "--json", "--at", iso("2h")).json
    assert (result["accepted"], result["orders"]["carts_closed"]) == (1, 2)
    assert shop.run("25h")["sent"] == 0
    assert {key: row[3:] for key, row in carts(DATABASE).items()} == {
        "1": ("recovered", "checkout:1"),
        "older": ("recovered", "checkout:1"),
    }


@pytest.mark.parametrize("orders_first", [False, True])
def test_completed_checkout_and_its_order_are_one_purchase(shop: Shop, *, orders_first: bool) -> None:
    shop.carts({"cart_id": "older", "updated_at": iso("-5m"), "email": "anna@example.com", "total": "5"}, when="0m")
    shop.cli("import", "carts", written("a.jsonl", checkout()), "--at", iso("5m"))
    shop.run("31m")
    completed = written("b.jsonl", checkout(completed_at=iso("1h"), updated_at=iso("1h")))
    # The export stamps the order seconds before its checkout, which it does not name.
    bought = order(email="anna@example.com", placed="59m", total="12.00")
    if orders_first:
        shop.orders(bought, when="2h")
    shop.cli("import", "carts", completed, "--at", iso("2h"))
    if not orders_first:
        assert shop.report("2h")["revenue"]["EUR"]["recovered_gross"] == "0.00"
        shop.orders(bought, when="3h")
    assert {row[4] for row in carts(DATABASE).values()} == {"o-1"}
    report = shop.report("4h")
    assert (report["recovered"], report["revenue"]["EUR"]["recovered_gross"]) == (2, "12.00")


def test_one_log_of_events_fills_carts_and_orders(any_shop: Shop) -> None:
    header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    lines = [
        "2026-03-02 10:00:00 UTC,view,1,9,,acme,10.00,7,s-1",
        "2026-03-02 10:01:00 UTC,cart,1,9,,acme,10.00,7,s-1",
        "2026-03-02 10:01:30 UTC,cart,2,9,,acme,5.00,7,s-1",
        "2026-03-02 10:02:00 UTC,remove_from_cart,2,9,,acme,5.00,7,s-1",
        "2026-03-02 10:00:00 UTC,cart,3,9,,acme,7.00,8,s-2",
        "2026-03-02 10:55:00 UTC,purchase,1,9,,acme,9.50,7,s-1",
    ]
    Path("log.csv").write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    arguments = ("import", "carts", "log.csv", "--json", "--currency", "EUR", "--at", iso("2h"))
    result = any_shop.cli(*arguments).json
    assert (result["rows"], result["accepted"], result["ignored"], result["rejected"]) == (6, 5, 1, 0)
    assert (result["carts"]["created"], result["orders"]["created"], result["orders"]["carts_closed"]) == (2, 1, 1)
    assert any_shop.cli(*arguments).json["already_imported"]
    again = any_shop.cli(*arguments, "--again").json
    assert (again["carts"]["unchanged"], again["orders"]["unchanged"]) == (2, 1)
    assert any_shop.run("2h")["sent"] == 0
    report = any_shop.report("2h")
    assert (report["carts"], report["abandoned"], report["recovered"]) == (2, 2, 1)
    assert report["revenue"]["EUR"] == {"abandoned": "17.00", "recovered_gross": "9.50", "recovered_net": "9.50"}


@pytest.mark.parametrize("name", [format_.name for format_ in formats("carts") if format_.never_has_offset])
def test_times_without_an_offset_need_a_zone(cli: Cli, name: str) -> None:
    file, content = EXAMPLES[name]
    Path(file).write_bytes(content)
    outcome = cli("import", "carts", file, ok=False)
    assert outcome.exit_code == 2
    assert "--timezone Europe/Berlin or stores.main.timezone" in outcome.err
    cli("import", "carts", file, "--timezone", "Europe/Berlin")
    seen = int(at("0m").timestamp()) * 1_000_000
    assert set(rows(DATABASE, "SELECT last_activity_at FROM carts")) == {(seen,)}


def cartflows(day: int, *rows: str, minute: int = 0) -> Path:
    header = "First-Name,Last-Name,Email,Phone,Products,Cart-Total in EUR,Order-Status,Unsubscribed,Coupon-Code\n"
    path = Path(f"woo-cart-abandonment-recovery-export-2026-03-{day:02d}-10-{minute:02d}-00.csv")
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def test_cart_that_every_export_shows_goes_through_its_sequence_once(shop: Shop) -> None:
    for day in range(5):
        other = f"Bea,Example,bea{day}@example.com,,Tea,5.00,normal,No,"  # no two exports are alike
        path = cartflows(2 + day, "Anna,Example,anna@example.com,,Mug,49.90,abandoned,No,", other)
        shop.cli("import", "carts", path, "--timezone", "UTC", "--at", iso(f"{day}d1m") if day else iso("1m"))
        shop.run_once(f"{day}d40m" if day else "40m")
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency", "offer"]


def test_cart_that_exports_go_on_showing_after_it_was_bought_is_not_written_to_again(shop: Shop) -> None:
    abandoned = "Anna,Example,anna@example.com,,Mug,49.90,abandoned,No,"
    shop.cli("import", "carts", cartflows(2, abandoned), "--timezone", "UTC", "--at", iso("1m"))
    shop.run("31m")
    shop.orders(order(email="anna@example.com", placed="1h"), when="2h")
    later = cartflows(4, abandoned, "Bea,Example,bea@example.com,,Tea,5.00,normal,No,")
    shop.cli("import", "carts", later, "--timezone", "UTC", "--at", iso("2d1m"))
    assert shop.run("2d40m")["sent"] == 0
    assert {row[3] for row in carts(DATABASE).values()} == {"recovered"}


ABANDONED = "Anna,Example,anna@example.com,,{},30.00,abandoned,No,"
BOUGHT = "Anna,Example,anna@example.com,,{},10.00,completed,No,"


def seen(shop: Shop, when: str, *rows: str, day: int, minute: int = 0) -> None:
    shop.cli("import", "carts", cartflows(day, *rows, minute=minute), "--timezone", "UTC", "--at", iso(when))


def test_purchase_of_cartflows_closes_the_carts_that_were_filled_otherwise(shop: Shop) -> None:
    seen(shop, "1m", ABANDONED.format('"Mug, Hat"'), day=2)
    seen(shop, "21m", BOUGHT.format("Mug"), day=2, minute=20)
    assert shop.run("45m")["sent"] == 0
    assert [row[3] for row in carts(DATABASE).values()] == ["converted"]


def test_old_purchase_of_cartflows_closes_no_cart_that_was_left_after_it(shop: Shop) -> None:
    seen(shop, "1m", BOUGHT.format("Mug"), ABANDONED.format("Hat"), day=2)
    seen(shop, "24h1m", BOUGHT.format("Mug"), ABANDONED.format("Hat"), ABANDONED.format("Tea"), day=3)
    seen(shop, "48h1m", BOUGHT.format("Mug"), ABANDONED.format("Tea"), day=4)
    assert shop.run("48h10m")["sent"] == 1
    assert sorted(row[3] for row in carts(DATABASE).values()) == ["abandoned", "converted"]


def test_second_purchase_of_the_same_by_the_same_shopper_closes_carts_too(shop: Shop) -> None:
    seen(shop, "1m", BOUGHT.format("Mug"), day=2)
    seen(shop, "24h1m", BOUGHT.format("Mug"), ABANDONED.format("Tea"), day=3)
    seen(shop, "24h21m", BOUGHT.format("Mug"), BOUGHT.format("Mug"), ABANDONED.format("Tea"), day=3, minute=20)
    assert shop.run("24h45m")["sent"] == 0


def test_unsubscribed_shopper_of_cartflows_is_not_written_to(shop: Shop) -> None:
    asked = {"anna": "Yes", "bea": "No"}
    people = [f"{name},Example,{name}@example.com,,Mug,49.90,abandoned,{said}," for name, said in asked.items()]
    shop.cli("import", "carts", cartflows(2, *people), "--timezone", "UTC", "--at", iso("5m"))
    shop.run("31m")
    assert shop.sent == [("bea@example.com", "reminder", "0:31")]


def test_unsubscription_in_a_later_export_is_heard(shop: Shop) -> None:
    row = "Anna,Example,anna@example.com,,Mug,49.90,abandoned,{},"
    shop.cli("import", "carts", cartflows(2, row.format("No")), "--timezone", "UTC", "--at", iso("1m"))
    shop.run("31m")
    shop.cli("import", "carts", cartflows(3, row.format("Yes")), "--timezone", "UTC", "--at", iso("24h1m"))
    shop.run("24h40m")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


def test_formats_lists_every_format_with_what_it_needs(cli: Cli) -> None:
    listed = cli("import", "formats").out.splitlines()
    assert {line.split()[1] for line in listed} == {format_.name for format_ in formats()}
    for format_ in formats():
        (line,) = (line for line in listed if line.split()[1] == format_.name)
        assert line.split()[0] == format_.kind
        assert format_.needs in line
        assert ("--timezone" in line) is format_.never_has_offset


def test_formats_as_json(cli: Cli) -> None:
    listed = cli("import", "formats", "--json").json
    assert {entry["name"]: (entry["kind"], entry["needs_timezone"]) for entry in listed} == {
        format_.name: (format_.kind, format_.never_has_offset) for format_ in formats()
    }
    assert {entry["reads"] for entry in listed} == {"CSV", "JSON"}

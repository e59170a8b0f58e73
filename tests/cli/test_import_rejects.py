"""What an import rejects: all of a file, or single rows, which can be mended and imported."""

import csv
import os
from pathlib import Path

import pytest

from tests.cli.exports import BAD, GOOD, native
from tests.cli.looking import carts, everything, rows
from tests.shop import Cli, cart, order, write_csv

pytestmark = pytest.mark.usefixtures("sqlite_url")

DATABASE = Path("cartctl.db")


# All or nothing


@pytest.mark.parametrize("cell", [b"x" * 1_000_001, b"\0"], ids=["too long", "no text"])
def test_what_is_no_text_in_the_last_line_leaves_nothing_of_the_file(cli: Cli, cell: bytes) -> None:
    cli("import", "carts", native("c-0,2026-03-02T10:00:00Z,"))
    before = everything(DATABASE)
    lines = "".join(f"c-{i},2026-03-02T10:00:00Z,anna@example.com\n" for i in range(1, 9))
    Path("carts.csv").write_bytes(
        f"cart_id,updated_at,email\n{BAD}\n{lines}c-9,2026-03-02T10:00:00Z,".encode() + cell + b"\n"
    )
    assert cli("import", "carts", "carts.csv", ok=False).exit_code == 2
    assert everything(DATABASE) == before
    assert list(Path().glob("carts.rejects*")) == []


@pytest.mark.parametrize("obstacle", ["carts.rejects.csv", "carts.rejects.csv.part"])
def test_rejected_rows_that_cannot_be_written_leave_nothing_of_the_file(cli: Cli, obstacle: str) -> None:
    cli("import", "carts", native("c-0,2026-03-02T10:00:00Z,"))
    before = everything(DATABASE)
    Path(obstacle).mkdir()
    outcome = cli("import", "carts", native(GOOD, BAD), ok=False)
    assert (outcome.exit_code, outcome.err.count("\n")) == (2, 1)
    assert "the rejected rows cannot be written" in outcome.err
    assert "see --rejects" in outcome.err
    assert everything(DATABASE) == before
    assert {path.name for path in Path().glob("*.part")} == ({obstacle} if obstacle.endswith("part") else set())


# Rejected rows


def rejected(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_bad_rows_are_rejected_by_row_column_and_reason_and_the_good_ones_kept(cli: Cli) -> None:
    outcome = cli("import", "carts", native(BAD, GOOD, "c-3,yesterday,", "c-4"), "--json", ok=False)
    assert outcome.exit_code == 1
    result = outcome.json
    assert (result["rows"], result["accepted"], result["rejected"]) == (4, 1, 3)
    assert result["rejects_file"] == "carts.rejects.csv"
    assert set(carts(DATABASE)) == {"c-1"}
    assert [row[:3] for row in rejected(Path("carts.rejects.csv"))] == [
        ["rejected_file", "rejected_row", "rejected_column"],
        ["carts.csv", "2", "email"],
        ["carts.csv", "4", "updated_at"],
        ["carts.csv", "5", ""],
    ]
    assert outcome.err.startswith(
        "cartctl: carts.csv: 3 of 4 rows rejected, see carts.rejects.csv; the first: row 2, email: is no e-mail address"
    )


def test_rejected_rows_go_to_the_folder_that_is_named(cli: Cli) -> None:
    Path("bad").mkdir()
    outcome = cli("import", "carts", native(BAD), "--rejects", "bad", "--json", ok=False)
    assert outcome.json["rejects_file"] == "bad/carts.rejects.csv"
    assert [path.name for path in Path("bad").iterdir()] == ["carts.rejects.csv"]
    assert list(Path().glob("*.rejects.csv")) == []


def test_nothing_rejected_leaves_no_file(cli: Cli) -> None:
    cli("import", "carts", native(GOOD))
    assert list(Path().glob("*rejects*")) == []


def test_mended_rejects_are_imported_as_they_are(cli: Cli) -> None:
    path = write_csv(
        Path("carts.csv"), cart("@anna", email="anna(at)example.com", product_name="=1+1", phone="+49 1512 3456789")
    )
    cli("import", "carts", path, ok=False)
    mended = Path("carts.rejects.csv")
    assert "'@anna" in mended.read_text()
    assert "'=1+1" in mended.read_text()
    mended.write_text(mended.read_text().replace("anna(at)example", "anna@example"))
    outcome = cli("import", "carts", mended, "--json")
    assert (outcome.json["accepted"], outcome.err) == (1, "")
    assert rows(DATABASE, "SELECT external_id, phone FROM carts") == [("@anna", "+4915123456789")]
    assert rows(DATABASE, "SELECT name FROM cart_items") == [("=1+1",)]
    assert not Path("carts.rejects.rejects.csv").exists()


def test_rows_rejected_twice_keep_one_set_of_reasons(cli: Cli) -> None:
    cli("import", "carts", native(BAD), ok=False)
    cli("import", "carts", "carts.rejects.csv", ok=False)
    header, row = rejected(Path("carts.rejects.rejects.csv"))
    assert header[4:] == ["cart_id", "updated_at", "email"]
    assert (row[0], row[4:]) == ("carts.rejects.csv", BAD.split(","))


def test_columns_that_are_not_used_are_noted_and_cost_nothing(cli: Cli) -> None:
    outcome = cli("import", "carts", native(f"{GOOD},2", header="cart_id,updated_at,email,quantty"))
    assert outcome.err == "cartctl: carts.csv: columns not used: quantty\n"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("carts", 'cart_id,updated_at,email,total\nc-1,2026-03-02T10:00:00Z,,"""anna smith""@private.example"\n'),
        ("carts", "cart_id,updated_at,email,total\nc-1,2026-03-02T10:00:00Z,,anna\uff20private.example\n"),
        ("carts", "cart_id,updated_at,email,anna@private.example\nc-1,2026-03-02T10:00:00Z,,1\n"),
        ("carts", "cart_id,updated_at,email,x@private.example,x@private.example\nc-1,2026-03-02T10:00:00Z,,1,1\n"),
        ("orders", 'cart_id,when,"anna smith"@private.example\nc-1,1,1\n'),
        ("suppressions", "emails@private.example,name\nanna,b\n"),
        ("coupons", "codes@private.example,name\nanna,b\n"),
    ],
)
def test_an_address_that_stood_in_a_wrong_place_is_not_printed(cli: Cli, kind: str, text: str) -> None:
    Path("list.csv").write_text(text, encoding="utf-8")
    for names in (("list.csv",), ("list.csv", "list.csv")):
        outcome = cli("import", kind, *names, "--again", ok=False)
        assert "list.csv: " in outcome.err
        assert "private.example" not in outcome.err + outcome.out
    Path("drop").mkdir()
    Path("drop/list.csv").write_text(text, encoding="utf-8")
    os.utime("drop/list.csv", (0, 0))
    outcome = cli("import", "inbox", "drop", "--json", ok=False)
    assert "private.example" not in outcome.err + outcome.out


@pytest.mark.parametrize("kind", ["carts", "orders"])
def test_absurd_cart_or_order_is_rejected_whole_and_can_be_mended(cli: Cli, kind: str) -> None:
    row = (cart if kind == "carts" else order)(quantity="9999", unit_price="900000000000", total="")
    outcome = cli("import", kind, write_csv(Path("export.csv"), row, row), "--json", ok=False)
    assert (outcome.json["accepted"], outcome.json["rejected"], outcome.json[kind]["created"]) == (0, 2, 0)
    mended = Path("export.rejects.csv")
    mended.write_text(mended.read_text().replace("900000000000", "9"))
    assert cli("import", kind, mended, "--json").json["accepted"] == 2


@pytest.mark.parametrize(("currency", "price", "minor"), [("KWD", "1.234", 1234), ("VND", "150.000", 150_000)])
def test_rejected_rows_of_a_currency_that_allows_one_reading_are_imported_once_mended(
    cli: Cli, currency: str, price: str, minor: int
) -> None:
    write_csv(Path("carts.csv"), cart("c-1", currency=currency, unit_price=price, quantity="many"))
    cli("import", "carts", "carts.csv", ok=False)
    rejects = Path("carts.rejects.csv")
    rejects.write_text(rejects.read_text().replace(",many,", ",1,"))
    cli("import", "carts", rejects)
    assert rows(DATABASE, "SELECT total_minor FROM carts") == [(minor,)]

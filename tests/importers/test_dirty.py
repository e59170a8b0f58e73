"""What exports look like after programs and people had them in hand: one small file for each quirk."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cartctl.importers.csvfile import CsvFile
from cartctl.importers.rejects import Rejects
from tests.importers.order_rows import shopify_record
from tests.importers.reading import Reading, read, stream_of

DIRTY = Path(__file__).parent.parent / "data" / "dirty"


def dirty(name: str, **context: Any) -> Reading:
    return read("carts", (DIRTY / name).read_bytes(), name=name, **context)


def notes(name: str) -> tuple[str, ...]:
    return CsvFile(Path(name), stream_of((DIRTY / name).read_bytes())).notes


@pytest.mark.parametrize(
    ("name", "first_names"),
    [
        ("byte_order_mark.csv", ["Jörg"]),
        ("unicode_text.txt", ["Jörg", "Ζωή"]),
        ("utf16_without_mark.csv", ["Jörg"]),
        ("windows_1252.csv", ["Jörg"]),
    ],
)
def test_encoding_is_told_by_the_bytes(name: str, first_names: list[str]) -> None:
    reading = dirty(name)
    assert [cart.first_name for cart in reading.carts] == first_names
    assert reading.errors == []


def test_windows_1252_is_said_and_utf8_is_not_worth_a_word() -> None:
    assert dirty("windows_1252.csv").cart.items[0].name == "Becher – groß"
    assert notes("windows_1252.csv") == ("is not UTF-8: what is none was read as cp1252 (Windows, western Europe)",)
    assert notes("byte_order_mark.csv") == notes("unicode_text.txt") == ()


@pytest.mark.parametrize("name", ["semicolons.csv", "tabs.tsv", "pipes.txt", "unicode_text.txt", "sep_line.csv"])
def test_delimiter_is_told_by_the_header(name: str) -> None:
    assert {cart.external_id for cart in dirty(name).carts} >= {"c-1"}


def test_comma_inside_a_cell_of_a_file_with_another_delimiter_belongs_to_the_cell() -> None:
    names = [dirty(name).carts[0].items[0].name for name in ("semicolons.csv", "tabs.tsv", "unicode_text.txt")]
    assert names == ["Tee, 250 g", "Tea, 250 g", "Tee, 250 g"]


def test_line_that_names_the_delimiter_is_not_counted() -> None:
    reading = dirty("sep_line.csv")
    assert (reading.accepted, reading.errors[0].row, reading.error[0]) == (1, 3, "updated_at")


def test_of_two_columns_with_one_name_the_first_counts_and_it_is_said() -> None:
    assert dirty("column_twice.csv").cart.email == "anna@example.com"
    assert notes("column_twice.csv") == ('column "email" stands there more than once: the first counts',)


def test_line_breaks_inside_cells_are_kept() -> None:
    reading = dirty("line_breaks_in_cells.csv")
    assert [cart.items[0].name for cart in reading.carts] == ["Blue\r\nmug", "Teapot"]


def test_apostrophe_that_marks_text_is_no_part_of_an_id_or_a_phone_number() -> None:
    cart = dirty("text_marks.csv").cart
    assert (cart.external_id, cart.phone) == ("00123", "+4915123456789")


def test_rounded_id_is_rejected_because_nothing_can_repair_it() -> None:
    reading = dirty("rounded_ids.csv")
    assert [cart.external_id for cart in reading.carts] == ["159000000000000001"]
    assert reading.error == ("cart_id", '"1.59E+17" was rounded by a spreadsheet; export it again, as text')


def test_currency_signs_and_thousands_are_read_as_each_country_writes_them() -> None:
    prices = [cart.items[0].unit_price for cart in dirty("currency_signs.csv").carts]
    assert prices == [Decimal(text) for text in ("2999", "1234.50", "1234.50", "1234.56", "1234.56")]


def test_column_as_a_whole_decides_what_its_comma_means() -> None:
    first, second = dirty("decimal_commas.csv").carts
    assert (first.items[0].unit_price, second.items[0].unit_price) == (Decimal("1.234"), Decimal("2.50"))
    assert (first.total, second.total) == (Decimal(1234), Decimal(1234))


def test_column_decides_for_orders_as_it_does_for_carts() -> None:
    rows = 'o-1,2026-03-02T10:00:00Z,anna@example.com,"1,234"\no-2,2026-03-02T10:00:00Z,bea@example.com,"2,50"\n'
    reading = read("orders", f"order_id,placed_at,email,total\n{rows}")
    assert [order.total for order in reading.orders] == [Decimal("1.234"), Decimal("2.50")]


def test_amount_that_stands_in_a_text_of_json_has_a_decimal_point() -> None:
    record = shopify_record() | {"total_price": "1.234"}
    assert read("orders", json.dumps([record]), name="orders.json").order.total == Decimal("1.234")


def test_record_is_rejected_with_the_very_text_it_has_in_the_file() -> None:
    record = json.dumps(shopify_record() | {"created_at": "today"}, indent=1)
    (error,) = read("orders", f"[{record}]", name="orders.json").errors
    assert (error.column, error.raw) == ("created_at", (record,))


def test_semicolons_go_with_decimal_commas() -> None:
    assert [cart.total for cart in dirty("semicolons.csv").carts] == [Decimal("1008.90"), Decimal(1234)]


def test_amount_on_which_nothing_decides_is_rejected_with_both_readings() -> None:
    reading = dirty("undecided.csv")
    assert reading.carts == []
    assert [(error.column, error.reason) for error in reading.errors] == [
        ("unit_price", '"1,234" may be 1234 or 1.234: write it without thousands separators'),
        ("unit_price", '"2,345" may be 2345 or 2.345: write it without thousands separators'),
    ]


def test_placeholders_are_blanks() -> None:
    cart = dirty("placeholders.csv").cart
    assert (cart.created_at, cart.total, cart.phone, cart.timezone) == (None, None, None, "")
    assert (cart.items[0].unit_price, cart.items[0].image_url, cart.items[0].quantity) == (None, "", 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cut_off.csv", "is cut off: it has 3 cells, the header 5, and the file ends within it"),
        ("cut_off_in_quotes.csv", 'opens a quote (") that is never closed: is the file cut off?'),
    ],
)
def test_last_row_that_is_cut_off_is_rejected_and_named(name: str, reason: str) -> None:
    reading = dirty(name)
    assert [cart.external_id for cart in reading.carts] == ["c-1"]
    assert (reading.errors[0].row, reading.error) == (3, ("", reason))


@pytest.mark.parametrize("name", ["totals.csv", "totals_without_a_word.csv"])
def test_row_of_totals_at_the_end_is_ignored(name: str) -> None:
    reading = dirty(name)
    assert (len(reading.carts), reading.errors) == (2, [])
    assert reading.ignored[0] == 4


def test_formula_is_text_on_the_way_in_and_harmless_on_the_way_out(tmp_path: Path) -> None:
    reading = dirty("formulas.csv")
    (cart,) = reading.carts
    assert cart.first_name == '=HYPERLINK("https://example.com")'
    assert cart.items[0].name == "@SUM(A1)"
    (error,) = reading.errors
    with Rejects(tmp_path / "out.csv", "formulas.csv", ("id", "at", "email", "first_name", "name", "count")) as file:
        file.add(error)
        file.keep()
    assert "'=1+1,'-2+3,many" in (tmp_path / "out.csv").read_text()

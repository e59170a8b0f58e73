"""Reading CSV files, whichever program wrote them."""

import io
from pathlib import Path
from typing import Any

import pytest

from cartctl.errors import InputFileError, UsageError
from cartctl.importers.csvfile import FIELD_LIMIT, CsvFile, digest, open_binary
from cartctl.importers.encoding import LINE_LIMIT
from cartctl.importers.fields import TOLD_BY_CURRENCY
from cartctl.importers.records import Ignored, RowError
from tests.importers.reading import csv_file, stream_of

FILE = Path("export.csv")


def rows(text: str | bytes) -> list[tuple[int, tuple[str, ...]] | RowError | Ignored]:
    return list(csv_file(text).rows())


def test_rows_can_be_read_again_from_the_start() -> None:
    file = csv_file('a,b\n1,"2"\n\n3,4\n')
    assert list(file.rows()) == list(file.rows()) == [(2, ("1", "2")), (3, ()), (4, ("3", "4"))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_rows_wanted_are_read_a_second_time_as_they_were(encoding: str) -> None:
    text = "a,b\n1,Größe\n\n3\n5,6\n7,8,\n9,'=1"
    file = csv_file(text.encode(encoding))
    assert list(file.again(iter([2, 4, 6, 7]))) == [
        (2, ("1", "Größe")),
        (4, ("3",)),
        (6, ("7", "8")),
        (7, ("9", "'=1")),
    ]


def test_rows_of_a_rejects_file_are_read_a_second_time_as_they_once_were() -> None:
    file = csv_file("rejected_file,rejected_row,rejected_column,rejected_reason,a,b\nx.csv,2,,is bad,'=1,2\n")
    assert list(file.again([2])) == [(2, ("=1", "2"))]


def test_rows_have_the_numbers_that_a_spreadsheet_shows() -> None:
    assert rows('a,b\n1,"two\nlines"\n\n3,4\n') == [(2, ("1", "two\nlines")), (3, ()), (4, ("3", "4"))]


def test_blank_rows_before_the_header_are_skipped_and_counted() -> None:
    file = csv_file("\n,\na,b\n1,2\n")
    assert file.header.columns == ("a", "b")
    assert list(file.rows()) == [(4, ("1", "2"))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_line_is_read_with_and_without_one_after_the_last_row(end: str) -> None:
    assert rows(end.join(["a,b", "1,2", "3,4"])) == rows(end.join(["a,b", "1,2", "3,4", ""]))
    assert rows(end.join(["a,b", "1,2", "3,4"])) == [(2, ("1", "2")), (3, ("3", "4"))]


def test_crlf_inside_quotes_belongs_to_the_cell_in_a_file_with_lf() -> None:
    assert rows('a,b\n1,"two\r\nlines"\n3,4\n') == [(2, ("1", "two\r\nlines")), (3, ("3", "4"))]


def test_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert csv_file(b"\xef\xbb\xbfcart_id,email\n").header.columns == ("cart_id", "email")


def test_column_names_are_compared_without_case_and_space_and_the_first_of_two_counts() -> None:
    header = csv_file(" Email ,NAME,email\n").header
    assert header.names == {"email", "name"}
    assert header.positions() == {"email": 0, "name": 1}


def test_row_with_too_few_or_too_many_cells_is_rejected_with_all_its_cells() -> None:
    short, long, padded = rows("a,b\n1\n1,2,3\n1,2,,\n")
    assert short == RowError(2, "", "has 1 cells, the header 2", ("1",))
    assert long == RowError(3, "", "has 3 cells, the header 2", ("1", "2", "3"))
    assert padded == (4, ("1", "2"))


@pytest.mark.parametrize("before", ["", "3,4\n"])
def test_quote_that_is_never_closed_costs_its_row_and_no_row_before(before: str) -> None:
    *kept, last = rows(f'a,b\n{before}5,"six\n7,8\n')
    assert len(kept) == before.count("\n")
    reason = 'opens a quote (") that is never closed: is the file cut off?'
    assert last == RowError(2 + len(kept), "", reason, ("5", "six\n7,8\n"))


@pytest.mark.parametrize("content", ["", "\n\n", ",,\n , \n".replace(" ", ""), b"\xef\xbb\xbf"])
def test_file_without_a_header_is_empty(content: str | bytes) -> None:
    with pytest.raises(InputFileError, match=r"^export\.csv: the file is empty: export it again$"):
        csv_file(content)


def test_header_with_an_open_quote_is_refused() -> None:
    with pytest.raises(InputFileError, match=r'^export\.csv: row 1 opens a quote \("\) that is never closed'):
        csv_file('cart_id,"email\n1,2\n')


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"a,b\n" + b"1,2\n" * 500_000 + b"1,\0\n"])
def test_binary_file_is_refused_wherever_that_shows(content: bytes) -> None:
    with pytest.raises(InputFileError, match=r"^export\.csv: is no text file: expected a CSV export$"):
        csv_file(content)


def test_bytes_that_only_seem_utf16_are_refused() -> None:
    with pytest.raises(InputFileError, match=r"^export\.csv: begins as UTF-16 and is not: export it again$"):
        csv_file(b"\xff\xfea\0,\0\x00\xd8a\0")


def test_character_cut_off_at_the_end_does_not_make_a_file_cp1252() -> None:
    file = csv_file("a,b\nJörg,Zoë".encode()[:-1])
    assert list(file.rows()) == [(2, ("Jörg", "Zo\N{REPLACEMENT CHARACTER}"))]
    assert file.notes == ()


def test_one_byte_of_cp1252_spoils_no_utf8_beside_it() -> None:
    file = csv_file("a,b\nJörg,".encode() + b"Zo\xeb\n")
    assert list(file.rows()) == [(2, ("Jörg", "Zoë"))]
    assert file.notes != ()


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("a,b", ("a", "b")),
        ("a;b", ("a", "b")),
        ("a\tb", ("a", "b")),
        ("a|b", ("a", "b")),
        ('"a;b;c",d', ("a;b;c", "d")),
        ('"a,\nb,c";d', ("a,\nb,c", "d")),
        ("Price, net;Name;Size", ("Price, net", "Name", "Size")),
        ("\r\n;;\r\na;b", ("a", "b")),
        ('"sep=|"\r\na;|b', ("a;", "b")),
        ("SEP=\t\na\tb", ("a", "b")),
        ("alone", ("alone",)),
    ],
)
def test_delimiter_is_that_of_the_header_outside_quotes(header: str, columns: tuple[str, ...]) -> None:
    assert csv_file(f"{header}\r\n").header.columns == columns


@pytest.mark.parametrize("word", ["Total", "TOTALS:", "Sum", "Gesamt", "Grand total", "Summe"])
def test_last_row_that_calls_itself_a_total_is_ignored(word: str) -> None:
    assert rows(f"id,name,price\n1,a,2\n{word},,2\n")[-1] == Ignored(3, "totals")
    assert rows(f"id,name,price\n1,a,2\n,{word},2\n\n")[-2:] == [Ignored(3, "totals"), (4, ())]
    assert rows(f"id,name,price\n1,a,2\n{word},2")[-1] == Ignored(3, "totals")


def test_total_that_is_not_the_last_row_is_a_row() -> None:
    assert rows("id,price\nTotal,5\n1,2\n") == [(2, ("Total", "5")), (3, ("1", "2"))]


def test_last_row_of_numbers_is_a_total_only_if_it_adds_up() -> None:
    assert rows('id,n,price\n1,1,"1,200.00"\n2,2,2\n,3,"1,202.00 €"\n')[-1] == Ignored(4, "totals")
    assert rows("id,n,price\n1,1,2\n2,2,2\n,7,9\n")[-1] == (4, ("", "7", "9"))
    assert rows("id,n,price\n1,1,2\n2,2,2\n,x,4\n")[-1] == (4, ("", "x", "4"))


def test_last_row_cut_off_is_named_only_where_the_file_ends_in_it() -> None:
    cut_off = "is cut off: it has 1 cells, the header 2, and the file ends within it"
    assert rows("a,b\n1,2\n3")[-1] == RowError(3, "", cut_off, ("3",))
    assert rows("a,b\n1,2\n3\n")[-1] == RowError(3, "", "has 1 cells, the header 2", ("3",))


@pytest.mark.parametrize(
    ("cells", "sign"),
    [
        (["1,234", "2,50"], ","),
        (["1,234", "2.50"], "."),
        (["1.234", "1.234,56"], ","),
        (["1,234,567", "1,234"], "."),
        (["1,234", "999"], "."),
        (["1.234", "2.345"], TOLD_BY_CURRENCY),
        (["1.234", "2.345", "0.5"], "."),
        (["1.234", "2,345"], ""),
        (["1,234", "2,345"], ""),
        (["2,50", "2.50", "1,234"], ""),
        (["US$ 2.50", "-", "n/a"], "."),
    ],
)
def test_column_of_amounts_has_one_decimal_sign(cells: list[str], sign: str) -> None:
    text = "id,Price\n" + "".join(f'1,"{cell}"\n' for cell in cells)
    assert csv_file(text).decimal_sign("price") == sign
    assert csv_file(text).decimal_sign(" Price") == sign


@pytest.mark.parametrize(
    ("cells", "currency", "sign"),
    [
        (["150.000", "75.000", "0"], "VND", ","),
        (["150.000", "75.000"], "IDR", ","),
        (["1.234"], "EUR", ","),
        (["1.234", "12.50"], "EUR", "."),
        (["1.234", "5"], "KWD", "."),
        (["150,000"], "VND", "."),
        (["1.234"], "KWD,EUR", ""),
        (["150.000"], "VND,IDR", ","),
    ],
)
@pytest.mark.parametrize("place", ["column", "file"])
def test_currency_decides_where_all_points_stand_before_three_digits(
    cells: list[str], currency: str, sign: str, place: str
) -> None:
    codes = currency.split(",")
    if place == "file" and len(codes) > 1:
        return
    rows = [f'{codes[n % len(codes)] if place == "column" else ""},"{cell}"\n' for n, cell in enumerate(cells * 2)]
    file = csv_file("currency,price\n" + "".join(rows))
    file.currency = codes[0] if place == "file" else "XXX"
    assert file.decimal_sign("price") == sign


@pytest.mark.parametrize(
    ("cell", "currency", "sign"),
    [
        ("1.234", "EUR", ","),
        ("1.234", "KWD", "."),
        ("1.234", "XXX", ","),
        ("1,234", "EUR", ""),
        ("1,234", "KWD", ","),
        ("1,234", "XXX", ","),
        ("150,000", "VND", "."),
    ],
)
def test_currency_decides_beside_semicolons(cell: str, currency: str, sign: str) -> None:
    file = csv_file(f"id;price\n1;{cell}\n")
    file.currency = currency
    assert file.decimal_sign("price") == sign


def test_semicolons_decide_where_the_column_does_not() -> None:
    assert csv_file("id;price\n1;1,234\n").decimal_sign("price") == ","
    assert csv_file("id;price\n1;1,234\n2;2.50\n").decimal_sign("price") == "."


def test_rejected_rows_are_too_few_to_decide_by_what_is_missing() -> None:
    header = "rejected_file,rejected_row,rejected_column,rejected_reason,id,price\n"
    assert csv_file(header + 'x.csv,2,,is bad,1,"1,234"\nx.csv,3,,is bad,1,5\n').decimal_sign("price") == ""


@pytest.mark.parametrize(("currency", "sign"), [("KWD", "."), ("VND", ","), ("EUR", "")])
def test_rejected_rows_are_decided_by_a_currency_that_allows_one_reading(currency: str, sign: str) -> None:
    header = "rejected_file,rejected_row,rejected_column,rejected_reason,price,currency\n"
    assert csv_file(header + f"x.csv,2,,is bad,1.234,{currency}\n").decimal_sign("price") == sign


def test_mapped_column_counts_under_our_name() -> None:
    file = CsvFile(FILE, stream_of("Customer E-mail,email,Id\n1,2,3\n"), {"customer e-MAIL ": "Email", "ID": "cart_id"})
    assert file.header.columns == ("Customer E-mail", "email", "Id")
    assert file.header.names == {"email", "cart_id"}
    assert file.header.positions() == {"email": 0, "cart_id": 2}


def test_mapping_of_a_column_that_is_not_there_is_refused_with_what_was_meant() -> None:
    with pytest.raises(InputFileError, match=r'--map: column "E-mial" is missing \(did you mean "e-mail"\?\)'):
        CsvFile(FILE, stream_of("E-mail,Id\n"), {"E-mial": "email"})


def test_two_columns_mapped_to_one_are_refused() -> None:
    with pytest.raises(UsageError, match=r'^--map: both "e-mail" and "Mail" are mapped to "email"$'):
        CsvFile(FILE, stream_of("E-mail,Mail\n"), {"E-mail": "email", "Mail": "email"})


def test_line_beyond_all_measure_is_refused_by_the_limit() -> None:
    for line_end in ("", "\n", "\r\n3,4\n"):
        with pytest.raises(InputFileError, match=f"a line is longer than {LINE_LIMIT:,} bytes, the limit of one line"):
            csv_file("a,b\n1," + "x" * (LINE_LIMIT + 1_100_000) + line_end)


def test_cell_beyond_all_measure_is_taken_for_a_missing_quote() -> None:
    with pytest.raises(InputFileError, match=r"^export\.csv: line \d+: .*is a quote never closed\?"):
        rows('a,b\n1,"' + "x\n" * (FIELD_LIMIT // 2 + 1))


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"nothing\.csv: no such file$"):
        open_binary(tmp_path / "nothing.csv")
    with pytest.raises(InputFileError, match=r": is a folder: name the files in it$"):
        open_binary(tmp_path)
    with pytest.raises(InputFileError, match=r"/dev/null: is no file that can be read twice"):
        open_binary(Path("/dev/null"))


def test_digest_leaves_the_file_at_its_start(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("a,b\n1,2\n")
    with open_binary(path) as stream:
        first = digest(path, stream)
        assert first == digest(path, stream)
        assert list(CsvFile(path, stream).rows()) == [(2, ("1", "2"))]


class FailingDisk(io.BytesIO):
    """Gives up behind its first bytes."""

    def __init__(self) -> None:
        super().__init__(b"a,b\n1,2\n" + b"3,4\n" * 50_000)

    def readinto(self, buffer: Any, /) -> int:
        if self.tell() > 100_000:
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)


def test_disk_that_fails_is_an_error_of_that_file() -> None:
    for read in (digest, CsvFile):
        with pytest.raises(InputFileError, match=r"^export\.csv: cannot be read: Input/output error$"):
            read(FILE, io.BufferedReader(FailingDisk()))


class FailingLater(io.BytesIO):
    """A disk that is sound when the file is opened."""

    fails = False

    def readinto(self, buffer: Any, /) -> int:
        if self.fails:
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)


def test_disk_that_fails_later_is_too() -> None:
    disk = FailingLater(b"a,b\n" + b"3,4\n" * 50_000)
    file = CsvFile(FILE, io.BufferedReader(disk))
    disk.fails = True
    with pytest.raises(InputFileError, match=r"^export\.csv: cannot be read: Input/output error$"):
        list(file.rows())


def test_file_of_rejected_rows_reads_as_the_rows_once_were() -> None:
    file = csv_file(
        "rejected_file,rejected_row,rejected_column,rejected_reason,cart_id,email\n"
        "carts.csv,2,email,is no e-mail address,'@anna,'-\n"
        "carts.csv,3,,has 1 cells the header 2,c-3\n"
    )
    assert file.header.columns == ("cart_id", "email")
    assert list(file.rows()) == [(2, ("@anna", "-")), RowError(3, "", "has 1 cells, the header 2", ("c-3",))]


def test_apostrophes_in_other_files_are_left_alone() -> None:
    assert rows("cart_id,email\n'@anna,x\n") == [(2, ("'@anna", "x"))]


def test_what_a_broken_header_swallowed_is_not_told() -> None:
    header = csv_file('"a,b\nanna@example.com,x",c\n1,2\n').header
    assert (len(header.names), header.tellable) == (2, ("c",))

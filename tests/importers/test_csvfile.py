"""Reading CSV files, whichever program wrote them."""

import io
from pathlib import Path
from typing import Any

import pytest

from cartctl.errors import InputFileError
from cartctl.importers.csvfile import FIELD_LIMIT, CsvFile, digest, open_binary
from cartctl.importers.records import RowError
from tests.importers.reading import csv_file

FILE = Path("export.csv")


def rows(text: str | bytes) -> list[tuple[int, tuple[str, ...]] | RowError]:
    return list(csv_file(text).rows())


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
    assert last == RowError(2 + len(kept), "", 'opens a quote (") that is never closed', ("5", "six\n7,8\n"))


@pytest.mark.parametrize("content", ["", "\n\n", ",,\n , \n".replace(" ", ""), b"\xef\xbb\xbf"])
def test_file_without_a_header_is_empty(content: str | bytes) -> None:
    with pytest.raises(InputFileError, match=r"^export\.csv: the file is empty: export it again$"):
        csv_file(content)


def test_header_with_an_open_quote_is_refused() -> None:
    with pytest.raises(InputFileError, match=r'^export\.csv: row 1 opens a quote \("\) that is never closed'):
        csv_file('cart_id,"email\n1,2\n')


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text file: expected a CSV export"),
        ("cart_id,email\n".encode("utf-16"), "is UTF-16: save it as UTF-8, then import it"),
        ("cart_id,email\n".encode("utf-16-le"), "is no text file: expected a CSV export"),
        ("cart_id,größe\n".encode("cp1252"), r"is not UTF-8 \(byte 0xf6\): save it as UTF-8, then import it"),
    ],
)
def test_binary_and_other_encodings_are_refused_with_what_to_do(content: bytes, complaint: str) -> None:
    with pytest.raises(InputFileError, match=f"^export.csv: {complaint}$"):
        csv_file(content)


@pytest.mark.parametrize("bad", [b"\0", b"\xe9"])
def test_bad_byte_far_behind_the_start_is_found_too(bad: bytes) -> None:
    file = csv_file(b"a,b\n" + b"1,2\n" * 5000 + b"1," + bad + b"\n")
    with pytest.raises(InputFileError):
        list(file.rows())


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


class FailingDisk(io.RawIOBase):
    """Gives up behind its first bytes."""

    def __init__(self) -> None:
        self._start = b"a,b\n1,2\n" + b"3,4\n" * 5000

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._start:
            raise OSError(5, "Input/output error")
        piece = self._start[: len(buffer)]
        self._start = self._start[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


def test_disk_that_fails_is_an_error_of_that_file() -> None:
    complaint = r"^export\.csv: cannot be read: Input/output error$"
    with pytest.raises(InputFileError, match=complaint):
        digest(FILE, io.BufferedReader(FailingDisk()))
    file = CsvFile(FILE, io.BufferedReader(FailingDisk()))
    with pytest.raises(InputFileError, match=complaint):
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

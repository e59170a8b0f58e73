"""The file of rejected rows."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.errors import UsageError
from cartctl.importers.records import RowError
from cartctl.importers.rejects import Rejects, harmless, original
from tests.importers.reading import json_file

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1"]


@pytest.fixture
def rejects(tmp_path: Path) -> Callable[[], Rejects]:
    return lambda: Rejects(tmp_path / "carts.rejects.csv", "carts.csv", ("cart_id", "email"))


def written(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_kept_file_says_where_and_why_and_then_the_row_as_it_was(
    rejects: Callable[[], Rejects], tmp_path: Path
) -> None:
    with rejects() as file:
        file.add(RowError(3, "email", "is no e-mail address", ("c-1", "anna, or\nso")))
        file.add(RowError(9, "", "has 1 cells, the header 2", ("c-2",)))
        file.keep()
    assert written(tmp_path / "carts.rejects.csv") == [
        ["rejected_file", "rejected_row", "rejected_column", "rejected_reason", "cart_id", "email"],
        ["carts.csv", "3", "email", "is no e-mail address", "c-1", "anna, or\nso"],
        ["carts.csv", "9", "", "has 1 cells, the header 2", "c-2"],
    ]
    assert (file.count, file.first) == (2, "row 3, email: is no e-mail address")
    assert list(tmp_path.iterdir()) == [tmp_path / "carts.rejects.csv"]


def test_nothing_rejected_leaves_no_file(rejects: Callable[[], Rejects], tmp_path: Path) -> None:
    with rejects() as file:
        file.keep()
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_kept_is_gone(rejects: Callable[[], Rejects], tmp_path: Path) -> None:
    (tmp_path / "carts.rejects.csv").write_text("of an earlier import")
    with rejects() as file:
        file.add(RowError(2, "", "is bad", ("x", "y")))
    assert [path.name for path in tmp_path.iterdir()] == ["carts.rejects.csv"]
    assert (tmp_path / "carts.rejects.csv").read_text() == "of an earlier import"


def test_kept_file_replaces_that_of_an_earlier_import(rejects: Callable[[], Rejects], tmp_path: Path) -> None:
    (tmp_path / "carts.rejects.csv").write_text("of an earlier import")
    with rejects() as file:
        file.add(RowError(2, "", "is bad", ("x", "y")))
        file.keep()
    assert written(tmp_path / "carts.rejects.csv")[1][1] == "2"


def test_folder_that_cannot_be_written_to_is_an_error_that_names_the_way_out(
    rejects: Callable[[], Rejects], tmp_path: Path
) -> None:
    (tmp_path / "carts.rejects.csv.part").mkdir()
    with rejects() as file, pytest.raises(UsageError, match=r"carts\.rejects\.csv: .*cannot be written.*see --rejects"):
        file.add(RowError(2, "", "is bad", ("x",)))


def keep_many(rejects: Rejects, rows: int) -> None:
    with rejects as file:
        for row in range(rows):
            file.add(RowError(row, "", "is bad", ("x", "y")))
        file.keep()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("rows", [1, 2000])
def test_full_disk_is_an_error_that_names_the_way_out(
    rejects: Callable[[], Rejects], tmp_path: Path, rows: int
) -> None:
    (tmp_path / "carts.rejects.csv.part").symlink_to("/dev/full")
    with pytest.raises(UsageError, match="No space left on device"):
        keep_many(rejects(), rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ('{"id" : 1.50,\n "name": "Jörg\\n"}', '{"id":1.50,"name":"Jörg\\n"}'),
        ('{"id": 1, "na', '"{\\"id\\": 1, \\"na"'),
        ("[" * 10_000, json.dumps("[" * 10_000)),
        ("", '""'),
    ],
)
def test_record_stands_on_one_line_as_it_was_or_as_a_text_where_it_is_no_json(
    tmp_path: Path, text: str, record: str
) -> None:
    with Rejects(tmp_path / "x.rejects.jsonl", "x.json", None) as file:
        file.add(RowError(3, "email", 'is "no" e-mail address', (text,)))
        file.add(RowError(4, "", "is bad", (text,)))
        file.keep()
    first, second = (tmp_path / "x.rejects.jsonl").read_text(encoding="utf-8").splitlines()
    assert first == (
        '{"rejected_file":"x.json","rejected_row":"3","rejected_column":"email",'
        f'"rejected_reason":"is \\"no\\" e-mail address","record":{record}}}'
    )
    assert json.loads(second)["rejected_reason"] == "is bad"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.integers())
def test_every_record_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str, number: int) -> None:
    path = tmp_path_factory.mktemp("rejects") / "x.rejects.jsonl"
    record = {"text": text, "number": number}
    with Rejects(path, "x.json", None) as file:
        file.add(RowError(1, "", "is bad", (json.dumps(record, indent=1),)))
        file.keep()
    assert list(json_file(path.read_bytes()).records()) == [(1, record)]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_spreadsheet_will_run_a_cell(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-5", "+4915123456789", "-1,234.50", "anna@example.com", "", "'tis", "1=1"])
def test_numbers_and_plain_text_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == cell


@given(st.text() | st.text("'=+-@\t1a", max_size=6))
def test_every_cell_comes_back_as_it_was(cell: str) -> None:
    assert original(harmless(cell)) == cell

"""Times whose day and month the file as a whole tells apart."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.errors import InputFileError
from cartctl.importers.fields import FieldError
from cartctl.importers.records import Context
from cartctl.importers.wallclock import WallClock
from tests.importers.reading import csv_file

UTC_ZONE = ZoneInfo("UTC")
NAMES = ("placed", "paid")


def clock(*cells: str, day_first: bool | None = None, column: str = "placed") -> WallClock:
    """The clock of a file with these cells in one column."""
    text = f"id,{column}\n" + "".join(f'1,"{cell}"\n' for cell in cells)
    return WallClock.of(csv_file(text), NAMES, Context(store="main", zone=UTC_ZONE, day_first=day_first))


def read(text: str, *others: str, day_first: bool | None = None) -> str:
    moment = clock(text, *others, day_first=day_first).instant(text, "placed")
    return f"{moment:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("text", "others", "expected"),
    [
        ("03/04/2026 10:30", ["13/04/2026"], "2026-04-03 10:30:00"),
        ("03/04/2026 10:30", ["04/13/2026"], "2026-03-04 10:30:00"),
        ("3/4/2026 1:05", ["4/13/2026 00:00"], "2026-03-04 01:05:00"),
        ("03-04-2026 10:30:59", ["13-04-2026"], "2026-04-03 10:30:59"),
        ("03.04.2026 10:30", [], "2026-04-03 10:30:00"),
        ("04/04/2026 10:30", [], "2026-04-04 10:30:00"),
        ("2026-04-03 10:30", [], "2026-04-03 10:30:00"),
        ("2026/4/3 10:30", [], "2026-04-03 10:30:00"),
        ("2026-04-03T10:30:00+02:00", [], "2026-04-03 08:30:00"),
        ("2026-04-03 10:30:00.250", [], "2026-04-03 10:30:00"),
        ("04/13/2026 12:05 AM", [], "2026-04-13 00:05:00"),
        ("04/13/2026 12:05 pm", [], "2026-04-13 12:05:00"),
        ("04/13/2026, 2:05:09 p.m.", [], "2026-04-13 14:05:09"),
        ("04/13/2026", [], "2026-04-13 23:59:59"),
        ("2026-04-13", [], "2026-04-13 23:59:59"),
    ],
)
def test_time_is_read_as_the_file_writes_them(text: str, others: list[str], expected: str) -> None:
    assert read(text, *others) == expected


def test_another_column_of_the_file_may_decide() -> None:
    text = "id,placed,paid\n1,03/04/2026,\n2,05/04/2026,17/04/2026\n"
    found = WallClock.of(csv_file(text), NAMES, Context(store="main", zone=UTC_ZONE))
    assert found.day_first is True


def test_dates_with_dots_stand_with_the_day_first_whatever_others_do() -> None:
    assert read("03.04.2026 10:30", "04/13/2026") == "2026-04-03 10:30:00"
    assert read("03/04/2026 10:30", "03.04.2026", "04/13/2026") == "2026-03-04 10:30:00"


def test_row_that_will_be_rejected_decides_nothing() -> None:
    file = csv_file("id,placed\n1\n\n2,03/04/2026\n3,13/04/2026\n")
    assert WallClock.of(file, NAMES, Context(store="main", zone=UTC_ZONE)).day_first is True


def test_rows_are_still_there_after_the_look_through_the_file() -> None:
    file = csv_file("id,placed\n1,03/04/2026\n2,13/04/2026\n")
    WallClock.of(file, NAMES, Context(store="main", zone=UTC_ZONE))
    assert list(file.rows()) == [(2, ("1", "03/04/2026")), (3, ("2", "13/04/2026"))]


def test_file_in_which_no_date_decides_is_refused_with_advice() -> None:
    with pytest.raises(InputFileError) as caught:
        clock("04/04/2026 10:00", "03/04/2026 10:00")
    assert str(caught.value) == (
        'export.csv: "03/04/2026" may be a day and a month or a month and a day, and no date of the file tells: '
        'set stores.main.date_order = "day-first" or "month-first", or export more days, so that one is after the 12th'
    )


def test_date_that_may_be_two_among_dates_that_may_not_is_refused_by_itself() -> None:
    found = clock("2026-04-03 10:30", "03/04/2026 10:30")
    with pytest.raises(FieldError, match=r'may be a day and a month .* set stores\.main\.date_order = "day-first"'):
        found.instant("03/04/2026 10:30", "placed")


def test_configuration_decides_where_no_date_does() -> None:
    assert read("03/04/2026 10:30", day_first=True) == "2026-04-03 10:30:00"
    assert read("03/04/2026 10:30", day_first=False) == "2026-03-04 10:30:00"


def test_file_that_tells_is_read_as_it_tells_whatever_is_configured() -> None:
    assert read("03/04/2026 10:30", "13/04/2026", day_first=False) == "2026-04-03 10:30:00"
    assert read("03/04/2026 10:30", "04/13/2026", day_first=True) == "2026-03-04 10:30:00"


@pytest.mark.parametrize("text", ["04/13/2026", "31/02/2026", "13/04/2026 25:00", "13/04/2026 13:00 PM"])
def test_date_that_contradicts_the_file_is_refused_by_itself(text: str) -> None:
    found = clock("13/04/2026", text)
    with pytest.raises(FieldError, match=r"is no time \(in this file the day comes first\)"):
        found.instant(text, "placed")


@pytest.mark.parametrize("text", ["yesterday", "13/04/26", "2026-13-01", "13/04/2026 noon"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        clock("13/04/2026").instant(text, "placed")


def test_time_without_a_zone_to_read_it_in_is_refused() -> None:
    found = WallClock(Context(store="main"), day_first=True)
    with pytest.raises(FieldError, match="--timezone"):
        found.instant("13/04/2026 10:00", "placed")


def test_blank_is_no_time_only_where_one_is_needed() -> None:
    found = WallClock(Context(store="main", zone=UTC_ZONE))
    assert found.optional_instant(" ", "paid") is None
    with pytest.raises(FieldError, match="is blank"):
        found.instant(" ", "placed")


@given(
    moments=st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=4),
    pattern=st.sampled_from(["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"]),
)
def test_file_is_read_as_it_was_written_or_refused(moments: list[datetime], pattern: str) -> None:
    written = [moment.strftime(pattern) for moment in moments]
    try:
        found = clock(*written)
    except InputFileError:
        assert all(moment.day <= 12 for moment in moments)
        return
    for text, moment in zip(written, moments, strict=True):
        assert found.instant(text, "placed") == moment.replace(microsecond=0, tzinfo=UTC)

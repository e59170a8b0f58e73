"""Durations, instants and quiet hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartctl.domain.times import (
    NoOffsetError,
    QuietHours,
    format_duration,
    parse_duration,
    parse_instant,
    require_aware,
    zone_named,
)

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("24h", 86400), ("2d", 172800), ("90s", 90), ("1h30m", 5400), (" 1h 30m ", 5400), ("0", 0)],
)
def test_durations_are_written_as_people_say_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "m", "30x", "-30m", "1.5h", "30m!", "999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|ten years"):
        parse_duration(text)


@given(st.integers(0, 10 * 365 * 86400))
def test_a_formatted_duration_reads_back(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00"),
        ("2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00"),
        ("2023-11-05 22:23:29 -0800", "2023-11-06T06:23:29"),
        ("2026-03-02 10:00:00 UTC", "2026-03-02T10:00:00"),
        ("2026-03-02 10:00", "2026-03-02T09:00:00"),
        ("2026-03-02", "2026-03-01T23:00:00"),
    ],
)
def test_times_become_utc(text: str, expected: str) -> None:
    assert parse_instant(text, BERLIN) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_time_without_offset_needs_a_zone() -> None:
    with pytest.raises(NoOffsetError):
        parse_instant("2026-03-02 10:00")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "NaN"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time|out of range"):
        parse_instant(text)


def test_naive_datetimes_are_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        require_aware(datetime(2026, 3, 2))


@pytest.mark.parametrize("text", ["22:00", "22:00-22:00", "25:00-08:00", "22-8", "", "22:00-08:00-09:00"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        QuietHours.parse(text)


def test_quiet_hours_that_end_in_an_hour_left_out_end_with_it() -> None:
    """Berlin's clocks go from 02:00 to 03:00 on 29 March 2026: there is no 02:30."""
    opened = QuietHours.parse("22:00-02:30").next_open(datetime(2026, 3, 28, 23, 0, tzinfo=UTC), BERLIN)
    assert opened == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert opened.astimezone(BERLIN).hour == 3


@pytest.mark.parametrize(("hour", "quiet"), [(21, False), (22, True), (3, True), (8, False), (12, False)])
def test_a_window_may_cross_midnight(hour: int, *, quiet: bool) -> None:
    assert QuietHours.parse("22:00-08:00").holds(datetime(2026, 3, 2, hour, tzinfo=BERLIN), BERLIN) is quiet


ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
CLOCKS = st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    ZONES,
    st.tuples(CLOCKS, CLOCKS).filter(lambda pair: pair[0] != pair[1]),
)
@example(datetime(2026, 3, 29, 0, 30), "Europe/Berlin", (datetime(1, 1, 1, 0).time(), datetime(1, 1, 1, 2, 30).time()))
@example(datetime(2026, 10, 25, 0, 10), "Europe/Berlin", (datetime(1, 1, 1, 0).time(), datetime(1, 1, 1, 2, 30).time()))
def test_the_next_open_moment_is_outside_and_never_earlier(
    moment: datetime, zone_name: str, window: tuple[object, object]
) -> None:
    quiet = QuietHours(*window)  # type: ignore[arg-type] # the strategy's pair is two times
    zone, instant = ZoneInfo(zone_name), moment.replace(tzinfo=UTC)
    opened = quiet.next_open(instant, zone)
    assert opened >= instant
    assert not quiet.holds(opened, zone)
    assert opened - instant <= timedelta(days=1, hours=2)
    if not quiet.holds(instant, zone):
        assert opened == instant


def test_unknown_zones_are_refused() -> None:
    with pytest.raises(ValueError, match="Mars"):
        zone_named("Mars/Olympus")

"""Values of a JSON record as text."""

from decimal import Decimal
from typing import Any

import pytest

from cartctl.importers.fields import FieldError
from cartctl.importers.values import Texts, made_id, moment, records, text, value


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (None, ""),
        (" Mug ", "Mug"),
        (True, "true"),
        (12345678901234567890, "12345678901234567890"),
        (Decimal("49.90"), "49.90"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E+999999999"), "1E+999999999"),
    ],
)
def test_scalar_as_text(found: Any, shown: str) -> None:
    assert text({"a": {"b": found}}, "a.b") == Texts({"b": found})["b"] == shown


def test_first_value_that_is_not_blank_counts_and_what_is_missing_is_blank() -> None:
    record: dict[str, Any] = {"email": "", "customer": {"email": "anna@example.com"}, "billing": None, "tags": []}
    assert text(record, "email", "customer.email") == "anna@example.com"
    assert text(record, "billing.email", "phone", "email.of") == ""
    assert value(record, "tags.first") is None


@pytest.mark.parametrize("found", [[], {}, [1]])
def test_list_or_object_is_no_text(found: Any) -> None:
    with pytest.raises(FieldError, match="is a list or an object") as caught:
        text({"a": found}, "a")
    assert caught.value.column == "a"


@pytest.mark.parametrize(
    "found", [[{"n": 1}], {"nodes": [{"n": 1}]}, {"edges": [{"node": {"n": 1}}]}, {"edges": [{"n": 1}]}]
)
def test_records_of_a_list_or_a_connection(found: Any) -> None:
    assert records({"items": found}, "lines", "items") == [{"n": 1}]


@pytest.mark.parametrize("found", [None, {}, {"nodes": None}])
def test_records_of_nothing(found: Any) -> None:
    assert records({"items": found}, "items") == []


@pytest.mark.parametrize("found", ["mug", 7, [7], [None], {"edges": [{"node": 7}]}, {"nodes": "mug"}])
def test_anything_else_is_no_list_of_records(found: Any) -> None:
    with pytest.raises(FieldError):
        records({"items": found}, "items")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1772445600", "2026-03-02T10:00:00+00:00"),
        ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"),
        ("-5", "-5"),
        ("", ""),
    ],
)
def test_seconds_since_1970_are_a_time(written: str, read: str) -> None:
    assert moment(written, "time") == read


@pytest.mark.parametrize("written", ["9" * 30, "9" * 5000, "999999999999999"])
def test_seconds_beyond_all_years_are_none(written: str) -> None:
    with pytest.raises(FieldError, match="is no time in seconds since 1970"):
        moment(written, "time")


def test_made_id_depends_on_every_part_and_on_nothing_else() -> None:
    assert made_id("a", "b") == made_id("a", "b")
    assert len({made_id("a", "b"), made_id("b", "a"), made_id("a"), made_id("a", ""), made_id("ab")}) == 5

"""The variables of a sequence: how they are written, and what they are for one contact at the time of sending."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.variables import UnresolvedError, Value, parse_variables, resolve

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
BERLIN, AUCKLAND = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Auckland")
ATTRIBUTES = ("monthly_revenue", "score")


def made(
    text: str, *, known: dict[str, Any] | None = None, now: datetime = NOW, zone: ZoneInfo = BERLIN
) -> dict[str, Value]:
    return resolve(parse_variables(tomllib.loads(text), ATTRIBUTES), known or {}, now=now, zone=zone)


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match="variable") as refused:
        parse_variables(tomllib.loads(text), ATTRIBUTES)
    return str(refused.value)


def unresolved(text: str, **known: Any) -> str:
    with pytest.raises(UnresolvedError) as refused:
        made(text, known=known)
    return str(refused.value)


def test_a_constant_is_the_same_for_everybody() -> None:
    assert made('booking_url = "https://calendar.example.com"\nfee = 40\nrate = 1.5\nopen = true') == {
        "booking_url": "https://calendar.example.com",
        "fee": 40,
        "rate": 1.5,
        "open": True,
    }


def test_an_attribute_under_another_name() -> None:
    alias = 'name = { attribute = "first_name", default = "there" }'
    assert made(alias, known={"first_name": "Anna"}) == {"name": "Anna"}
    for nothing in ({}, {"first_name": ""}, {"first_name": None}):
        assert made(alias, known=nothing) == {"name": "there"}
    assert made('points = { attribute = "score" }', known={"score": 0}) == {"points": 0}, "0 is known, and no blank"


def test_days_until_a_day_count_in_the_contacts_own_zone() -> None:
    until = 'deadline_days = { days_until = "2026-12-24" }'
    evening = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)
    assert made(until, now=evening) == {"deadline_days": 23}
    assert made(until, now=evening, zone=AUCKLAND) == {"deadline_days": 22}, "there it is the 2nd"
    assert made("deadline_days = { days_until = 2026-12-24 }") == {"deadline_days": 23}, "TOML knows days, too"


def test_a_day_that_is_over_cannot_be_counted_down_to() -> None:
    until = 'deadline_days = { days_until = "2026-12-24"'
    assert made(until + " }", now=datetime(2026, 12, 24, 22, 59, tzinfo=UTC)) == {"deadline_days": 0}
    midnight = datetime(2026, 12, 24, 23, 0, tzinfo=UTC)
    with pytest.raises(UnresolvedError, match='"deadline_days": 2026-12-24 is over, and it has no default'):
        made(until + " }", now=midnight)
    assert made(until + ", default = 0 }", now=midnight) == {"deadline_days": 0}


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(0, 5000), st.integers(0, 23))
def test_whatever_the_day_the_count_leads_to_the_deadline(today: date, ahead: int, hour: int) -> None:
    deadline = today + timedelta(days=ahead)
    now = datetime(today.year, today.month, today.day, hour, tzinfo=UTC)
    assert made(f"left = {{ days_until = {deadline} }}", now=now, zone=ZoneInfo("UTC")) == {"left": ahead}


@pytest.mark.parametrize(
    ("known", "thousands"),
    [(84_000, 84), (84_500, 85), (Decimal("84499.99"), 84), ("1200000", 1200), (500, 1), (1e6, 1000)],
)
def test_a_figure_in_thousands(known: Any, thousands: int) -> None:
    assert made('k = { thousands = "monthly_revenue" }', known={"monthly_revenue": known}) == {"k": thousands}


@pytest.mark.parametrize("known", [0, 499, "much", "NaN", "Infinity", None, ""])
def test_a_figure_that_comes_to_no_thousands_is_not_made(known: Any) -> None:
    assert 'variable "k": the contact' in unresolved('k = { thousands = "monthly_revenue" }', monthly_revenue=known)
    assert made('k = { thousands = "score", default = 0 }', known={"score": known}) == {"k": 0}


def test_what_cannot_be_made_is_named_and_says_nothing_of_the_contact() -> None:
    assert unresolved('business = { attribute = "business_name" }') == (
        'variable "business": the contact has no "business_name", and it has no default'
    )
    assert unresolved('k = { thousands = "monthly_revenue" }', monthly_revenue="a lot") == (
        'variable "k": the contact\'s "monthly_revenue" is no number, and it has no default'
    )


def test_now_must_say_its_offset() -> None:
    with pytest.raises(ValueError, match="naive"):
        made("left = { days_until = 2026-12-24 }", now=datetime(2026, 12, 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Name = "x"', "a name is made of a-z"),
        ('total = "x"', "every template has this name already"),
        ('first_name = "x"', "every template has this name already"),
        ('score = "x"', "an attribute is called so"),
        ("x = []", "it is a text, a number, or a table"),
        ("x = {}", "say one of attribute, days_until, thousands"),
        ('x = { atribute = "score" }', 'unknown key "atribute" (did you mean "attribute"?)'),
        ('x = { attribute = "score", thousands = "score" }', "say one of"),
        ('x = { attribute = "scores" }', 'unknown attribute "scores" (did you mean "score"?)'),
        ('x = { thousands = "revenue" }', 'thousands: unknown attribute "revenue"'),
        ("x = { thousands = 5 }", 'thousands: unknown attribute "5"'),
        ('x = { days_until = "Christmas" }', '"Christmas" is no day, such as "2026-12-24"'),
        ('x = { attribute = "score", default = [] }', "it is a text, a number"),
    ],
)
def test_what_is_wrong_with_a_variable_is_said(text: str, words: str) -> None:
    name = text.partition(" ")[0]
    assert refusal(text).startswith(f'variable "{name}": ')
    assert words in refusal(text)


def test_variables_are_a_table() -> None:
    with pytest.raises(ValueError, match="variables is a table"):
        parse_variables([], ATTRIBUTES)

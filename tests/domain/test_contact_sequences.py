"""A sequence for contacts, as it is written: attributes, checks, segments, its transport and the delays of tests."""

import tomllib
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cartctl.domain.attributes import Attribute, Check, fit, is_booked
from cartctl.domain.segments import Segment
from cartctl.domain.sequences import Sequence, Step, parse_sequence
from cartctl.errors import ConfigurationError

HEAD = 'trigger = "enrolled"\n'
STEP = '[[step]]\nkey = "hello"\nafter = "0"\nsubject = "Hello"\n'
LATER = '[[step]]\nkey = "later"\nafter = "48h"\nsubject = "Hello again"\n'
RED = '[attributes.red]\ntype = "integer"\nmin = 0\nmax = 8\n'
SEGMENTS = """
[[segment]]
key = "critical"
when = "red >= 2"
priority = 1
description = "Several systems fail"
action = "Call them today"

[[segment]]
key = "optimize"
"""


def parse(text: str) -> Sequence:
    return parse_sequence("christmas", tomllib.loads(text), where="sequence.toml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        parse(text)
    return str(refused.value).removeprefix("sequence.toml: ")


def test_a_whole_sequence_for_contacts_is_read() -> None:
    sequence = parse(
        HEAD
        + 'transport = "resend"\nstop_when = ["unsubscribed", "booked"]\n'
        + RED
        + '[attributes.orange]\ntype = "integer"\ndefault = 0\n'
        + '[[check]]\nthat = "red + orange == 8"\nelse = "the answers do not add up to 8"\n'
        + SEGMENTS
        + STEP
        + 'test_after = "0"\n'
        + LATER
        + 'test_after = "2m"\n'
    )
    assert sequence == Sequence(
        name="christmas",
        trigger="enrolled",
        stop_when=frozenset({"unsubscribed", "booked"}),
        transport="resend",
        attributes={
            "red": Attribute(name="red", type="integer", min=Decimal(0), max=Decimal(8)),
            "orange": Attribute(name="orange", type="integer", default=0),
        },
        checks=(Check(that="red + orange == 8", otherwise="the answers do not add up to 8"),),
        segments=(
            Segment(
                key="critical",
                when="red >= 2",
                priority=1,
                description="Several systems fail",
                action="Call them today",
            ),
            Segment(key="optimize", priority=2),
        ),
        steps=(
            Step(key="hello", after=timedelta(0), subject="Hello", test_after=timedelta(0)),
            Step(key="later", after=timedelta(hours=48), subject="Hello again", test_after=timedelta(minutes=2)),
        ),
    )
    assert sequence.segment("critical") == sequence.segments[0]
    assert sequence.segment("urgent") is None


def test_it_stops_on_an_unsubscription_and_on_nothing_else_unless_told() -> None:
    assert parse(HEAD + STEP).stop_when == {"unsubscribed"}
    assert parse(HEAD + 'stop_when = ["purchased", "unsubscribed"]\n' + STEP).stop_when == {"purchased", "unsubscribed"}


def test_a_test_goes_by_its_own_delays_and_without_gaps() -> None:
    sequence = parse(HEAD + STEP + 'test_after = "0"\n' + LATER + 'test_after = "2m"\nmin_gap = "12h"\n')
    later = sequence.steps[1].faster(10)
    assert (later.after, later.min_gap) == (timedelta(minutes=2), timedelta(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + 'stop_when = ["booked"]\n' + STEP, "stop_when must contain unsubscribed: no mail goes against a will"),
        (
            HEAD + "start_at = 2026-12-01T00:00:00Z\n" + STEP,
            '"start_at" belongs to sequences with trigger = "cart-abandoned"',
        ),
        (
            HEAD + STEP + 'min_total = { EUR = "20" }\n',
            'step "hello": "min_total" belongs to sequences with trigger = "cart-abandoned"',
        ),
        (HEAD + 'transport = "resent"\n' + STEP, 'transport: unknown "resent" (did you mean "resend"?)'),
        (
            HEAD + STEP + LATER + 'test_after = "2m"\n',
            'step "later": "test_after" belongs to every step of a sequence or to none',
        ),
        (
            HEAD + STEP + 'test_after = "2m"\n' + LATER + 'test_after = "0"\n',
            'step "later": "test_after" is earlier than that of step "hello" before it',
        ),
        (
            HEAD + '[attributes]\nred = "integer"\n' + STEP,
            'attributes are tables, such as [attributes.score] with type = "integer"',
        ),
        (
            HEAD + '[attributes.Red]\ntype = "integer"\n' + STEP,
            'attribute "Red": a name begins with a letter and is made of',
        ),
        (HEAD + "[attributes.red]\nmin = 0\n" + STEP, 'attribute "red": "type" is missing'),
        (
            HEAD + '[attributes.red]\ntype = "int"\n' + STEP,
            'attribute "red": unknown type "int" (did you mean "integer"?)',
        ),
        (HEAD + RED + "maximum = 8\n" + STEP, 'attribute "red": unknown key "maximum" (did you mean "max"?)'),
        (HEAD + RED + "default = 9\n" + STEP, 'attribute "red": default: 9 is more than 8'),
        (
            HEAD + '[attributes.a]\ntype = "text"\nmin = 1\n' + STEP,
            'attribute "a": "min" is of numbers; the type is text',
        ),
        (HEAD + '[attributes.a]\ntype = "number"\nmin = "1"\n' + STEP, 'attribute "a": "min" is a number'),
        (HEAD + '[[check]]\nthat = "red == 1"\n' + STEP, 'check 1: "else" is missing'),
        (HEAD + '[check]\nthat = "red == 1"\n' + STEP, "write it as [[check]]"),
        (
            HEAD + '[[segment]]\nkey = "a"\n[[segment]]\nkey = "b"\n' + STEP,
            'segment "a": "when" is missing: only the last segment takes whoever is left',
        ),
        (
            HEAD + '[[segment]]\nkey = "a"\nwhen = "red > 1"\n' + STEP,
            'segment "a": the last segment takes whoever is left: it has no "when"',
        ),
        (HEAD + SEGMENTS.replace("optimize", "critical") + STEP, 'segment "critical": this key stands twice'),
        (
            HEAD + SEGMENTS.replace("optimize", "So what") + STEP,
            'segment "So what": a key is made of a-z, 0-9, - and _',
        ),
        (HEAD + SEGMENTS.replace("= 1", "= 0") + STEP, 'segment "critical": "priority" is a whole number from 1 on'),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


def declared(kind: str, **more: Any) -> dict[str, Attribute]:
    return {"it": Attribute(name="it", type=kind, **more)}


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("integer", "3", 3),
        ("integer", 3, 3),
        ("integer", "3.0", 3),
        ("number", "1234.50", Decimal("1234.50")),
        ("text", "  a word ", "a word"),
        ("boolean", "Yes", True),
        ("boolean", False, False),
        ("date", "2026-12-24", date(2026, 12, 24)),
    ],
)
def test_a_value_is_read_as_what_it_is_declared_to_be(kind: str, given: object, value: object) -> None:
    fitted = fit(declared(kind), {"it": given})
    assert (fitted.values, fitted.faults) == ({"it": value}, ())


@pytest.mark.parametrize(
    ("kind", "given", "fault"),
    [
        ("integer", "three", 'it: "three" is no whole number'),
        ("integer", "3.5", 'it: "3.5" is no whole number'),
        ("integer", True, 'it: "true" is no whole number'),
        ("number", "NaN", 'it: "NaN" is no number'),
        ("number", "1,5", 'it: "1,5" is no number'),
        ("boolean", "maybe", 'it: "maybe" is neither true nor false'),
        ("date", "24.12.2026", 'it: "24.12.2026" is no date (2026-12-01 is)'),
        ("text", "x" * 501, "it: is longer than 500 characters"),
        ("text", " ", "it is missing"),
        ("text", None, "it is missing"),
    ],
)
def test_what_does_not_fit_is_said(kind: str, given: object, fault: str) -> None:
    assert fit(declared(kind), {"it": given}).faults == (fault,)


def test_ranges_hold_at_their_ends_and_defaults_fill_in() -> None:
    score = declared("integer", min=Decimal(0), max=Decimal(100))
    assert [bool(fit(score, {"it": given}).faults) for given in (-1, 0, 100, 101)] == [True, False, False, True]
    assert fit(score, {"it": 101}).faults == ("it: 101 is more than 100",)
    assert fit(declared("text", default="you"), {}).values == {"it": "you"}


@pytest.mark.parametrize(("given", "booked"), [("2026-12-01", True), ("yes", True), ("", False), ("no", False)])
def test_a_booking_is_anything_but_no(given: str, booked: bool) -> None:
    assert is_booked({"booking": given}) == booked
    assert not is_booked({})


def test_an_attribute_may_not_be_called_as_what_every_template_has() -> None:
    told = 'attribute "total": every template has this name already: take another one'
    assert refusal(HEAD + '[attributes.total]\ntype = "integer"\n' + STEP) == told


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ("min = nan", '"min" is a finite number'),
        ("max = inf", '"max" is a finite number'),
        ("min = 3\nmax = 2", '"min" is more than "max"'),
    ],
)
def test_bounds_that_nothing_lies_between_are_refused(bounds: str, told: str) -> None:
    assert refusal(f'{HEAD}[attributes.red]\ntype = "number"\n{bounds}\n{STEP}').endswith(f'attribute "red": {told}')

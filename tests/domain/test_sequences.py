"""A sequence as it is written: every mistake is refused in words that name the place and what was meant."""

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.sequences import Sequence, Step, parse_sequence
from cartctl.errors import ConfigurationError

WHERE = "templates/cart-recovery/sequence.toml"
HEAD = 'trigger = "cart-abandoned"\n'
STEP = '[[step]]\nkey = "reminder"\nafter = "30m"\nsubject = "Hello"\n'
OFFER = '[[step]]\nkey = "offer"\nafter = "48h"\nsubject = "Hello"\n'


def parse(text: str) -> Sequence:
    return parse_sequence("cart-recovery", tomllib.loads(text), where=WHERE)


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        parse(text)
    message = str(refused.value)
    assert message.startswith(f"{WHERE}: ")
    return message.removeprefix(f"{WHERE}: ")


def test_a_whole_sequence_is_read() -> None:
    sequence = parse(
        HEAD
        + 'stop_when = ["unsubscribed", "purchased"]\nstart_at = 2026-12-01T00:00:00+01:00\n'
        + STEP
        + 'min_gap = "1h"\n'
        + OFFER
        + 'coupon = "recovery10"\nmin_total = { usd = "20.00", JPY = 3000 }\n'
    )
    assert sequence == Sequence(
        name="cart-recovery",
        trigger="cart-abandoned",
        stop_when=frozenset({"purchased", "unsubscribed"}),
        start_at=datetime(2026, 11, 30, 23, 0, tzinfo=UTC),
        steps=(
            Step(key="reminder", after=timedelta(minutes=30), subject="Hello", min_gap=timedelta(hours=1)),
            Step(
                key="offer",
                after=timedelta(hours=48),
                subject="Hello",
                coupon="recovery10",
                min_total={"USD": Decimal("20.00"), "JPY": Decimal(3000)},
            ),
        ),
    )


def test_what_is_left_out_has_its_default() -> None:
    sequence = parse(HEAD + STEP)
    assert sequence.stop_when == {"purchased", "unsubscribed"}
    assert sequence.start_at is None
    assert sequence.language == "en"
    assert sequence.steps == (Step(key="reminder", after=timedelta(minutes=30), subject="Hello"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + OFFER + 'cupon = "x"\n', 'step "offer": unknown key "cupon" (did you mean "coupon"?)'),
        (
            HEAD + STEP + "delay = 3\n",
            (
                'step "reminder": unknown key "delay" '
                "(known: after, coupon, key, min_gap, min_total, on_cooldown, subject, test_after)"
            ),
        ),
        ("triger = 1\n" + HEAD + STEP, 'unknown key "triger" (did you mean "trigger"?)'),
        (STEP, '"trigger" is missing'),
        (HEAD, '"step" is missing'),
        (HEAD + "step = []\n", "a sequence needs at least one [[step]]"),
        (HEAD + STEP.replace("[[step]]", "[step]"), "a sequence needs at least one [[step]]"),
        (HEAD + STEP.replace('after = "30m"\n', ""), 'step "reminder": "after" is missing'),
        (HEAD + STEP + OFFER.replace('key = "offer"\n', ""), 'step 2: "key" is missing'),
        (HEAD + STEP.replace('subject = "Hello"\n', ""), 'step "reminder": "subject" is missing'),
        (HEAD + STEP.replace('"Hello"', '" "'), 'step "reminder": "subject" is a text that is not empty'),
        (HEAD + STEP.replace('"reminder"', "7"), 'step 1: "key" is a text that is not empty'),
        (HEAD + STEP.replace('"30m"', "30"), 'step "reminder": "after" is a text that is not empty'),
        (
            HEAD + STEP.replace("reminder", "Erste Mail"),
            'step "Erste Mail": a key is made of a-z, 0-9, - and _, 60 at most',
        ),
        (
            HEAD + STEP.replace("reminder", "r" * 61),
            f'step "{"r" * 61}": a key is made of a-z, 0-9, - and _, 60 at most',
        ),
        (HEAD + STEP + STEP, 'step "reminder": this key stands twice'),
        (HEAD + OFFER + STEP, 'step "reminder": "after" is earlier than that of step "offer" before it'),
        (HEAD + STEP.replace("30m", "half"), 'step "reminder": after: "half" is no duration (30m, 24h and 2d are)'),
        (HEAD + STEP.replace("30m", "-1h"), 'step "reminder": after: "-1h" is no duration (30m, 24h and 2d are)'),
        (HEAD + STEP + 'min_gap = "1w"\n', 'step "reminder": min_gap: "1w" is no duration (30m, 24h and 2d are)'),
        (
            HEAD + STEP + 'min_total = { EURO = "20" }\n',
            'step "reminder": min_total: "EURO" is no ISO 4217 currency code (three letters, such as EUR)',
        ),
        (
            HEAD + STEP + 'min_total = { EUR = "a lot" }\n',
            'step "reminder": min_total: "a lot" is no number (1234.50 is)',
        ),
        (HEAD + STEP + 'min_total = { EUR = "-1" }\n', 'step "reminder": min_total: "-1" is negative'),
        (
            HEAD + STEP + 'min_total = "20.00"\n',
            'step "reminder": min_total is a table of amounts by currency, such as { USD = "20.00" }',
        ),
        (
            'trigger = "cart-abandonned"\n' + STEP,
            'unknown trigger "cart-abandonned" (did you mean "cart-abandoned"?)',
        ),
        (
            HEAD + "[attributes.red]\ntype = 'integer'\n" + STEP,
            '"attributes" belongs to sequences with trigger = "enrolled"',
        ),
        ('trigger = "purchase"\n' + STEP, 'unknown trigger "purchase" (known: cart-abandoned, enrolled)'),
        (HEAD + 'stop_when = ["purchase"]\n' + STEP, 'stop_when: unknown "purchase" (did you mean "purchased"?)'),
        (
            HEAD + 'stop_when = "purchased"\n' + STEP,
            'stop_when is a list of words, such as ["purchased", "unsubscribed"]',
        ),
        (
            HEAD + 'stop_when = ["unsubscribed"]\n' + STEP,
            "stop_when must contain purchased: no cart mail goes to a buyer or against a will",
        ),
        (
            HEAD + "stop_when = []\n" + STEP,
            "stop_when must contain purchased, unsubscribed: no cart mail goes to a buyer or against a will",
        ),
        (
            HEAD + "start_at = 2026-12-01T00:00:00\n" + STEP,
            'start_at: "2026-12-01T00:00:00" has no offset from UTC: append one, such as Z or +01:00',
        ),
        (
            HEAD + "start_at = 2026-12-01\n" + STEP,
            'start_at: "2026-12-01" has no offset from UTC: append one, such as Z or +01:00',
        ),
        (HEAD + 'language = "German"\n' + STEP, 'language is the code of one, such as "en" or "de"'),
        (
            HEAD + 'start_at = "next week"\n' + STEP,
            'start_at: "next week" is no time (2026-11-22T10:30:00+01:00 is)',
        ),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    "written", ["2026-12-01T00:00:00Z", "2026-12-01T01:00:00+01:00", '"2026-12-01 01:00:00 +0100"']
)
def test_a_start_with_its_offset_is_read(written: str) -> None:
    assert parse(HEAD + f"start_at = {written}\n" + STEP).start_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_two_steps_may_be_due_at_the_same_distance() -> None:
    assert len(parse(HEAD + STEP + STEP.replace("reminder", "again")).steps) == 2


def a_sequence(count: int) -> Sequence:
    steps = tuple(Step(key=f"s{n}", after=timedelta(hours=n), subject="Hello") for n in range(count))
    return Sequence(name="any", trigger="cart-abandoned", stop_when=frozenset(), steps=steps)


@given(count=st.integers(1, 6), done=st.frozensets(st.sampled_from([f"s{n}" for n in range(6)] + ["gone"])))
def test_the_next_step_never_goes_backwards(count: int, done: frozenset[str]) -> None:
    sequence = a_sequence(count)
    keys = [step.key for step in sequence.steps]
    step = sequence.next_step(done)
    reached = max((keys.index(key) for key in done if key in keys), default=-1)
    assert (keys.index(step.key) if step else count) == reached + 1


@given(st.integers(1, 6))
def test_a_sequence_comes_to_its_end_step_by_step(count: int) -> None:
    sequence, done = a_sequence(count), list[str]()
    while step := sequence.next_step(set(done)):
        done.append(step.key)
    assert done == [f"s{n}" for n in range(count)]
    assert all(one < other for one, other in pairwise(done))


def test_a_step_is_found_by_its_key() -> None:
    sequence = a_sequence(2)
    assert sequence.step("s1") is sequence.steps[1]
    assert sequence.step("s9") is None

"""The shipped nurture sequence: seven letters of an adviser, the right ones for each segment, nothing left blank."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl import resources
from cartctl.domain.attributes import Value
from cartctl.jobs.sample_answers import sample_attributes
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.render import Renderer
from cartctl.mail.templates import load_sequences
from tests.mail.builders import facts
from tests.shop import Cli, Shop, cart

SEQUENCE = load_sequences([resources.shipped_templates()])["christmas"]
RENDERER = Renderer([resources.shipped_templates()])
ANSWERS: dict[str, dict[str, Value]] = {
    "critical": {"red": 2, "orange": 2, "yellow": 1, "green": 3, "assessment_score": 41, "monthly_revenue": 84_000},
    "urgent": {"red": 1, "orange": 1, "yellow": 2, "green": 4, "assessment_score": 58, "monthly_revenue": 12_499},
    "optimize": {"red": 0, "orange": 1, "yellow": 2, "green": 5, "assessment_score": 83, "monthly_revenue": 0},
}
STEPS = [step.key for step in SEQUENCE.steps]
LETTERS = [(key, segment) for key in STEPS for segment in ANSWERS]
ADVENT = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)
AFTER = datetime(2026, 12, 27, 9, 0, tzinfo=UTC)


def about(segment: str, **changes: Any) -> MailFacts:
    known: dict[str, Any] = {
        "recovery_link": "",
        "coupon": "",
        "segment": segment,
        "attributes": ANSWERS[segment],
        "business_name": "Ferns Ltd",
        "sent_at": ADVENT,
        "brand": "Marlow & Finch",
    }
    return facts(**known | changes)


def letter(key: str, facts_: MailFacts) -> Rendered:
    step = SEQUENCE.step(key)
    assert step is not None
    return RENDERER.render(SEQUENCE, step, facts_)


def words(html: str) -> str:
    """What a reader sees of an HTML part, as one line."""
    body = re.sub(r"<!--.*?-->", "", html.partition("<body")[2], flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_seven_letters_in_ten_days_and_in_half_an_hour_of_a_test() -> None:
    hours = [step.after / timedelta(hours=1) for step in SEQUENCE.steps]
    minutes = [step.test_after / timedelta(minutes=1) for step in SEQUENCE.steps if step.test_after is not None]
    assert hours == [0, 48, 72, 96, 144, 192, 240]
    assert minutes == [0, 2, 5, 9, 14, 20, 27]


@pytest.mark.parametrize(("key", "segment"), LETTERS)
def test_the_letters(key: str, segment: str, golden: Callable[[str, str], None]) -> None:
    if segment != "critical" and key not in ("focus", "closing"):
        same = letter(key, about("critical", attributes=ANSWERS[segment]))
        assert letter(key, about(segment)) == same, "one letter for all segments"
        return
    mail = letter(key, about(segment))
    golden(f"mails/christmas/{key}-{segment}.txt", f"Subject: {mail.subject}\n\n{mail.text}")
    if key == "result":
        golden(f"mails/christmas/{key}-{segment}.html", mail.html.replace("><", ">\n<"))


def test_the_second_and_the_last_letter_differ_by_segment() -> None:
    for key in ("focus", "closing"):
        mails = [letter(key, about(segment, attributes=ANSWERS["critical"])) for segment in ANSWERS]
        assert len({mail.subject for mail in mails}) == 3
        assert len({mail.text for mail in mails}) == 3
        assert len({words(mail.html) for mail in mails}) == 3


@pytest.mark.parametrize("sent_at", [ADVENT, AFTER])
@pytest.mark.parametrize(("key", "segment"), LETTERS)
def test_both_parts_are_the_same_letter(key: str, segment: str, sent_at: datetime) -> None:
    mail = letter(key, about(segment, sent_at=sent_at))
    seen = words(mail.html)
    body, _, _ = mail.text.partition("\n-- \n")
    for line in mail.text.partition("\n--\n")[0].splitlines():
        said = re.sub(r"^\d\. |: https://\S+$", "", line)
        assert said in seen.replace(" :", ":"), line
    assert body


@pytest.mark.parametrize(("key", "segment"), LETTERS)
def test_a_letter_has_one_thing_to_do_and_a_way_out(key: str, segment: str) -> None:
    mail = letter(key, about(segment))
    links = set(re.findall(r"https?://[^\s\"<>]+", mail.text))
    assert links == {"https://calendar.example.com/half-hour", "https://mail.example.com/u/unsubscribe-token"}
    hosts = {urlsplit(unescape(url)).hostname for url in re.findall(r'(?:href|src)="(http[^"]*)"', mail.html)}
    assert hosts == {"calendar.example.com", "mail.example.com", "shop.example.com"}
    assert mail.html.count("calendar.example.com") == 1
    assert "business-health assessment at Marlow & Finch" in mail.text
    assert "business-health assessment at Marlow & Finch" in words(mail.html)
    assert "cart" not in mail.text.lower()


def test_what_is_computed_is_in_the_letters() -> None:
    assert letter("result", about("critical")).subject == "Your result: 41 out of 100"
    assert "Christmas Eve is 21 days away" in letter("owed", about("critical")).text
    priced = letter("price", about("critical")).text
    assert "takes about £84k a month" in priced
    assert "£2,520 a month more, or £30,240 a year" in priced
    assert "£12k" in letter("price", about("urgent")).text, "rounded"
    assert "£" not in letter("price", about("optimize")).text, "who did not say is told no figure"


@pytest.mark.parametrize(("key", "segment"), LETTERS)
def test_after_the_day_no_letter_counts_down_to_it(key: str, segment: str) -> None:
    said = letter(key, about(segment, sent_at=AFTER)).text
    assert "Christmas Eve" not in said
    assert "days away" not in said


@pytest.mark.parametrize(("key", "segment"), LETTERS)
def test_a_letter_to_somebody_without_a_name(key: str, segment: str) -> None:
    said = letter(key, about(segment, first_name="", business_name="")).text
    assert said.startswith("Hello there,\n")


def answers() -> st.SearchStrategy[dict[str, int]]:
    """All ways to answer eight questions in four colours: three bars among eleven places."""

    def of_bars(bars: frozenset[int]) -> dict[str, int]:
        first, second, third = sorted(bars)
        return {"red": first, "orange": second - first - 1, "yellow": third - second - 1, "green": 10 - third}

    return st.frozensets(st.integers(0, 10), min_size=3, max_size=3).map(of_bars)


@settings(max_examples=60)
@given(
    answers(),
    st.integers(0, 100),
    st.sampled_from([0, 499, 900, 1500, 84_000, 1_250_000]),
    st.dates(date(2026, 11, 1), date(2027, 1, 31)),
    st.sampled_from(STEPS),
)
def test_whatever_was_answered_the_letter_reads_well(
    colours: dict[str, int], score: int, revenue: int, day: date, key: str
) -> None:
    red, orange = colours["red"], colours["orange"]
    segment = "critical" if red >= 2 else "urgent" if red == 1 or orange >= 2 else "optimize"
    attributes: dict[str, Value] = {**colours, "assessment_score": score, "monthly_revenue": revenue}
    sent_at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    mail = letter(key, about(segment, attributes=attributes, sent_at=sent_at))
    for said in (mail.subject, mail.text):
        assert not re.search(r"None(?! of your)|\{\{|\}\}|\{%|[ \t]\n|\n\n\n|  ", said), said
        assert " 1 days" not in said
        assert "-" not in re.findall(r"(-?)\d+ days", said)
    assert mail.subject.strip()


def test_samples_of_every_segment_fit_it() -> None:
    samples = sample_attributes(SEQUENCE)
    assert list(samples) == ["critical", "urgent", "optimize"]
    for segment, found in samples.items():
        assert len(found) == 2, segment
        for each in found:
            red, orange = int(str(each["red"])), int(str(each["orange"]))
            assert sum(int(str(each[colour])) for colour in ("red", "orange", "yellow", "green")) == 8
            fits = "critical" if red >= 2 else "urgent" if red == 1 or orange >= 2 else "optimize"
            assert fits == segment


def own_copy(name: str = "christmas") -> Path:
    """Begin a shop's own sequence with the shipped one."""
    own = Path("templates") / name
    own.mkdir(parents=True)
    for path in (resources.shipped_templates() / "christmas").iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    return own


def test_a_step_that_has_no_text_for_a_segment_is_named_with_what_to_write(cli: Cli) -> None:
    own = own_copy("advent")
    Path("cartctl.toml").write_text('templates = "templates"\n[coupons]\nrecovery10 = "X"\n', encoding="utf-8")
    for path in own.iterdir():
        if "letter.mjml" in (text := path.read_text(encoding="utf-8")) or "signature.txt" in text:
            path.write_text(text.replace('"christmas/', '"advent/'), encoding="utf-8")
    assert cli("sequences", "check", "advent", "--json").json["problems"] == []
    for ending in ("mjml", "txt"):
        (own / f"focus@urgent.{ending}").unlink()
    outcome = cli("sequences", "check", "advent", ok=False)
    assert outcome.exit_code == 1
    (said,) = outcome.err.splitlines()
    assert "advent/focus.mjml: no such template in " in said
    assert "segment urgent" in said
    assert "write focus@urgent.mjml for the segment, or focus.mjml for all" in said
    for ending in ("mjml", "txt"):
        (own / f"focus.{ending}").write_bytes((own / f"focus@optimize.{ending}").read_bytes())
    assert cli("sequences", "check", "advent", "--json").json["problems"] == []


def test_a_day_that_is_over_is_found_by_the_check(cli: Cli) -> None:
    own = own_copy()
    file = own / "sequence.toml"
    Path("cartctl.toml").write_text('templates = "templates"\n[coupons]\nrecovery10 = "X"\n', encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    changed = text.replace('{ days_until = "2026-12-24", default = 0 }', '{ days_until = "2020-12-24" }')
    assert changed != text
    file.write_text(changed, encoding="utf-8")
    outcome = cli("sequences", "check", "christmas", ok=False)
    assert outcome.exit_code == 1
    assert 'variable "deadline_days": 2020-12-24 is over, and it has no default' in outcome.err
    assert 'variable "deadline_days"' in cli("doctor", ok=False).out


def test_a_segment_that_nobody_can_be_in_is_hinted_at(cli: Cli) -> None:
    own = own_copy()
    file = own / "sequence.toml"
    Path("cartctl.toml").write_text('templates = "templates"\n[coupons]\nrecovery10 = "X"\n', encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('when = "red >= 2"', 'when = "red >= 9"'), encoding="utf-8")
    outcome = cli("sequences", "check", "christmas")
    assert outcome.err.startswith("cartctl: christmas: no answers were found that fit segment critical: ")
    assert outcome.err.count("\n") == 1


def test_a_shop_that_enrolls_nobody_sees_nothing_of_it(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    for offset in ("30m", "24h", "48h", "96h", "300h"):
        shop.run(offset)
    assert [mail.step for mail in shop.mails] == ["reminder", "urgency", "offer"]
    for command in (("plan",), ("status",), ("report",), ("messages", "list"), ("doctor",)):
        outcome = shop.cli(*command, ok=False)
        assert "christmas" not in outcome.out + outcome.err, command

"""A sequence's variables in its mails: what they say at the time of sending, and what happens where one is missing."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl import resources
from cartctl.domain.variables import RESERVED
from cartctl.errors import TemplateError
from cartctl.mail.facts import Rendered
from cartctl.mail.render import Renderer
from cartctl.mail.templates import load_sequences
from tests.mail.builders import facts, template_values
from tests.shop import Shop, cart

SEQUENCE = """
trigger = "cart-abandoned"

[variables]
{variables}

[[step]]
key = "reminder"
after = "30m"
subject = "{subject}"
"""
HTML = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"
LINKS = "{{ recovery_link }} {{ unsubscribe_link }} {{ postal_address }}"


def write(folder: Path, variables: str, text: str, *, subject: str = "Hello") -> None:
    own = folder / "cart-recovery"
    own.mkdir(parents=True, exist_ok=True)
    (own / "sequence.toml").write_text(SEQUENCE.format(variables=variables, subject=subject), encoding="utf-8")
    (own / "reminder.mjml").write_text(HTML.format(f"{text} {LINKS}"), encoding="utf-8")
    (own / "reminder.txt").write_text(f"{text} {LINKS}", encoding="utf-8")


def rendered(folder: Path, **about: Any) -> Rendered:
    sequence = load_sequences([folder])["cart-recovery"]
    renderer = Renderer([folder, resources.shipped_templates()])
    return renderer.render(sequence, sequence.steps[0], facts(**about))


def test_variables_stand_in_both_parts_and_in_the_subject(tmp_path: Path) -> None:
    variables = 'name = { attribute = "first_name", default = "there" }\nadviser = "Ruth & Co"'
    write(tmp_path, variables, "Hello {{ name }}, from {{ adviser }}.", subject="For {{ name }}")
    mail = rendered(tmp_path)
    assert mail.subject == "For Anna"
    assert mail.text.startswith("Hello Anna, from Ruth & Co.")
    assert "Hello Anna, from Ruth &amp; Co." in mail.html
    assert rendered(tmp_path, first_name="").text.startswith("Hello there,")


def test_a_name_that_is_none_is_not_said_under_another_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        'name = { attribute = "first_name", default = "there" }\n'
        'business = { attribute = "business_name", default = "your business" }',
        "{{ name }}, {{ business }}.",
    )
    lure = "win at https://evil.example.com"
    assert rendered(tmp_path, first_name=lure, business_name=lure).text.startswith("there, your business.")


def test_days_count_from_the_sending_by_the_readers_calendar(tmp_path: Path) -> None:
    write(tmp_path, 'left = { days_until = "2026-12-24" }', "{{ left }} days.")
    evening = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)
    assert rendered(tmp_path, sent_at=evening).text.startswith("23 days.")
    assert rendered(tmp_path, sent_at=evening, zone=ZoneInfo("Pacific/Auckland")).text.startswith("22 days.")


def test_attributes_are_names_and_break_no_line(tmp_path: Path) -> None:
    write(tmp_path, "", "{{ trade }} since {{ since.year }}.")
    mail = rendered(tmp_path, attributes={"trade": "tea\r\nand\x00 mugs", "since": date(1999, 5, 1)})
    assert mail.text.startswith("tea and mugs since 1999.")


def test_a_variable_that_cannot_be_made_is_a_fault_of_the_text(tmp_path: Path) -> None:
    write(tmp_path, 'name = { attribute = "first_name" }', "Hello.")
    with pytest.raises(TemplateError) as raised:
        rendered(tmp_path, first_name="")
    assert str(raised.value) == (
        'cart-recovery/reminder: variable "name": the contact has no "first_name", and it has no default'
    )


def test_the_names_that_variables_may_not_take_are_those_of_every_template() -> None:
    assert template_values(facts()).keys() == RESERVED


def test_a_mail_without_its_variable_waits_is_told_of_and_costs_no_step(shop: Shop) -> None:
    shop.configure('templates = "templates"\n')
    write(Path("templates"), 'name = { attribute = "first_name" }', "Hello {{ name }}.")
    shop.carts(cart("c-1"), cart("c-2", email="bela@example.com", first_name="Bela"), when="5m")
    result = shop.cli("run-due", "--at", "2026-03-02T10:40:00+00:00", "-v", ok=False)
    assert result.exit_code == 1
    told = 'waits: cart-recovery/reminder: variable "name": the contact has no "first_name", and it has no default'
    assert told in result.err
    assert "anna@example.com" not in result.out + result.err
    assert [mail.to for mail in shop.mails] == ["bela@example.com"], "nobody else waits for it"
    check = shop.cli("sequences", "check", "cart-recovery", ok=False)
    assert check.exit_code == 1
    assert 'variable "name": the contact has no "first_name"' in check.err
    doctor = shop.cli("doctor", ok=False)
    assert 'variable "name"' in doctor.out

    write(Path("templates"), 'name = { attribute = "first_name", default = "there" }', "Hello {{ name }}.")
    shop.run("1h")
    assert sorted(mail.to for mail in shop.mails) == ["anna@example.com", "bela@example.com"]

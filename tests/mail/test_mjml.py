"""Mails that differ in their words alone are compiled once: nobody must be able to tell."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from mjml import mjml2html

from cartctl import resources
from cartctl.domain.money import Money
from cartctl.domain.sequences import Sequence, Step
from cartctl.errors import TemplateError
from cartctl.mail.facts import MailFacts
from cartctl.mail.render import Renderer
from tests.mail.builders import an_item, facts, shipped

STEP = Step(key="reminder", after=timedelta(minutes=30), subject="Hello")
SEQUENCE = Sequence(name="carts", trigger="cart-abandoned", stop_when=frozenset(), steps=(STEP,))
NAMES = ["Anna", "Bo", "O'Neil & <b>Sons", '"Zoë"', "", "Anna", "Chris T."]


def _facts(first_name: str) -> MailFacts:
    return MailFacts(
        first_name=first_name,
        items=[],
        currency="USD",
        total=Money(Decimal("0.00"), "USD"),
        locale="en",
        brand="Example Shop",
        shop_url="https://shop.example.com",
        postal_address="1 Example Street",
        recovery_link="https://mail.example.com/r/1",
        unsubscribe_link="https://mail.example.com/u/1",
        link_valid_until=datetime(2026, 1, 5, tzinfo=UTC),
        coupon="",
        sent_at=datetime(2025, 12, 6, tzinfo=UTC),
    )


def _body(inner: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


@pytest.mark.parametrize(
    "inner",
    [
        '<mj-text>{{ first_name }}</mj-text><mj-button href="{{ recovery_link }}">{{ first_name|upper }}</mj-button>',
        "{% if first_name == 'Anna' %}<mj-text>Friend {{ first_name|length }}</mj-text>{% endif %}",
        '<mj-image alt="{{ first_name }}" src="https://example.com/{{ first_name|urlencode }}.png" />',
        "<mj-text padding=\"{{ '9px' if first_name|length > 3 else '77px' }}\">{{ first_name }}</mj-text>",
        "{% set name %}{{ first_name }}{% endset %}<mj-text>{{ name|upper }} {{ name|length }}</mj-text>",
        "{% macro name() %}{{ first_name }}{% endmacro %}<mj-text>{{ name()|upper }}</mj-text>",
        "<mj-text>{% filter upper %}{{ first_name }}{% endfilter %}</mj-text>",
        """<mj-social><mj-social-element name="{{ 'x' if brand else '' }}">-</mj-social-element></mj-social>""",
        '<mj-text>-</mj-text><mj-spacer height="{{ first_name|length ~ "px" }}" />',
        "<mj-text>{{ first_name }} w0123456789abcdefx0x</mj-text>",
    ],
)
def test_each_mail_is_what_compiling_it_alone_gives(tmp_path: Path, inner: str) -> None:
    (tmp_path / "carts").mkdir()
    (tmp_path / "carts" / "reminder.mjml").write_text(_body(inner), encoding="utf-8")
    (tmp_path / "carts" / "reminder.txt").write_text("Hello", encoding="utf-8")
    many = Renderer([tmp_path])
    plain = Environment(autoescape=True).from_string(_body(inner))

    for name in [*NAMES, *NAMES, *NAMES]:
        filled = plain.render(first_name=name, brand="Example Shop", recovery_link="https://mail.example.com/r/1")
        expected = mjml2html(filled, fonts={}, disable_comments=True)

        assert many.render(SEQUENCE, STEP, _facts(name)).html == expected


def test_mails_of_the_shipped_templates_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first alone, the second with marks and three times to see that this is right; the others not at all."""
    compiled: list[str] = []

    def compiling(text: str, **options: Any) -> str:
        compiled.append(text)
        return mjml2html(text, **options)

    monkeypatch.setattr("cartctl.mail.mjml.mjml2html", compiling)
    renderer = Renderer([resources.shipped_templates()])
    for name in (f"Jörg {letter}. Ünal" for letter in "ABCDEFGHIJKLMNOPQRST"):
        items = [
            an_item(f"{name}'s kettle", image_url="https://shop.example.com/1.jpg"),
            an_item("Tea", price="1234.5"),
        ]
        about = facts(*items, first_name=name, locale="fr_FR")
        for step in shipped().steps:
            renderer.render(shipped(), step, about)
    assert len(compiled) == 5 * len(shipped().steps)


PLACES = {
    "title": ("<mj-title>{{ brand }}</mj-title><mj-preview>Of {{ postal_address }}</mj-preview>", ""),
    "text": ("", "<mj-text>{{ brand }}</mj-text><mj-text>&nbsp;{{ postal_address }}<br />{{ brand }} </mj-text>"),
    "links": ("", '<mj-button href="{{ brand }}">{{ postal_address }}</mj-button>'),
    "anchor": ("", '<mj-text><a href="{{ brand }}" title="{{ postal_address }}">{{ brand }}</a></mj-text>'),
    "image": ("", '<mj-image alt="{{ brand }}" title="{{ postal_address }}" src="https://example.com/{{ brand }}" />'),
    "class": (
        '<mj-attributes><mj-class name="vip" color="red" /></mj-attributes>',
        '<mj-text mj-class="{{ brand }}" css-class="{{ postal_address }}">-</mj-text>',
    ),
    "style": ("<mj-style>.{{ brand }} { color: {{ postal_address }} }</mj-style>", ""),
    "font": ('<mj-font name="{{ brand }}" href="https://example.com" />', '<mj-text font-family="vip">-</mj-text>'),
    "breakpoint": ('<mj-breakpoint width="{{ brand }}" />', "<mj-text>{{ postal_address }}</mj-text>"),
    "comment": ("", "<mj-text>-<!-- {{ brand }} --></mj-text>"),
    "conditional comment": ("", "<mj-raw><!--[if mso]><b>{{ brand }}</b><![endif]--></mj-raw>"),
    "table": ("", '<mj-table><tr><td title="{{ brand }}" style="color: {{ brand }}">{{ brand }}</td></tr></mj-table>'),
    "network": ("", '<mj-social><mj-social-element name="{{ brand }}" href="{{ postal_address }}" /></mj-social>'),
    "accordion": (
        "",
        (
            "<mj-accordion><mj-accordion-element><mj-accordion-title>{{ brand }}</mj-accordion-title>"
            "<mj-accordion-text>{{ postal_address }}</mj-accordion-text></mj-accordion-element></mj-accordion>"
        ),
    ),
    "loop": ("", "{% for word in brand.split() %}<mj-text>{{ word }} {{ loop.index }}</mj-text>{% endfor %}"),
}
"""Where a word may stand: what a place puts into the head, and into the body."""
ODD = st.sampled_from(
    """Anna vip 20px red facebook -- A--B --> <!-- ]]> &nbsp; &#39; [[URL]] {{x}} %s https://a/?b=1&c=2 . \\
    \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627""".split()
)
SPACES = st.text(" \t\n\x85\xa0\u2003\u2028\u3000\u200b\ufeff", max_size=2)
WORDS = st.builds("{}{}{}".format, SPACES, ODD | st.text("ab\xa0\x85 -&<>'\"\x7f\u00fc", max_size=6), SPACES)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates with one or two places each, those of two called `a+b`."""
    folder = tmp_path_factory.mktemp("places")
    for one, (head, body) in PLACES.items():
        for two, place in PLACES.items():
            more_head, more_body = place if two != one else ("", "")
            sequence = folder / f"{one}+{two}"
            sequence.mkdir()
            text = _body(body + more_body).replace("<mjml>", f"<mjml><mj-head>{head}{more_head}</mj-head>")
            (sequence / "reminder.mjml").write_text(text, encoding="utf-8")
            (sequence / "reminder.txt").write_text("Hello", encoding="utf-8")
    return folder


@settings(max_examples=150, deadline=None)
@given(
    one=st.sampled_from(sorted(PLACES)),
    two=st.sampled_from(sorted(PLACES)),
    mails=st.lists(st.tuples(WORDS, WORDS), min_size=3, max_size=6),
)
def test_whatever_the_words_are_and_wherever_they_stand(
    places: Path, one: str, two: str, mails: list[tuple[str, str]]
) -> None:
    sequence = replace(SEQUENCE, name=f"{one}+{two}")
    many = Renderer([places])
    source = (places / sequence.name / "reminder.mjml").read_text(encoding="utf-8")
    plain = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    for brand, address in mails:
        try:
            filled = plain.render(brand=brand, postal_address=address)
            expected = mjml2html(filled, fonts={}, disable_comments=True)
        except ValueError:
            with pytest.raises(TemplateError):
                many.render(sequence, STEP, replace(_facts("Anna"), brand=brand, postal_address=address))
        else:
            about = replace(_facts("Anna"), brand=brand, postal_address=address)
            assert many.render(sequence, STEP, about).html == expected

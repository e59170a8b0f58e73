"""Mails that differ in their words alone are compiled once: nobody must be able to tell."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from jinja2 import Environment
from mjml import mjml2html

from cartctl.domain.money import Money
from cartctl.domain.sequences import Sequence, Step
from cartctl.mail.facts import MailFacts
from cartctl.mail.render import Renderer

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

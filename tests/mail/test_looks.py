"""Every shipped mail, and the odd ones, in a real browser: wide and on a phone, light and dark. Pictures of them are
written to tests/screenshots, to be looked at."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from cartctl import resources
from cartctl.jobs.sample_answers import sample_attributes
from cartctl.mail.facts import MailFacts
from cartctl.mail.render import Renderer
from cartctl.mail.templates import load_sequences
from tests.chromium import AXE, SCREENSHOTS, launched
from tests.mail.builders import an_item, facts, shipped
from tests.web.browser import LOGO, MUG

WIDTHS = (600, 360)
RULES: dict[Literal["light", "dark"], dict[str, object]] = {
    # A mail is no page: it has no landmarks, and its heading is no h1.
    "light": {"rules": {each: {"enabled": False} for each in ("region", "landmark-one-main", "page-has-heading-one")}},
    "dark": {"runOnly": ["color-contrast"]},  # nothing else is different in it
}


def inline(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


WIDE = MUG.replace('viewBox="0 0 72 72"', 'viewBox="0 0 72 72" width="144" height="72"')
MUGS = an_item("Blue mug", variant="large", price="12.50", quantity=2, image_url=inline(MUG))
POT = an_item("Donaudampfschifffahrtsgesellschaftskapitänsteekanne", price="1249.00", image_url=inline(WIDE))
MOSS = an_item("Moss ball", price=None)
HEBREW = an_item("קומקום נחושת 1.2 ליטר", price="349.90", quantity=2, image_url=inline(MUG))
LOOK = {
    "brand": "Mugs & More",
    "logo": inline(LOGO),
    "colour": "#0b5d3b",
    "support": "help@shop.example.com",
    "postal_address": "Mugs & More, 1 Example Street, Exampletown",
}
ODD = {
    "no-picture": facts(an_item("Tea, 250 g", price="9.50", quantity=3), MOSS),
    "no-price": facts(MOSS, an_item("Fern", price=None, quantity=3), first_name="", shop_url=""),
    "total-only": facts(total=facts(POT).total),
    "yellow": facts(MUGS, colour="#ffcc00", support="https://shop.example.com/help"),
    "long": facts(*[MUGS, POT, MOSS] * 20, **LOOK),
    "long-names": facts(an_item("Frühstücksschale, extragroß, handgemacht, " * 5, variant="blau " * 30), POT, **LOOK),
    "hebrew-cart": facts(HEBREW, MUGS, currency="ILS", locale="he_IL", **LOOK),
    "no-cart": facts(recovery_link="", **LOOK),
}
HEBREW_MAIL = """{% extends "shared/layout.mjml" %}
{% block preheader %}העגלה שלכם מחכה.{% endblock %}
{% block opening %}
<mj-text mj-class="title">{{ first_name }}, שכחתם משהו בעגלה</mj-text>
<mj-text>ההזמנה שלכם ב-{{ brand }} עוד לא הושלמה. לחיצה על הכפתור תחזיר אתכם לעגלה!</mj-text>
{% endblock %}
"""
HEBREW_TEXT = """Subject: שכחתם משהו בעגלה

{% include "shared/items.txt" %}
{{ recovery_link }}
{% include "shared/footer.txt" %}
"""
HEBREW_WORDS = """cart_button = "חזרה לעגלה"
cart_total = "סך הכול"
link_valid = "הקישור תקף ל-{days} ימים."
support = "שאלות?"
reason_cart = "קיבלתם הודעה זו כי השארתם עגלה ב-{brand}."
unsubscribe = "הסרה מרשימת התפוצה"
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_page() as opened:
        yield opened


def look_at(page: Page, name: str, html: str) -> None:
    """Write pictures. No mail scrolls sideways or lacks a picture, and axe-core finds fault with none."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(html)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme, rules in RULES.items():
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 700})
            SCREENSHOTS.mkdir(exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"mail-{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (width, scheme)
        found = page.evaluate("rules => axe.run(rules).then(found => found.violations)", rules)
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], scheme
    assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
    assert [url for url in asked if not url.startswith(("data:", "about:"))] == [], "a mail loads its pictures alone"


def render(about: MailFacts, step: str, *folders: Path) -> str:
    sequence = shipped()
    chosen = sequence.step(step)
    assert chosen is not None
    return Renderer([*folders, resources.shipped_templates()]).render(sequence, chosen, about).html


@pytest.mark.parametrize("locale", ["en_GB", "de_DE"])
@pytest.mark.parametrize("step", ["reminder", "urgency", "offer"])
def test_every_shipped_mail(page: Page, step: str, locale: str) -> None:
    about = facts(MUGS, POT, MOSS, locale=locale, **LOOK)
    look_at(page, f"{step}-{locale[:2]}", render(about, step))


CHRISTMAS = load_sequences([resources.shipped_templates()])["christmas"]
ANSWERS = sample_attributes(CHRISTMAS)
LETTERS = [
    *((step.key, "critical") for step in CHRISTMAS.steps),
    *((key, segment) for key in ("focus", "closing") for segment in ("urgent", "optimize")),
]


@pytest.mark.parametrize(("key", "segment"), LETTERS)
def test_every_letter(page: Page, key: str, segment: str) -> None:
    step = CHRISTMAS.step(key)
    assert step is not None
    attributes = ANSWERS[segment][0]
    about = facts(recovery_link="", segment=segment, attributes=attributes, business_name="Fern & Kettle", **LOOK)
    html = Renderer([resources.shipped_templates()]).render(CHRISTMAS, step, about).html
    look_at(page, f"christmas-{key}-{segment}", html)


@pytest.mark.parametrize("name", ODD)
def test_odd_mails(page: Page, name: str) -> None:
    look_at(page, name, render(ODD[name], "reminder"))


def test_a_mail_that_is_read_from_right_to_left(page: Page, tmp_path: Path) -> None:
    (tmp_path / "cart-recovery").mkdir()
    (tmp_path / "cart-recovery" / "reminder.he.mjml").write_text(HEBREW_MAIL, encoding="utf-8")
    (tmp_path / "cart-recovery" / "reminder.he.txt").write_text(HEBREW_TEXT, encoding="utf-8")
    (tmp_path / "shared" / "locales").mkdir(parents=True)
    (tmp_path / "shared" / "locales" / "he.toml").write_text(HEBREW_WORDS, encoding="utf-8")
    about = facts(HEBREW, MUGS, MOSS, currency="ILS", locale="he_IL", **LOOK)
    look_at(page, "reminder-he", render(about, "reminder", tmp_path))
    page.set_viewport_size({"width": 600, "height": 700})
    title, name, total = (page.get_by_text(text).first.bounding_box() for text in ("שכחתם", "קומקום", "סך הכול"))
    price = page.get_by_text("699.80").bounding_box()
    assert title is not None
    assert name is not None
    assert total is not None
    assert price is not None
    assert price["x"] < name["x"] < title["x"] + title["width"], "the price stands on the left, words on the right"
    assert abs(total["x"] + total["width"] - title["x"] - title["width"]) < 2

"""The mails themselves: what the shipped templates make of a cart, and what a template may and may not do."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cartctl import resources
from cartctl.domain.colours import contrast
from cartctl.domain.money import Money
from cartctl.errors import TemplateError
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.render import Renderer
from tests.mail.builders import an_item, facts, render, shipped

PICTURE = "https://shop.example.com/pictures/kettle.png?w=144&h=144"
KETTLE = an_item(variant="copper, 1.2 l", image_url=PICTURE, product_url="https://shop.example.com/kettle")
TEA = an_item("Tea, 250 g", price="9.50", quantity=2)
MOSS = an_item("Moss ball", price=None)
STEPS = ("reminder", "urgency", "offer")
LOOK = {"logo": "https://shop.example.com/logo.png", "colour": "#0b5d3b", "support": "help@shop.example.com"}
PAGE = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"


def render_own(
    folder: Path, *, html: str = "", text: str = "", subject: str = "", about: MailFacts | None = None
) -> Rendered:
    """Render the reminder with a shop's own templates in front of the shipped ones."""
    (folder / "cart-recovery").mkdir(exist_ok=True)
    for ending, content in (("mjml", html), ("txt", text)):
        if content:
            (folder / "cart-recovery" / f"reminder.{ending}").write_text(content, encoding="utf-8")
    sequence = shipped()
    step = sequence.steps[0]
    renderer = Renderer([folder, resources.shipped_templates()])
    return renderer.render(sequence, replace(step, subject=subject or step.subject), about or facts(KETTLE))


def fault_of(folder: Path, *, html: str = "", text: str = "", subject: str = "") -> str:
    with pytest.raises(TemplateError) as raised:
        render_own(folder, html=html, text=text, subject=subject)
    return str(raised.value)


def words(html: str) -> str:
    """What a reader sees of an HTML part, as one line."""
    body = re.sub(r"<!--.*?-->", "", html.partition("<body")[2], flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


# The shipped mails


@pytest.mark.parametrize("step", STEPS)
def test_the_shipped_mails(step: str, golden: Callable[[str, str], None]) -> None:
    about = facts(KETTLE, TEA, MOSS, currency="USD", **LOOK)
    for language, name in (("en", step), ("de", f"{step}.de")):
        mail = render(replace(about, locale=language), step)
        golden(f"mails/{name}.html", mail.html.replace("><", ">\n<"))  # a tag a line: a difference can be read
        golden(f"mails/{name}.txt", f"Subject: {mail.subject}\n\n{mail.text}")


@pytest.mark.parametrize("step", STEPS)
def test_both_parts_hold_the_links_the_cart_and_the_address(step: str) -> None:
    about = facts(KETTLE, TEA)
    mail = render(about, step)
    for content in (unescape(mail.html), mail.text):
        for text in (about.recovery_link, about.unsubscribe_link, about.postal_address, "Kettle", "Tea, 250 g"):
            assert text in content
        assert "€79.00" in content
        assert "€19.00" in content
        assert "€98.00" in content
        assert ("BACK10" in content) == (step == "offer")


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("step", STEPS)
def test_the_line_beside_the_subject_says_something_else(step: str, locale: str) -> None:
    for coupon in ("BACK10", ""):
        mail = render(facts(KETTLE, locale=locale, coupon=coupon), step)
        (preheader,) = re.findall(r'<div style="display:none[^"]*">([^<]+)</div>', mail.html)
        assert 20 < len(preheader.strip()) < 100
        assert unescape(preheader) not in mail.subject


@pytest.mark.parametrize("step", STEPS)
def test_no_claim_that_the_data_does_not_support(step: str) -> None:
    mail = render(facts(KETTLE, TEA), step)
    said = f"{mail.subject} {mail.text} {words(mail.html)}".lower()
    for claim in ("hurry", "fast", "reserve", "saved", "limited", "expire", "last", "discount", "%", "stock", "free"):
        assert claim not in said


@pytest.mark.parametrize("step", STEPS)
def test_no_mail_calls_a_third_party(step: str) -> None:
    html = render(facts(KETTLE, TEA), step).html
    urls = re.findall(r"""(?:src|href|background|action)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import\s+([^;]*)""", html)
    hosts = {urlsplit(unescape("".join(url))).hostname for url in urls}
    assert hosts == {"mail.example.com", "shop.example.com"}
    assert "fonts.googleapis" not in html
    assert "<script" not in html.lower()
    assert "<form" not in html.lower()


LONG_URL = f"{PICTURE}&v={'&' * 1900}"
WORST = {
    "usual": an_item("Extra-große handgemachte Frühstücksschale", variant="mitternachtsblau", image_url=PICTURE),
    "long": an_item("Extra-große handgemachte Frühstücksschale " * 50, variant="blau " * 100, image_url=PICTURE),
    "escaped": an_item("'&" * 1000, variant="<>" * 1000, image_url=PICTURE),
    "four bytes": an_item("\N{TEAPOT}\N{HOT SPRINGS}\U0001fad6" * 500, variant="\U0001fad6" * 500, image_url=PICTURE),
    "addresses": an_item("Kettle", image_url=LONG_URL),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", WORST)
def test_a_long_cart_stays_below_the_size_at_which_gmail_cuts(name: str, step: str) -> None:
    """The rest is counted, in both parts alike, whatever the lines are like."""
    mail = render(facts(*[replace(WORST[name], quantity=12)] * 62, locale="de_DE", **LOOK), step)
    assert len(mail.html.encode()) <= 100_000
    assert len(mail.text.encode()) <= 100_000
    shown = mail.html.count('<img src="https://shop.example.com/pictures')
    assert shown == mail.text.count("\n- 12 × ")
    assert f"und {62 - shown} weitere" in mail.html
    assert f"\n- und {62 - shown} weitere\n" in mail.text
    assert shown == 50 if name == "usual" else 5 < shown <= 50


@pytest.mark.parametrize(("count", "more"), [(1, 0), (50, 0), (51, 1), (62, 12)])
def test_fifty_lines_are_shown_and_the_rest_is_counted(count: int, more: int) -> None:
    mail = render(facts(*[an_item(f"Thing {number:02d}") for number in range(count)]))
    for content in (words(mail.html), mail.text):
        assert re.findall(r"Thing \d\d", content) == [f"Thing {number:02d}" for number in range(min(count, 50))]
        assert re.findall(r"and (\d+) more", content) == ([str(more)] if more else [])


def test_above_a_long_list_there_is_a_button_too() -> None:
    assert words(render(facts(*[TEA] * 6), "urgency").html).count("Finish my order") == 1
    assert words(render(facts(*[TEA] * 7), "urgency").html).count("Finish my order") == 2


def test_a_long_name_ends_in_an_ellipsis() -> None:
    mail = render(facts(an_item("Blue " * 40, variant="x" * 100)))
    for content in (words(mail.html), mail.text):
        assert "Blue " * 29 + "Blue…" in content
        assert "Blue " * 30 not in content
        assert "x" * 100 in content


def test_a_line_taken_out_of_the_cart_is_not_shown() -> None:
    mail = render(facts(KETTLE, an_item("Returned", quantity=0)))
    assert "Returned" not in mail.text + mail.html


def test_a_cart_without_pictures_has_no_column_for_them() -> None:
    assert "<img" not in render(facts(TEA, MOSS)).html
    assert "picture" not in render(facts(TEA, MOSS)).html.partition("<body")[2]
    assert render(facts(KETTLE, TEA)).html.count('class="picture"') == 2, "a square for each, or the names do not align"
    assert render(facts(KETTLE, TEA)).html.count("<img") == 1


def test_a_picture_address_is_escaped_once() -> None:
    assert f'src="{PICTURE.replace("&", "&amp;")}"' in render(facts(KETTLE)).html


def test_a_cart_without_prices_shows_no_amount() -> None:
    mail = render(facts(MOSS, an_item("Fern", price=None, quantity=3)))
    for content in (words(mail.html), mail.text):
        assert "None" not in content
        assert "Total" not in content
        assert "€" not in content
    assert "Fern 3 pieces" in words(mail.html)
    assert "- 3 × Fern\n" in mail.text


def test_a_cart_of_which_only_the_total_is_known() -> None:
    mail = render(facts(total=Money(Decimal("49.90"), "EUR")), "offer")
    assert "Total €49.90" in words(mail.html)
    assert "Enter it at the checkout.\n\nTotal: €49.90\n\nBack to my cart: " in mail.text
    assert "left behind" not in words(mail.html)


def test_a_shopper_without_a_name_and_a_shop_without_an_address() -> None:
    mail = render(facts(KETTLE, first_name="", shop_url="", postal_address=""))
    assert mail.text.startswith("You left something behind.\n")
    assert "You left something behind" in words(mail.html)
    assert 'href=""' not in mail.html


@pytest.mark.parametrize("step", STEPS)
def test_the_text_part_reads_well(step: str) -> None:
    for about in (facts(KETTLE, TEA), facts(MOSS), facts(*[TEA] * 40), facts(total=Money(Decimal(5), "EUR"))):
        text = render(about, step).text
        assert "\n\n\n" not in text
        assert not re.search(r"[ \t]\n", text)
        assert text == text.strip() + "\n"


# The shop's look


def test_the_mail_bears_the_shops_name_or_its_logo() -> None:
    plain, look = render(facts(KETTLE)), render(facts(KETTLE, **LOOK))
    assert "Fern & Kettle Anna, you left" in words(plain.html)
    (logo,) = re.findall(r'<img class="logo"[^>]*>', look.html)
    assert 'src="https://shop.example.com/logo.png"' in logo
    assert 'alt="Fern &amp; Kettle"' in logo
    assert 'class="logo"' not in plain.html


@pytest.mark.parametrize(
    ("colour", "button", "words_on_it"),
    [("", "#1f4fd8", "#ffffff"), ("#0b5d3b", "#0b5d3b", "#ffffff"), ("#ffcc00", "#ffcc00", "#000000")],
)
def test_the_button_is_of_the_shops_colour_with_words_that_can_be_read(
    colour: str, button: str, words_on_it: str
) -> None:
    html = render(facts(KETTLE, colour=colour)).html
    (style,) = re.findall(r'<a href="https://mail\.example\.com/r/[^>]*style="([^"]*)"', html)
    assert f"background:{button};" in style
    assert f"color:{words_on_it};" in style


@pytest.mark.parametrize("colour", ["#ffffff", "#ffcc00", "#0b5d3b", "#000000"])
def test_links_can_be_read_on_light_and_on_dark_whatever_the_shops_colour(colour: str) -> None:
    light, dark = re.findall(r"\.page a { color: (#\w+); }", render(facts(KETTLE, colour=colour)).html)
    assert contrast(light, "#ffffff") >= 4.5
    assert contrast(dark, "#1e252f") >= 4.5


@pytest.mark.parametrize(
    ("support", "link", "shown"),
    [
        ("help@shop.example.com", "mailto:help@shop.example.com", "help@shop.example.com"),
        ("https://shop.example.com/help/", "https://shop.example.com/help/", "shop.example.com/help"),
    ],
)
def test_the_footer_says_whom_to_ask(support: str, link: str, shown: str) -> None:
    mail = render(facts(KETTLE, support=support))
    assert f'<a href="{link}"' in mail.html
    assert f"Questions? {shown} You receive this mail" in words(mail.html)
    assert f"\nQuestions? {support}\n" in mail.text
    assert "Questions?" not in words(render(facts(KETTLE)).html) + render(facts(KETTLE)).text


def test_a_mail_about_no_cart_speaks_of_none(tmp_path: Path) -> None:
    layout = '{% extends "shared/layout.mjml" %}{% block opening %}<mj-text>Hello</mj-text>{% endblock %}'
    text = 'Hello\n\n{% include "shared/items.txt" %}\n{% include "shared/footer.txt" %}'
    mail = render_own(tmp_path, html=layout, text=text, subject="Hello", about=facts(recovery_link=""))
    for content in (words(mail.html), mail.text):
        assert "cart" not in content
        assert "The link works" not in content
        assert "You receive this mail because you gave your address to Fern & Kettle." in content
        assert "Unsubscribe" in content
    assert 'href=""' not in mail.html


def test_a_mail_may_say_why_it_comes(tmp_path: Path) -> None:
    layout = '{% extends "shared/layout.mjml" %}{% block reason %}You asked us to write.{% endblock %}'
    text = 'Hello\n{% set reason = "You asked us to write." %}\n{% include "shared/footer.txt" %}'
    mail = render_own(tmp_path, html=layout, text=text)
    for content in (words(mail.html), mail.text):
        assert "You asked us to write. Unsubscribe" in " ".join(content.split())
        assert "because" not in content


# Languages


def test_a_mail_is_in_one_language_throughout() -> None:
    about = facts(KETTLE, an_item("Farn", price=None, quantity=3), *[TEA] * 60, locale="de_AT", **LOOK)
    for step in STEPS:
        for coupon in ("BACK10", ""):
            mail = render(replace(about, coupon=coupon), step)
            assert '<html lang="de" dir="ltr"' in mail.html
            for content in (words(mail.html), mail.text):
                assert "Summe" in content
                assert "und 12 weitere" in content
                assert "Der Link gilt 30 Tage lang." in content
                assert "Sie erhalten diese E-Mail, weil Sie bei Fern & Kettle einen Warenkorb" in content
                assert "Abmelden" in content
                assert not re.search(r"\b(you|your|the|cart|more|total|unsubscribe)\b(?!-)", content, re.IGNORECASE)
            assert not re.search(r"\b(you|your|cart)\b", mail.subject, re.IGNORECASE)
    assert "3 Stück" in words(mail.html)


def test_shipped_languages_have_the_same_words() -> None:
    folder = resources.shipped_templates() / "shared" / "locales"
    english, german = (tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8")) for name in ("en", "de"))
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", german[key]), key


def test_a_shop_may_say_one_word_in_another_way(tmp_path: Path) -> None:
    (tmp_path / "shared" / "locales").mkdir(parents=True)
    (tmp_path / "shared" / "locales" / "en.toml").write_text('cart_button = "To my basket"')
    (tmp_path / "shared" / "locales" / "de.toml").write_text('cart_button = "Zum Korb"')
    german = render_own(tmp_path, about=facts(KETTLE, locale="de")).text
    assert "\nZum Korb: " in german
    assert "Summe" in german
    mail = render_own(tmp_path)
    assert "To my basket" in words(mail.html)
    assert "\nTo my basket: " in mail.text
    assert "Total" in mail.text


def test_a_word_that_there_is_not_is_named(tmp_path: Path) -> None:
    assert fault_of(tmp_path, text='\n{{ say("cart_buton") }}') == (
        'cart-recovery/reminder.txt, line 2: there is no word "cart_buton" in shared/locales '
        '(did you mean "cart_button"?)'
    )


def test_english_text_about_a_cart_from_elsewhere_is_english(tmp_path: Path) -> None:
    """The text decides on language and direction, the cart on how money is written."""
    mail = render(facts(KETTLE, locale="ar_KW", currency="KWD"))
    assert '<html lang="en" dir="ltr"' in mail.html
    assert "direction:rtl" not in mail.html
    until = {
        locale: render_own(tmp_path, text="{{ link_valid_until }}", about=facts(locale=locale)).text
        for locale in ("fr", "en_GB", "en_US")
    }
    assert until == {"fr": "April 1, 2026\n", "en_GB": "1 April 2026\n", "en_US": "April 1, 2026\n"}


def test_a_text_that_is_read_from_right_to_left(tmp_path: Path) -> None:
    shipped_one = resources.shipped_templates() / "cart-recovery" / "reminder"
    (tmp_path / "cart-recovery").mkdir()
    (tmp_path / "cart-recovery" / "reminder.he.mjml").write_text(shipped_one.with_suffix(".mjml").read_text())
    (tmp_path / "cart-recovery" / "reminder.he.txt").write_text("Subject: Hi\n\n")
    html = render_own(tmp_path, about=facts(KETTLE, locale="he_IL")).html
    assert '<html lang="he" dir="rtl"' in html
    assert '<td align="left" dir="auto"' in re.sub(r'class="line" valign="top" ', "", html)
    assert "text-align:right" in html
    assert "direction:ltr;display" not in html, "no column is read from left to right"


# Prices


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "written"),
    [
        ("1234.5", "EUR", "de_DE", "1.234,50 €"),
        ("1234.5", "EUR", "en_US", "€1,234.50"),
        ("1234.5", "EUR", "ja_JP", "€1,234.50"),
        ("1234.5", "EUR", "fr_FR", "1\u202f234,50 €"),
        ("1234", "JPY", "de_DE", "1.234 ¥"),
        ("1234", "JPY", "en_US", "¥1,234"),
        ("1234", "JPY", "ja_JP", "￥1,234"),
        ("1234.5", "KWD", "de_DE", "1.234,500 KWD"),
        ("1234.5", "KWD", "en_US", "KWD 1,234.500"),
        ("1234.5", "KWD", "ja_JP", "KWD 1,234.500"),
        ("1234.5", "CHF", "de_CH", "CHF 1’234.50"),
        ("1234.5", "IQD", "en_US", "IQD 1,234.500"),  # ISO 4217 says three decimals, CLDR none
        ("1234.5", "HUF", "de_DE", "1.234,50 HUF"),
        ("1234.5", "XXX", "de_DE", "1.234,50"),
        ("1234.5", "XXX", "en_US", "1,234.50"),
        ("1234.5", "EUR", "de", "1.234,50 €"),
        ("1234.5", "EUR", "de_ZZ", "1.234,50 €"),
        ("1234.5", "EUR", "xx_YY", "€1,234.50"),
        ("1234.5", "EUR", "", "€1,234.50"),
    ],
)
def test_prices_are_written_as_the_shopper_writes_them(amount: str, currency: str, locale: str, written: str) -> None:
    mail = render(facts(an_item(price=amount), currency=currency, locale=locale))
    said = mail.text.replace("Summe:", "Total:").replace("\N{NO-BREAK SPACE}", " ")
    assert f"- Kettle: {written}\n" in said
    assert f"Total: {written}\n" in said
    assert f">{written}<" in mail.html.replace("\N{NO-BREAK SPACE}", " ")


# What an export may hold


def test_html_is_escaped_and_text_is_not() -> None:
    mail = render(facts(an_item("<b>Bold</b> & 'more' {{ brand }}"), brand="A & B <i>", first_name="<script>alert(1)"))
    assert "<b>Bold" not in mail.html
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; &#39;more&#39; {{ brand }}" in mail.html
    assert "<script" not in mail.html
    assert "- <b>Bold</b> & 'more' {{ brand }}: €79.00\n" in mail.text
    assert mail.subject == "You left something at A & B <i>"


@example(name="a\x07bell, a\x0btab, a\ufffe")
@given(name=st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@settings(deadline=None, max_examples=60)
def test_no_name_of_a_product_breaks_a_mail(name: str) -> None:
    mail = render(facts(an_item(name, image_url=PICTURE), first_name=name))
    assert mail.text.count("\n- ") == 1
    assert mail.html.count("<img") == 1


@pytest.mark.parametrize("name", ["Win at evil.example.com", "https://evil.example", "a@example.com", "x" * 41, "\x00"])
def test_nobody_is_greeted_with_what_is_no_name(name: str) -> None:
    assert render(facts(KETTLE, first_name=name)).text.startswith("You left something behind.")


@pytest.mark.parametrize("name", ["Anna", "Jean-Luc", "J.R.", "Anna M. Ö.", "千代", "O'Brien"])
def test_names_are_greeted(name: str) -> None:
    assert render(facts(KETTLE, first_name=name)).text.startswith(f"{name}, you left something behind.")


def test_a_subject_is_one_line(tmp_path: Path) -> None:
    about = facts(an_item("Two\nlines"), brand="Fern\n & \tKettle")
    assert render(about).subject == "You left something at Fern & Kettle"
    assert render_own(tmp_path, subject="{{ items[0].name }}\n  at {{ brand }}", about=about).subject == (
        "Two lines at Fern & Kettle"
    )


# A shop's own templates


def test_a_file_of_the_shops_own_hides_the_shipped_one_and_no_other(tmp_path: Path) -> None:
    mail = render_own(tmp_path, text="Own text: {{ brand }}\n")
    assert mail.text == "Own text: Fern & Kettle\n"
    assert mail.html == render(facts(KETTLE)).html
    assert "shared/footer" not in mail.text


def test_a_shared_file_can_be_hidden_too(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "footer.txt").write_text("Own footer")
    assert render_own(tmp_path).text.endswith("Own footer\n")


def test_an_unknown_name_is_an_error_that_says_where(tmp_path: Path) -> None:
    assert (
        fault_of(tmp_path, text="Hello\n\n{{ cupon }}\n") == "cart-recovery/reminder.txt, line 3: 'cupon' is undefined"
    )
    assert fault_of(tmp_path, text="{{ items[0].nme }}") == (
        "cart-recovery/reminder.txt, line 1: 'dict object' has no attribute 'nme'"
    )
    assert fault_of(tmp_path, subject="{{ cupon }}") == "cart-recovery/reminder: subject: 'cupon' is undefined"


def test_a_fault_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "items.txt").write_text("\n{{ cupon }}")
    assert fault_of(tmp_path) == "shared/items.txt, line 2: 'cupon' is undefined"


def test_a_template_that_raises_is_named(tmp_path: Path) -> None:
    assert fault_of(tmp_path, text="\n{{ 1 / 0 }}") == (
        "cart-recovery/reminder.txt, line 2: ZeroDivisionError: division by zero"
    )
    assert "OverflowError" in fault_of(tmp_path, text="{% for n in range(10 ** 9) %}{% endfor %}")


def test_a_template_that_is_none_is_named(tmp_path: Path) -> None:
    assert fault_of(tmp_path, text="\n{% if %}").startswith("cart-recovery/reminder.txt, line 2: ")
    assert fault_of(tmp_path, subject="{{ brand").startswith("cart-recovery/reminder: subject, line 1: ")
    assert fault_of(tmp_path, text='{% include "shared/fotter.txt" %}') == (
        f"shared/fotter.txt: no such template in {tmp_path} or {resources.shipped_templates()}"
    )


@pytest.mark.parametrize(
    ("mjml", "fault"),
    [
        ("<mjml><mj-body><mj-section></mj-body></mjml>", "not valid MJML: "),
        ("no MJML at all", "not valid MJML: "),
        (PAGE.format('<mj-include path="/etc/hostname" />'), "not valid MJML: <mj-include> is unknown"),
        ("<mjml><mj-body><mj-foo>x</mj-foo></mj-body></mjml>", "not valid MJML: <mj-foo> is unknown"),
        ('<mjml><mj-body><mj-include path="/etc/hostname" /></mj-body></mjml>', "not valid MJML: "),
    ],
)
def test_broken_mjml_is_named(tmp_path: Path, mjml: str, fault: str) -> None:
    assert fault_of(tmp_path, html=mjml).startswith(f"cart-recovery/reminder.mjml: {fault}")


@pytest.mark.parametrize(
    "trick",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ items.__class__.__base__.__subclasses__() }}",
        "{{ brand.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(brand) }}",
        "{{ (brand | attr('__class__')).__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
    ],
)
def test_a_template_cannot_reach_beyond_its_facts(tmp_path: Path, trick: str) -> None:
    assert "cart-recovery/reminder.txt" in fault_of(tmp_path, text=trick)


NEVER_ENDING = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("costly", "fault"),
    [
        (NEVER_ENDING, "takes longer than 1 s: does a loop in it never end?"),
        ("{% for a in range(99999) %}{{ 'x' * 99 }}{% endfor %}", "writes more than 1,000,000 characters"),
        ("{{ ('x' * 10 ** 10)[0] }}", "a text or list of more than 1,000,000"),
        ("{{ (10 ** 10 * [0])[0] }}", "a text or list of more than 1,000,000"),
        ("{{ 10 ** 10000 }}", "a number of more than 4096 bits"),
    ],
)
@pytest.mark.parametrize("part", ["txt", "mjml"])
def test_a_template_that_takes_too_much_is_stopped_and_named(
    tmp_path: Path, costly: str, fault: str, part: str
) -> None:
    told = fault_of(tmp_path, **{{"txt": "text", "mjml": "html"}[part]: f"\n{PAGE.format(costly)}"})
    assert told == f"cart-recovery/reminder.{part}, line 2: {fault}"


def test_ordinary_sums_are_none_of_that(tmp_path: Path) -> None:
    text = "{{ '-' * 40 }} {{ 2 ** 10 }} {{ item_count * 100 }} {{ 1.5 * 2 }} {{ [0] * 3 }}"
    assert render_own(tmp_path, text=text).text == f"{'-' * 40} 1024 100 3.0 [0, 0, 0]\n"


def test_a_subject_that_takes_too_much_is_stopped(tmp_path: Path) -> None:
    assert "takes longer than 1 s" in fault_of(tmp_path, subject=NEVER_ENDING)

"""`cartctl sequences check`: a template that fails does so here, and not in a shopper's mail."""

import json
import re
import shutil
from pathlib import Path

import pytest

from cartctl import resources
from tests.shop import Outcome, Shop

OWN = Path("templates/cart-recovery")


@pytest.fixture
def own(shop: Shop) -> Path:
    """A shop's own templates, as shipped but for the offer, which takes as long to check as the other two.

    Its German mails are there: they are told of where they are as shipped.
    """
    OWN.mkdir(parents=True)
    sequence = (resources.shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    before, step, after = sequence.rpartition("[[step]]")
    assert 'key = "offer"' in after, step
    (OWN / "sequence.toml").write_text(before, encoding="utf-8")
    for path in (resources.shipped_templates() / "cart-recovery").glob("*.de.*"):
        (OWN / path.name).write_text(f"{path.read_text(encoding='utf-8')}{{# ours #}}", encoding="utf-8")
    shop.configure('templates = "templates"\n')
    return OWN


def check(shop: Shop, *options: str, of: str = "cart-recovery", ok: bool = False) -> Outcome:
    return shop.cli("sequences", "check", *([of] if of else []), *options, ok=ok)


def with_text(own: Path, text: str) -> None:
    (own / "reminder.txt").write_text(text, encoding="utf-8")


GOOD = "{{ recovery_link }} {{ unsubscribe_link }} {{ postal_address }}"


def test_the_shipped_sequences_pass_in_silence(shop: Shop) -> None:
    outcome = check(shop, of="", ok=True)
    assert (outcome.out, outcome.err) == ("", "")
    assert re.fullmatch(r"\d+ mails of 10 steps rendered, 0 problems\n", check(shop, "-v", of="", ok=True).out)
    assert re.fullmatch(r"\d+ mails of 3 steps rendered, 0 problems\n", check(shop, "-v", ok=True).out)


def test_a_sequence_that_there_is_not_is_named(shop: Shop) -> None:
    outcome = check(shop, of="cart-recovry")
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert outcome.err == 'cartctl: no sequence "cart-recovry" (did you mean "cart-recovery"?)\n'


def test_the_shipped_sequences_pass_without_any_configuration(shop: Shop) -> None:
    for path in Path().glob("cartctl.*"):  # the configuration, and the database that every test shop has
        path.unlink()
    outcome = check(shop, ok=True)
    assert outcome.err == (
        "cartctl: cart-recovery/offer: no [coupons] recovery10 is configured: without imported codes the step is "
        "skipped\n"
    )
    assert not list(Path().glob("cartctl.db*")), "a check needs no database"


def test_json(shop: Shop) -> None:
    found = check(shop, "--json", ok=True).json
    assert found | {"steps": 3, "rendered": 40} == {"steps": 3, "rendered": 40, "problems": [], "hints": []}
    assert found["rendered"] >= 5 * found["steps"]


def test_an_undefined_name_is_named_once_with_its_line(shop: Shop, own: Path) -> None:
    with_text(own, GOOD + "\n{{ cupon }}")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err == (
        "cartctl: cart-recovery/reminder.txt, line 2: 'cupon' is undefined (sample: usual, en): "
        'the names there are stand in the README under "Editing the mails"\n'
    )


def test_a_template_that_fails_on_an_odd_cart_only_is_caught(shop: Shop, own: Path) -> None:
    with_text(own, GOOD + "{{ items[0].name }}")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert "cart-recovery/reminder.txt, line 1: " in outcome.err
    assert "(sample: no items, en)" in outcome.err


def test_what_every_mail_must_hold_is_missed(shop: Shop, own: Path) -> None:
    with_text(own, "Come back!")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err.splitlines() == [
        f"cartctl: cart-recovery/reminder.txt: has no {what} (sample: usual, en): write {{{{ {name} }}}} into it"
        for what, name in (
            ("recovery link", "recovery_link"),
            ("unsubscribe link", "unsubscribe_link"),
            ("postal address", "postal_address"),
        )
    ]


def test_an_html_part_without_an_unsubscribe_link_is_caught(shop: Shop, own: Path) -> None:
    shipped = (resources.shipped_templates() / "cart-recovery" / "reminder.mjml").read_text(encoding="utf-8")
    layout = (resources.shipped_templates() / "shared" / "layout.mjml").read_text(encoding="utf-8")
    (own / "layout.mjml").write_text(layout.replace("{{ unsubscribe_link }}", "#"), encoding="utf-8")
    (own / "reminder.mjml").write_text(shipped.replace("shared/layout", "cart-recovery/layout"), encoding="utf-8")
    outcome = check(shop, "--json")
    assert outcome.exit_code == 1
    assert [problem["fault"] for problem in outcome.json["problems"]] == ["has no unsubscribe link", 'links to "#"']
    assert outcome.json["problems"][0] == {
        "template": "cart-recovery/reminder.mjml",
        "line": None,
        "fault": "has no unsubscribe link",
        "advice": 'write <a href="{{ unsubscribe_link }}"> into it',
        "renders": True,
        "step": "cart-recovery/reminder",
        "locale": "en",
        "segment": "",
        "sample": "usual",
    }


def test_a_missing_part_is_named(shop: Shop, own: Path) -> None:
    sequence = (resources.shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    more = '\n[[step]]\nkey = "goodbye"\nafter = "72h"\nsubject = "Goodbye"\n'
    (own / "sequence.toml").write_text(sequence + more, encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err.startswith("cartctl: cart-recovery/goodbye.mjml: no such template in ")


def test_an_empty_subject_is_caught(shop: Shop, own: Path) -> None:
    sequence = (resources.shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    changed = sequence.replace('"You left something at {{ brand }}"', '"{% if not brand %}Your cart{% endif %}"')
    (own / "sequence.toml").write_text(changed, encoding="utf-8")
    line = changed[: changed.index("{% if not brand")].count("\n") + 1
    assert check(shop).err == (
        f'cartctl: cart-recovery/sequence.toml, line {line}: the subject of step "reminder" is empty '
        "(sample: usual, en): write what it says where nothing is known\n"
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("trigger = ", "not valid TOML: "),
        ('trigger = "cart-abandoned"\n[[step]]\nkey = "a"\nafter = "1h"\nsubjekt = "x"\n',
         'step "a": unknown key "subjekt" (did you mean "subject"?)\n'),
        ("", '"trigger" is missing\n'),
    ],
)  # fmt: skip
def test_a_wrong_sequence_is_a_matter_of_configuration(shop: Shop, own: Path, content: str, fault: str) -> None:
    (own / "sequence.toml").write_text(content, encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 2
    assert outcome.err.startswith(f"cartctl: {Path.cwd() / own / 'sequence.toml'}: {fault}")


def test_a_template_folder_that_is_none_is_named(shop: Shop) -> None:
    shop.configure('templates = "tempaltes"\n')
    outcome = check(shop)
    assert outcome.exit_code == 2
    assert outcome.err == f"cartctl: templates: {Path.cwd() / 'tempaltes'} is no folder\n"


def test_the_json_of_a_failed_check_can_still_be_read(shop: Shop, own: Path) -> None:
    before = check(shop, "--json", ok=True).json["rendered"]
    with_text(own, "{{ cupon }}")
    outcome = check(shop, "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.out)["rendered"] == before - 10


def test_a_text_with_a_hole_where_the_code_was_is_told_of(shop: Shop, own: Path) -> None:
    (own / "sequence.toml").unlink()
    (own / "offer.txt").write_text(GOOD + "\nUse {{ coupon }} now!", encoding="utf-8")
    outcome = check(shop, ok=True)
    assert outcome.err.startswith("cartctl: cart-recovery/offer: reads the same without a code")
    assert outcome.err.count("\n") == 1
    sequence = (resources.shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    skipping = sequence.replace('coupon = "recovery10" ', 'on_cooldown = "skip"\ncoupon = "recovery10" ')
    (own / "sequence.toml").write_text(skipping, encoding="utf-8")
    assert check(shop, ok=True).err == ""


def test_a_template_that_fails_without_a_code_is_caught(shop: Shop, own: Path) -> None:
    (own / "sequence.toml").unlink()
    (own / "offer.txt").write_text(GOOD + "{% if not coupon %}{{ cupon }}{% endif %}", encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert "'cupon' is undefined (sample: usual, without a code, en)" in outcome.err


def test_each_language_is_rendered(shop: Shop, own: Path) -> None:
    before = check(shop, "--json", ok=True).json["rendered"]
    for ending in ("mjml", "txt"):
        text = (resources.shipped_templates() / "cart-recovery" / f"reminder.{ending}").read_text(encoding="utf-8")
        subject = "Subject: Uw winkelwagen\n\n" if ending == "txt" else ""
        (own / f"reminder.nl.{ending}").write_text(subject + text, encoding="utf-8")
    outcome = check(shop, "--json", ok=True)
    assert outcome.json["rendered"] == before + 9, "whoever reads neither gets English, once"
    assert outcome.json["hints"] == [
        'cart-recovery/reminder: no shared/locales/nl.toml: "Total" and the like are said in English'
    ]
    words = own.parent / "shared" / "locales" / "nl.toml"
    words.parent.mkdir(parents=True)
    words.write_text('cart_total = "Totaal"', encoding="utf-8")
    assert check(shop, "--json", ok=True).json["hints"] == []
    with (own / "reminder.nl.txt").open("a", encoding="utf-8") as stream:
        stream.write("{{ cupon }}")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert "cart-recovery/reminder.nl.txt, line " in outcome.err
    assert "'cupon' is undefined (sample: usual, nl): " in outcome.err


def test_a_language_without_a_subject_is_refused(shop: Shop, own: Path) -> None:
    for ending in ("mjml", "txt"):
        text = (resources.shipped_templates() / "cart-recovery" / f"reminder.{ending}").read_text(encoding="utf-8")
        (own / f"reminder.nl.{ending}").write_text(text, encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err.startswith(
        "cartctl: cart-recovery/reminder.nl.txt: has no subject: begin it with a line `Subject: …` "
        "(sample: usual, nl)\n"
    )


def test_a_name_that_no_locale_leads_to_is_told_of(shop: Shop, own: Path) -> None:
    (own / "reminder.pt-br.txt").write_text("Subject: x", encoding="utf-8")
    assert check(shop, ok=True).err == "cartctl: cart-recovery/reminder.pt-br: nobody gets it: call it reminder.pt_BR\n"
    (own.parent / "shared" / "locales").mkdir(parents=True)
    (own.parent / "shared" / "locales" / "de.toml").write_text('cart_totel = "x"', encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 2
    assert 'de.toml: unknown key "cart_totel" (did you mean "cart_total"?)' in outcome.err


def test_a_shipped_translation_of_a_text_of_ones_own_is_told_of(shop: Shop, own: Path) -> None:
    """Files hide one another by name: a German cart would still get the German mail that was shipped."""
    shipped = (resources.shipped_templates() / "cart-recovery" / "reminder.txt").read_text(encoding="utf-8")
    (own / "reminder.txt").write_text(shipped, encoding="utf-8")
    translation = resources.shipped_templates() / "cart-recovery" / "reminder.de.txt"
    shutil.copy(translation, own)
    assert check(shop, ok=True).err == "", "a copy is no text of one's own"
    (own / "reminder.txt").write_text(f"{shipped}See you!\n", encoding="utf-8")
    told = "cart-recovery/reminder.de.txt is as shipped, though cart-recovery/reminder.txt is yours"
    for _ in range(2):
        assert check(shop, ok=True).err == f"cartctl: {told}: its readers do not get what you wrote\n"
        (own / "reminder.de.txt").unlink(missing_ok=True)
    (own / "reminder.de.txt").write_text(f"Subject: Dein Warenkorb\n\n{shipped}", encoding="utf-8")
    assert check(shop, ok=True).err == ""


def with_html(own: Path, inner: str) -> int:
    """Give the reminder an opening of the shop's own; return its line."""
    source = (resources.shipped_templates() / "cart-recovery" / "reminder.mjml").read_text(encoding="utf-8")
    head = source[: source.index("{% block opening %}")]
    (own / "reminder.mjml").write_text(f"{head}{{% block opening %}}\n{inner}\n{{% endblock %}}\n", encoding="utf-8")
    return head.count("\n") + 2


@pytest.mark.parametrize(
    ("inner", "fault", "advice"),
    [
        ('<mj-text><a href="www.shop.example.com/sale">Sale</a></mj-text>',
         'links to "www.shop.example.com/sale"', "write the whole address, from https:// on"),
        ('<mj-button href="/sale">Sale</mj-button>', 'links to "/sale"', "write the whole address, from https:// on"),
        ('<mj-text><a href="javascript:alert(1)">Sale</a></mj-text>',
         'links to "javascript:alert(1)"', "write the whole address, from https:// on"),
        ('<mj-text><img src="https://shop.example.com/a.png"></mj-text>',
         'has a picture without alt ("https://shop.example.com/a.png")',
         'write alt="what it shows", or alt="" where it only decorates'),
        ('<mj-image src="pictures/a.png" alt="A kettle" />',
         'has a picture at "pictures/a.png"',
         "put it on a server, and write its whole address, from https:// on"),
        ("<mj-text>{% raw %}Hello {{ first_name }}{% endraw %}</mj-text>",
         "shows `{{ first_name }}` as it is", "write it outside quotes and {% raw %}"),
    ],
)  # fmt: skip
def test_what_would_look_broken_is_named_with_its_line(
    shop: Shop, own: Path, inner: str, fault: str, advice: str
) -> None:
    line = with_html(own, inner)
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err == (
        f"cartctl: cart-recovery/reminder.mjml, line {line}: {fault} (sample: usual, en): {advice}\n"
    )


def test_a_fault_in_a_shared_file_is_named_there(shop: Shop, own: Path) -> None:
    shared = own.parent / "shared"
    shared.mkdir()
    source = (resources.shipped_templates() / "shared" / "layout.mjml").read_text(encoding="utf-8")
    mark = "{% block opening %}{% endblock %}"
    changed = source.replace(mark, f'<mj-text><a href="shop">x</a></mj-text>{mark}')
    (shared / "layout.mjml").write_text(changed, encoding="utf-8")
    outcome = check(shop)
    line = changed[: changed.index('href="shop"')].count("\n") + 1
    assert outcome.err.splitlines()[0].startswith(f'cartctl: shared/layout.mjml, line {line}: links to "shop" ')


def test_a_picture_that_is_a_link_needs_words(shop: Shop, own: Path) -> None:
    with_html(own, '<mj-image href="https://shop.example.com" src="https://shop.example.com/a.png" alt="" />')
    assert "has a link that is a picture without words" in check(shop).err


def test_a_link_to_write_or_to_call_is_a_link(shop: Shop, own: Path) -> None:
    with_html(own, '<mj-text><a href="mailto:help@example.com">Help</a> <a href="tel:+4930123">Call</a></mj-text>')
    assert check(shop, ok=True).err == ""


def test_a_mail_that_gmail_would_cut_is_named(shop: Shop, own: Path) -> None:
    with_html(own, f"<mj-text>{'very long, ' * 9000}</mj-text>")
    assert re.search(r"reminder.mjml: is \d+ kB large \(sample: usual, en\): Gmail cuts off", check(shop).err)


def test_a_subject_that_is_too_long_or_shows_code_is_named(shop: Shop, own: Path) -> None:
    sequence = (resources.shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    usual = '"You left something at {{ brand }}"'
    (own / "sequence.toml").write_text(sequence.replace(usual, f'"{"very long " * 13}"'), encoding="utf-8")
    assert 'the subject of step "reminder" has 129 characters' in check(shop).err
    code = "\"{{ '{{ brand }}' }}\""
    (own / "sequence.toml").write_text(sequence.replace(usual, code), encoding="utf-8")
    assert 'the subject of step "reminder" shows `{{ brand }}` as it is' in check(shop).err


LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (LOOPS, "takes longer than 1 s"),
        ("{% for a in range(10**9) %}x{% endfor %}", "OverflowError: Range too big"),
        ("{{ 'x' * 10**10 }}", "a text or list of more than 1,000,000"),
        ("{{ 'x'.ljust(10**10) }}", "needs more memory than there is"),
        ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ 'x' * 900000 }}{{ 'y' * 900000 }}", "writes more than 1,000,000 characters"),
        ("{% include 'cart-recovery/reminder.txt' %}", "includes itself"),
    ],
)
def test_a_template_that_takes_too_much_fails_here_and_the_others_are_looked_at(
    shop: Shop, own: Path, text: str, fault: str
) -> None:
    with_text(own, f"\n{text}")
    (own / "urgency.txt").write_text(GOOD + "{{ cupon }}", encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 1
    lines = outcome.err.splitlines()
    assert lines[0].startswith(f"cartctl: cart-recovery/reminder.txt, line 2: {fault}"), lines
    assert lines[-1].startswith("cartctl: cart-recovery/urgency.txt, line 1: 'cupon' is undefined")
    assert len(lines) == 2


def test_a_fault_is_one_line_however_long_the_template_makes_it(shop: Shop, own: Path) -> None:
    with_text(own, "{{ items['a\n' * 5000] }}")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err.count("\n") == 1
    assert len(outcome.err) < 600


def with_segments(own: Path, *, size: str) -> Path:
    """Add a sequence for contacts with two segments by their size, an attribute of this type; return its folder."""
    nurture = own.parent / "nurture"
    nurture.mkdir()
    segments = '[[segment]]\nkey = "big"\nwhen = "size > 5"\n[[segment]]\nkey = "others"\n'
    head = f'trigger = "enrolled"\n[attributes]\nsize = {{ type = "{size}" }}\n'
    step = '[[step]]\nkey = "hello"\nafter = "1h"\nsubject = "Hello"\n'
    (nurture / "sequence.toml").write_text(head + segments + step, encoding="utf-8")
    return nurture


def test_every_segment_is_rendered_and_a_contact_needs_no_way_back_to_a_cart(shop: Shop, own: Path) -> None:
    nurture = with_segments(own, size="integer")
    text = "{{ unsubscribe_link }} {{ postal_address }}"
    link = '<a href="{{ unsubscribe_link }}">x</a> {{ postal_address }}'
    mjml = f"<mjml><mj-body><mj-section><mj-column><mj-text>{link}</mj-text></mj-column></mj-section></mj-body></mjml>"
    for name in ("hello", "hello@big"):
        (nurture / f"{name}.txt").write_text(text, encoding="utf-8")
        (nurture / f"{name}.mjml").write_text(mjml, encoding="utf-8")
    assert check(shop, of="nurture", ok=True).err == ""
    (nurture / "hello@big.txt").write_text(f"{text} {{{{ sze }}}}", encoding="utf-8")
    assert check(shop, of="nurture").err.startswith(
        "cartctl: nurture/hello@big.txt, line 1: 'sze' is undefined (sample: usual, en, segment big): "
    )


def test_a_rule_that_has_no_outcome_is_named_and_the_others_are_checked(shop: Shop, own: Path) -> None:
    with_segments(own, size="text")
    with_text(own, GOOD + "\n{{ cupon }}")
    outcome = check(shop, of="")
    assert outcome.exit_code == 1
    assert 'cartctl: nurture/sequence.toml: segment "big": "size > 5": TypeError: ' in outcome.err
    assert "'cupon' is undefined" in outcome.err
    problem = next(one for one in check(shop, "--json", of="").json["problems"] if one["step"] == "nurture")
    assert (problem["segment"], problem["renders"]) == ("big", False)

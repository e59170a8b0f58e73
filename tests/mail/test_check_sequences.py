"""`cartctl sequences check`: a template that fails does so here, and not in a shopper's mail."""

import json
from pathlib import Path

import pytest

from cartctl import resources
from tests.shop import Outcome, Shop

OWN = Path("templates/cart-recovery")


@pytest.fixture
def own(shop: Shop) -> Path:
    """A shop's own template folder, empty."""
    OWN.mkdir(parents=True)
    shop.configure('templates = "templates"\n')
    return OWN


def check(shop: Shop, *options: str, ok: bool = False) -> Outcome:
    return shop.cli("sequences", "check", *options, ok=ok)


def with_text(own: Path, text: str) -> None:
    (own / "reminder.txt").write_text(text, encoding="utf-8")


GOOD = "{{ recovery_link }} {{ unsubscribe_link }} {{ postal_address }}"


def test_the_shipped_sequences_pass_in_silence(shop: Shop) -> None:
    outcome = check(shop, ok=True)
    assert (outcome.out, outcome.err) == ("", "")
    assert check(shop, "-v", ok=True).out == "103 mails of 10 steps rendered, 0 problems\n"


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
    assert check(shop, "--json", ok=True).json == {"steps": 10, "rendered": 103, "problems": [], "hints": []}


def test_an_undefined_name_is_named_once_with_its_line(shop: Shop, own: Path) -> None:
    with_text(own, GOOD + "\n{{ cupon }}")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err == ("cartctl: cart-recovery/reminder.txt, line 2: 'cupon' is undefined (sample cart: usual)\n")


def test_a_template_that_fails_on_an_odd_cart_only_is_caught(shop: Shop, own: Path) -> None:
    with_text(own, GOOD + "{{ items[0].name }}")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert "cart-recovery/reminder.txt, line 1" in outcome.err
    assert outcome.err.endswith("(sample cart: total only)\n")


def test_what_every_mail_must_hold_is_missed(shop: Shop, own: Path) -> None:
    with_text(own, "Come back!")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err.splitlines() == [
        "cartctl: cart-recovery/reminder: the text part has no recovery link (sample cart: usual)",
        "cartctl: cart-recovery/reminder: the text part has no unsubscribe link (sample cart: usual)",
        "cartctl: cart-recovery/reminder: the text part has no postal address (sample cart: usual)",
    ]


def test_an_html_part_without_an_unsubscribe_link_is_caught(shop: Shop, own: Path) -> None:
    shipped = (resources.shipped_templates() / "cart-recovery" / "reminder.mjml").read_text(encoding="utf-8")
    layout = (resources.shipped_templates() / "shared" / "layout.mjml").read_text(encoding="utf-8")
    (own / "layout.mjml").write_text(layout.replace("{{ unsubscribe_link }}", "#"), encoding="utf-8")
    (own / "reminder.mjml").write_text(shipped.replace("shared/layout", "cart-recovery/layout"), encoding="utf-8")
    outcome = check(shop, "--json")
    assert outcome.exit_code == 1
    assert outcome.json["problems"] == [
        "cart-recovery/reminder: the HTML part has no unsubscribe link (sample cart: usual)"
    ]


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
    assert check(shop).err == "cartctl: cart-recovery/reminder: the subject is empty (sample cart: usual)\n"


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
    with_text(own, "{{ cupon }}")
    outcome = check(shop, "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.out)["rendered"] == 98


def test_a_text_with_a_hole_where_the_code_was_is_told_of(shop: Shop, own: Path) -> None:
    (own / "offer.txt").write_text(GOOD + "\nUse {{ coupon }} now!", encoding="utf-8")
    outcome = check(shop, ok=True)
    assert outcome.err.startswith("cartctl: cart-recovery/offer: reads the same without a code")
    assert outcome.err.count("\n") == 1
    sequence = (resources.shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    skipping = sequence.replace('coupon = "recovery10" ', 'on_cooldown = "skip"\ncoupon = "recovery10" ')
    (own / "sequence.toml").write_text(skipping, encoding="utf-8")
    assert check(shop, ok=True).err == ""


def test_a_template_that_fails_without_a_code_is_caught(shop: Shop, own: Path) -> None:
    (own / "offer.txt").write_text(GOOD + "{% if not coupon %}{{ cupon }}{% endif %}", encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert "'cupon' is undefined (sample cart: usual, without a code)" in outcome.err


def test_each_language_is_rendered(shop: Shop, own: Path) -> None:
    before = check(shop, "--json", ok=True).json["rendered"]
    for ending in ("mjml", "txt"):
        text = (resources.shipped_templates() / "cart-recovery" / f"reminder.{ending}").read_text(encoding="utf-8")
        subject = "Subject: Uw winkelwagen\n\n" if ending == "txt" else ""
        (own / f"reminder.nl.{ending}").write_text(subject + text, encoding="utf-8")
    outcome = check(shop, "--json", ok=True)
    assert outcome.json["rendered"] == before + 5
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
    assert outcome.err.endswith("'cupon' is undefined (sample cart: usual, in nl)\n")


def test_a_language_without_a_subject_is_refused(shop: Shop, own: Path) -> None:
    for ending in ("mjml", "txt"):
        text = (resources.shipped_templates() / "cart-recovery" / f"reminder.{ending}").read_text(encoding="utf-8")
        (own / f"reminder.nl.{ending}").write_text(text, encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 1
    assert outcome.err.startswith(
        "cartctl: cart-recovery/reminder.nl.txt: has no subject: begin it with a line `Subject: …` "
        "(sample cart: usual, in nl)\n"
    )


def test_a_name_that_no_locale_leads_to_is_told_of(shop: Shop, own: Path) -> None:
    (own / "reminder.pt-br.txt").write_text("Subject: x", encoding="utf-8")
    assert check(shop, ok=True).err == "cartctl: cart-recovery/reminder.pt-br: nobody gets it: call it reminder.pt_BR\n"
    (own.parent / "shared" / "locales").mkdir(parents=True)
    (own.parent / "shared" / "locales" / "de.toml").write_text('cart_totel = "x"', encoding="utf-8")
    outcome = check(shop)
    assert outcome.exit_code == 2
    assert 'de.toml: unknown key "cart_totel" (did you mean "cart_total"?)' in outcome.err

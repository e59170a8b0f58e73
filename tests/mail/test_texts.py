"""Which text somebody gets: that of the cart's language, and of the contact's segment."""

from pathlib import Path

import pytest

from cartctl.domain.sequences import Sequence, parse_sequence
from cartctl.errors import TemplateError
from cartctl.mail.facts import Rendered
from cartctl.mail.render import Renderer
from tests.mail.builders import facts

MJML = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello").mkdir()
    write(tmp_path, "mail", "Plain")
    return tmp_path


def write(folder: Path, name: str, text: str, *, html: str = "") -> None:
    """Write both parts; what the HTML part says is the text's last line."""
    (folder / "hello" / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / "hello" / f"{name}.mjml").write_text(MJML.format(html or text.splitlines()[-1]), encoding="utf-8")


def sequence(language: str = "en") -> Sequence:
    step = {"key": "mail", "after": "0m", "subject": "From {{ brand }}"}
    return parse_sequence("hello", {"trigger": "cart-abandoned", "language": language, "step": [step]}, where="here")


def rendered(*folders: Path, locale: str = "", segment: str = "", language: str = "en") -> Rendered:
    one = sequence(language)
    return Renderer(folders).render(one, one.steps[0], facts(locale=locale, segment=segment))


def test_the_carts_language_decides_and_falls_back(folder: Path) -> None:
    write(folder, "mail.de", "Subject: Von {{ brand }}\n\nDeutsch")
    write(folder, "mail.de_AT", "Subject: Servus\n\nÖsterreich")
    said = {
        locale: rendered(folder, locale=locale) for locale in ("", "en_GB", "fr_FR", "de_DE", "de-at", "DE", "x/../y")
    }
    assert {locale: mail.text for locale, mail in said.items()} == {
        **dict.fromkeys(("", "en_GB", "fr_FR", "x/../y"), "Plain\n"),
        **dict.fromkeys(("de_DE", "DE"), "Deutsch\n"),
        "de-at": "Österreich\n",
    }
    assert said["de_DE"].subject == "Von Fern & Kettle"
    assert said["fr_FR"].subject == "From Fern & Kettle"
    assert all(mail.text.strip() in mail.html for mail in said.values())


def test_the_segments_text_is_taken_where_it_can_be_read(folder: Path) -> None:
    write(folder, "mail@urgent", "Urgent")
    write(folder, "mail.de", "Subject: Hallo\n\nDeutsch")
    assert rendered(folder, segment="urgent").text == "Urgent\n"
    assert rendered(folder, segment="urgent", locale="fr").text == "Urgent\n"
    assert rendered(folder, segment="urgent", locale="de").text == "Deutsch\n"
    assert rendered(folder, segment="calm").text == "Plain\n"
    write(folder, "mail@urgent.de", "Subject: Hallo\n\nDringend")
    assert rendered(folder, segment="urgent", locale="de_CH").text == "Dringend\n"


def test_a_segment_may_have_a_subject_of_its_own(folder: Path) -> None:
    write(folder, "mail@urgent", "Subject:  Now, {{ first_name }}!  \n\nUrgent")
    mail = rendered(folder, segment="urgent")
    assert (mail.subject, mail.text) == ("Now, Anna!", "Urgent\n")


def test_a_sequence_may_be_in_another_language_throughout(folder: Path) -> None:
    write(folder, "mail.de", "Subject: x\n\nNever read")
    write(folder, "mail.en", "Subject: Hello\n\nEnglish")
    assert rendered(folder, locale="de_DE", language="de").text == "Plain\n"
    assert rendered(folder, locale="", language="de").text == "Plain\n"
    assert rendered(folder, locale="en_US", language="de").text == "English\n"


def test_a_text_in_another_language_needs_its_own_subject(folder: Path) -> None:
    write(folder, "mail.de", "Deutsch")
    with pytest.raises(
        TemplateError, match=r"^hello/mail\.de\.txt: has no subject: begin it with a line `Subject: …`$"
    ):
        rendered(folder, locale="de")


def test_both_parts_are_of_one_language(folder: Path) -> None:
    (folder / "hello" / "mail.de.mjml").write_text(MJML.format("Deutsch"), encoding="utf-8")
    with pytest.raises(TemplateError, match=r"^hello/mail\.de\.txt: "):
        rendered(folder, locale="de")
    (folder / "hello" / "mail.de.mjml").rename(folder / "hello" / "mail.de.txt")
    (folder / "hello" / "mail.de.txt").write_text("Subject: Hallo\n\nDeutsch", encoding="utf-8")
    with pytest.raises(TemplateError, match=r"^hello/mail\.de\.mjml: no such template"):
        rendered(folder, locale="de")


def test_a_shops_own_file_hides_one_language_and_no_other(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(folder, "mail.de", "Subject: Hallo\n\nDeutsch")
    own = tmp_path_factory.mktemp("own")
    (own / "hello").mkdir()
    write(own, "mail.de", "Subject: Unser\n\nUnseres")
    assert rendered(own, folder, locale="de").text == "Unseres\n"
    assert rendered(own, folder).text == "Plain\n"


def test_a_file_of_notepad_is_read_like_any_other(folder: Path) -> None:
    (folder / "hello" / "mail.de.mjml").write_text(MJML.format("Deutsch"), encoding="utf-8-sig")
    (folder / "hello" / "mail.de.txt").write_bytes(b"\xef\xbb\xbfSubject: Hallo\r\n\r\nDeutsch\r\n")
    mail = rendered(folder, locale="de")
    assert (mail.subject, mail.text) == ("Hallo", "Deutsch\n")


def test_a_shopper_cannot_write_a_subject(folder: Path) -> None:
    """What only looks like a subject once it is filled in is none."""
    write(folder, "mail", "{{ brand }}\n\nPlain")
    one = sequence()
    mail = Renderer([folder]).render(one, one.steps[0], facts(brand="Subject: Buy"))
    assert mail.text == "Subject: Buy\n\nPlain\n"
    assert mail.subject == "From Subject: Buy"

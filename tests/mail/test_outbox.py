"""The outbox: one file a message, whole or not there at all, that any mail program can open."""

import email
import email.policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.mail.message import Accepted, OutgoingMessage, Rejected, Unavailable
from cartctl.mail.outbox import Outbox
from tests.mail.builders import NOW, UNSUBSCRIBE, a_message

FILE = "00000123-cart-recovery-reminder.eml"


def written(message: OutgoingMessage) -> tuple[bytes, EmailMessage]:
    """Send a message and return its file, as bytes and parsed."""
    folder = Path("outbox")
    assert isinstance(Outbox(folder).send(message), Accepted)
    (path,) = folder.iterdir()
    parsed = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return path.read_bytes(), parsed


def headers(raw: bytes) -> list[str]:
    return raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def test_the_file_is_named_for_the_message_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert Outbox(tmp_path / "new" / "outbox").send(a_message()) == Accepted(FILE)
    assert [path.name for path in (tmp_path / "new" / "outbox").iterdir()] == [FILE]


def test_the_same_message_twice_is_one_file_with_the_same_bytes() -> None:
    first, _ = written(a_message())
    second, _ = written(a_message())
    assert first == second


def test_a_part_left_by_a_process_that_died_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).with_suffix(".part").write_bytes(b"half a ma")
    assert Outbox(tmp_path).send(a_message()) == Accepted(FILE)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_mail_of_no_message_is_named_for_what_it_is(tmp_path: Path) -> None:
    assert Outbox(tmp_path).send(a_message(id=0, sequence="report", step="w10")) == Accepted("report-w10.eml")


def test_headers() -> None:
    raw, parsed = written(a_message(reply_to="Help <help@shop.example.com>"))
    assert parsed["From"] == "Fern & Kettle <hello@shop.example.com>"
    assert parsed["To"] == "anna@example.com"
    assert parsed["Reply-To"] == "Help <help@shop.example.com>"
    assert parsed["Subject"] == "You left something at Fern & Kettle"
    assert parsed["Message-ID"] == "<cartctl-123@shop.example.com>"
    assert parsedate_to_datetime(parsed["Date"]) == NOW
    assert b"Date: Mon, 02 Mar 2026 10:30:00 +0000\r\n" in raw


def test_unsubscribe_headers_stand_on_one_line_as_they_are() -> None:
    # Longer than 78 characters, without a space: Python's own folding makes encoded words of it, which nobody reads.
    raw, _ = written(a_message())
    assert f"List-Unsubscribe: <{UNSUBSCRIBE}>" in headers(raw)
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in headers(raw)


def test_text_comes_first_and_html_is_the_alternative() -> None:
    _, parsed = written(a_message(text="Grüße\n", html="<p>Grüße 日本語</p>"))
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == ["Grüße"]
    assert html.get_content().splitlines() == ["<p>Grüße 日本語</p>"]


def test_no_line_is_longer_than_mail_allows() -> None:
    raw, _ = written(a_message(text="x" * 5000, html=f"<p>{'ü' * 5000}</p>", subject="日本語の題名 " * 40))
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("subject", ["Schöne Grüße", "日本語", "plain " * 40 + "end", "x" * 300, "🛒"])
def test_any_subject_is_read_back(subject: str) -> None:
    raw, parsed = written(a_message(subject=subject))
    assert parsed["Subject"] == subject
    assert raw.isascii()


@pytest.mark.parametrize(
    ("sender", "header"),
    [
        ("Fern, Kettle & Co. <hello@shop.example.com>", '"Fern, Kettle & Co." <hello@shop.example.com>'),
        ('"Fern; Kettle" <hello@shop.example.com>', '"Fern; Kettle" <hello@shop.example.com>'),
        ("hello@shop.example.com", "hello@shop.example.com"),
        ("Bücher & Tee <hello@shop.example.com>", "Bücher & Tee <hello@shop.example.com>"),
    ],
)
def test_the_name_of_a_shop_may_hold_anything(sender: str, header: str) -> None:
    raw, parsed = written(a_message(sender=sender))
    assert parsed["From"] == header
    assert parsed["From"].addresses[0].addr_spec == "hello@shop.example.com"
    assert raw.isascii()


@pytest.mark.parametrize("address", ["jörg@example.com", "anna@bücher.example", "用户@例え.example"])
def test_an_address_outside_ascii_is_written_as_utf_8(address: str) -> None:
    # RFC 6532; encoded words have no place in an address.
    raw, _ = written(a_message(to=address))
    assert f"To: {address}" in headers(raw)


def test_a_folder_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    assert Outbox(tmp_path / "outbox").send(a_message()) == Unavailable(f"outbox {tmp_path / 'outbox'}: File exists")


def test_a_mail_that_cannot_be_put_in_place_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    answer = Outbox(tmp_path).send(a_message())
    assert answer == Unavailable(f"outbox {tmp_path}: Is a directory")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("changes", [{"subject": "two\nlines"}, {"headers": {"X": "a\r\nBcc: b@example.com"}}])
def test_no_header_can_be_smuggled_in(tmp_path: Path, changes: dict[str, object]) -> None:
    assert isinstance(Outbox(tmp_path).send(a_message(**changes)), Rejected)
    assert list(tmp_path.iterdir()) == []


@given(to=st.text(alphabet='@.<>[]()" ,;:\\=?aé\n', max_size=20), sender=st.text(max_size=20))
def test_send_never_raises(tmp_path_factory: pytest.TempPathFactory, to: str, sender: str) -> None:
    answer = Outbox(tmp_path_factory.getbasetemp() / "odd").send(a_message(to=to, sender=sender))
    assert isinstance(answer, (Accepted, Rejected))


def test_nothing_of_it_reaches_a_shopper() -> None:
    assert (Outbox(Path("outbox")).name, Outbox(Path("outbox")).delivers) == ("outbox", False)

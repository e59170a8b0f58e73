"""A mail as bytes: every mail program reads back what was put in, and nothing can be smuggled in."""

import email
import email.policy
import re
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.mail.message import Attachment
from cartctl.mail.mime import as_mime, envelope_address
from tests.mail.builders import UNSUBSCRIBE, a_message


def parsed(**changes: Any) -> tuple[bytes, EmailMessage]:
    raw = as_mime(a_message(**changes), unique="cartctl-d1-123")
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert read.defects == []
    return raw, read


def body(read: EmailMessage, kind: str) -> str:
    part = read.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_mail_on_the_wire() -> None:
    raw, _ = parsed(html="<p>Grüße, dein Warenkorb wartet noch</p>")
    assert raw.decode().split("\r\n") == [
        "From: Fern & Kettle <hello@shop.example.com>",
        "To: anna@example.com",
        "Subject: You left something at Fern & Kettle",
        "Date: Mon, 02 Mar 2026 10:30:00 +0000",
        "Message-ID: <cartctl-d1-123@shop.example.com>",
        f"List-Unsubscribe: <{UNSUBSCRIBE}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
        'Content-Type: multipart/alternative; boundary="cartctl-123"',
        "",
        "--cartctl-123",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "Your cart",
        "",
        "--cartctl-123",
        'Content-Type: text/html; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "<p>Gr=C3=BC=C3=9Fe, dein Warenkorb wartet noch</p>",
        "",
        "--cartctl-123--",
        "",
    ]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=200) | st.text(
    alphabet="ab .=-\n\té日🛒", max_size=2000
)


def test_a_file_comes_behind_the_mail_on_the_wire() -> None:
    raw, read = parsed(
        id=0,
        sequence="report",
        step="w10",
        attachments=[Attachment("report.html", "text/html", b"<h1>\xc3\xbc</h1>")],
    )
    lines = raw.decode().split("\r\n")
    assert lines[lines.index("MIME-Version: 1.0") + 1 :] == [
        'Content-Type: multipart/mixed; boundary="files-cartctl-report-w10"',
        "",
        "--files-cartctl-report-w10",
        'Content-Type: multipart/alternative; boundary="cartctl-report-w10"',
        "",
        "--cartctl-report-w10",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "Your cart",
        "",
        "--cartctl-report-w10",
        'Content-Type: text/html; charset="utf-8"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "<p>Your cart</p>",
        "",
        "--cartctl-report-w10--",
        "",
        "--files-cartctl-report-w10",
        'Content-Type: text/html; charset="utf-8"',
        'Content-Disposition: attachment; filename="report.html"',
        "Content-Transfer-Encoding: base64",
        "",
        "PGgxPsO8PC9oMT4=",
        "",
        "--files-cartctl-report-w10--",
        "",
    ]
    assert (body(read, "plain"), body(read, "html")) == ("Your cart\n", "<p>Your cart</p>\n")


@given(contents=st.lists(st.binary(max_size=300), max_size=3), text=TEXTS)
def test_any_file_is_read_back(contents: list[bytes], text: str) -> None:
    files = [Attachment(f"{number}.bin", "application/pdf", content) for number, content in enumerate(contents)]
    raw, read = parsed(attachments=files, text=text)
    assert raw.isascii()
    assert [part.get_content() for part in read.iter_attachments()] == contents
    assert [part.get_filename() for part in read.iter_attachments()] == [each.name for each in files]
    assert body(read, "plain").rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("line", ["--cartctl-123", "--cartctl-123--", "--files-cartctl-123", "--files-cartctl-123--"])
def test_no_line_of_the_text_ends_a_part(line: str) -> None:
    _, read = parsed(text=f"a\n{line}\nb", attachments=[Attachment("a.txt", "application/pdf", line.encode())])
    assert body(read, "plain") == f"a\n{line}\nb\n"
    assert [part.get_content() for part in read.iter_attachments()] == [line.encode()]


@given(text=TEXTS, html=TEXTS)
def test_any_text_is_read_back_from_seven_bits(text: str, html: str) -> None:
    raw, read = parsed(text=text, html=html)
    assert not re.search(rb"[^\t\r\n -~]", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert body(read, "plain").rstrip("\n") == text.rstrip("\n")
    assert body(read, "html").rstrip("\n") == html.rstrip("\n")


@given(subject=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300).map(str.strip))
def test_any_subject_is_read_back(subject: str) -> None:
    raw, read = parsed(subject=subject)
    assert raw.isascii()
    assert read["Subject"].split() == subject.split()
    assert max(len(line) for line in raw.split(b"\r\n") if not line.startswith(b"List-")) <= 78 or len(subject) < 78


@pytest.mark.parametrize("subject", ["=?utf-8?q?no?=", "a =?b?= c", "Schöne Grüße", "日本語" * 40, "x" * 300, "🛒"])
def test_a_subject_is_never_taken_for_an_encoded_word(subject: str) -> None:
    _, read = parsed(subject=subject)
    assert read["Subject"] == subject


def test_long_markup_outside_ascii_is_written_in_the_shorter_encoding() -> None:
    mostly_ascii, _ = parsed(html=f"<p>{'x' * 3000}é</p>")
    hardly_ascii, _ = parsed(html=f"<p>{'日' * 3000}</p>")
    assert b"Content-Transfer-Encoding: quoted-printable" in mostly_ascii
    assert b"Content-Transfer-Encoding: base64" in hardly_ascii


def test_a_boundary_in_the_text_is_no_boundary() -> None:
    _, read = parsed(text="--cartctl-123\n--cartctl-123--\n", html="--cartctl-123-\n")
    assert body(read, "plain") == "--cartctl-123\n--cartctl-123--\n"
    assert body(read, "html").strip() == "--cartctl-123-"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "two\nlines"},
        {"subject": "two\rlines"},
        {"sender": "Shop\nBcc: ben@example.com <shop@example.com>"},
        {"reply_to": "Shop <shop@example.com>\r\nBcc: ben@example.com"},
        {"to": "anna@example.com\r\nBcc: ben@example.com"},
        {"to": "anna@example.com>\r\nRCPT TO:<ben@example.com"},
        {"to": "anna@example.com> SIZE=1"},
        {"to": "anna"},
        {"to": ""},
        {"headers": {"X-One": "a\r\nBcc: ben@example.com"}},
        {"headers": {"X-One": "a\nb"}},
        {"headers": {"X-One\r\nBcc": "ben@example.com"}},
        {"headers": {"X-One: a": "b"}},
        {"headers": {"X-One": "ä"}},
        {"headers": {"X-One": "x" * 998}},
    ],
    ids=str,
)
def test_nothing_can_be_smuggled_into_a_header(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"line break|no address|no header"):
        as_mime(a_message(**changes), unique="cartctl-d1-123")


@given(text=st.text(alphabet='@.<>[]()" ,;:\\=?aé\r\n\0', max_size=20))
def test_an_envelope_holds_one_address_or_none(text: str) -> None:
    try:
        address = envelope_address(text)
    except ValueError:
        return
    assert address.isprintable()
    domain = address.rpartition("@")[2]
    assert domain
    assert not set(domain) & set('<>() ,;:\\"')


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@example.com", "anna@example.com"),
        ("Anna <anna@example.com>", "anna@example.com"),
        ("o'brien+cart@example.com", "o'brien+cart@example.com"),
        ('"a, b"@example.com', '"a, b"@example.com'),
        ("a b@example.com", '"a b"@example.com'),
        ("jörg@example.com", "jörg@example.com"),
        ("anna@bücher.example", "anna@bücher.example"),
    ],
)
def test_an_address_is_quoted_where_it_needs_quotes(text: str, address: str) -> None:
    assert envelope_address(text) == address

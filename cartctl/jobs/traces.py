"""Which files still hold an address: mails of the outbox, exports, rejected rows, what a drop folder keeps, backups.

Texts are searched in any case, as UTF-8, UTF-16 and cp1252; mails as they are read, whatever encoding they travel in;
what ends in .gz as what it holds. Nothing is changed.
"""

import email
import email.policy
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import BinaryIO

from cartctl.domain.identity import address_pattern
from cartctl.store import backups
from cartctl.store.backups import SQLITE

_CHUNK = 1 << 20
_OVERLAP = 1000
"""Bytes read again with the next chunk, so that an address is not cut in two."""
_MOST_OF_A_MAIL = 30_000_000


def holding(address: str, folders: Iterable[Path]) -> list[Path]:
    """Return the files in these folders, not below them, in which the address stands; a folder may be missing."""
    wanted = address_pattern(address)
    found: dict[Path, Path] = {}
    for folder in folders:
        for path in _files(folder):
            if path.resolve() not in found and _holds(path, address, wanted):
                found[path.resolve()] = path
    return sorted(found.values())


def kept_in(folder: Path) -> list[Path]:
    """Return the folder and what lies directly below it in which files of a shop are kept: exports, a drop folder."""
    folders = [folder]
    with os.scandir(folder) as entries:
        below = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    for inner in below:
        if inner.name.startswith(".") or (inner / "pyvenv.cfg").exists():
            continue
        folders += [inner, inner / "done", inner / "failed", inner / ".inbox"]
    return folders


def _files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    yield from (path for path in paths if path.is_file())


def _holds(path: Path, address: str, wanted: re.Pattern[str]) -> bool:
    if wanted.search(path.name):
        return True
    try:
        with path.open("rb") as plain:
            if plain.read(len(SQLITE)) == SQLITE:
                return backups.has_contact(path, address)
            plain.seek(0)
            if path.suffix.lower() == ".gz":
                with gzip.open(plain) as stream:
                    return _in_stream(stream, wanted)  # type: ignore[arg-type] # GzipFile reads bytes
            if _in_stream(plain, wanted):
                return True
            if path.suffix.lower() != ".eml":
                return False
            plain.seek(0)
            return _in_mail(plain.read(_MOST_OF_A_MAIL), wanted)
    except (OSError, EOFError, zlib.error):
        return False


def _in_stream(stream: BinaryIO, wanted: re.Pattern[str]) -> bool:
    first = stream.read(_CHUNK)
    codecs = ("utf-8", "cp1252")
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in first[:1000]:
        codecs = ("utf-16-le", "utf-16-be")
    before = b""
    chunk = first
    while chunk:
        content = before + chunk
        if any(wanted.search(content.decode(codec, "replace")) for codec in codecs):
            return True
        before = content[-_OVERLAP:]
        chunk = stream.read(_CHUNK)
    return False


def _in_mail(content: bytes, wanted: re.Pattern[str]) -> bool:
    try:
        mail = email.message_from_binary_file(io.BytesIO(content), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        if any(wanted.search(str(value)) for value in mail.values()):
            return True
        return any(
            wanted.search(str(part.get_content())) for part in mail.walk() if part.get_content_maintype() == "text"
        )
    except (LookupError, ValueError):
        return False

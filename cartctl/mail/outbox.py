"""The transport that writes mails into a folder, for rehearsals and for a look. Nothing leaves the machine.

The same message handed over twice is one file, so the outbox may always be asked again.
"""

import contextlib
import os
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from pathlib import Path

from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Rejected, Unavailable, split_address


class _Policy(EmailPolicy):
    """How the mail is written down. A header of one long word stays as it is: Python would fold it into encoded words,
    which no mail program reads there.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() in ("list-unsubscribe", "message-id"):
            return f"{name}: {value}{self.linesep}".encode()
        return super().fold_binary(name, value)


class Outbox:
    """Writes `00000123-cart-recovery-reminder.eml` into `folder`."""

    name = "outbox"
    delivers = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, message: OutgoingMessage) -> Answer:
        """Write the mail so that the file is there in full or not at all, even after a power cut."""
        path = self.folder / f"{message.id:08d}-{message.sequence}-{message.step}.eml"
        partial = path.with_suffix(".part")
        try:
            content = as_mime(message).as_bytes()
        except Exception as error:  # noqa: BLE001 - on an odd address Python's header parser raises anything
            return Rejected(f"cannot be written as a mail: {type(error).__name__}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
            _sync_folder(self.folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            return Unavailable(f"outbox {self.folder}: {error.strerror}")
        return Accepted(path.name)


def as_mime(message: OutgoingMessage) -> EmailMessage:
    """Build the mail as it would go over the wire: text first, HTML as the alternative."""
    addresses = (message.sender, message.to, message.reply_to or "")
    plain = all(split_address(address)[1].isascii() for address in addresses)
    mime = EmailMessage(policy=_Policy(linesep="\r\n", utf8=not plain))
    mime["From"] = _address(message.sender)
    mime["To"] = _address(message.to)
    if message.reply_to:
        mime["Reply-To"] = _address(message.reply_to)
    mime["Subject"] = message.subject
    mime["Date"] = format_datetime(message.date)
    mime["Message-ID"] = f"<cartctl-{message.id}@{split_address(message.sender)[1].rpartition('@')[2]}>"
    for name, value in message.headers.items():
        mime[name] = value
    mime.set_content(message.text)
    mime.add_alternative(message.html, subtype="html")
    mime.set_boundary(f"cartctl-{message.id}")
    return mime


def _address(text: str) -> Address:
    name, address = split_address(text)
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

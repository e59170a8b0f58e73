"""The transport that writes mails into a folder, for rehearsals and for a look. Nothing leaves the machine.

The same message handed over twice is one file, so the outbox may always be asked again.
"""

import contextlib
import os
from pathlib import Path

from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Probed, Rejected, Unavailable, with_body
from cartctl.mail.mime import as_mime


class Outbox:
    """Writes `00000123-cart-recovery-reminder.eml` into `folder`; a mail without an id has no number in front."""

    name = "outbox"
    delivers = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        """Write its MIME text beforehand."""
        return with_body(message, self._body)

    def _body(self, message: OutgoingMessage) -> bytes:
        return as_mime(message, unique=f"cartctl-{message.unique}")

    def send(self, message: OutgoingMessage) -> Answer:
        """Write the mail so that the file is there in full or not at all, even after a power cut."""
        number = f"{message.id:08d}-" if message.id else ""
        path = self.folder / f"{number}{message.sequence}-{message.step}.eml"
        partial = path.with_suffix(".part")
        try:
            content = message.body or self._body(message)
        except ValueError as error:
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

    def probe(self) -> Probed:
        """A folder shows only by a mail whether it takes one."""
        return Probed()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

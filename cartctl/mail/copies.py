"""The copy of sequences: subject and text of each step, as the template folders hold them, nothing filled in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.errors import TemplateError
from cartctl.mail.templates import text_names
from cartctl.mail.texts import SUBJECT


@dataclass(frozen=True, slots=True)
class Copy:
    """One text. `name` is that of its file without the ending: `christmas/closing@urgent.de`."""

    name: str
    subject: str
    text: str


def copies(folders: Sequence[Path], sequence: MailSequence) -> Iterator[Copy]:
    """Yield the copy of a sequence, step by step. Raises TemplateError for a file that cannot be read."""
    names = text_names(folders, sequence)
    for step in sequence.steps:
        for name in dict.fromkeys((step.key, *(f"{step.key}{suffix}" for suffix in names[step.key]))):
            paths = (folder / sequence.name / f"{name}.txt" for folder in folders)
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                continue  # its variants are there instead, or it is in HTML alone, which the check complains of
            subject, text = step.subject, _read(path)
            if text.startswith(SUBJECT):
                first, _, text = text.partition("\n")
                subject = first.removeprefix(SUBJECT)
            yield Copy(f"{sequence.name}/{name}", subject.strip(), text.strip())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"cannot be read: {error}", template=str(path)) from None

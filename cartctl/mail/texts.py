"""Which files hold a step's text for one person: NAME.mjml, its HTML part, and NAME.txt, both always of one name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.domain.sequences import Step
from cartctl.domain.variants import candidates, fallbacks, locale_of

SUBJECT = "Subject:"


@dataclass(frozen=True, slots=True)
class Texts:
    """The chosen files, without their endings."""

    where: str
    """`cart-recovery/offer.de`"""
    locale: str
    """What they are written in: `de`."""
    has_subject: bool
    """Whether the text part opens with a line `Subject: …`."""
    needs_subject: bool
    """Whether it must: the sequence's own is in another language."""


class TextFiles:
    """Looks into template folders, the first of which wins."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self.choose = lru_cache(maxsize=1024)(self._choose)

    def _choose(self, sequence: str, step: str, segment: str, locale: str, language: str) -> Texts:
        """Return the first candidate of which there is either part; where there is none, the step's plain name."""
        names = candidates(step, segment, locale, language=language)
        name = next((each for each in names if self._find(sequence, each, "mjml", "txt")), step)
        return Texts(
            where=f"{sequence}/{name}",
            locale=locale_of(name) or language,
            has_subject=_opens_with_a_subject(self._find(sequence, name, "txt")),
            needs_subject=bool(locale_of(name)),
        )

    def locales(self, sequence: MailSequence, step: Step) -> tuple[str, ...]:
        """Return the locales that a step has texts for beside those in the sequence's own language."""
        named = {locale_of(name) for name in self._names(sequence, step)}
        return tuple(sorted(each for each in named if fallbacks(each)[:1] == (each,) and each != sequence.language))

    def misnamed(self, sequence: MailSequence, step: Step) -> dict[str, str]:
        """Return names that nobody's locale leads to, and what they should be: `offer.pt-br` is no `offer.pt_BR`."""
        found = {name: locale_of(name) for name in self._names(sequence, step)}
        return {
            f"{sequence.name}/{name}": f"{name.partition('.')[0]}.{right}"
            for name, locale in sorted(found.items())
            for right in fallbacks(locale)[:1]
            if right != locale
        }

    def left_as_shipped(self, sequence: MailSequence, step: Step) -> tuple[str, ...]:
        """Return the languages in which a step says what was shipped, though its own text has been written anew."""
        if not self._is_own(f"{sequence.name}/{step.key}"):
            return ()
        found = (f"{sequence.name}/{step.key}.{locale}" for locale in self.locales(sequence, step))
        return tuple(name for name in found if not self._is_own(name))

    def _is_own(self, name: str) -> bool:
        """Say whether either part of a text is a file of the shop: it comes before those that are shipped."""
        own = self._folders[:-1]
        return any((folder / f"{name}.{ending}").is_file() for folder in own for ending in ("mjml", "txt"))

    def _names(self, sequence: MailSequence, step: Step) -> set[str]:
        """Return what a step's texts are called that are for a language or a segment, without their endings."""
        return {
            path.name.removesuffix(path.suffix)
            for folder in self._folders
            for path in (folder / sequence.name).glob(f"{step.key}[.@]*")
            if path.suffix in (".mjml", ".txt") and path.stem != step.key
        }

    def _find(self, sequence: str, name: str, *endings: str) -> Path | None:
        paths = (folder / sequence / f"{name}.{ending}" for folder in self._folders for ending in endings)
        return next((path for path in paths if path.is_file()), None)


def _opens_with_a_subject(path: Path | None) -> bool:
    try:
        return path is not None and path.read_text(encoding="utf-8-sig").startswith(SUBJECT)
    except (OSError, UnicodeDecodeError):
        return False  # whoever renders it says why it cannot be read

"""Which files hold a step's text for one person: NAME.mjml, its HTML part, and NAME.txt, both always of one name."""

from collections.abc import Iterator, Sequence
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

    def left_as_shipped(self, sequence: MailSequence, step: Step) -> Iterator[tuple[str, str]]:
        """Yield translations that say what was shipped, each with the text of the shop's that it translates no more."""
        for locale in self.locales(sequence, step):
            for ending in ("mjml", "txt"):
                text, translation = (f"{sequence.name}/{name}.{ending}" for name in (step.key, f"{step.key}.{locale}"))
                if self._is_shipped(text) is False and self._is_shipped(translation):
                    yield translation, text

    def _is_shipped(self, file: str) -> bool | None:
        """Say whether a file is one that was shipped, the last folder's, or a copy of it; None: there is none."""
        found = next((folder / file for folder in self._folders if (folder / file).is_file()), None)
        shipped = self._folders[-1] / file
        if found is None:
            return None
        return shipped.is_file() and found.read_bytes() == shipped.read_bytes()

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

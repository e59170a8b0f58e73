"""The words that mails or pages share, one file a language: shared/locales/de.toml, pages/locales/de.toml.

A file more is a language more. English has every word; what another file lacks is said in English. A shop's own file
need only hold the words that it says in another way. A word that English has not, or that fills in something else, is
a mistake that would show late: it is refused when the files are read.
"""

import string
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from babel import Locale, UnknownLocaleError

from cartctl.domain.variants import ENGLISH, fallbacks
from cartctl.errors import ConfigurationError
from cartctl.suggest import did_you_mean

MAILS = "shared/locales"
PAGES = "pages/locales"
Words = Mapping[str, str]


class Languages:
    """All languages that there are files for."""

    def __init__(self, folders: Sequence[Path], place: str) -> None:
        """Read the files in `place` of each folder; a word counts as in the first. Raises ConfigurationError."""
        paths = [path for folder in reversed(folders) for path in sorted((folder / place).glob("*.toml"))]
        english = next((_read(path) for path in paths if path.stem == ENGLISH), {})
        self._words: dict[str, Words] = {ENGLISH: english}
        for path in paths:
            own = _checked(path, english)
            self._words[path.stem] = {**english, **self._words.get(path.stem, {}), **own}

    def chosen(self, locale: str, accept_language: str = "") -> str:
        """Return the language of a page or mail: that of the locale, or where there is none, of the browser."""
        wanted = [locale] if locale else [part.partition(";")[0].strip() for part in accept_language.split(",")]
        return next((each for one in wanted for each in fallbacks(one) if each in self._words), ENGLISH)

    def words(self, language: str) -> Words:
        return self._words[language]


def direction(locale: str) -> str:
    """Return `ltr` or `rtl`."""
    try:
        return str(Locale.parse(locale).text_direction)
    except (UnknownLocaleError, ValueError):
        return "ltr"


def _read(path: Path) -> dict[str, str]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    for key, text in data.items():
        if not isinstance(text, str):
            raise ConfigurationError(f"{path}: {key}: expected a text")
    return data


def _checked(path: Path, english: Words) -> dict[str, str]:
    words = _read(path)
    for key, text in words.items():
        if key not in english:
            raise ConfigurationError(f'{path}: unknown key "{key}"{did_you_mean(key, english)}')
        try:
            unknown = _fields(text) - _fields(english[key])
        except ValueError as error:
            raise ConfigurationError(f"{path}: {key}: {error}") from None
        if unknown:
            raise ConfigurationError(f"{path}: {key}: there is no {{{min(unknown)}}} to fill in")
    return words


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

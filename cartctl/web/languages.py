"""The words of the pages, one file a language: templates/pages/locales/de.toml. A file more is a language more.

English has every word; what another file lacks is said in English. A word that English has not, or that fills in
something else, is a mistake that would show late: it is refused when the server starts.
"""

import string
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from babel import Locale, UnknownLocaleError

from cartctl.errors import ConfigurationError
from cartctl.suggest import did_you_mean

DEFAULT = "en"
_FOLDER = "pages/locales"
Words = Mapping[str, str]


class Languages:
    """All languages that there are files for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Read the files; of two with one name that in the first folder counts. Raises ConfigurationError."""
        paths: dict[str, Path] = {}
        for folder in reversed(folders):
            paths |= {path.stem: path for path in sorted((folder / _FOLDER).glob("*.toml"))}
        english = _read(paths[DEFAULT])
        self._words = {name: english | _checked(path, english) for name, path in paths.items()}

    def chosen(self, locale: str, accept_language: str) -> str:
        """Return the language of a page: that of the cart, or where it has none, of the browser."""
        wanted = [locale] if locale else [part.partition(";")[0].strip() for part in accept_language.split(",")]
        for each in wanted:
            name = each.replace("-", "_")
            for candidate in (name, name.partition("_")[0].lower()):
                if candidate in self._words:
                    return candidate
        return DEFAULT

    def words(self, language: str) -> Words:
        return self._words[language]

    @staticmethod
    def direction(language: str) -> str:
        """Return `ltr` or `rtl`."""
        try:
            return str(Locale.parse(language).text_direction)
        except (UnknownLocaleError, ValueError):
            return "ltr"


def _read(path: Path) -> dict[str, str]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
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

"""Which of a step's texts somebody gets: reminder@urgent.de, say, and what stands in for it."""

import re

ENGLISH = "en"
_LOCALE = re.compile("[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,3}")


def candidates(step: str, segment: str, locale: str, *, language: str = ENGLISH) -> tuple[str, ...]:
    """Return the names that a step's text may have for one person, the best first, without their endings.

    `segment` and `locale` may be "". A name without a locale is in the sequence's own `language`.
    Language comes before segment, as who cannot read a text gains nothing by its being for them; in one language
    the segment's text comes before that for all, and `de_AT` before `de`.
    """
    wanted = [each for each in fallbacks(locale) if each != language]
    own = [""]
    if fallbacks(locale)[-1:] == (language,):
        wanted, own = [], [*wanted, ""]
    stems = [f"{step}@{segment}", step] if segment else [step]
    return tuple(
        f"{stem}.{each}" if each else stem
        for same_language in (wanted, own)
        for stem in stems
        for each in same_language
    )


def fallbacks(locale: str) -> tuple[str, ...]:
    """Return a locale and what is less particular: zh-hant-tw gives zh_Hant_TW, zh_Hant, zh. What is none gives none.

    A cart's locale comes from outside, and these become names of files: nothing but letters and digits stays.
    """
    if not _LOCALE.fullmatch(locale):
        return ()
    first, *rest = re.split("[_-]", locale)
    parts = [first.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)]
    return tuple("_".join(parts[:count]) for count in range(len(parts), 0, -1))


def locale_of(name: str) -> str:
    """Return the locale in a text's name; "" where it has none, being in the sequence's own language."""
    return name.partition(".")[2]

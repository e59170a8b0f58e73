"""Who is who: e-mail addresses folded for comparison, masked for people, found in texts; whom nobody may write to."""

import re
import unicodedata
from collections.abc import Iterable

_AT = re.compile("[@\N{FULLWIDTH COMMERCIAL AT}\N{SMALL COMMERCIAL AT}](?!-sign)")
"""Complaints about an address speak of its @-sign."""

_FILE_ENDINGS = "csv|tsv|txt|jsonl?|xlsx?|eml|gz|zip|db"
_SHORTEST_NAME = 3
"""Characters of a name that is looked for in the texts of products: a shorter one is in too many words."""


def normalise_email(text: str) -> str:
    """Fold an address so that two spellings of one mailbox are equal: trimmed, NFC, lower case.

    Dots and plus tags are kept: they are different mailboxes with most providers.
    """
    return unicodedata.normalize("NFC", text.strip()).lower()


def is_relay(email: str) -> bool:
    """Say whether it is a marketplace's relay address (`…@scs2.tiktok.com`), which TikTok asks nobody to write to."""
    domain = email.rpartition("@")[2]
    return domain.startswith("scs") and domain.endswith(".tiktok.com")


NOBODY = "@erased.invalid"
"""How the address of a contact ends that messages and enrollments refer to and that is nobody's any more."""


def mask_email(email: str) -> str:
    """Show just enough to recognise an address: `a…@example.com`. What is nobody's any more is `(erased)`."""
    if email.endswith(NOBODY):
        return "(erased)"
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"


def without_addresses(text: str, *, name: str = "") -> str:
    """Blot out whatever may be an address, with all that stands between two of them and in the same quotes.

    What is printed may end in a log or a mail, and an address may stand anywhere in a file: in a header, in a column of
    amounts, as `"anna smith"@example.com`. The file's own `name` stays where the text begins with it.
    """
    if name and text.startswith(f"{name}: "):
        return f"{name}: {without_addresses(text.removeprefix(f'{name}: '))}"
    found = [match.start() for match in _AT.finditer(text)]
    if not found:
        return text
    before, behind = text[: found[0]], text[found[-1] + 1 :]
    start = before.find('"')
    if start < 0:
        start = len(before) - len(re.split(r"[\s,]", before.rstrip())[-1]) - (len(before) - len(before.rstrip()))
    end = behind.rfind('"') + 1
    if not end:
        end = len(behind) - len(behind.lstrip())
        end += len(re.split(r"[\s,]", behind[end:], maxsplit=1)[0])
    return f"{before[:start]}…@…{behind[end:]}"


def address_pattern(email: str) -> re.Pattern[str]:
    """Return what finds an address in any text, in any case: in a URL (`%40`), in JSON, in the name of a file.

    Not inside another address: joanna@example.com and anna@example.com.au are others than anna@example.com.
    """
    local, _, domain = email.rpartition("@")
    begin = r"(?:(?<![^\W_])|(?<=%[0-9a-f]{2}))"
    end = rf"(?![^\W_]|\.(?!(?:{_FILE_ENDINGS})\b)\w)"
    return re.compile(rf"{begin}{re.escape(local)}(?:@|%40|\\u0040){re.escape(domain)}{end}", re.IGNORECASE)


def names_pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds any of these names as a word of its own; None where none is long enough to be looked for."""
    known = sorted({name.strip() for name in names if len(name.strip()) >= _SHORTEST_NAME}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)", re.IGNORECASE) if known else None

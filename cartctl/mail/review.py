"""What is wrong with a mail that was rendered: for whoever wrote its templates, with what to do about it."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

from cartctl.mail.facts import MailFacts, Rendered

MAX_BYTES = 100_000
"""Of the HTML part. Gmail shows 102 kB and hides the rest, the unsubscribe link with it."""
MAX_SUBJECT = 120
"""Characters. Mail programs show 40 to 70."""
HTML, TEXT, SUBJECT = "mjml", "txt", "subject"
_ATTRIBUTES = r"""(?:"[^"]*"|'[^']*'|[^>"'])*"""
_LINK = re.compile(rf"<a\b({_ATTRIBUTES})>(.*?)</a>", re.DOTALL)
_IMAGE = re.compile(rf"<img\b({_ATTRIBUTES})>")
_TAG = re.compile(rf"<{_ATTRIBUTES}>")
_UNSEEN = re.compile(r"<!--.*?-->|<style\b.*?</style>", re.DOTALL)
_LEFT_OVER = re.compile(r"\{\{.{0,60}?\}\}|\{%.{0,60}?%\}|\{\{|\{%", re.DOTALL)
_NO_ALT = re.compile(r"<(?:img|mj-image)\b(?![^>]*\balt\s*=)", re.DOTALL)
_REFERENCE = re.compile(r"""\{%[-+]?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One fault. `part` is where it shows; `written` finds it in the template, if it stands there as it is."""

    part: str
    fault: str
    advice: str
    written: re.Pattern[str] | None = None


def review(mail: Rendered, facts: MailFacts, *, has_cart: bool) -> Iterator[Wrong]:
    """Yield what is wrong. `has_cart`: whether the mail is about a cart, and must lead back to it."""
    seen = _UNSEEN.sub("", mail.html)
    links = [(unescape(_attribute(found, "href") or ""), inner) for found, inner in _LINK.findall(seen)]
    yield from _subject(mail.subject)
    yield from _needed(mail, {href for href, _ in links}, facts, has_cart=has_cart)
    yield from _links(links)
    yield from _images(seen, links)
    for part, content in ((SUBJECT, mail.subject), (TEXT, mail.text), (HTML, _TAG.sub(" ", seen))):
        if found := _LEFT_OVER.search(content):
            left = " ".join(found[0].split())
            yield Wrong(part, f"shows `{left}` as it is", "write it outside quotes and {% raw %}", literal(found[0]))
    if (size := len(mail.html.encode())) >= MAX_BYTES:
        advice = "Gmail cuts off what is beyond 102 kB: shorten it, or show fewer items"
        yield Wrong(HTML, f"is {size / 1000:.0f} kB large", advice)


def _subject(subject: str) -> Iterator[Wrong]:
    if not subject:
        yield Wrong(SUBJECT, "is empty", "write what it says where nothing is known")
    elif len(subject) > MAX_SUBJECT:
        yield Wrong(SUBJECT, f"has {len(subject)} characters", f"write {MAX_SUBJECT} at most: 40 to 70 are shown")


def _needed(mail: Rendered, hrefs: set[str], facts: MailFacts, *, has_cart: bool) -> Iterator[Wrong]:
    """Name what every mail must hold and this one does not."""
    links = {"unsubscribe link": ("unsubscribe_link", facts.unsubscribe_link)}
    if has_cart:
        links = {"recovery link": ("recovery_link", facts.recovery_link)} | links
    for part, there in ((HTML, hrefs), (TEXT, mail.text)):
        for what, (name, link) in links.items():
            if link not in there:
                code = f'<a href="{{{{ {name} }}}}">' if part == HTML else f"{{{{ {name} }}}}"
                yield Wrong(part, f"has no {what}", f"write {code} into it")
        if facts.postal_address not in (mail.html if part == HTML else mail.text):
            yield Wrong(part, "has no postal address", "write {{ postal_address }} into it")


def _links(links: Iterable[tuple[str, str]]) -> Iterator[Wrong]:
    for href, inner in links:
        if not _is_absolute(href, ("http", "https", "mailto", "tel")):
            told = f'links to "{href[:80]}"' if href else "has a link that leads nowhere"
            yield Wrong(HTML, told, "write the whole address, from https:// on", _quoted(href) if href else None)
        pictures = [_attribute(found, "alt") for found in _IMAGE.findall(inner)]
        if pictures and not any(pictures) and not _TAG.sub("", inner).strip():
            yield Wrong(HTML, "has a link that is a picture without words", "say in its alt where it leads")


def _images(seen: str, links: Iterable[tuple[str, str]]) -> Iterator[Wrong]:
    for found in _IMAGE.findall(seen):
        source = unescape(_attribute(found, "src") or "")
        if _attribute(found, "alt") is None:
            advice = 'write alt="what it shows", or alt="" where it only decorates'
            yield Wrong(HTML, f'has a picture without alt ("{source[:80]}")', advice, _NO_ALT)
        if not _is_absolute(source, ("http", "https")):
            advice = "put it on a server, and write its whole address, from https:// on"
            yield Wrong(HTML, f'has a picture at "{source[:80]}"', advice, _quoted(source) if source else None)


def _is_absolute(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.netloc or (parts.scheme in ("mailto", "tel") and parts.path))


def _attribute(attributes: str, name: str) -> str | None:
    found = re.search(rf"""(?:^|\s){name}\s*=\s*(?:"([^"]*)"|'([^']*)')""", attributes)
    return None if found is None else found[1] or found[2] or ""


def literal(text: str) -> re.Pattern[str]:
    """Return what finds a text as it stands."""
    return re.compile(re.escape(text))


def _quoted(text: str) -> re.Pattern[str]:
    return re.compile(f"""["']{re.escape(text)}["']""")


def locate(folders: Iterable[Path], template: str, written: re.Pattern[str]) -> tuple[str, int] | None:
    """Find what is written in a template, or in one that it extends or includes; return that file and the line."""
    folders = list(folders)
    waiting, known = deque([template]), {template}
    while waiting:
        name = waiting.popleft()
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        source = path.read_text(encoding="utf-8-sig", errors="replace") if path else ""
        if found := written.search(source):
            return name, source.count("\n", 0, found.start()) + 1
        fresh = [each for each in _REFERENCE.findall(source) if each not in known]
        known.update(fresh)
        waiting.extend(fresh)
    return None

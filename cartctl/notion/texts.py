"""Texts as Notion takes them: rich text in pieces, paragraphs as blocks, and back.

Notion counts UTF-16 units: an emoji is two (developers.notion.com/reference/request-limits).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LONGEST_TEXT = 2000
"""UTF-16 units in one piece of rich text."""
MOST_BLOCKS = 100
"""In one request. As many pieces may stand in one rich text."""
_BETWEEN = "\n\n"


def units(text: str) -> int:
    """Return how long Notion holds a text to be."""
    return len(text) + sum(ord(letter) > 0xFFFF for letter in text)


def rich_text(text: str) -> list[dict[str, Any]]:
    """Return a text as rich text; an empty one has no pieces."""
    return [{"type": "text", "text": {"content": piece}} for piece in _pieces(text)]


def _pieces(text: str) -> Iterator[str]:
    start = length = 0
    for place, letter in enumerate(text):
        width = 2 if ord(letter) > 0xFFFF else 1
        if length + width > LONGEST_TEXT:
            yield text[start:place]
            start, length = place, 0
        length += width
    if text:
        yield text[start:]


def plain(pieces: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of rich text as Notion answers with it."""
    return "".join(piece["plain_text"] for piece in pieces)


def blocks(text: str) -> list[dict[str, Any]]:
    """Return a text as blocks, a paragraph each: they stand apart by an empty line."""
    return [
        {"object": "block", "type": "paragraph", "paragraph": {"rich_text": rich_text(paragraph)}}
        for paragraph in text.split(_BETWEEN)
    ]


def text_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that blocks hold, as `blocks` took it; of blocks that were added by hand what text they have."""
    return _BETWEEN.join(plain(block[block["type"]].get("rich_text", ())) for block in found)

"""The text of a JSON file, cut into records by its brackets. Decodes no value, and holds no more than one in memory."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cartctl.errors import InputFileError
from cartctl.importers.encoding import Utf8, unreadable

RECORD_LIMIT = 10_000_000
"""Bytes of one record."""
DEPTH_LIMIT = 64
"""Brackets within brackets, counted from the record."""
_PIECE = 1 << 16
_LISTS = frozenset({"checkouts", "orders", "abandonedCheckouts", "carts", "order_list", "data", "events"})
"""Names of arrays that wrap records, and of GraphQL connections. A record's own arrays (`line_items`) are none."""
_GRAPHQL = ("edges", "nodes")
_BRACKET = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+([{}\[\]])', re.DOTALL)
"""Up to the next bracket that is not inside a string. Possessive: it never tries a second way."""


def _nested(levels: int) -> str:
    return r'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"%s)*+' % (rf"|[{{\[]{_nested(levels - 1)}[}}\]]" if levels else "")


_USUAL = re.compile(rf"[{{\[]{_nested(6)}[}}\]]".encode(), re.DOTALL)
"""A whole value of few levels, without a step of Python for each bracket. Which kind closes which is not looked at."""
_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_SCALAR = re.compile(rb'(?:[^"{}\[\],]++|"(?:[^"\\]++|\\.)*+")++(?=[{}\[\],])', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,:]*+")

Piece = tuple[int, bytes, str]
"""A record's number and its text; what is wrong with it, where that shows without decoding it."""


@dataclass(frozen=True)
class Layout:
    """How the records of a file are laid out. `start` is where the first stands (bytes of UTF-8)."""

    kind: Literal["lines", "array", "objects"]
    envelope: str = ""
    start: int = 0


class _CutOffError(Exception):
    """The text ended inside a value."""


class _BrokenError(Exception):
    """A bracket is closed that was never opened, or another than was opened."""


def look(path: Path, stream: io.BufferedReader) -> Layout:
    """Find out how the file is laid out, from its beginning."""
    text = _Text(path, Utf8.of(path, stream))
    first = text.peek()
    if not first:
        raise InputFileError(f"{path}: the file is empty: export it again")
    if first == b"[":
        return Layout("array", start=text.position + 1)
    if path.suffix.lower() in (".jsonl", ".ndjson") or _are_lines(path, stream):
        return Layout("lines")
    if first == b"{":
        try:
            if found := _envelope(text, ()):
                return found
        except (_CutOffError, _BrokenError):
            pass
    return Layout("objects")


def pieces(path: Path, stream: io.BufferedReader, layout: Layout) -> Iterator[Piece]:
    """Yield every record's text, from the start. Raises InputFileError for one that is too long or too deep."""
    utf8 = Utf8.of(path, stream)
    return _lines(path, utf8) if layout.kind == "lines" else _values(_Text(path, utf8), layout)


def depth(raw: bytes) -> int:
    """Return how deep brackets stand within brackets, counting no further than one beyond the limit."""
    if raw.count(b"{") + raw.count(b"[") <= DEPTH_LIMIT:
        return 0
    level = deepest = 0
    for match in _BRACKET.finditer(raw):
        level += 1 if match[1] in b"{[" else -1
        deepest = max(deepest, level)
        if deepest > DEPTH_LIMIT:
            break
    return deepest


def _too_long(path: Path, number: int) -> InputFileError:
    return InputFileError(f"{path}: record {number} is longer than {RECORD_LIMIT:,} bytes, the limit of one record")


def _are_lines(path: Path, stream: io.BufferedReader) -> bool:
    """JSON Lines: the second line begins an object too, or the first is one by itself and something follows."""
    lines = _lines(path, Utf8.of(path, stream))
    try:
        _, first, _ = next(lines, (0, b"", ""))
        _, second, _ = next(lines, (0, b"", ""))
    except InputFileError:  # one line longer than a record may be: an array in a wrapper, on one line
        return False
    return bool(second) and (second.startswith(b"{") or _is_whole(first))


def _is_whole(line: bytes) -> bool:
    level = 0
    for match in _BRACKET.finditer(line):
        level += 1 if match[1] in b"{[" else -1
        if not level:
            return not line[match.end() :].strip()
    return False


def _lines(path: Path, stream: io.BufferedReader) -> Iterator[Piece]:
    number = 0
    while line := _read(path, stream.readline, RECORD_LIMIT + 1):
        number += 1
        if len(line) > RECORD_LIMIT:
            raise _too_long(path, number)
        if record := line.strip():
            yield number, record, ""


def _values(text: "_Text", layout: Layout) -> Iterator[Piece]:
    """Yield the values of an array, or of one array or object after the other."""
    text.go_to(layout.start)
    inside = layout.kind == "array"
    number = 0
    while start := text.peek():
        if start == b"]" and inside:
            if layout.envelope:
                return  # behind the records stands what wraps them: a cursor, a count
            text.take_one()
            inside = False
            continue
        if start == b"[" and not inside:
            text.take_one()
            inside = True
            continue
        number += 1
        try:
            value = text.value(number)
        except _CutOffError:
            yield number, text.rest(), "is cut off: the file ends inside it"
            return
        except _BrokenError:
            yield number, text.rest(), "has brackets that do not match: it and all behind it cannot be read"
            return
        yield number, value, ""
    if inside:
        yield number + 1, b"", "is cut off: the file ends before the array does"


def _envelope(text: "_Text", outer: tuple[str, ...]) -> Layout | None:
    """Walk the object that begins here; stop at the first array that wraps records. An empty one counts at the end."""
    empty: Layout | None = None
    text.take_one()
    while (start := text.peek()) != b"}":
        if start != b'"':
            raise _BrokenError
        path = (*outer, text.string())
        start = text.peek()
        if start == b"[" and _wraps(path):
            text.take_one()
            found = Layout("array", ".".join(path), text.position)
            start = text.peek()
            if start == b"{":
                return found
            if start == b"]":
                empty = empty or found
            while text.peek() != b"]":
                text.value(1)
            text.take_one()
        elif start == b"{" and _may_hold(path):
            if inner := _envelope(text, path):
                return inner
        else:
            text.value(1)
    text.take_one()
    return empty


def _wraps(path: tuple[str, ...]) -> bool:
    """`orders`, `data.orders`, `orders.nodes`, `data.orders.edges`: of these an array wraps records."""
    *outer, name = path
    if name in _GRAPHQL:
        return bool(outer) and _may_hold(tuple(outer)) and outer != ["data"]
    return _may_hold(path)


def _may_hold(path: tuple[str, ...]) -> bool:
    return path[-1] in _LISTS and path[:-1] in ((), ("data",))


class _Text:
    """The text from a stream, from the value at hand on: nothing before it is kept."""

    def __init__(self, path: Path, stream: io.BufferedReader) -> None:
        self._path, self._stream = path, stream
        self._held, self._at = b"", 0
        self._dropped = 0

    @property
    def position(self) -> int:
        return self._dropped + self._at

    def go_to(self, position: int) -> None:
        """Skip to a place further on."""
        self._at = len(self._held)
        while self.position < position and self._more():
            self._at = len(self._held)
        self._at = position - self._dropped

    def peek(self) -> bytes:
        """Skip what stands between values; return the next byte without taking it, b"" at the end.

        Commas are not counted: what they separate is judged, not they.
        """
        while True:
            match = _BETWEEN.match(self._held, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._held):
                return self._held[self._at : self._at + 1]
            if not self._more():
                return b""

    def take_one(self) -> None:
        self._at += 1

    def string(self) -> str:
        while not (match := _STRING.match(self._held, self._at)):
            self._need(1)
        self._at = match.end()
        return match[1].decode("utf-8", "replace")

    def value(self, number: int) -> bytes:
        """Take the value that begins here, of record `number`.

        Raises _CutOffError, _BrokenError (both leave it in `rest`), and InputFileError beyond a limit.
        """
        start = self.peek()
        if start in b"}]":
            raise _BrokenError
        length = self._bracketed(number) if start in b"{[" else self._scalar(number)
        if length > RECORD_LIMIT:
            raise _too_long(self._path, number)
        value = self._held[self._at : self._at + length]
        self._at += length
        return value

    def rest(self) -> bytes:
        """Return what is held of the text from here on."""
        return self._held[self._at :]

    def _bracketed(self, number: int) -> int:
        if match := _USUAL.match(self._held, self._at):
            return match.end() - self._at
        done = 0
        closing = bytearray()
        while True:
            match = _BRACKET.match(self._held, self._at + done)
            if match is None:
                self._need(number)
                continue
            done = match.end() - self._at
            bracket = match[1]
            if bracket in b"{[":
                closing += b"}" if bracket == b"{" else b"]"
                if len(closing) > DEPTH_LIMIT:
                    limit = f"{DEPTH_LIMIT} levels, the limit of one record"
                    raise InputFileError(f"{self._path}: record {number} is nested deeper than {limit}")
            elif closing.pop() != bracket[0]:
                raise _BrokenError
            if not closing:
                return done

    def _scalar(self, number: int) -> int:
        while not (match := _SCALAR.match(self._held, self._at)):
            self._need(number)
        return match.end() - self._at

    def _need(self, number: int) -> None:
        if len(self._held) - self._at > RECORD_LIMIT:
            raise _too_long(self._path, number)
        if not self._more():
            raise _CutOffError

    def _more(self) -> bool:
        """Read on, twice as much as is held already: a long value is looked at a few times, not thousands."""
        held = self._held[self._at :]
        more = _read(self._path, self._stream.read, max(_PIECE, len(held)))
        self._dropped += self._at
        self._held, self._at = held + more, 0
        return bool(more)


def _read(path: Path, read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None

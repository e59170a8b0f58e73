"""What the bytes of a text file stand for: byte order marks, UTF-16, and cp1252 for what is no UTF-8."""

import codecs
import errno
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartctl.errors import InputFileError, UnreadableFileError

LINE_LIMIT = 10_000_000
"""Bytes of one line of a CSV file."""
_PIECE = 1 << 16
_CP1252 = "cartctl-cp1252"


def utf16(start: bytes) -> str:
    """Return the UTF-16 codec of a file that begins so: by its mark, else by the zero bytes beside ASCII. "": none."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = start[:64]
    head = head[: len(head) // 2 * 2]
    if len(head) >= 4 and not any(head[1::2]) and all(head[0::2]):
        return "utf-16-le"
    if len(head) >= 4 and not any(head[0::2]) and all(head[1::2]):
        return "utf-16-be"
    return ""


class Utf8(io.RawIOBase):
    """A file in UTF-16, read as UTF-8."""

    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        super().__init__()
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)()
        self._ready = b""

    @classmethod
    def of(cls, path: Path, stream: io.BufferedReader) -> io.BufferedReader:
        """Return the stream, from its start, as UTF-8 without a byte order mark. Raises InputFileError."""
        try:
            stream.seek(0)
            start = stream.peek(64)
            if encoding := utf16(start):
                return io.BufferedReader(cls(stream, encoding))
            if start.startswith(codecs.BOM_UTF8):
                stream.read(len(codecs.BOM_UTF8))
        except OSError as error:
            raise unreadable(path, error) from None
        return stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            piece = self._stream.read(_PIECE)
            if not piece:
                cut_off, _ = self._decode.getstate()
                self._decode.reset()
                self._ready = "\N{REPLACEMENT CHARACTER}".encode() if cut_off else b""
                break
            self._ready = self._decode.decode(piece).encode()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


@dataclass(frozen=True)
class Text:
    """What one look through the whole file shows. Bytes that are no UTF-8 are read as cp1252, each by itself."""

    is_utf8: bool
    ends_in_newline: bool


def inspect(path: Path, stream: io.BufferedReader) -> Text:
    """Look through a text file. Raises InputFileError for what is none, and for a line beyond LINE_LIMIT."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, line, last = True, 0, b""
    utf8 = Utf8.of(path, stream)
    try:
        while piece := utf8.read(1 << 20):
            if b"\0" in piece:
                raise InputFileError(f"{path}: is no text file: expected a CSV export")
            first, end = _line_end(piece.find), _line_end(piece.rfind)
            if line + (len(piece) if first < 0 else first) > LINE_LIMIT:
                raise InputFileError(f"{path}: a line is longer than {LINE_LIMIT:,} bytes, the limit of one line")
            line = line + len(piece) if end < 0 else len(piece) - end
            last = piece[-1:]
            try:
                if is_utf8:
                    decoder.decode(piece)
            except UnicodeDecodeError:
                is_utf8 = False
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None
    return Text(is_utf8, last in (b"\n", b"\r"))


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> InputFileError:
    if isinstance(error, OSError):
        of_the_file = error.errno in (errno.EACCES, errno.EPERM)
        kind = InputFileError if of_the_file else UnreadableFileError
        return kind(f"{path}: cannot be read: {error.strerror}")
    return InputFileError(f"{path}: begins as UTF-16 and is not: export it again")


def decoded(path: Path, stream: io.BufferedReader, *, is_utf8: bool) -> io.TextIOWrapper:
    """Open the text from its start, line ends as they are. A character cut off at the very end of UTF-8 is replaced."""
    errors = "replace" if is_utf8 else _CP1252
    return io.TextIOWrapper(Utf8.of(path, stream), encoding="utf-8", errors=errors, newline="")


def _line_end(find: Callable[[bytes], int]) -> int:
    """Return where a line ends; of both ends there are, whichever comes: it is a measure, not a count."""
    at = find(b"\n")
    return at if at >= 0 else find(b"\r")


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_CP1252, _as_cp1252)

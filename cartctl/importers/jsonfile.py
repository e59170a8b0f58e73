"""Reading a JSON file: one record after another, whatever wraps them, in flat memory. Knows no format.

A file is one object, an array of objects, an object that wraps an array (`{"checkouts": [...]}`), or JSON Lines. The
text is cut into records by its brackets alone (`jsontext`) and each is decoded by itself: one broken record costs no
other. Of a file of rejected records the reasons are left out: what stands in `record` is what was rejected.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cartctl.errors import InputFileError
from cartctl.importers import jsontext
from cartctl.importers.jsontext import Piece
from cartctl.importers.records import RowError
from cartctl.importers.rejects import REASONS, RECORD

_LOOK_AHEAD = 1000
"""Records among which one must be readable, for a format to be recognised by."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_NODE = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True)
class Sample:
    """What a format is recognised by: the first record, and the path of the array that wraps the records.

    `envelope` is "" where nothing does, else such as `checkouts`, `data.orders` or `data.abandonedCheckouts.edges`.
    `first` is empty where the file has no record.
    """

    path: Path
    first: Mapping[str, Any]
    envelope: str = ""


class JsonFile:
    """One open file. Whole numbers come as int, others as Decimal; never as float."""

    notes: tuple[str, ...] = ()
    """What an operator should know about the file, whatever its format."""

    def __init__(self, path: Path, stream: io.BufferedReader) -> None:
        self.path = path
        self._stream = stream
        self._layout = jsontext.look(path, stream)
        self.text = ""
        """The JSON text of the record that `records` yielded last."""
        self.sample = Sample(path, self._first(), self._layout.envelope)

    def records(self) -> Iterator[tuple[int, Mapping[str, Any]] | RowError]:
        """Yield (record number from 1, record); a RowError for what is no object.

        In JSON Lines the number is that of the line, each order of an answer of TikTok's counting as a line. It begins
        at the file's start each time. Raises InputFileError where a limit is passed (`jsontext`).
        """
        for piece in self._pieces():
            number, raw, fault = piece
            if not fault:
                try:
                    record, raw = _object(raw)
                except ValueError as error:
                    fault = str(error)
                else:
                    self.text = raw.decode()
                    yield number, record
                    continue
            yield RowError(number, "", fault, (_readable(raw),))

    def again(self, wanted: Iterable[int]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Read the file once more: yield (number, (JSON text,)) of the records `wanted`, whose numbers increase."""
        pieces = self._pieces()
        for number in wanted:
            for found, raw, _ in pieces:
                if found == number:
                    yield number, (_readable(_unwrapped(raw)),)
                    break

    def _pieces(self) -> Iterator[Piece]:
        further = 0
        for number, raw, fault in jsontext.pieces(self.path, self._stream, self._layout):
            for place, part in enumerate(_parts(raw)):
                further += bool(place)
                yield number + further, part, fault

    def _first(self) -> Mapping[str, Any]:
        fault = ""
        for count, record in enumerate(self.records()):
            if not isinstance(record, RowError):
                return record[1]
            fault = fault or record.reason
            if count >= _LOOK_AHEAD:
                break
        if fault:
            raise InputFileError(f"{self.path}: is no JSON export: its first record {fault}")
        return {}


class _Page(msgspec.Struct):
    orders: list[msgspec.Raw]


class _Answer(msgspec.Struct):
    code: int
    data: _Page


_ANSWER = msgspec.json.Decoder(_Answer)


def _parts(raw: bytes) -> Sequence[bytes]:
    """Return the orders of an answer of TikTok's order API that is one record of many; else the record itself."""
    if b'"orders"' in raw and b'"code"' in raw and not jsontext.depth(raw) > jsontext.DEPTH_LIMIT:
        try:
            return [bytes(order) for order in _ANSWER.decode(raw).data.orders] or [raw]
        except msgspec.DecodeError:
            pass
    return [raw]


def loads(text: str | bytes) -> Any:
    """Decode JSON inside a record (the raw body of a webhook, say) as the file itself is decoded. Raises ValueError."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if jsontext.depth(raw) > jsontext.DEPTH_LIMIT:
        raise ValueError(f"is nested deeper than {jsontext.DEPTH_LIMIT} levels")
    try:
        value = _DECODER.decode(raw)
    except (ValueError, ArithmeticError) as error:  # Decimal refuses 1E-99999999999999999999
        if isinstance(error, msgspec.DecodeError) and _HALF.search(raw) and _is_json(raw):
            raise ValueError(r"holds half a character (such as \ud800)") from None
        raise ValueError(f"is no JSON: {_plain(error)}") from None
    if b"\\u0000" in raw and _NUL.search(raw):
        raise ValueError(r"holds a NUL character (\u0000)")
    return value


def loads_loosely(raw: bytes) -> Any:
    """Decode JSON whose texts may be none: a NUL, half a surrogate pair. Raises ValueError for what is no JSON."""
    if jsontext.depth(raw) > jsontext.DEPTH_LIMIT:
        raise ValueError(f"is nested deeper than {jsontext.DEPTH_LIMIT} levels")
    try:
        return json.loads(raw)
    except ValueError:
        raise ValueError("is no JSON") from None


def _is_json(raw: bytes) -> bool:
    try:
        loads_loosely(raw)
    except ValueError:
        return False
    return True


def _object(raw: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Decode one record; return it with its own text, freed of what wraps it alone. Raises ValueError."""
    value = loads(raw)
    if not isinstance(value, dict):
        raise ValueError("is no object ({...})")
    own = _unwrapped(raw, value)
    if own is not raw:
        value = loads(own)
        if not isinstance(value, dict):
            raise ValueError("is no object ({...})")
    return value, own


def _unwrapped(raw: bytes, value: Any = None) -> bytes:
    """Return the text of the node of a GraphQL edge, or of the record in a line of rejected ones; else the same text.

    A rejected record that was no JSON stands there as a string.
    """
    try:
        value = loads(raw) if value is None else value
        if not isinstance(value, dict):
            return raw
        if RECORD in value and REASONS[-1] in value:
            inner = value[RECORD]
            return inner.encode() if isinstance(inner, str) else bytes(_NODE.decode(raw)[RECORD])
        if isinstance(value.get("node"), dict) and value.keys() <= {"node", "cursor"}:
            return bytes(_NODE.decode(raw)["node"])
    except ValueError:
        pass
    return raw


def _readable(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _plain(error: Exception) -> str:
    """A decoder's complaint, without what it quotes of the data."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.object[error.start]:#04x} is not UTF-8"
    if isinstance(error, ArithmeticError):
        return "a number is beyond measure"
    return str(error).removeprefix("JSON is malformed: ")

"""Opening a file as what it is made of: CSV or JSON, told apart by its first character."""

import io
from collections.abc import Mapping
from pathlib import Path

from cartctl.errors import UsageError
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.encoding import Utf8, unreadable
from cartctl.importers.format import Source
from cartctl.importers.jsonfile import JsonFile


def open_source(path: Path, stream: io.BufferedReader, mapping: Mapping[str, str] | None = None) -> Source:
    """Look at the file's name and beginning. `mapping` is of columns: theirs -> ours.

    Raises InputFileError for what is neither, UsageError where JSON has no columns to map.
    """
    if path.suffix.lower() not in (".json", ".jsonl", ".ndjson") and not _begins_as_json(path, stream):
        return CsvFile(path, stream, mapping)
    if mapping:
        raise UsageError(f"{path}: is JSON, which has no columns: --map is for CSV files")
    return JsonFile(path, stream)


def _begins_as_json(path: Path, stream: io.BufferedReader) -> bool:
    utf8 = Utf8.of(path, stream)
    try:
        return utf8.peek(64).lstrip()[:1] in (b"{", b"[")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from None
    finally:
        stream.seek(0)

"""Whatever the bytes, in every format: no traceback, and every row of the file is accepted, ignored or rejected."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartctl.errors import InputFileError, UsageError
from cartctl.importers import registry
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.format import CsvFormat, JsonFormat, Source
from cartctl.importers.records import CartBlock, Context, Line, Note, RowError
from cartctl.importers.source import open_source
from tests.importers.examples import EXAMPLES
from tests.importers.reading import gathered, stream_of

CONTEXT = Context(store="main", zone=ZoneInfo("Europe/Berlin"), currency="EUR", country="DE", day_first=True)
TEXTS = st.one_of(
    st.sampled_from(
        """c-1 #1001 1.59E+17 '001 2026-03-02T10:00:00Z 2026-03-02 0001-01-01T00:00:00Z 9999-12-31T23:59:59.999999Z
        02/03/2026 13:30:00 2026-03-02T10:00:00+14:00 1772445600 anna@example.com ANNA@EXAMPLE.COM anna@ EUR kwd EURO
        1 0 -1 9999 1e400 NaN 49.90 1,234 1.234 1.234,56 ৳2,999 N/A https://shop.example.com javascript:0 +4915123456789
        yes no granted refused paid voided pending UNPAID CANCEL true false null [] {} de-DE Europe/Berlin Total '=
        purchase remove_from_cart Mug(x2) \N{NO-BREAK SPACE} \N{RIGHT-TO-LEFT OVERRIDE}""".split()
    ),
    st.just(""),
    st.text(max_size=8),
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
BROAD = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_format = pytest.mark.parametrize("format_", registry.formats(), ids=lambda format_: str(format_.name))
every_csv_format = pytest.mark.parametrize(
    "format_", [one for one in registry.formats() if isinstance(one, CsvFormat)], ids=lambda format_: str(format_.name)
)
every_json_format = pytest.mark.parametrize(
    "format_", [one for one in registry.formats() if isinstance(one, JsonFormat)], ids=lambda format_: str(format_.name)
)


def check(format_: CsvFormat | JsonFormat, name: str, content: bytes) -> None:
    """Errors are one line and tell nobody's address."""
    refusal = ""
    try:
        source = open_source(Path(name), stream_of(content))
        chosen = registry.choose(format_.kind, format_.name, source)
        lines = list(registry.read(chosen, source, CONTEXT))
    except (InputFileError, UsageError) as error:
        refusal = str(error)
    if refusal:
        assert not re.search(r"\n|@", refusal)
        return
    numbers = numbers_of(source)
    assert sorted(number for line in lines for number in rows_of(line)) == numbers
    reading = gathered(lines, source)
    assert reading.accepted + len(reading.ignored) + len(reading.errors) == len(numbers)


def numbers_of(source: Source) -> list[int]:
    found = source.rows() if isinstance(source, CsvFile) else source.records()
    return [one[0] if isinstance(one, tuple) else one.row for one in found]


def rows_of(line: Line) -> list[int]:
    if isinstance(line, CartBlock):
        return [row + place for row, rows in zip(line.row, line.rows, strict=True) for place in range(rows)]
    return [] if isinstance(line, Note) else [line.row]


@every_format
@BROAD
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes(format_: CsvFormat | JsonFormat, content: bytes) -> None:
    check(format_, EXAMPLES[format_.name][0], content)


@every_format
@BROAD
@given(data=st.data())
def test_valid_file_with_a_piece_replaced(format_: CsvFormat | JsonFormat, data: st.DataObject) -> None:
    name, content = EXAMPLES[format_.name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 30)))
    piece = data.draw(st.binary(max_size=10) | st.text(',;"\n\r\t{}[]:0.', max_size=6).map(str.encode))
    check(format_, name, content[:start] + piece + content[end:])


@every_csv_format
@BROAD
@given(data=st.data())
def test_valid_csv_with_other_cells(format_: CsvFormat, data: st.DataObject) -> None:
    name, content = EXAMPLES[format_.name]
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=data.draw(st.sampled_from(",;\t")))
    writer.writerow(header)
    for _ in range(data.draw(st.integers(1, 4))):
        row = list(data.draw(st.sampled_from(rows)))
        for place, cell in data.draw(st.dictionaries(st.integers(0, len(row) - 1), TEXTS, max_size=5)).items():
            row[place] = cell
        writer.writerow(row)
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    check(format_, name, stream.getvalue().encode(encoding, "replace"))


@every_csv_format
@BROAD
@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from(',"\n\r;'), max_size=150))
def test_arbitrary_text_behind_the_header(format_: CsvFormat, text: str) -> None:
    name, content = EXAMPLES[format_.name]
    check(format_, name, content.splitlines(keepends=True)[0] + text.encode())


@every_json_format
@BROAD
@given(data=st.data())
def test_valid_json_with_other_values(format_: JsonFormat, data: st.DataObject) -> None:
    name, content = EXAMPLES[format_.name]
    records = [one[1] for one in open_records(name, content)]
    changed = [altered(json.loads(json.dumps(record, default=str)), data) for record in records]
    text = json.dumps(changed) if data.draw(st.booleans()) else "\n".join(map(json.dumps, changed))
    check(format_, name, text.encode())


def open_records(name: str, content: bytes) -> list[Any]:
    source = open_source(Path(name), stream_of(content))
    assert not isinstance(source, CsvFile)
    return [record for record in source.records() if not isinstance(record, RowError)]


def altered(value: Any, data: st.DataObject) -> Any:
    """Replace, drop or repeat something on the way from the record to one of its leaves."""
    for _ in range(data.draw(st.integers(0, 3))):
        where = value
        while isinstance(where, dict | list) and where:
            key = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
            if isinstance(where[key], dict | list) and where[key] and data.draw(st.booleans()):
                where = where[key]
                continue
            if isinstance(where, dict) and data.draw(st.booleans()):
                del where[key]
            else:
                where[key] = data.draw(VALUES)
            break
    return value

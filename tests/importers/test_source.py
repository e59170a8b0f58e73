"""Telling JSON from CSV."""

from pathlib import Path

import pytest

from cartctl.errors import InputFileError, UsageError
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.jsonfile import JsonFile
from cartctl.importers.source import open_source
from tests.importers.reading import stream_of


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("text", ['{"id": 1}', '\n  [{"id": 1}]', "[]"])
def test_json_is_told_by_its_first_character_whatever_the_name(text: str, encoding: str) -> None:
    source = open_source(Path("export.txt"), stream_of(text.encode(encoding)))
    assert isinstance(source, JsonFile)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_everything_else_is_csv(encoding: str) -> None:
    source = open_source(Path("export.txt"), stream_of("größe,{}\n1,2\n".encode(encoding)))
    assert isinstance(source, CsvFile)
    assert list(source.rows()) == [(2, ("1", "2"))]


@pytest.mark.parametrize("name", ["export.jsonl", "export.NDJSON"])
def test_name_decides_where_json_lines_begin_with_a_broken_one(name: str) -> None:
    source = open_source(Path(name), stream_of('"id": 1}\n{"id": 2}\n'))
    assert isinstance(source, JsonFile)
    assert source.sample.first == {"id": 2}


@pytest.mark.parametrize("name", ["export.csv", "export.json", "export.jsonl"])
@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_empty_file_is_refused(name: str, text: str) -> None:
    with pytest.raises(InputFileError, match="the file is empty: export it again"):
        open_source(Path(name), stream_of(text.replace(" ", "")))


def test_mapping_is_for_columns() -> None:
    source = open_source(Path("export.csv"), stream_of("mail\n"), {"mail": "email"})
    assert isinstance(source, CsvFile)
    assert source.header.names == {"email"}
    with pytest.raises(UsageError, match=r"^export\.json: is JSON, which has no columns: --map is for CSV files$"):
        open_source(Path("export.json"), stream_of("[]"), {"mail": "email"})

"""Reading JSON files, whatever wraps their records."""

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.errors import InputFileError
from cartctl.importers.jsonfile import JsonFile, loads
from cartctl.importers.jsontext import DEPTH_LIMIT, RECORD_LIMIT
from cartctl.importers.records import RowError
from tests.importers.reading import json_file

A, B = {"id": 1, "line_items": [{"sku": "mug"}]}, {"id": 2, "line_items": []}


def records(text: str | bytes, name: str = "export.json") -> list[Any]:
    """Return the records, without their numbers; RowErrors as they are."""
    return [item if isinstance(item, RowError) else item[1] for item in json_file(text, name).records()]


def reasons(text: str | bytes, name: str = "export.json") -> list[tuple[int, str]]:
    return [(item.row, item.reason) for item in json_file(text, name).records() if isinstance(item, RowError)]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("document", "envelope"),
    [
        ([A, B], ""),
        ({"checkouts": [A, B]}, "checkouts"),
        ({"count": 2, "note": {"orders": 1}, "orders": [A, B], "next": None}, "orders"),
        ({"code": 0, "data": {"total_count": 2, "orders": [A, B]}, "message": "Success"}, "data.orders"),
        ({"data": [A, B], "links": {"self": "https://shop.example.com"}}, "data"),
        (
            {"data": {"abandonedCheckouts": {"edges": [{"cursor": "x", "node": A}, {"node": B}], "pageInfo": {}}}},
            "data.abandonedCheckouts.edges",
        ),
        ({"data": {"abandonedCheckouts": {"pageInfo": {}, "nodes": [A, B]}}}, "data.abandonedCheckouts.nodes"),
        ({"orders": {"nodes": [A, B]}}, "orders.nodes"),
    ],
)
def test_records_are_found_in_what_wraps_them(document: Any, envelope: str, indent: int | None) -> None:
    file = json_file(json.dumps(document, indent=indent))
    assert list(file.records()) == [(1, A), (2, B)]
    assert (file.sample.first, file.sample.envelope) == (A, envelope)


@pytest.mark.parametrize(
    "record",
    [
        A,
        {"type": 1, "shop_id": "7", "data": {"order_id": "5", "order_status": "UNPAID"}},
        {"type": 11, "data": {"order_id": "5", "items": [{"id": 1}]}},
        {"event_type": "cart_updated", "cart_data": {"cart_id": "c", "items": [{"name": "mug"}]}},
        {"id": "gid", "lineItems": {"edges": [{"node": {"title": "mug"}}]}},
        {"headers": {}, "body": '{"orders":[{}]}'},
        {"id": 1, "orders": [1, 2]},
        {"id": 1, "orders": {"events": [{"id": 2}]}},
        {"id": 1, "customer": {"orders": [{"id": 2}]}},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_object_whose_lists_are_its_own_is_one_record(record: Any, indent: int | None) -> None:
    file = json_file(json.dumps(record, indent=indent))
    assert list(file.records()) == [(1, record)]
    assert file.sample.envelope == ""


@pytest.mark.parametrize("name", ["export.json", "export.jsonl"])
def test_json_lines_are_numbered_as_an_editor_does_and_blank_lines_are_none(name: str) -> None:
    file = json_file(f"{json.dumps(A)}\n\n  \r\n{json.dumps(B)}\r\n", name)
    assert list(file.records()) == [(1, A), (4, B)]


def test_broken_line_costs_no_other_line() -> None:
    text = '{"id": 1, \n{"id": 2}\nnonsense\n[1]\n{"id": 3}\n{"id": 4'
    file = json_file(text)
    assert [item for item in file.records() if not isinstance(item, RowError)] == [(2, {"id": 2}), (5, {"id": 3})]
    errors = [item for item in file.records() if isinstance(item, RowError)]
    assert [(error.row, error.raw) for error in errors] == [
        (1, ('{"id": 1,',)),
        (3, ("nonsense",)),
        (4, ("[1]",)),
        (6, ('{"id": 4',)),
    ]
    assert all(error.reason.startswith("is no JSON") for error in errors if error.row != 4)
    assert errors[2].reason == "is no object ({...})"
    assert file.sample.first == {"id": 2}


def test_broken_record_in_an_array_costs_no_other_record() -> None:
    text = '[{"id": 1}, {"id": tru}, {"a": "}]{[\\""}, 7, "x,]", [{"id": 3}], {"id": 4}]'
    assert [item for item in records(text) if not isinstance(item, RowError)] == [
        {"id": 1},
        {"a": '}]{["'},
        {"id": 4},
    ]
    assert [row for row, _ in reasons(text)] == [2, 4, 5, 6]


def test_record_that_is_cut_off_is_named_and_those_before_it_are_kept() -> None:
    for text in ('[{"id": 1}, {"id": 2, "na', '{"orders": [{"id": 1}, {"id": 2, "na', '{\n"id": 1}\n\n{\n"id": "na'):
        first, error = records(text)
        assert first == {"id": 1}
        assert error.reason.startswith(("is cut off: the file ends inside it", "is no JSON"))
        assert error.raw[0].endswith('"na')


def test_array_that_is_never_closed_is_named_although_no_record_is_hurt() -> None:
    assert reasons('[{"id": 1}, {"id": 2},') == [(3, "is cut off: the file ends before the array does")]


def test_brackets_that_do_not_match_end_the_reading_and_are_named() -> None:
    deep = '{"a": ' * 20 + "]" + "}" * 20
    for broken in ("}", deep):
        first, error = records(f'[{{"id": 1}}, {broken}, {{"id": 2}}]')
        assert first == {"id": 1}
        assert error.reason == "has brackets that do not match: it and all behind it cannot be read"
        assert error.raw[0].startswith(broken)


def test_bracket_of_the_wrong_kind_costs_its_record_only() -> None:
    assert records('[{"id": 1}, {"id": 2], {"id": 3}]')[::2] == [{"id": 1}, {"id": 3}]
    assert reasons('[{"id": 1}, {"id": 2], {"id": 3}]')[0][0] == 2


def test_whole_numbers_stay_whole_and_the_others_exact() -> None:
    (record,) = records('{"id": 123456789012345678901234567890, "price": 0.10, "big": 1e3}')
    assert record == {"id": 123456789012345678901234567890, "price": Decimal("0.10"), "big": Decimal("1e3")}
    assert str(record["price"]) == "0.10"


def test_arrays_one_after_another_are_read_on() -> None:
    assert list(json_file('[{"id": 1}]\n[]\n[{"id": 2}]').records()) == [(1, {"id": 1}), (2, {"id": 2})]


@pytest.mark.parametrize("text", ["[]", '{"orders": []}', '{"code": 0, "data": {"orders": []}}', " [ ] "])
def test_array_without_records_is_an_empty_export(text: str) -> None:
    file = json_file(text)
    assert (file.sample.first, list(file.records())) == ({}, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ['[{"name": "Müller"}]', '{"name": "Müller"}\n{"name": "x"}\n', '{"name": "Müller"}'])
def test_encoding_is_told_by_the_bytes(text: str, encoding: str) -> None:
    assert records(text.encode(encoding))[0] == {"name": "Müller"}


def test_bytes_that_are_no_utf8_cost_their_record_only() -> None:
    assert reasons(b'[{"id": 1}, {"name": "M\xfcller"}]') == [(2, "is no JSON: byte 0xfc is not UTF-8")]


def test_nul_is_refused_because_no_database_keeps_it() -> None:
    assert reasons(r'[{"id": 1}, {"id": "\u0000"}, {"id": "\\u0000"}]') == [(2, r"holds a NUL character (\u0000)")]


@pytest.mark.parametrize("text", ["{", "[nonsense]", "{'id': 1}", '{"id": 1]', "nonsense"])
def test_file_without_one_readable_record_is_refused(text: str) -> None:
    with pytest.raises(InputFileError, match=r"^export\.json: is no JSON export: its first record "):
        json_file(text)


@pytest.mark.parametrize("wrapped", ["{}", "[{}]", '{{"orders": [{}]}}', '{{\n"id": 1}}\n{}'])
def test_limits_are_named(wrapped: str) -> None:
    deep = '{"a": ' + "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT + "}"
    long = '{"a": "' + "x" * RECORD_LIMIT + '"}'
    text = wrapped.replace("{}", "%s").replace("{{", "{").replace("}}", "}")
    for record, limit in ((deep, f"deeper than {DEPTH_LIMIT} levels"), (long, f"longer than {RECORD_LIMIT:,} bytes")):
        with pytest.raises(InputFileError, match=limit):
            records(text % record)


def test_line_that_is_too_deep_costs_no_other_line() -> None:
    deep = "[" * 10_000 + "]" * 10_000
    assert reasons(f'{{"id": 1}}\n{{"a": {deep}}}\n') == [(2, f"is nested deeper than {DEPTH_LIMIT} levels")]


def test_brackets_without_end_are_refused_by_the_depth() -> None:
    with pytest.raises(InputFileError, match=f"deeper than {DEPTH_LIMIT} levels"):
        records("[" * 10_000_000)


def test_again_reads_the_texts_of_the_rows_wanted() -> None:
    for text in ('{"id": 1}\n{"id":2 }\n\n{"id": 3}\n', '[{"id": 1},{"id":2 },4,{"id": 3}]'):
        assert list(json_file(text).again([2, 4])) == [(2, ('{"id":2 }',)), (4, ('{"id": 3}',))]
    edges = json_file('{"orders": {"edges": [{"cursor": "x", "node": {"id": 1.50}}]}}')
    assert list(edges.again(iter([1]))) == [(1, ('{"id": 1.50}',))]


def test_file_of_rejected_records_reads_as_the_records_once_were() -> None:
    reason = {"rejected_file": "x.json", "rejected_row": 7, "rejected_column": "email", "rejected_reason": "is blank"}
    lines = [json.dumps(reason | {"record": record}) for record in ({"id": 1}, '{"id": 2}', '{"id":', "x", None)]
    file = json_file("\n".join(lines), "x.rejects.jsonl")
    assert file.sample.first == {"id": 1}
    assert records("\n".join(lines), "x.rejects.jsonl")[:2] == [{"id": 1}, {"id": 2}]
    assert [row for row, _ in reasons("\n".join(lines), "x.rejects.jsonl")] == [3, 4, 5]


def test_json_inside_a_record_is_held_to_the_same_rules() -> None:
    assert loads('{"total": 1.10}') == {"total": Decimal("1.10")}
    for text in ("{", "[" * 100_000, '"\\u0000"', '"\\ud800"', "\ud800", "1E-99999999999999999999"):
        with pytest.raises(ValueError, match=r"^(is|holds) "):
            loads(text)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["id", "data", "orders", "x"]), VALUES, max_size=3), max_size=4))
def test_every_record_comes_back_as_it_was_written(written: list[Any]) -> None:
    assert records(json.dumps(written)) == written
    assert records(json.dumps({"orders": written}, ensure_ascii=False, indent=1)) == written
    if written:
        assert records("\n".join(json.dumps(record) for record in written), "x.jsonl") == written


@given(st.text('{}[]":,\\ \n1a') | st.binary(max_size=60))
def test_whatever_the_text_records_and_faults_are_told(text: str | bytes) -> None:
    try:
        found = records(text)
    except InputFileError:
        return
    assert found == records(text)


def test_disk_that_fails_is_an_error_of_that_file() -> None:
    with pytest.raises(InputFileError, match=r"^export\.json: cannot be read: Input/output error$"):
        list(JsonFile(Path("export.json"), io.BufferedReader(FailingDisk())).records())


class FailingDisk(io.BytesIO):
    """Gives up behind its first bytes."""

    def __init__(self) -> None:
        super().__init__(b"[" + b'{"id": 1},' * 20_000)

    def readinto(self, buffer: Any, /) -> int:
        if self.tell() > 100_000:
            raise OSError(5, "Input/output error")
        return super().readinto(buffer)

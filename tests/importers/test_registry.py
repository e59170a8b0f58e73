"""Telling one format from another by its header, and what is said where that fails."""

import pytest

from cartctl.errors import InputFileError, UsageError
from cartctl.importers.registry import choose, formats
from tests.importers.reading import csv_file, json_file, read
from tests.importers.shopify_rows import HEADER

NATIVE_CARTS = "cart_id,updated_at,email\n"
NATIVE_ORDERS = "order_id,placed_at,email\n"


@pytest.mark.parametrize(
    ("kind", "header", "name"),
    [
        ("carts", NATIVE_CARTS, "native-carts"),
        ("carts", " EMAIL ,Cart_Id,updated_at,quantity\n", "native-carts"),
        ("carts", HEADER, "shopify-checkouts"),
        ("orders", NATIVE_ORDERS, "native-orders"),
        ("orders", "order_id,placed_at,email,cart_id,updated_at\n", "native-orders"),
        ("orders", HEADER, "shopify-orders"),
    ],
)
def test_format_is_told_by_the_header(kind: str, header: str, name: str) -> None:
    assert choose(kind, "auto", csv_file(header)).name == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "header", "right"),
    [
        ("carts", NATIVE_ORDERS, "orders"),
        ("carts", "order_id,placed_at,email,cart_id,updated_at\n", "orders"),
        ("orders", NATIVE_CARTS, "carts"),
    ],
)
def test_file_of_the_other_kind_is_refused_with_the_right_command(kind: str, header: str, right: str) -> None:
    with pytest.raises(InputFileError, match=f"`cartctl import {right} export.csv`"):
        choose(kind, "auto", csv_file(header))  # type: ignore[arg-type]


def test_unknown_header_is_refused_with_what_it_has_and_what_is_known() -> None:
    with pytest.raises(InputFileError) as caught:
        choose("carts", "auto", csv_file("a,b,c,d,e,f,g,h,i\n"))
    said = str(caught.value)
    assert (
        "Its columns are a, b, c, d, e, f, g, h …. `cartctl import formats` lists what is known: native-carts" in said
    )
    assert "--map" in said


def test_unknown_record_is_refused_with_what_it_has_and_what_is_known() -> None:
    with pytest.raises(InputFileError) as caught:
        choose("carts", "auto", json_file('[{"a": 1, "b": 2}]'))
    assert "Its records have a, b. `cartctl import formats` lists what is known: native-carts" in str(caught.value)


def test_format_of_csv_named_for_a_json_file_is_refused_and_the_other_way_round() -> None:
    with pytest.raises(InputFileError, match="--format native-carts reads CSV; this is JSON"):
        choose("carts", "native-carts", json_file('[{"cart_id": 1}]'))
    with pytest.raises(InputFileError, match="--format native-carts-json reads JSON; this is CSV"):
        choose("carts", "native-carts-json", csv_file(NATIVE_CARTS))


def test_named_format_is_taken_and_an_unknown_one_refused() -> None:
    header = csv_file("order_id,placed_at,email,cart_id,updated_at\n")
    assert choose("carts", "native-carts", header).name == "native-carts"
    with pytest.raises(UsageError, match=r'--format: unknown "native-cart" .did you mean "native-carts"'):
        choose("carts", "native-cart", header)
    with pytest.raises(UsageError, match=r'--format: unknown "shopify-orders"'):
        choose("carts", "shopify-orders", header)


def test_named_format_that_does_not_fit_is_refused_by_its_first_missing_column() -> None:
    with pytest.raises(InputFileError, match='column "name" is missing'):
        read("orders", NATIVE_ORDERS, format_name="shopify-orders")


def test_every_format_says_what_it_needs_and_its_name_is_its_own() -> None:
    known = formats()
    assert len({format_.name for format_ in known}) == len(known)
    assert {*known} == {*formats("carts"), *formats("orders"), *formats("tiktok")}
    assert all(format_.needs and "\n" not in format_.needs for format_ in known)


def test_blank_rows_are_ignored_not_rejected() -> None:
    reading = read("carts", NATIVE_CARTS + "\nc-1,2026-03-02T10:00:00Z,\n,,\n")
    assert (reading.ignored, reading.errors, reading.accepted) == ([2, 4], [], 1)

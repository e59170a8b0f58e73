"""Every format recognises its own files, and none of another's."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cartctl.errors import InputFileError
from cartctl.importers.format import Kind
from cartctl.importers.registry import choose, fits, formats
from cartctl.importers.source import open_source
from tests.importers.examples import EXAMPLES
from tests.importers.reading import read, stream_of

KINDS: tuple[Kind, ...] = ("carts", "orders", "tiktok")
SHARED = {frozenset({"shopify-checkouts", "shopify-orders"})}
"""Pairs of one layout: nothing in the header tells Shopify's two exports apart, so the command does."""


def source(name: str) -> Any:
    path, content = EXAMPLES[name]
    return open_source(Path(path), stream_of(content))


def test_every_format_has_an_example() -> None:
    assert EXAMPLES.keys() == {format_.name for format_ in formats()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_recognised_by_its_own_format_and_by_no_other(name: str) -> None:
    recognised = {format_.name for format_ in formats() if fits(format_, source(name))}
    assert recognised == {name} or recognised in SHARED


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_read_by_the_command_of_its_kind_and_refused_by_the_others(name: str) -> None:
    (kind,) = (format_.kind for format_ in formats() if format_.name == name)
    assert choose(kind, "auto", source(name)).name == name
    if any(name in pair for pair in SHARED):
        return
    for other in KINDS:
        if other != kind:
            with pytest.raises(InputFileError, match=f"`cartctl import {kind} "):
                choose(other, "auto", source(name))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_read_without_a_rejected_row(name: str) -> None:
    (kind,) = (format_.kind for format_ in formats() if format_.name == name)
    path, content = EXAMPLES[name]
    reading = read(kind, content, name=path, zone=ZoneInfo("Europe/Berlin"), currency="EUR")
    assert reading.errors == []
    assert reading.accepted >= 1


@pytest.mark.parametrize("name", [format_.name for format_ in formats() if format_.never_has_offset])
def test_format_that_never_has_an_offset_cannot_be_read_without_a_zone(name: str) -> None:
    """Where no zone is given the command refuses the whole file; here every row that has a time is rejected."""
    (format_,) = (format_ for format_ in formats() if format_.name == name)
    path, content = EXAMPLES[name]
    try:
        reading = read(format_.kind, content, name=path)
    except InputFileError:
        return
    assert reading.accepted == 0

"""All formats, and how one is told from another.

Want to add a format? Write a file like `rees46.py` (CSV) or `klaviyo.py` (JSON), add its FORMAT to `_ALL` and a small
example to `tests/importers/examples.py`.
"""

from collections.abc import Iterable

from cartctl.errors import InputFileError, UsageError
from cartctl.importers import (
    bigcommerce_orders,
    cartflows,
    klaviyo,
    magento,
    native_carts,
    native_json,
    native_orders,
    prestashop,
    rees46,
    seller_center_orders,
    shopify_checkouts,
    shopify_checkouts_json,
    shopify_orders,
    shopify_orders_json,
    tiktok,
    webtoffee_orders,
    woo_orders_export,
    woo_orders_json,
)
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.format import CsvFormat, Format, JsonFormat, Kind, Source
from cartctl.importers.jsonfile import JsonFile
from cartctl.importers.records import Context, Line
from cartctl.suggest import did_you_mean

_ALL: tuple[CsvFormat | JsonFormat, ...] = (
    native_carts.FORMAT,
    native_json.FORMAT,
    native_orders.FORMAT,
    shopify_checkouts.FORMAT,
    shopify_checkouts_json.FORMAT,
    shopify_orders.FORMAT,
    shopify_orders_json.FORMAT,
    woo_orders_json.FORMAT,
    woo_orders_export.FORMAT,
    webtoffee_orders.FORMAT,
    bigcommerce_orders.FORMAT,
    seller_center_orders.FORMAT,
    cartflows.FORMAT,
    magento.FORMAT,
    prestashop.FORMAT,
    klaviyo.FORMAT,
    rees46.FORMAT,
    tiktok.FORMAT,
)


def formats(kind: Kind | None = None) -> tuple[CsvFormat | JsonFormat, ...]:
    """Return the formats of a kind (None: all), the most particular first."""
    return tuple(format_ for format_ in _ALL if kind in (None, format_.kind))


def fits(format_: Format, source: Source) -> bool:
    """Say whether the format recognises the file, by its header or its first record."""
    if isinstance(source, CsvFile):
        return isinstance(format_, CsvFormat) and format_.recognise(source.header)
    return isinstance(format_, JsonFormat) and format_.recognise(source.sample)


def choose(kind: Kind, name: str, source: Source) -> CsvFormat | JsonFormat:
    """Return the format called `name`, or with `auto` the one that recognises the file."""
    known = formats(kind)
    if name != "auto":
        for format_ in known:
            if format_.name == name:
                _check_medium(format_, source)
                return format_
        raise UsageError(f'--format: unknown "{name}"{did_you_mean(name, [f.name for f in known])}')
    for format_ in known:
        if fits(format_, source):
            return format_
        if isinstance(source, JsonFile) and isinstance(format_, JsonFormat) and not source.sample.first:
            return format_  # an empty list is an empty export, whose ever it is
    for format_ in formats():
        if fits(format_, source):
            right = format_.kind
            raise InputFileError(
                f"{source.path}: these are {right}, not {kind}: `cartctl import {right} {source.path}`"
            )
    raise _unknown(kind, known, source)


def _check_medium(format_: CsvFormat | JsonFormat, source: Source) -> None:
    wants, has = (
        "JSON" if isinstance(format_, JsonFormat) else "CSV",
        "CSV" if isinstance(source, CsvFile) else "JSON",
    )
    if wants != has:
        raise InputFileError(f"{source.path}: --format {format_.name} reads {wants}; this is {has}")


def _unknown(kind: Kind, known: tuple[Format, ...], source: Source) -> InputFileError:
    advice = f"`cartctl import formats` lists what is known: {', '.join(format_.name for format_ in known)}"
    if not isinstance(source, CsvFile):
        keys = ", ".join(list(source.sample.first)[:8])
        return InputFileError(f"{source.path}: no {kind} that cartctl knows. Its records have {keys}. {advice}")
    columns = [" ".join(column.split()) for column in source.header.columns]
    shown = ", ".join(columns[:8]) + (" …" if len(columns) > 8 else "")
    if "@" in shown:  # a file without a header: its first row is somebody's data
        return InputFileError(f"{source.path}: has no header: its first row must name the columns. {advice}")
    return InputFileError(
        f"{source.path}: no {kind} export that cartctl knows. Its columns are {shown}. {advice}; "
        '--map "Their column=our column" names columns for the native format'
    )


def read(format_: CsvFormat | JsonFormat, source: Source, context: Context) -> Iterable[Line]:
    """Read the file in the format that was chosen for it."""
    if isinstance(format_, CsvFormat):
        assert isinstance(source, CsvFile)
        source.currency = context.currency
        return format_.read(source, context)
    assert not isinstance(source, CsvFile)
    return format_.read(source, context)

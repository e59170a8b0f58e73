"""All formats, and how one is told from another.

Want to add a format? Write a file like `native_carts.py`, add its FORMAT to `_ALL`, and test it with a small file.
"""

from cartctl.errors import InputFileError, UsageError
from cartctl.importers import native_carts, native_orders, shopify_checkouts, shopify_orders
from cartctl.importers.csvfile import Header
from cartctl.importers.format import Format, Kind
from cartctl.suggest import did_you_mean

_ALL = (native_carts.FORMAT, native_orders.FORMAT, shopify_checkouts.FORMAT, shopify_orders.FORMAT)


def formats(kind: Kind) -> tuple[Format, ...]:
    """Return the formats of a kind, the most particular first."""
    return tuple(format_ for format_ in _ALL if format_.kind == kind)


def _other(kind: Kind) -> Kind:
    return "orders" if kind == "carts" else "carts"


def choose(kind: Kind, name: str, header: Header) -> Format:
    """Return the format called `name`, or with `auto` the one that recognises the header."""
    known = formats(kind)
    if name != "auto":
        for format_ in known:
            if format_.name == name:
                return format_
        raise UsageError(f'--format: unknown "{name}"{did_you_mean(name, [f.name for f in known])}')
    for format_ in known:
        if format_.recognise(header):
            return format_
    if any(format_.recognise(header) for format_ in formats(_other(kind))):
        right = _other(kind)
        raise InputFileError(f"{header.path}: these are {right}, not {kind}: `cartctl import {right} {header.path}`")
    needs = "; ".join(f"{format_.name}: {format_.needs}" for format_ in known)
    shown = ", ".join(header.columns[:8]) + (" …" if len(header.columns) > 8 else "")
    if "@" in shown:  # a file without a header: its first row is somebody's data
        raise InputFileError(f"{header.path}: has no header: its first row must name the columns. Known: {needs}")
    raise InputFileError(f"{header.path}: no {kind} export that cartctl knows. Its columns are {shown}. Known: {needs}")

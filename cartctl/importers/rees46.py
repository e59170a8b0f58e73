"""A log of what visitors did, in the shape of REES46's open data: one row per view, cart, remove_from_cart or purchase.

A session is a cart, and its purchases are one order. A session must lie in one file: of two files that have a part of
it each, the purchases of only one count. There is no address, no currency, and of products only brand, category and id.
"""

from collections.abc import Iterator

from cartctl.domain.carts import CartSnapshot, Item, OrderRecord
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.records import CartLine, Context, Ignored, Line, Note, OrderLine

REQUIRED = ("event_time", "event_type", "product_id", "user_session")
_CHANGES = {"cart": 1, "remove_from_cart": -1}


def recognise(header: Header) -> bool:
    return header.names.issuperset(REQUIRED)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    yield Note("has no e-mail addresses: its carts count and are never written to")
    yield from lines_of(file, lambda row, cells: _line(row, cells, context))


def _line(row: int, cells: Cells, context: Context) -> Line:
    event = cells["event_type"].strip()
    if event == "view":
        return Ignored(row, "view")
    if event not in _CHANGES and event != "purchase":
        return Ignored(row, "another event")
    session = _session(cells)
    at = fields.instant(cells["event_time"], "event_time", context)
    price = fields.amount(cells["price"], "price")
    if event == "purchase":
        order = OrderRecord(external_id=session, placed_at=at, currency=context.currency, total=None, cart_ref=session)
        return OrderLine(row=row, key=f"order {session}", order=order, line_amount=price)
    product_id = fields.identifier(cells["product_id"], "product_id")
    item = Item(name=_name(cells) or product_id, product_id=product_id, unit_price=price)
    cart = CartSnapshot(external_id=session, updated_at=at, created_at=at, currency=context.currency)
    return CartLine(row=row, key=session, cart=cart, items=(item,), change=_CHANGES[event])


def _session(cells: Cells) -> str:
    """A few rows of a real log have none: the visitor stands in for it."""
    if cells["user_session"].strip() or not cells["user_id"].strip():
        return fields.identifier(cells["user_session"], "user_session")
    return fields.identifier(f"user {cells['user_id'].strip()}", "user_id")


def _name(cells: Cells) -> str:
    """`samsung smartphone` of brand samsung and category electronics.smartphone."""
    category = cells["category_code"].strip().rpartition(".")[2].replace("_", " ")
    return " ".join(word for word in (cells["brand"].strip(), category) if word)


FORMAT = CsvFormat(
    name="rees46-events",
    kind="carts",
    needs=f"columns {', '.join(REQUIRED)}",
    recognise=recognise,
    read=read,
)

"""PrestaShop's list of carts, cart_*.csv: one row per cart.

It has no address, no currency and no products: its carts count, and nobody is written to. `Order ID` is a number once
the cart was bought, else the words for "abandoned" in the shop's language.
"""

from collections.abc import Iterator
from datetime import datetime

from cartctl.domain.carts import CartSnapshot, OrderRecord
from cartctl.domain.purchases import STAND_IN
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.records import CartLine, Context, Line, Note, OrderLine
from cartctl.importers.wallclock import WallClock

REQUIRED = ("id", "order id", "customer", "total", "date")


def recognise(header: Header) -> bool:
    """`Carrier` and `Online` are PrestaShop's own; many an export has the others."""
    return header.names.issuperset((*REQUIRED, "carrier")) or header.names.issuperset((*REQUIRED, "online"))


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    yield Note("has no e-mail addresses and names no products: its carts count and are never written to")
    clock = WallClock.of(file, ("date",), context)
    yield from lines_of(file, lambda row, cells: _line(row, cells, clock))


def _line(row: int, cells: Cells, clock: WallClock) -> Line:
    key = fields.identifier(cells["id"], "ID")
    date = clock.instant(cells["date"], "Date")
    if cells["order id"].strip().strip("#0").isdigit():
        return _bought(row, key, date, clock.context.currency)
    cart = CartSnapshot(
        external_id=key,
        updated_at=date,
        created_at=date,
        last_name=fields.short(cells["customer"].strip("- ").partition(". ")[2]),  # "A. Example"
        currency=clock.context.currency,
        total=fields.amount(cells["total"], "Total"),
    )
    return CartLine(row=row, key=key, cart=cart)


def _bought(row: int, cart_id: str, date: datetime, currency: str) -> OrderLine:
    """`Date` is the cart's and `Total` what was in it: when it was ordered, and for how much, only the orders tell."""
    order = OrderRecord(
        external_id=fields.identifier(f"{STAND_IN}{cart_id}", "ID"),
        placed_at=date,
        status="completed",
        currency=currency,
        total=None,
        cart_ref=cart_id,
    )
    return OrderLine(row=row, key=order.external_id, order=order)


FORMAT = CsvFormat(
    name="prestashop-carts",
    kind="carts",
    needs="columns ID, Order ID, Customer, Total, Carrier, Date",
    recognise=recognise,
    read=read,
    never_has_offset=True,
)

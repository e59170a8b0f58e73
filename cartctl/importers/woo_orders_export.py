"""WooCommerce orders from the plugin Advanced Order Export: one row per order, or one per item.

Columns and their names are the shop's to choose; read are those of the plugin's own names. Where the plugin fills an
order's cells on its first row only, the rows below carry its number on.
https://wordpress.org/plugins/woo-order-export-lite/
"""

from collections.abc import Iterator
from decimal import Decimal

from cartctl.domain.carts import OrderRecord
from cartctl.importers import fields, orders, woocommerce
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.orders import NEVER_PLACED, CarriedId, Kept, Statuses
from cartctl.importers.records import Context, Ignored, Line, OrderLine
from cartctl.importers.wallclock import WallClock

REQUIRED = ("order status", "order date")
_IDS = ("order id", "order number")
_EMAILS = ("email (billing)", "billing email", "customer email", "email", "email (shipping)")
_PHONES = ("phone (billing)", "billing phone", "phone", "phone (shipping)")
_TOTALS = ("order total amount", "order total", "total")
_OWN = ("order total amount", "order refund amount", "order subtotal amount", "email (billing)", "phone (billing)")


def recognise(header: Header) -> bool:
    names = header.names
    return names.issuperset(REQUIRED) and not names.isdisjoint(_IDS) and not names.isdisjoint(_OWN)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    if file.header.names.isdisjoint(_IDS):
        check_columns(file.header, _IDS[1:])
    reader = _Reader(WallClock.of(file, ("order date", "paid date"), context))
    yield from lines_of(file, reader.line)
    yield from reader.clock.notes()
    yield from reader.statuses.notes()


class _Reader:
    def __init__(self, clock: WallClock) -> None:
        self.clock = clock
        self.context = clock.context
        self.statuses: Statuses = woocommerce.statuses()
        self._id = CarriedId()

    def line(self, row: int, cells: Cells) -> OrderLine | Ignored:
        column, text = _first(cells, _IDS)
        key = self._id.of(text, column)
        if all(fields.is_blank(cells[column]) for column in REQUIRED):
            return OrderLine(row=row, key=key, order=None, line_amount=_line_amount(cells, Kept()))
        status = self.statuses.meaning(cells["order status"])
        if status == NEVER_PLACED:
            return Ignored(row, NEVER_PLACED)
        kept = Kept()
        order = self._order(key, status, cells, kept)
        line_amount = None if kept.lacks_currency else _line_amount(cells, kept)
        return kept.line(OrderLine(row=row, key=key, order=order, line_amount=line_amount))

    def _order(self, key: str, status: str, cells: Cells, kept: Kept) -> OrderRecord:
        column, text = _first(cells, _TOTALS)
        total = kept.amount(text, column)
        given_back = kept.amount(cells["order refund amount"].strip().removeprefix("-"), "Order Refund Amount")
        _, code = _first(cells, ("currency", "order currency"))
        total, currency = kept.money(total, code, "Currency", self.context)
        _, country = _first(cells, ("country code (billing)", "billing country"))
        column, email = _first(cells, _EMAILS)
        return OrderRecord(
            external_id=key,
            placed_at=self.clock.instant(cells["order date"], "Order Date"),
            status=status,
            email=kept.email(email, column),
            phone=orders.phone(*((cells[name], country or self.context.country) for name in _PHONES)),
            currency=currency,
            total=total,
            refunded=orders.refunded(status, given_back, total),
            coupon=fields.short(cells["coupon code"]),
        )


def _line_amount(cells: Cells, kept: Kept) -> Decimal | None:
    """What the order is worth where no column tells: the sum of its lines."""
    if amount := kept.amount(cells["order line total"], "Order Line Total"):
        return amount
    price = kept.amount(cells["item cost"], "Item Cost")
    column, text = _first(cells, ("quantity", "quantity (- refund)"))
    return None if price is None else price * fields.quantity(text, column)


def _first(cells: Cells, columns: tuple[str, ...]) -> tuple[str, str]:
    """Return the first column that is filled, and its cell; the first column where none is."""
    return next(((column, cells[column]) for column in columns if not fields.is_blank(cells[column])), (columns[0], ""))


FORMAT = CsvFormat(
    name="woo-orders-export",
    kind="orders",
    needs="Advanced Order Export of WooCommerce: Order Number or Order ID, Order Status, Order Date, Email (Billing)",
    never_has_offset=True,
    recognise=recognise,
    read=read,
)

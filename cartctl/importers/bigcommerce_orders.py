"""BigCommerce's orders export: one row per order, its products in one cell.

`Incomplete` is no order (the shopper reached the payment page and went away). `Pending` is said to be one that was not
finished either, yet some payment providers and every order made through the API begin with it: it counts as bought.
https://support.bigcommerce.com/s/article/Order-Statuses
"""

from collections.abc import Iterator
from datetime import datetime

from cartctl.domain.carts import OrderRecord
from cartctl.importers import fields, orders
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.orders import NEVER_PLACED, Kept, Statuses
from cartctl.importers.records import Context, Ignored, Line, OrderLine
from cartctl.importers.wallclock import WallClock

REQUIRED = ("order id", "order date", "order status")
_TOTAL = "Order Total (inc tax)"
_OWN = (_TOTAL.lower(), "order total (ex tax)", "subtotal (inc tax)", "order currency code")
_AS_THEY_ARE = (
    *("pending", "awaiting payment", "awaiting fulfillment", "awaiting shipment", "awaiting pickup", "shipped"),
    *("partially shipped", "completed", "refunded", "partially refunded", "disputed", "verification required"),
    "manual verification required",
)
_STATUSES = {word: word for word in _AS_THEY_ARE} | {
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "declined": "failed",
    "incomplete": NEVER_PLACED,
}


def recognise(header: Header) -> bool:
    return header.names.issuperset(REQUIRED) and not header.names.isdisjoint(_OWN)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    reader = _Reader(WallClock.of(file, ("order date", "date shipped"), context))
    yield from lines_of(file, reader.line)
    yield from reader.clock.notes()
    yield from reader.statuses.notes()


class _Reader:
    def __init__(self, clock: WallClock) -> None:
        self.clock = clock
        self.context = clock.context
        self.statuses = Statuses(_STATUSES)

    def line(self, row: int, cells: Cells) -> OrderLine | Ignored:
        status = self.statuses.meaning(cells["order status"])
        if status == NEVER_PLACED:
            return Ignored(row, NEVER_PLACED)
        key = fields.identifier(cells["order id"], "Order ID")
        kept = Kept()
        total = kept.amount(cells[_TOTAL.lower()], _TOTAL)
        total, currency = kept.money(total, cells["order currency code"], "Order Currency Code", self.context)
        country = self.context.country
        order = OrderRecord(
            external_id=key,
            placed_at=self._placed_at(cells),
            status=status,
            email=kept.email(cells["customer email"] or cells["billing email"], "Customer Email"),
            phone=orders.phone((cells["customer phone"], country), (cells["billing phone"], country)),
            currency=currency,
            total=total,
            refunded=orders.refunded(status, kept.amount(cells["refund amount"], "Refund Amount"), total),
        )
        return kept.line(OrderLine(row=row, key=key, order=order))

    def _placed_at(self, cells: Cells) -> datetime:
        """Some templates give the time of day in a column of its own."""
        day, hour = cells["order date"].strip(), cells["order time"].strip()
        return self.clock.instant(day if ":" in day else f"{day} {hour}", "Order Date")


FORMAT = CsvFormat(
    name="bigcommerce-orders",
    kind="orders",
    needs="BigCommerce's orders export: Order ID, Order Date, Order Status, Customer Email, Order Total (inc tax)",
    never_has_offset=True,
    recognise=recognise,
    read=read,
)

"""WooCommerce orders from WebToffee's plugin Order Import Export: one row per order, its items in further columns.

A cell such as `line_item_1` holds `name:Blue mug|product_id:93|quantity:2|total:6.00`, `coupon_items` holds
`code:tenoff|amount:5.00` and `refund_items` `amount:5.00|reason:…`, several of them put apart by `;`.
https://woocommerce.com/document/import-and-export-of-woocommerce-orders/
"""

import re
from collections.abc import Iterator
from decimal import Decimal

from cartctl.domain.carts import OrderRecord
from cartctl.importers import fields, orders, woocommerce
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.orders import NEVER_PLACED, CarriedId, Kept, Statuses
from cartctl.importers.records import Context, Ignored, Line, OrderLine
from cartctl.importers.wallclock import WallClock

REQUIRED = ("order_date", "status")
_IDS = ("order_id", "order_number")
_OWN = ("billing_email", "customer_email", "wt_import_key", "order_total")
_LINE_ITEM = re.compile(r"line_item_\d+")


def recognise(header: Header) -> bool:
    names = header.names
    return names.issuperset(REQUIRED) and not names.isdisjoint(_IDS) and not names.isdisjoint(_OWN)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    if file.header.names.isdisjoint(_IDS):
        check_columns(file.header, _IDS[:1])
    reader = _Reader(file.header, WallClock.of(file, ("order_date", "paid_date"), context))
    yield from lines_of(file, reader.line)
    yield from reader.clock.notes()
    yield from reader.statuses.notes()


class _Reader:
    def __init__(self, header: Header, clock: WallClock) -> None:
        self.clock = clock
        self.context = clock.context
        self.statuses: Statuses = woocommerce.statuses()
        self._id = CarriedId()
        self._line_items = [name for name in header.names if _LINE_ITEM.fullmatch(name)]

    def line(self, row: int, cells: Cells) -> OrderLine | Ignored:
        key = self._id.of(cells["order_id"] or cells["order_number"], "order_id")
        if all(fields.is_blank(cells[column]) for column in REQUIRED):
            return OrderLine(row=row, key=key, order=None)
        status = self.statuses.meaning(cells["status"])
        if status == NEVER_PLACED:
            return Ignored(row, NEVER_PLACED)
        kept = Kept()
        order = self._order(key, status, cells, kept)
        line_amount = None if kept.lacks_currency else self._lines(cells, kept)
        return kept.line(OrderLine(row=row, key=key, order=order, line_amount=line_amount))

    def _order(self, key: str, status: str, cells: Cells, kept: Kept) -> OrderRecord:
        total = kept.amount(cells["order_total"], "order_total")
        total, currency = kept.money(total, cells["order_currency"], "order_currency", self.context)
        given_back = _sum(cells, "refund_items", "amount", kept)
        country = cells["billing_country"].strip() or self.context.country
        codes = _values(cells["coupon_items"], "code")
        return OrderRecord(
            external_id=key,
            placed_at=self.clock.instant(cells["order_date"], "order_date"),
            status=status,
            email=kept.email(cells["billing_email"] or cells["customer_email"], "billing_email"),
            phone=orders.phone((cells["billing_phone"], country), (cells["shipping_phone"], country)),
            currency=currency,
            total=total,
            refunded=orders.refunded(status, given_back, total),
            coupon=fields.short(codes[0]) if codes else "",
        )

    def _lines(self, cells: Cells, kept: Kept) -> Decimal | None:
        """What the order is worth where no column tells: the sum of its lines."""
        if not fields.is_blank(cells["order_total"]):
            return None
        amounts = [amount for name in self._line_items if (amount := _sum(cells, name, "total", kept)) is not None]
        return sum(amounts, Decimal(0)) if amounts else None


def _sum(cells: Cells, column: str, name: str, kept: Kept) -> Decimal | None:
    amounts = [kept.amount(text.removeprefix("-"), column) for text in _values(cells[column], name)]
    return sum((amount for amount in amounts if amount), Decimal(0)) if amounts else None


def _values(cell: str, name: str) -> list[str]:
    """Return what stands under that name in a cell such as `code:tenoff|amount:5.00;code:…`."""
    return [found.strip() for found in re.findall(rf"(?:^|[|;])\s*{name}:([^|;]*)", cell)]


FORMAT = CsvFormat(
    name="webtoffee-orders",
    kind="orders",
    needs="WebToffee's export of WooCommerce orders: order_id or order_number, order_date, status, billing_email",
    never_has_offset=True,
    recognise=recognise,
    read=read,
)

"""TikTok Shop's order export out of the Seller Center: one row per item, the order's amounts on each of them.

It names no buyer's address and masks the phone number: what ties an order to its cart is the order's id, as in TikTok's
webhooks. An order that waits for its payment is a cart of the channel tiktok, as it is in `cartctl import tiktok`: it
counts, cannot be written to, and is closed by the same order once that is paid. The words of a status are in the
seller's language; `Cancelled Time` tells of a cancellation in any. Ids end in a tab, for spreadsheets.
"""

from collections.abc import Iterator
from datetime import datetime

from cartctl.domain.carts import CartSnapshot, Item, OrderRecord
from cartctl.importers import fields, orders
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.orders import Kept, Statuses
from cartctl.importers.records import CartLine, Context, Ignored, Line, OrderLine
from cartctl.importers.wallclock import WallClock

REQUIRED = ("order id", "order status", "created time")
_OWN = ("sku id", "seller sku", "order substatus", "sku unit original price")
_TIMES = ("paid time", "rts time", "shipped time", "delivered time", "cancelled time")
_UNPAID = "unpaid"
_MEANINGS = {
    _UNPAID: (
        *(
            "unpaid",
            "belum dibayar",
            "belum bayar",
            "chưa thanh toán",
            "chờ thanh toán",
            "ยังไม่ได้ชำระเงิน",
            "ยังไม่ชำระเงิน",
        ),
        *("รอการชำระเงิน", "รอชำระเงิน", "sin pagar", "no pagado", "pendiente de pago", "unbezahlt", "nicht bezahlt"),
        *("impayé", "impayée", "non payé", "non payée", "non pagato", "da pagare", "não pago", "aguardando pagamento"),
        *("未払い", "支払い待ち", "未付款", "待付款", "未支付", "待支付"),
    ),
    "cancelled": (
        *(
            "cancelled",
            "canceled",
            "cancel",
            "dibatalkan",
            "đã hủy",
            "đã huỷ",
            "ยกเลิกแล้ว",
            "ยกเลิก",
            "cancelado",
            "cancelada",
        ),
        *("storniert", "annulé", "annulée", "annullato", "キャンセル済み", "キャンセル", "已取消"),
    ),
    "on_hold": ("on hold", "ditahan"),
    "awaiting_shipment": ("to ship", "awaiting shipment", "perlu dikirim", "cần gửi", "ที่จะจัดส่ง", "versandbereit"),
    "awaiting_collection": ("awaiting collection",),
    "in_transit": ("shipped", "in transit", "dikirim", "đã vận chuyển", "จัดส่งแล้ว", "versendet", "enviado"),
    "delivered": ("delivered", "terkirim", "đã giao", "zugestellt", "entregado"),
    "completed": ("completed", "selesai", "đã hoàn tất", "เสร็จสมบูรณ์", "abgeschlossen", "completado", "terminé"),
}


def recognise(header: Header) -> bool:
    return header.names.issuperset(REQUIRED) and not header.names.isdisjoint(_OWN)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    """The format is always DD/MM/YYYY HH:MM:SS."""
    check_columns(file.header, REQUIRED)
    reader = _Reader(WallClock(context, day_first=True))
    yield from lines_of(file, reader.line)
    yield from reader.statuses.notes()


class _Reader:
    def __init__(self, clock: WallClock) -> None:
        self.clock = clock
        self.context = clock.context
        self.statuses = Statuses({word: meaning for meaning, words in _MEANINGS.items() for word in words})

    def line(self, row: int, cells: Cells) -> CartLine | OrderLine | Ignored:
        if not any(character.isdigit() for character in cells["order id"] + cells["created time"]):
            return Ignored(row, "description of the columns")
        key = fields.identifier(cells["order id"], "Order ID")
        status = self._status(cells)
        created_at = self.clock.instant(cells["created time"], "Created Time")
        if status == _UNPAID:
            return CartLine(row=row, key=key, cart=self._cart(key, created_at, cells), items=_items(cells))
        kept = Kept()
        total = kept.amount(cells["order amount"], "Order Amount")
        total, currency = kept.money(total, cells["currency"], "Currency", self.context)
        given_back = kept.amount(cells["order refund amount"], "Order Refund Amount")
        order = OrderRecord(
            external_id=key,
            placed_at=self._placed_at(status, cells) or created_at,
            updated_at=self._updated_at(cells),
            channel="tiktok",
            status=status,
            phone=self._phone(cells),
            currency=currency,
            total=total,
            refunded=orders.refunded(status, given_back, total),
            cart_ref=key,
        )
        return kept.line(OrderLine(row=row, key=key, order=order))

    def _status(self, cells: Cells) -> str:
        status = self.statuses.meaning(cells["order status"])
        return status if fields.is_blank(cells["cancelled time"]) else "cancelled"

    def _placed_at(self, status: str, cells: Cells) -> datetime | None:
        """When it was paid. One cancelled before that was never placed: its creation must not date a payment."""
        paid_at = self.clock.optional_instant(cells["paid time"], "Paid Time")
        if paid_at is None and status == "cancelled":
            return self.clock.optional_instant(cells["cancelled time"], "Cancelled Time")
        return paid_at

    def _updated_at(self, cells: Cells) -> datetime | None:
        """When the order came to be as this row shows it: the latest of its times."""
        times = [self.clock.optional_instant(cells[column], column.title()) for column in _TIMES]
        return max((moment for moment in times if moment), default=None)

    def _cart(self, key: str, created_at: datetime, cells: Cells) -> CartSnapshot:
        return CartSnapshot(
            external_id=key,
            updated_at=created_at,
            created_at=created_at,
            channel="tiktok",
            phone=self._phone(cells),
            currency=fields.currency(cells["currency"], "Currency", self.context),
            total=fields.amount(cells["order amount"], "Order Amount"),
        )

    def _phone(self, cells: Cells) -> str | None:
        return orders.phone((cells["phone #"], self.context.country))


def _items(cells: Cells) -> tuple[Item, ...]:
    sku = fields.short(cells["seller sku"]) or fields.short(cells["sku id"])
    name = cells["product name"].strip() or sku
    variant = cells["variation"].strip()
    if not name:
        return ()
    return (
        Item(
            name=name,
            variant="" if variant == "Default" else variant,
            sku=sku,
            quantity=fields.quantity(cells["quantity"], "Quantity"),
            unit_price=fields.amount(cells["sku unit original price"], "SKU Unit Original Price"),
        ),
    )


FORMAT = CsvFormat(
    name="seller-center-orders",
    kind="orders",
    needs="TikTok Shop's order export from the Seller Center: Order ID, Order Status, Created Time",
    never_has_offset=True,
    recognise=recognise,
    read=read,
)

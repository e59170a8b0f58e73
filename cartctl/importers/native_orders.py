"""cartctl's own orders CSV: one row per order, or one per line item with the order's columns repeated."""

from collections.abc import Iterator
from decimal import Decimal

from cartctl.domain.carts import OrderRecord
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.native_carts import channel
from cartctl.importers.orders import Kept
from cartctl.importers.records import Context, Line, OrderLine

REQUIRED = ("order_id", "placed_at", "email")
OPTIONAL = (
    *("status", "currency", "total", "refunded", "cart_id", "checkout_token", "cart_token", "phone", "coupon"),
    *("updated_at", "channel", "consent", "quantity", "unit_price"),
)


def recognise(header: Header) -> bool:
    return header.names.issuperset(REQUIRED)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    return lines_of(file, lambda row, cells: _line(row, cells, context))


def _line(row: int, cells: Cells, context: Context) -> OrderLine:
    key = fields.identifier(cells["order_id"], "order_id")
    kept = Kept()
    total = kept.amount(cells["total"], "total")
    price = kept.amount(cells["unit_price"], "unit_price")
    total, currency = kept.money(total, cells["currency"], "currency", context)
    if kept.lacks_currency:
        price = None
    order = OrderRecord(
        external_id=key,
        placed_at=fields.instant(cells["placed_at"], "placed_at", context),
        updated_at=fields.optional_instant(cells["updated_at"], "updated_at", context),
        channel=channel(cells["channel"]),
        status=fields.short(cells["status"], 40).lower(),
        email=kept.email(cells["email"], "email"),
        phone=fields.phone(cells["phone"], context.country),
        currency=currency,
        total=total,
        refunded=kept.amount(cells["refunded"], "refunded") or Decimal(0),
        cart_ref=fields.optional_identifier(cells["cart_id"], "cart_id"),
        checkout_token=fields.short(cells["checkout_token"]),
        cart_token=fields.short(cells["cart_token"]),
        coupon=fields.short(cells["coupon"]),
        consent=fields.consent(cells["consent"], "consent"),
    )
    quantity = fields.quantity(cells["quantity"], "quantity")
    line_amount = None if price is None else price * quantity
    return kept.line(OrderLine(row=row, key=key, order=order, line_amount=line_amount))


FORMAT = CsvFormat(
    name="native-orders",
    kind="orders",
    needs="columns order_id, placed_at, email",
    recognise=recognise,
    read=read,
    columns=frozenset(REQUIRED + OPTIONAL),
)

"""Shopify's orders export, orders_export*.csv. It never names the checkout: e-mail and phone close the cart.

`Paid at` is often blank on paid orders, so an order counts from `Created at`; its status is `Financial Status`, or
`cancelled` where `Cancelled at` is filled.
"""

from collections.abc import Iterator
from decimal import Decimal

from cartctl.domain.carts import OrderRecord
from cartctl.errors import InputFileError
from cartctl.importers import fields, shopify
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.orders import Kept
from cartctl.importers.records import Context, Line, OrderLine


def recognise(header: Header) -> bool:
    return shopify.has_layout(header)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, shopify.REQUIRED)
    wrong = InputFileError(
        f"{file.path}: is an abandoned-checkouts export, not orders: `cartctl import carts {file.path}`"
    )
    if file.path.name.lower().startswith("checkouts_export"):
        raise wrong
    heads = with_status = 0
    for line in lines_of(file, lambda row, cells: _line(row, cells, context)):
        if isinstance(line, OrderLine) and line.order is not None:
            heads += 1
            with_status += bool(line.order.status)
        yield line
    if heads and not with_status:
        raise wrong


def _line(row: int, cells: Cells, context: Context) -> OrderLine:
    key = shopify.key(cells)
    if not shopify.is_first_row(cells):
        return OrderLine(row=row, key=key, order=None)
    kept = Kept()
    total = kept.amount(cells["total"], "Total", required=True)
    total, currency = kept.money(total, cells["currency"], "Currency", context)
    order = OrderRecord(
        external_id=shopify.external_id(cells),
        placed_at=fields.instant(cells["created at"], "Created at", context),
        status="cancelled" if cells["cancelled at"].strip() else cells["financial status"].strip().lower()[:40],
        email=kept.email(cells["email"], "Email"),
        phone=shopify.phone(cells, context.country),
        currency=currency,
        total=total,
        refunded=kept.amount(cells["refunded amount"], "Refunded Amount") or Decimal(0),
        coupon=fields.short(cells["discount code"]),
        consent=shopify.consent(cells),
    )
    return kept.line(OrderLine(row=row, key=key, order=order))


FORMAT = CsvFormat(
    name="shopify-orders",
    kind="orders",
    needs="Shopify's orders export (Name, Email, Created at, Total, Financial Status, Lineitem name)",
    recognise=recognise,
    read=read,
)

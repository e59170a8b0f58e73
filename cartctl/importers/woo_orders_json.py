"""WooCommerce's orders as JSON: the REST API v3, its webhooks, JSON Lines of these.

`date_created` is on the shop's wall clock without saying which: `date_created_gmt` is read where it is there.
https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from cartctl.domain.carts import OrderRecord
from cartctl.importers import fields, orders, values, woocommerce
from cartctl.importers.format import JsonFormat, lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.orders import NEVER_PLACED, Kept, Statuses
from cartctl.importers.records import Context, Ignored, Line, OrderLine
from cartctl.importers.values import Record


def recognise(sample: Sample) -> bool:
    return {"id", "status", "billing"} <= sample.first.keys() and bool(
        {"date_created", "date_created_gmt"} & sample.first.keys()
    )


def read(file: JsonFile, context: Context) -> Iterator[Line]:
    statuses = woocommerce.statuses()
    yield from lines_of_records(file, lambda row, record: [_line(row, record, statuses, context)])
    yield from statuses.notes()


def _line(row: int, record: Record, statuses: Statuses, context: Context) -> OrderLine | Ignored:
    status = statuses.meaning(values.text(record, "status"))
    if status == NEVER_PLACED:
        return Ignored(row, NEVER_PLACED)
    key = fields.identifier(values.text(record, "id"), "id")
    placed_at = _instant(record, "date_created", context)
    if placed_at is None:
        raise fields.FieldError("date_created_gmt", "is blank")
    kept = Kept()
    total = kept.amount(values.text(record, "total"), "total", required=True)
    total, currency = kept.money(total, values.text(record, "currency"), "currency", context)
    country = values.text(record, "billing.country") or context.country
    order = OrderRecord(
        external_id=key,
        placed_at=placed_at,
        updated_at=_instant(record, "date_modified", context),
        status=status,
        email=kept.email(values.text(record, "billing.email"), "billing.email"),
        phone=orders.phone((values.text(record, "billing.phone"), country)),
        currency=currency,
        total=total,
        refunded=orders.refunded(status, _given_back(record, kept), total),
        coupon=next((fields.short(values.text(line, "code")) for line in values.records(record, "coupon_lines")), ""),
    )
    return kept.line(OrderLine(row=row, key=key, order=order))


def _instant(record: Record, name: str, context: Context) -> datetime | None:
    gmt = values.text(record, f"{name}_gmt")
    if gmt and not re.search(r"(Z|[+-]\d\d:?\d\d)$", gmt):
        gmt += "Z"
    if gmt:
        return fields.instant(gmt, f"{name}_gmt", context)
    return fields.optional_instant(values.text(record, name), name, context)


def _given_back(record: Record, kept: Kept) -> Decimal:
    """Add up the refunds, which the API writes as negative totals."""
    totals = [values.text(refund, "total").removeprefix("-") for refund in values.records(record, "refunds")]
    return sum((kept.amount(total, "refunds.total") or Decimal(0) for total in totals), Decimal(0))


FORMAT = JsonFormat(
    name="woo-orders-json",
    kind="orders",
    needs="WooCommerce's orders as JSON (REST API v3 or webhooks): id, status, date_created_gmt, total, billing",
    recognise=recognise,
    read=read,
)

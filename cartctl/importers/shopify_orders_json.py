"""Shopify's orders as JSON: the REST API's `{"orders": [...]}`, one `{"order": {...}}`, webhooks, JSON Lines of these.

Unlike the CSV export it names the checkout: `checkout_id`, `checkout_token` and `cart_token`, each of which may be
null. Test orders (`test: true`) are ignored. https://shopify.dev/docs/api/admin-rest/latest/resources/order
"""

from collections.abc import Iterator
from decimal import Decimal

from cartctl.domain.carts import Consent, OrderRecord
from cartctl.importers import fields, orders, values
from cartctl.importers.format import JsonFormat, lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.orders import Kept
from cartctl.importers.records import Context, Ignored, Line, OrderLine
from cartctl.importers.values import Record


def recognise(sample: Sample) -> bool:
    order = _own(sample.first)
    return "financial_status" in order and not {"placed_at", "date_created"} & order.keys()


def read(file: JsonFile, context: Context) -> Iterator[Line]:
    return lines_of_records(file, lambda row, record: [_line(row, _own(record), context)])


def _own(record: Record) -> Record:
    order = record.get("order")
    return order if isinstance(order, dict) else record


def _line(row: int, record: Record, context: Context) -> OrderLine | Ignored:
    if record.get("test") is True:
        return Ignored(row, "test order")
    key = fields.identifier(values.text(record, "id"), "id")
    kept = Kept()
    written = values.text(record, "total_price", "total_price_set.shop_money.amount")
    code = values.text(record, "currency", "total_price_set.shop_money.currency_code")
    total, currency = kept.money(kept.amount(written, "total_price", required=True), code, "currency", context)
    status = values.text(record, "financial_status").lower()[:40]
    order = OrderRecord(
        external_id=key,
        placed_at=fields.instant(values.text(record, "created_at"), "created_at", context),
        updated_at=fields.optional_instant(values.text(record, "updated_at"), "updated_at", context),
        status="cancelled" if values.text(record, "cancelled_at") else status,
        email=kept.email(values.text(record, "email", "contact_email", "customer.email"), "email"),
        phone=_phone(record, context.country),
        currency=currency,
        total=total,
        refunded=orders.refunded(status, _given_back(record, code, total, kept), total),
        cart_ref=fields.optional_identifier(values.text(record, "checkout_id"), "checkout_id"),
        checkout_token=fields.short(values.text(record, "checkout_token")),
        cart_token=fields.short(values.text(record, "cart_token")),
        coupon=next((fields.short(values.text(code, "code")) for code in values.records(record, "discount_codes")), ""),
        consent=_consent(record),
    )
    return kept.line(OrderLine(row=row, key=key, order=order))


def _phone(record: Record, country: str | None) -> str | None:
    return orders.phone(
        (values.text(record, "phone"), country),
        (values.text(record, "customer.phone"), country),
        *(
            (values.text(record, f"{place}.phone"), values.text(record, f"{place}.country_code") or country)
            for place in ("billing_address", "shipping_address")
        ),
    )


def _given_back(record: Record, currency: str, total: Decimal | None, kept: Kept) -> Decimal | None:
    """Add up the refunds. One in the buyer's own currency counts as what it took off the total in the shop's."""
    refunds = [
        payment
        for refund in values.records(record, "refunds")
        for payment in values.records(refund, "transactions")
        if values.text(payment, "kind") == "refund" and values.text(payment, "status") in ("success", "")
    ]
    if all(values.text(payment, "currency") in ("", currency) for payment in refunds):
        amounts = [kept.amount(values.text(payment, "amount"), "refunds.transactions.amount") for payment in refunds]
        return sum((amount for amount in amounts if amount), Decimal(0))
    left = kept.amount(values.text(record, "current_total_price"), "current_total_price")
    return None if left is None or total is None else max(Decimal(0), total - left)


def _consent(record: Record) -> Consent:
    """An unticked box says nothing; a shopper who has unsubscribed says no, whatever was ticked at the checkout."""
    state = values.text(record, "customer.email_marketing_consent.state").lower()
    if state == "unsubscribed":
        return Consent.REFUSED
    ticked = values.text(record, "buyer_accepts_marketing") == "true"
    return Consent.GRANTED if ticked or state == "subscribed" else Consent.UNKNOWN


FORMAT = JsonFormat(
    name="shopify-orders-json",
    kind="orders",
    needs="Shopify's orders as JSON (REST API or webhooks): id, created_at, financial_status, total_price",
    recognise=recognise,
    read=read,
)

"""TikTok Shop's order details, the answers of its order API: the only place where items, amounts and buyers stand.

TikTok has no cart: the nearest there is to one is an order that nobody has paid yet. `UNPAID` becomes a cart, every
other status an order. Source: Partner Center, "Get Order Detail" and "Get Order List", version 202309.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from cartctl.domain.carts import CartSnapshot, Item, OrderRecord
from cartctl.importers import fields, values
from cartctl.importers.fields import FieldError
from cartctl.importers.orders import Kept
from cartctl.importers.records import WHOLE, CartLine, Context, Ignored, OrderLine
from cartctl.importers.values import Record

CHANNEL = "tiktok"
UNPAID = "unpaid"
CANCELLED = "cancelled"
STATUSES = frozenset(
    {
        *(UNPAID, CANCELLED, "on_hold", "awaiting_shipment", "partially_shipping", "awaiting_collection"),
        *("in_transit", "delivered", "completed"),
    }
)
"""All that are known; another one counts as bought."""
_NO_SALE = {"is_sample_order": "a sample order", "is_replacement_order": "a replacement order"}


def is_detail(record: Record) -> bool:
    """Say whether it is an order of the API: its times are `create_time` and `update_time`, as nobody else's are."""
    return {"id", "status"} <= record.keys() and not {"create_time", "update_time"}.isdisjoint(record)


def line(row: int, order: Record, context: Context) -> CartLine | OrderLine | Ignored:
    """Read one order. Raises FieldError."""
    for flag, because in _NO_SALE.items():
        if values.text(order, flag).lower() == "true":
            return Ignored(row, because)
    id_ = identifier(order, "id")
    state = status(order, "status")
    created = moment(order, "create_time", context)
    updated = moment(order, "update_time", context) or created
    if updated is None:
        raise FieldError("update_time", "is blank")
    if state == UNPAID:
        cart = _cart(id_, order, created=created, updated=updated, context=context)
        return CartLine(row=row, key=id_, cart=cart, items=_items(order), change=WHOLE)
    # A cancelled order without a payment was never placed; its creation must not date a payment told by a webhook.
    placed = moment(order, "paid_time", context) or (updated if state == CANCELLED else created or updated)
    kept = Kept()
    written, code = _amount(order)
    total, currency = kept.money(kept.amount(written, "payment.total_amount"), code, "payment.currency", context)
    bought = OrderRecord(
        external_id=id_,
        placed_at=placed,
        updated_at=updated,
        channel=CHANNEL,
        status=state,
        email=kept.email(_unmasked(order, "buyer_email"), "buyer_email"),
        phone=_phone(order, context),
        currency=currency,
        total=total,
        cart_ref=id_,
    )
    return kept.line(OrderLine(row=row, key=id_, order=bought))


def identifier(record: Record, path: str) -> str:
    """An id as text. One that came as a fraction or in scientific notation has been through a float, and is refused."""
    if isinstance(values.value(record, path), Decimal):
        raise FieldError(path, "was rounded: ids are texts, or whole numbers written out")
    return fields.identifier(values.text(record, path), path)


def status(record: Record, path: str) -> str:
    """Lower case; a webhook's CANCEL is what the order API calls CANCELLED."""
    found = values.text(record, path).lower()[:40]
    if not found:
        raise FieldError(path, "is blank")
    return CANCELLED if found == "cancel" else found


def moment(record: Record, path: str, context: Context) -> datetime | None:
    """A time in seconds since 1970; None for a blank and for 0, which is how the API writes "not yet".

    Milliseconds would be in an absurd year, and are refused.
    """
    written = values.text(record, path)
    if written in ("", "0"):
        return None
    return fields.instant(values.moment(written, path), path, context)


def _cart(id_: str, order: Record, *, created: datetime | None, updated: datetime, context: Context) -> CartSnapshot:
    total, currency = _amount(order)
    return CartSnapshot(
        external_id=id_,
        updated_at=updated,
        created_at=created,
        channel=CHANNEL,
        email=fields.email(_unmasked(order, "buyer_email"), "buyer_email"),
        phone=_phone(order, context),
        first_name=_unmasked(order, "recipient_address.first_name"),
        last_name=_unmasked(order, "recipient_address.last_name"),
        currency=fields.currency(currency, "payment.currency", context),
        total=fields.amount(total, "payment.total_amount"),
    )


def _amount(order: Record) -> tuple[str, str]:
    """Return the total and its currency, as they are written."""
    units = values.records(order, "line_items")
    code = values.text(order, "payment.currency") or next(
        (found for unit in units if (found := values.text(unit, "currency"))), ""
    )
    return values.text(order, "payment.total_amount"), code


def _items(order: Record) -> tuple[Item, ...]:
    """Put the units of one product at one price together: TikTok lists every piece by itself."""
    found: dict[Item, int] = {}
    for unit in values.records(order, "line_items"):
        if values.text(unit, "display_status").lower().startswith("cancel"):
            continue
        item = item_of(
            unit,
            name=("product_name",),
            variant="sku_name",
            sku=("seller_sku", "sku_id"),
            price="sale_price",
            image="sku_image",
        )
        found[item] = found.get(item, 0) + 1
    return tuple(_checked(item, count) for item, count in found.items())


def item_of(
    line: Record, *, name: Iterable[str], variant: str = "", sku: Iterable[str], price: str, image: str
) -> Item:
    """Read one piece, each fact under the name it has in this document. Without a name, sku or product id stand in."""
    code = fields.short(values.text(line, *sku))
    product = fields.short(values.text(line, "product_id"))
    of_kind = values.text(line, variant) if variant else ""
    return Item(
        name=fields.short(values.text(line, *name) or code or product, 500),
        variant=fields.short("" if of_kind.lower() == "default" else of_kind),
        sku=code,
        product_id=product,
        unit_price=fields.amount(values.text(line, price), price),
        image_url=fields.url(values.text(line, image), image),
    )


def _checked(item: Item, count: int) -> Item:
    return replace(item, quantity=fields.quantity(str(count), "line_items"))


def _phone(order: Record, context: Context) -> str | None:
    region = values.text(order, "recipient_address.region_code")
    country = region if len(region) == 2 else context.country
    return fields.phone(_unmasked(order, "recipient_address.phone_number"), country)


def _unmasked(order: Mapping[str, Any], path: str) -> str:
    """What TikTok has masked (`(+60)1********`) is nobody's: read as a number it could be somebody else's."""
    found = values.text(order, path)
    return "" if "*" in found else fields.short(found)

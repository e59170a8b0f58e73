"""Cart events that a shop's own middleware posts for its TikTok channel: TikTok itself has no webhook for carts.

`{event_type: cart_updated | cart_abandoned, cart_data: {cart_id, user_email or email, items: [{product_id, name, price,
quantity, image_url}], cart_url, currency}}`, posted with `X-TikTok-Timestamp` (seconds since 1970).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from cartctl.domain.carts import CartSnapshot, Item
from cartctl.importers import fields, values
from cartctl.importers.fields import FieldError
from cartctl.importers.records import WHOLE, CartLine, Context, Ignored
from cartctl.importers.tiktok_orders import CHANNEL, identifier, item_of, moment
from cartctl.importers.tiktok_signature import TIME_HEADER, TOLERANCE
from cartctl.importers.values import Record

NO_TIME = "cart events name no time of their own: that of X-TikTok-Timestamp is taken for the last activity"
_EVENTS = ("cart_updated", "cart_abandoned")
_TIMES = ("timestamp", "cart_data.updated_at", "cart_data.timestamp")


def is_cart_event(record: Record) -> bool:
    return isinstance(record.get("event_type"), str) and isinstance(record.get("cart_data"), Mapping)


def has_time(event: Record) -> bool:
    return any(values.text(event, path) for path in _TIMES)


def line(row: int, event: Record, headers: Mapping[str, str], context: Context) -> CartLine | Ignored:
    """Read one event. Raises FieldError, also where nothing says when it happened."""
    if values.text(event, "event_type").lower() not in _EVENTS:
        return Ignored(row, "a cart event that is neither cart_updated nor cart_abandoned")
    id_ = identifier(event, "cart_data.cart_id")
    email = values.text(event, "cart_data.user_email", "cart_data.email")
    currency = values.text(event, "cart_data.currency")
    cart = CartSnapshot(
        external_id=id_,
        updated_at=_updated_at(event, headers, context),
        channel=CHANNEL,
        email=fields.email(email, "cart_data.user_email"),
        phone=fields.phone(values.text(event, "cart_data.phone"), context.country),
        currency=fields.currency(currency, "cart_data.currency", context),
        cart_url=fields.url(values.text(event, "cart_data.cart_url"), "cart_data.cart_url"),
    )
    return CartLine(row=row, key=id_, cart=cart, items=tuple(_items(event)), change=WHOLE)


def _updated_at(event: Record, headers: Mapping[str, str], context: Context) -> datetime:
    """Return the event's own time, else the header's.

    The middleware's receiver allows X-TikTok-Timestamp to be 300 s from its own clock. When the request arrived is not
    in a dump, so where a signature is asked for the header must be as near to the event's own time, if it names one.
    """
    posted = moment(headers, TIME_HEADER, context)
    own = next((found for path in _TIMES if (found := moment(event, path, context))), None)
    at = own or posted
    if at is None:
        raise FieldError("timestamp", "is blank, and no header X-TikTok-Timestamp was kept: when was it?")
    if context.tiktok_app and own and posted and abs(own - posted) > TOLERANCE:
        raise FieldError(TIME_HEADER, f"is more than {TOLERANCE.seconds} s from the event's own time")
    return at


def _items(event: Record) -> Iterator[Item]:
    for each in values.records(event, "cart_data.items"):
        item = item_of(each, name=("name",), sku=("sku",), price="price", image="image_url")
        if item.name:
            yield replace(item, quantity=fields.quantity(values.text(each, "quantity"), "quantity"))

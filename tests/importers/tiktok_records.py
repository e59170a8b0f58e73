"""TikTok's records, as its documentation shows them; every id, address and product is invented."""

import hashlib
import hmac
import json
from typing import Any

from tests.shop import at

KEY, SECRET = "6example", "an invented secret"


def seconds(offset: str) -> int:
    """`seconds("30m")` is half an hour after T0, as TikTok writes times."""
    return int(at(offset).timestamp())


def webhook(
    state: str = "AWAITING_SHIPMENT",
    *,
    order: Any = "5766536881",
    when: str = "1h",
    notification: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return an order status change (type 1); without `notification` it is one of the older ones."""
    named = {} if notification is None else {"tts_notification_id": notification}
    data = {"order_id": order, "order_status": state, "is_on_hold_order": False, "update_time": seconds(when)}
    return {"type": 1, "shop_id": "7495540735", "timestamp": seconds(when), "data": data} | named | more


def unit(sku: str = "1729", *, name: str = "Blue mug", price: str = "12.50", **more: Any) -> dict[str, Any]:
    """Return one piece of an order."""
    own = {"id": "1", "sku_id": sku, "product_id": f"9{sku}", "product_name": name, "sku_name": "Default"}
    return own | {"sku_image": f"https://img.example.com/{sku}.jpg", "sale_price": price, "currency": "GBP"} | more


def detail(
    state: str = "UNPAID",
    *,
    order: Any = "5766536881",
    created: str = "0m",
    updated: str | None = None,
    units: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return an order as the order API shows it."""
    return {
        "id": order,
        "status": state,
        "create_time": seconds(created),
        "update_time": seconds(updated or created),
        "buyer_email": "v4bEXAMPLE@scs2.tiktok.com",
        "is_sample_order": False,
        "is_replacement_order": False,
        "line_items": [unit()] if units is None else units,
        "payment": {"currency": "GBP", "total_amount": "16.49"},
        "recipient_address": {"name": "A*** B***", "phone_number": "(+44)20*****678", "region_code": "GB"},
    } | more


def answer(*orders: dict[str, Any], code: int = 0) -> dict[str, Any]:
    """Return an answer of the order API."""
    return {"code": code, "message": "Success", "request_id": "2026", "data": {"orders": list(orders)}}


def cart_event(kind: str = "cart_updated", *, cart: Any = "c-1", **more: Any) -> dict[str, Any]:
    """Return what a shop's middleware posts."""
    items = [{"product_id": "p-1", "name": "Blue mug", "price": 12.5, "quantity": 2, "image_url": ""}]
    data = {"cart_id": cart, "user_email": "anna@example.com", "items": items, "currency": "EUR"}
    return {"event_type": kind, "cart_data": data | {"cart_url": "https://shop.example.com/cart"}} | more


def posted(body: Any, **headers: Any) -> dict[str, Any]:
    """Return a line that kept what was posted: headers and raw body."""
    return {"headers": headers, "body": body if isinstance(body, str) else json.dumps(body)}


def signed(body: Any, *, key: str = KEY, secret: str = SECRET) -> dict[str, Any]:
    """Return the same, signed as TikTok signs."""
    raw = body if isinstance(body, str) else json.dumps(body)
    signature = hmac.new(secret.encode(), (key + raw).encode(), hashlib.sha256).hexdigest()
    return posted(raw, Authorization=signature)


def signed_by_middleware(body: Any, *, when: str = "0m") -> dict[str, Any]:
    raw = json.dumps(body)
    signature = hmac.new(SECRET.encode(), raw.encode(), hashlib.sha256).hexdigest()
    return posted(raw, **{"X-TikTok-Signature": signature, "X-TikTok-Timestamp": str(seconds(when))})


def jsonl(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)

"""What shops and providers post, signed as they sign it. Every key is invented."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.importers.tiktok_records import KEY as TIKTOK_KEY
from tests.importers.tiktok_records import SECRET as TIKTOK_SECRET
from tests.shop import at, iso

API_KEY = "an invented api key of main"
OTHER_KEY = "an invented api key of other"
REPORT_KEY = "an invented key of the report"
SHOPIFY_SECRET = "shpss_invented"
SVIX_KEY = b"an invented signing secret"
_SENDGRID = ec.derive_private_key(0x5EED, ec.SECP256R1())
_PUBLIC = _SENDGRID.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
SETTINGS = f"""
[web]
report_key = "{REPORT_KEY}"

[tiktok]
app_key = "{TIKTOK_KEY}"
app_secret = "{TIKTOK_SECRET}"

[sendgrid]
webhook_key = "{base64.b64encode(_PUBLIC).decode()}"

[resend]
webhook_secret = "whsec_{base64.b64encode(SVIX_KEY).decode()}"

[stores.main]
brand = "Mugs & More"
url = "https://shop.example.com"
hosts = ["shop.example.com", "mugs.myshopify.com"]
api_key = "{API_KEY}, {API_KEY} of last year"
shopify_secret = "{SHOPIFY_SECRET}"
tiktok_shop_id = "7495540735"

[stores.other]
hosts = ["other.example.com", "other.myshopify.com"]
api_key = "{OTHER_KEY}"
shopify_secret = "{SHOPIFY_SECRET}"
"""


def a_cart(**fields: Any) -> dict[str, Any]:
    """A cart as a shop posts it."""
    return {
        "cart_id": "w-1",
        "updated_at": iso("0m"),
        "email": "bela@example.com",
        "currency": "EUR",
        "cart_url": "https://shop.example.com/cart?id=w-1",
        "consent": "granted",
        "items": [{"product_name": "Blue mug", "quantity": 2, "unit_price": "24.95"}],
    } | fields


def a_checkout(**fields: Any) -> dict[str, Any]:
    """A checkout as Shopify posts it."""
    return {
        "id": 37107488451315,
        "token": "a-token",
        "cart_token": "a-cart-token",
        "email": "bela@example.com",
        "created_at": iso("0m"),
        "updated_at": iso("0m"),
        "abandoned_checkout_url": "https://mugs.myshopify.com/recover?key=x",
        "currency": "EUR",
        "total_price": "49.90",
        "line_items": [{"title": "Blue mug", "quantity": 1, "price": "49.90"}],
        "completed_at": None,
    } | fields


def an_order(**fields: Any) -> dict[str, Any]:
    """An order as Shopify posts it."""
    return {
        "id": 6798482565856,
        "email": "anna@example.com",
        "created_at": iso("1h"),
        "updated_at": iso("1h"),
        "financial_status": "paid",
        "order_number": 1001,
        "total_price": "49.90",
        "currency": "EUR",
    } | fields


def raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def with_key(key: str = API_KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def by_shopify(body: Any, topic: str, *, shop: str = "mugs.myshopify.com", secret: str = SHOPIFY_SECRET) -> Any:
    digest = hmac.digest(secret.encode(), raw(body), "sha256")
    return {
        "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": shop,
    }


def by_tiktok(body: Any, *, secret: str = TIKTOK_SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), TIKTOK_KEY.encode() + raw(body), hashlib.sha256).hexdigest()
    return {"Authorization": signature}


def by_middleware(body: Any, *, when: str) -> dict[str, str]:
    signature = hmac.new(TIKTOK_SECRET.encode(), raw(body), hashlib.sha256).hexdigest()
    return {"X-TikTok-Signature": signature, "X-TikTok-Timestamp": str(int(at(when).timestamp()))}


def by_sendgrid(body: Any, *, when: str) -> dict[str, str]:
    timestamp = str(int(at(when).timestamp()))
    signature = _SENDGRID.sign(timestamp.encode() + raw(body), ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


def by_resend(body: Any, *, when: str, key: bytes = SVIX_KEY, id_: str = "msg_1") -> dict[str, str]:
    timestamp = str(int(at(when).timestamp()))
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + raw(body), "sha256")
    signature = f"v1,AAAA v1,{base64.b64encode(digest).decode()} v2,BBBB"
    return {"svix-id": id_, "svix-timestamp": timestamp, "svix-signature": signature}


def resend_event(type_: str = "email.delivered", *, message: int | None = 1, **data: Any) -> dict[str, Any]:
    """An event as Resend posts it."""
    tags: Mapping[str, str] = {"cc_message_id": str(message)} if message else {}
    about = {"email_id": "56761188-7520-42d8-8898-ff6fc54ce618", "to": ["anna@example.com"], "tags": tags}
    return {"type": type_, "created_at": iso("31m"), "data": about | data}

"""Signatures of what TikTok Shop and a shop's middleware post: whether a body that was kept with its headers is theirs.

TikTok (Partner Center, "Webhooks overview") signs a webhook in the header `Authorization`: the hex HMAC-SHA256 of the
app key followed by the raw body, keyed with the app secret. The middleware signs the raw body alone, with the same
secret, in `X-TikTok-Signature`.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

WEBHOOK_HEADER = "authorization"
CART_HEADER = "x-tiktok-signature"
TIME_HEADER = "x-tiktok-timestamp"
TOLERANCE = timedelta(seconds=300)
"""How far the middleware's `X-TikTok-Timestamp` may be from the event's own time."""


@dataclass(frozen=True, slots=True)
class App:
    """The app's credentials in Partner Center. The secret is never shown."""

    key: str
    secret: str = field(repr=False)


def webhook_signature(app: App, body: bytes) -> str:
    return _hex(app, app.key.encode() + body)


def cart_signature(app: App, body: bytes) -> str:
    return _hex(app, body)


def fault(app: App, headers: Mapping[str, str], body: bytes) -> tuple[str, str] | None:
    """Say what is wrong with a body's signature, as (header, reason); None where it is right.

    `headers` by lower-case name. Takes the same time whatever is wrong with a signature.
    """
    for header, sign in ((WEBHOOK_HEADER, webhook_signature), (CART_HEADER, cart_signature)):
        given = headers.get(header, "").strip().lower()
        if not given:
            continue
        if hmac.compare_digest(given.encode("utf-8", "replace"), sign(app, body).encode()):
            return None
        return header, "is not the signature of this body: forged, changed on its way, or signed for another app"
    return WEBHOOK_HEADER, "is blank: a line that was not signed is refused (--no-verify takes it as it is)"


def _hex(app: App, message: bytes) -> str:
    return hmac.digest(app.secret.encode(), message, "sha256").hex()

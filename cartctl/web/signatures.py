"""Whose request it is: keys, and signatures over the body as it came. Nothing is parsed before it is verified.

Every comparison takes as long whether the first character is wrong or the last, and every key is tried.
"""

import base64
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sendgrid.helpers.eventwebhook import EventWebhook

from cartctl.domain.destinations import Host
from cartctl.errors import ConfigurationError
from cartctl.importers.tiktok_signature import App
from cartctl.settings import Settings

SENDGRID_TOLERANCE = timedelta(minutes=10)
SVIX_TOLERANCE = timedelta(minutes=5)
OWN = "x-cartctl-signature"
"""The header in which a form that keeps no key in the open signs what it posts."""
_SVIX_PREFIX = "whsec_"
_SHOPIFYS_OWN = ".myshopify.com"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """All keys of one endpoint. What has none takes no posts."""

    track: Mapping[str, tuple[bytes, ...]]
    """By store, as the next."""
    shopify: Mapping[str, tuple[bytes, ...]]
    hosts: Mapping[str, tuple[str, ...]]
    report: tuple[bytes, ...]
    sendgrid: tuple[EventWebhook, ...]
    resend: tuple[bytes, ...]
    tiktok: App | None


def keys_of(settings: Settings, tiktok: App | None) -> Keys:
    """Read the keys of the configuration. Raises ConfigurationError for one that could verify nothing."""
    stores = settings.stores
    return Keys(
        track={name: each for name, store in stores.items() if (each := _bytes(store.api_key.each()))},
        shopify={name: each for name, store in stores.items() if (each := _bytes(store.shopify_secret.each()))},
        hosts={name: tuple(Host.parse(text).name for text in store.hosts) for name, store in stores.items()},
        report=_bytes(settings.web.report_key.each()),
        sendgrid=tuple(_sendgrid_key(text) for text in settings.sendgrid.webhook_key.each()),
        resend=tuple(_svix_key(text) for text in settings.resend.webhook_secret.each()),
        tiktok=tiktok,
    )


def bearer(authorization: str) -> bytes:
    """Return the key of `Authorization: Bearer KEY`; b"" where there is none."""
    scheme, _, key = authorization.partition(" ")
    return key.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""


def is_among(given: bytes, keys: Iterable[bytes]) -> bool:
    return sum(hmac.compare_digest(given, key) for key in keys) > 0


def store_of(given: bytes, keys: Mapping[str, tuple[bytes, ...]]) -> str | None:
    """Return the store whose key it is."""
    return next((name for name in [name for name, own in keys.items() if is_among(given, own)]), None)


def own_store(keys: Keys, body: bytes, signature: str) -> str | None:
    """Return the store whose key has signed the body: `sha256=` and the hexadecimal HMAC-SHA256, in OWN."""
    given = signature.strip().removeprefix("sha256=").lower().encode("utf-8", "replace")
    signed = {
        name: tuple(hmac.digest(key, body, "sha256").hex().encode() for key in own) for name, own in keys.track.items()
    }
    return store_of(given, signed)


def shopify_stores(keys: Keys, body: bytes, signature: str) -> list[str]:
    """Return the stores whose secret has signed the body: base64 of its HMAC-SHA256, in X-Shopify-Hmac-Sha256."""
    given = signature.strip().encode("utf-8", "replace")
    signed = {
        name: [base64.b64encode(hmac.digest(secret, body, "sha256")) for secret in secrets]
        for name, secrets in keys.shopify.items()
    }
    return [name for name, signatures in signed.items() if is_among(given, signatures)]


def shopify_store(keys: Keys, stores: list[str], domain: str) -> str | None:
    """Return whose body it is, of the stores whose secret has signed it; None where that cannot be told.

    Shops of one app have one secret, and the shop's own address (X-Shopify-Shop-Domain) tells them apart. A store that
    names its own among its hosts takes no other's, one that names none is the only one with its secret.
    """
    named = [name for name in stores if domain.strip().lower() in keys.hosts[name]]
    nameless = [name for name in stores if not any(host.endswith(_SHOPIFYS_OWN) for host in keys.hosts[name])]
    found = named or (nameless if len(stores) == 1 else [])
    return found[0] if len(found) == 1 else None


def sendgrid_fault(keys: Keys, body: bytes, signature: str, timestamp: str, now: datetime) -> str:
    """Say what is wrong with a signed event webhook; "" where nothing is."""
    try:
        # The package takes a text alone. What is no UTF-8 was not signed as such a text.
        text = body.decode()
        signed = any(key.verify_signature(text, signature, timestamp) for key in keys.sendgrid)
    except (ValueError, TypeError):  # TypeError: the key configured is of another kind
        signed = False
    if not signed:
        return "the signature is not SendGrid's, or not of this body"
    return "" if _is_fresh(timestamp, now, SENDGRID_TOLERANCE) else "the signature is too old, or a clock is wrong"


def svix_fault(keys: Keys, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
    """Say what is wrong with a body that Svix signed, for Resend; "" where nothing is.

    The header holds several signatures, separated by spaces, while a secret is replaced: `v1,BASE64 v1,BASE64`.
    """
    timestamp = headers.get("svix-timestamp", "")
    message = b".".join((headers.get("svix-id", "").encode(), timestamp.encode(), body))
    right = [base64.b64encode(hmac.digest(key, message, "sha256")) for key in keys.resend]
    given = [part.removeprefix("v1,") for part in headers.get("svix-signature", "").split() if part.startswith("v1,")]
    if not any(is_among(each.encode("utf-8", "replace"), right) for each in given[:10]):
        return "the signature is not Resend's, or not of this body"
    return "" if _is_fresh(timestamp, now, SVIX_TOLERANCE) else "the signature is too old, or a clock is wrong"


def _is_fresh(timestamp: str, now: datetime, tolerance: timedelta) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 11:
        return False
    return abs(now - datetime.fromtimestamp(int(timestamp), UTC)) <= tolerance


def is_fresh_tiktok(timestamp: str, now: datetime, tolerance: timedelta) -> bool:
    """Say whether the middleware's own time, where it names one, is near enough."""
    return not timestamp or _is_fresh(timestamp, now, tolerance)


def _bytes(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _sendgrid_key(text: str) -> EventWebhook:
    try:
        return EventWebhook(text)
    except Exception:  # noqa: BLE001 - the package raises what its own packages raise
        raise ConfigurationError(
            "sendgrid.webhook_key: is no public key: copy the Verification Key of the signed event webhook"
        ) from None


def _svix_key(text: str) -> bytes:
    try:
        if not text.startswith(_SVIX_PREFIX):
            raise ValueError
        return base64.b64decode(text.removeprefix(_SVIX_PREFIX), validate=True)
    except ValueError:
        raise ConfigurationError(
            "resend.webhook_secret: is no signing secret of a webhook (whsec_...): copy it as Resend shows it"
        ) from None

"""What tells two sightings of a cart apart: a number made of the cart's facts and of its items, in whatever order.

It is a sum, so that SQL can build it from staged rows: 61 bits for the cart and 48 for each item, which no cart of up
to `MAX_LINES` lines carries beyond a signed 64-bit integer.
"""

import hashlib
from typing import Any

import msgspec

from cartctl.domain.carts import CartSnapshot, Item
from cartctl.domain.money import Money

MAX_LINES = 4096
_encode = msgspec.json.Encoder().encode
_MODULUS = 2**63

FACTS = (
    *("channel", "email", "phone", "first_name", "last_name", "locale", "timezone"),
    *("currency", "total_minor", "cart_url", "checkout_token", "cart_token"),
)
"""What two sightings at one moment are compared by, beside the items (consent is the contact's)."""


def facts(cart: CartSnapshot) -> tuple[Any, ...]:
    """Return the values of `FACTS`; the total as it is stored, None where the export gave none."""
    total = None if cart.total is None else Money.of(cart.total, cart.currency).minor
    return (
        *(cart.channel, cart.email, cart.phone, cart.first_name, cart.last_name, cart.locale, cart.timezone),
        *(cart.currency, total, cart.cart_url, cart.checkout_token, cart.cart_token),
    )


def facts_digest(values: tuple[Any, ...]) -> int:
    return _digest(values) >> 3


def item_digest(item: Item, unit_price_minor: int | None) -> int:
    """Of one line, its price as it is stored: a cart read back has the fingerprint it was written with."""
    return _digest((*item.line, item.quantity, unit_price_minor, item.image_url, item.product_url)) >> 16


def fingerprint(cart: CartSnapshot) -> str:
    items = sum(item_digest(item, price_minor(item, cart.currency)) for item in cart.items)
    return str((facts_digest(facts(cart)) + items) % _MODULUS)


def price_minor(item: Item, currency: str) -> int | None:
    return None if item.unit_price is None else Money.of(item.unit_price, currency).minor


def _digest(values: tuple[Any, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(_encode(values), digest_size=8).digest())

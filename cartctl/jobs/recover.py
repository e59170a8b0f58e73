"""What a click on a recovery link leads to: the shop's own cart, or a page of ours that stands in for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from cartctl.domain.carts import CartStatus, Item
from cartctl.domain.destinations import destination, with_parameters
from cartctl.domain.money import Money
from cartctl.jobs.rules import Rules, StoreFacts
from cartctl.store import carts

_BOUGHT = (CartStatus.RECOVERED.value, CartStatus.CONVERTED.value)


@dataclass(frozen=True, slots=True)
class Redirect:
    """To the shop's own cart."""

    url: str


@dataclass(frozen=True, slots=True)
class Bought:
    """The cart was bought meanwhile. `shop` is the shop's address; may be blank."""

    shop: str


@dataclass(frozen=True, slots=True)
class Hosted:
    """The shop has no address for this cart that may be followed: it is shown here."""

    shop: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The mail was about no cart, and the shop has no address."""


Outcome = Redirect | Bought | Hosted | Nowhere


def follow(row: Any, rules: Rules) -> Outcome:
    """Say where the recovery link of a message leads. `row`: see `visits.carts_of`."""
    store = rules.store(row.store)
    if row.cart_id is None:
        return Redirect(_marked(store.url, row, store)) if store.url else Nowhere()
    if row.cart_status in _BOUGHT:
        return Bought(store.url)
    url = destination(row.cart_url, store.hosts)
    if url is None:
        return Hosted(_marked(store.url, row, store) if store.url else "")
    return Redirect(_marked(url, row, store))


def _marked(url: str, row: Any, store: StoreFacts) -> str:
    """Say to the shop's own statistics where the shopper comes from, and to its till which code was promised."""
    campaign = {
        "utm_source": "cartctl",
        "utm_medium": "email",
        "utm_campaign": row.sequence,
        "utm_content": row.step,
    }
    discount = {store.discount_parameter: row.coupon} if row.coupon and store.discount_parameter else {}
    return with_parameters(url, campaign, discount)


@dataclass(frozen=True, slots=True)
class CartContent:
    """What a page may show of a cart: nothing of it says whose it is."""

    items: tuple[Item, ...]
    currency: str
    total: Money
    locale: str
    coupon: str


def content(connection: Connection, row: Any) -> CartContent:
    """Read what is in the cart. `row`: see `visits.carts_of`."""
    currencies: Mapping[int, str] = {row.cart_id: row.currency}
    return CartContent(
        items=carts.items(connection, [row.cart_id], dict(currencies))[row.cart_id],
        currency=row.currency,
        total=Money.from_minor(row.total_minor, row.currency),
        locale=row.locale,
        coupon=row.coupon,
    )

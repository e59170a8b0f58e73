"""When an order closes a cart, and what the cart was by then.

This is the rule that keeps buyers from being mailed, so it is generous: a cart is closed when the order names it,
or when either the e-mail or the phone number is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cartctl.domain.carts import CartStatus

STAND_IN = "checkout:"
"""How the id of an order begins that only its checkout tells of: a completed checkout says that the shopper bought, but
not under which order id. The shop's own orders may show the same purchase; see `closing_purchase`."""
REORDERED_WITHIN = timedelta(days=30)
"""How long after an order that was taken back another is the same purchase, ordered again, and not the next one."""


@dataclass(frozen=True, slots=True)
class PurchaseRules:
    """`slack`: a checkout is often stamped seconds after its order. `idle_after`: see "abandoned".

    `not_purchases`: order statuses (lower case) that do not count as bought.
    """

    slack: timedelta
    idle_after: timedelta
    not_purchases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CartIdentity:
    """What an order is compared with. Empty strings and None never match anything."""

    external_id: str
    checkout_token: str = ""
    cart_token: str = ""
    contact_id: int | None = None
    """The contact, which is the normalised e-mail address."""
    phone: str | None = None
    created_at: datetime | None = None
    last_activity_at: datetime
    ended_at: datetime | None = None
    """When the cart was filled anew: later orders belong to its next generation."""
    first_detected: datetime | None = None
    """When it was first abandoned, if detection saw that; None before."""
    former: frozenset[tuple[str, str]] = frozenset()
    """`contact_id`, `phone`, `checkout_token` or `cart_token`, and its value, that other sightings of it showed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """An order that counts as bought, as far as matching needs it."""

    order_id: int
    external_id: str
    placed_at: datetime
    cart_ref: str = ""
    checkout_token: str = ""
    cart_token: str = ""
    contact_id: int | None = None
    phone: str | None = None
    taken_back: bool = False
    """Whether nothing is left of its money: cancelled, or refunded in full. It was bought all the same."""

    @property
    def stands_in(self) -> bool:
        return self.external_id.startswith(STAND_IN)


def closing_purchase(cart: CartIdentity, purchases: Iterable[Purchase], *, slack: timedelta) -> Purchase | None:
    """Return the purchase that closes the cart: the earliest that names it, else the earliest by the same shopper.

    A completed checkout gives way to an order that names the cart, or is by the same shopper and was placed no later:
    it is that order, seen from the other side, and its money would count twice if each of the two closed a cart.
    Depends on the set of purchases only, never on the order in which they were imported.
    """
    candidates = [p for p in purchases if cart.ended_at is None or p.placed_at < cart.ended_at]
    found = _earliest(cart, candidates, slack)
    if found is not None and found.stands_in:
        orders = [p for p in candidates if not p.stands_in]
        told = [p for p in orders if p.placed_at <= found.placed_at + slack or names(p, cart)]
        return _earliest(cart, told, slack) or found
    return found


def _earliest(cart: CartIdentity, candidates: Sequence[Purchase], slack: timedelta) -> Purchase | None:
    named = [p for p in candidates if names(p, cart) and (cart.created_at is None or p.placed_at >= cart.created_at)]
    same_shopper = [p for p in candidates if _is_shopper(p, cart) and p.placed_at >= cart.last_activity_at - slack]
    return min(named or same_shopper, key=lambda p: (p.placed_at, p.external_id), default=None)


def ordered_again(
    cart: CartIdentity, closing: Purchase, purchases: Iterable[Purchase], rules: PurchaseRules
) -> Purchase:
    """Return the purchase that replaced this one of an abandoned cart, which was taken back; else this one itself.

    Only an order that names the cart replaces one that does. A cart that was never abandoned keeps what closed it.
    """
    if (
        not closing.taken_back
        or status_when_bought(cart, closing.placed_at, idle_after=rules.idle_after) == CartStatus.CONVERTED
    ):
        return closing
    later = [
        p
        for p in purchases
        if not p.taken_back
        and closing.placed_at <= p.placed_at < closing.placed_at + REORDERED_WITHIN
        and (names(p, cart) or not names(closing, cart))
    ]
    return closing_purchase(cart, later, slack=rules.slack) or closing


def is_purchase(status: str, not_purchases: frozenset[str]) -> bool:
    """Say whether an order of this status (lower case) was bought. `canceled` is `cancelled` in other words."""
    return _one_spelling(status) not in {_one_spelling(other) for other in not_purchases}


def _one_spelling(status: str) -> str:
    return status.lower().replace("canceled", "cancelled")


def names(purchase: Purchase, cart: CartIdentity) -> bool:
    """Say whether the order names this very cart: by cart or checkout id, or by one of its tokens."""
    return (
        _same(purchase.cart_ref, cart.external_id)
        or _same(purchase.checkout_token, cart.checkout_token)
        or _same(purchase.cart_token, cart.cart_token)
        or ("checkout_token", purchase.checkout_token) in cart.former
        or ("cart_token", purchase.cart_token) in cart.former
    )


def _is_shopper(purchase: Purchase, cart: CartIdentity) -> bool:
    return (
        _same(purchase.contact_id, cart.contact_id)
        or _same(purchase.phone, cart.phone)
        or ("contact_id", str(purchase.contact_id)) in cart.former
        or ("phone", purchase.phone) in cart.former
    )


def matched_by(purchase: Purchase, cart: CartIdentity) -> tuple[str, ...]:
    """Name what the two have in common, in words for people. Not empty: the order names the cart, or its shopper."""
    links = (
        ("cart id", _same(purchase.cart_ref, cart.external_id)),
        ("checkout token", _same(purchase.checkout_token, cart.checkout_token)),
        ("cart token", _same(purchase.cart_token, cart.cart_token)),
        ("e-mail", _same(purchase.contact_id, cart.contact_id)),
        ("phone", _same(purchase.phone, cart.phone)),
        ("a former checkout token", ("checkout_token", purchase.checkout_token) in cart.former),
        ("a former cart token", ("cart_token", purchase.cart_token) in cart.former),
        ("a former e-mail", ("contact_id", str(purchase.contact_id)) in cart.former),
        ("a former phone", ("phone", purchase.phone) in cart.former),
    )
    return tuple(name for name, holds in links if holds)


def why_not(purchase: Purchase, cart: CartIdentity, *, slack: timedelta) -> str:
    """Say why this purchase, which has something in common with the cart, is not the one that closes it."""
    if cart.ended_at is not None and purchase.placed_at >= cart.ended_at:
        return "placed when the cart had been filled anew"
    if names(purchase, cart) and cart.created_at is not None and purchase.placed_at < cart.created_at:
        return "placed before the cart was made"
    if not names(purchase, cart) and purchase.placed_at < cart.last_activity_at - slack:
        return "placed too long before the last activity"
    return "another order goes before it"


def _same(one: str | int | None, other: str | int | None) -> bool:
    return bool(one) and one == other


def status_when_bought(cart: CartIdentity, placed_at: datetime, *, idle_after: timedelta) -> CartStatus:
    """Say what a purchase made of the cart: CONVERTED before it was ever abandoned, else RECOVERED.

    It does not matter when the order was imported, only when it was placed.
    """
    anchor = cart.first_detected or cart.last_activity_at
    return CartStatus.CONVERTED if placed_at < anchor + idle_after else CartStatus.RECOVERED


def opens_new_generation(
    activity_at: datetime,
    *,
    last_activity_at: datetime,
    bought_at: datetime | None,
    was_abandoned: bool,
    slack: timedelta,
) -> bool:
    """Say whether activity belongs to a new filling of the cart rather than to the known one.

    After a purchase: more than `slack` later. Without one: 30 days after the last activity, if the known
    filling had been abandoned (until then it has no history of its own to keep apart).
    """
    if bought_at is not None:
        return activity_at > bought_at + slack
    return was_abandoned and activity_at >= last_activity_at + NEW_GENERATION_AFTER


NEW_GENERATION_AFTER = timedelta(days=30)

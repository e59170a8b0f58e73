"""What every importer yields, row by row, and how the rows of one cart or order become one.

A file has its rows in any order, so an importer yields lines; the job stages them and hands all lines of one cart
to `assemble_cart` (of one order to `assemble_order`), sorted by nothing but the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord, in_display_order, newest_consent, same_moment

MAX_WORTH = Decimal(10) ** 13
"""A cart or an order worth more (in whatever currency) is taken for a mistake."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the command line and the configuration say about a file whose rows do not say it themselves."""

    store: str
    zone: tzinfo | None = None
    currency: str = "XXX"
    country: str | None = None
    """ISO 3166 code: how a phone number without its country is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """One row of a cart: the cart as this row shows it, with its item. `cart` is None on a continuation row."""

    row: int
    key: str
    cart: CartSnapshot | None
    items: tuple[Item, ...] = ()
    raw: tuple[str, ...] = ()
    """The row itself: it may yet have to be rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One row of an order. `line_amount` counts where no row has a total."""

    row: int
    key: str
    order: OrderRecord | None
    line_amount: Decimal | None = None
    has_total: bool = True
    raw: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not kept: where, and why."""

    row: int
    column: str
    reason: str
    raw: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A row that says nothing: a blank line, a test order."""

    row: int


def assemble_cart(lines: Sequence[CartLine]) -> CartSnapshot | list[RowError]:
    """Make one cart of all its lines, in whichever order they come. The newest `updated_at` wins.

    Rows with an older `updated_at` show an older state of the cart: they only tell when it was created, what an order
    may name where the newest says nothing, and what was said about mail, under the address it was said with.
    """
    heads = [(line, line.cart) for line in lines if line.cart is not None]
    if not heads:
        return _orphans(lines)
    newest = max(cart.updated_at for _, cart in heads)
    current = [(line, cart) for line, cart in heads if cart.updated_at == newest]
    items = [item for line, _ in current for item in line.items]
    items += [item for line in lines if line.cart is None for item in line.items]
    merged = same_moment([cart for _, cart in current])
    latest_first = sorted(
        (cart for _, cart in heads), key=lambda cart: (cart.updated_at, cart.phone or ""), reverse=True
    )
    cart = replace(
        merged,
        phone=merged.phone or next((cart.phone for cart in latest_first if cart.phone), None),
        checkout_token=merged.checkout_token or max(cart.checkout_token for cart in latest_first),
        cart_token=merged.cart_token or max(cart.cart_token for cart in latest_first),
        items=in_display_order(items),
        created_at=min((cart.created_at for _, cart in heads if cart.created_at), default=None),
        said=tuple(
            (email, cart.consent, cart.updated_at)
            for _, cart in heads
            if (email := cart.email or merged.email) and cart.consent != Consent.UNKNOWN
        ),
        first_seen_at=min(cart.created_at or cart.updated_at for _, cart in heads),
    )
    if cart.worth > MAX_WORTH:
        return [RowError(line.row, "total", f"the cart is worth {cart.worth}: absurd", line.raw) for line in lines]
    return cart


def assemble_order(lines: Sequence[OrderLine]) -> OrderRecord | list[RowError]:
    """Make one order of all its lines. Values that only some rows carry are kept; of two, the greater."""
    heads = [(line, line.order) for line in lines if line.order is not None]
    if not heads:
        return _orphans(lines)
    orders = [order for _, order in heads]
    first = orders[0]
    total = max((order.total for line, order in heads if line.has_total), default=None)
    if total is None:
        total = sum((line.line_amount for line in lines if line.line_amount is not None), Decimal(0))
    if total > MAX_WORTH:
        return [RowError(line.row, "total", f"the order is worth {total}: absurd", line.raw) for line in lines]

    def fullest(name: str) -> str:
        return max(str(getattr(order, name) or "") for order in orders)

    updates: list[datetime] = [order.updated_at for order in orders if order.updated_at]
    return replace(
        first,
        placed_at=min(order.placed_at for order in orders),
        updated_at=max(updates, default=None),
        status=fullest("status"),
        email=fullest("email") or None,
        phone=fullest("phone") or None,
        cart_ref=fullest("cart_ref"),
        checkout_token=fullest("checkout_token"),
        cart_token=fullest("cart_token"),
        coupon=fullest("coupon"),
        currency=fullest("currency"),
        channel=fullest("channel"),
        total=total,
        refunded=max(order.refunded for order in orders),
        consent=newest_consent((order.consent, order.placed_at) for order in orders)[0],
    )


def _orphans(lines: Sequence[CartLine] | Sequence[OrderLine]) -> list[RowError]:
    return [
        RowError(line.row, "", f"continues {line.key}, whose first row is missing or was rejected", line.raw)
        for line in lines
    ]

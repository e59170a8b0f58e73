"""What every importer yields, row by row, and how the rows of one cart or order become one.

A file has its rows in any order, so an importer yields lines; the job stages them and hands all lines of one cart
to `assemble_cart` (of one order to `assemble_order`), sorted by nothing but the key.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord, in_display_order, newest_consent, same_moment
from cartctl.domain.money import UNKNOWN_CURRENCY
from cartctl.domain.purchases import is_purchase
from cartctl.importers.tiktok_signature import App

WHOLE = 2
"""`CartLine.change` of a record that holds a whole cart: two of one moment are one cart, not twice its items."""
MAX_WORTH = Decimal(10) ** 13
"""A cart or an order worth more (in whatever currency) is taken for a mistake."""
_NEVER_BOUGHT = frozenset({"failed", "voided", "cancelled", "expired"})
"""Decides between rows of one order that say different things at once; which orders count is configuration."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the command line and the configuration say about a file whose rows do not say it themselves."""

    store: str
    zone: tzinfo | None = None
    currency: str = UNKNOWN_CURRENCY
    country: str | None = None
    """ISO 3166 code: how a phone number without its country is read."""
    day_first: bool | None = None
    """How 03/04/2026 is read where nothing in its file tells; None: then the file is refused."""
    tiktok_app: App | None = None
    """Whose signatures TikTok's dumps must bear; None: they are taken unchecked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """One row of a cart: the cart as this row shows it, with its item. `cart` is None on a continuation row."""

    row: int
    key: str
    cart: CartSnapshot | None
    items: tuple[Item, ...] = ()
    change: int = 0
    """0: the row shows the cart as it was, and some of its items. `WHOLE`: it shows all of them. In a log of events: 1
    puts `items` in, -1 takes them out."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The webhook that brought an order's state: what makes it the same one in another dump, state, and time."""

    digest: bytes
    state: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CartBlock:
    """Many carts at once, field by field: what as many CartLines would say, without the cost of making them."""

    row: Sequence[int]
    rows: Sequence[int]
    """Each cart stands on `rows` rows, from `row` on, which say the same of it."""
    fields: Mapping[str, Sequence[Any]]
    """CartSnapshot's fields; those that it has no column for are left out."""
    items: Sequence[tuple[Item, ...]]

    def lines(self) -> Iterator[CartLine]:
        """Yield the same as one CartLine for each cart, on its first row."""
        for row, items, values in zip(self.row, self.items, zip(*self.fields.values(), strict=True), strict=True):
            cart = CartSnapshot(**dict(zip(self.fields, values, strict=True)))
            yield CartLine(row=row, key=cart.external_id, cart=cart, items=items)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One row of an order. `line_amount` counts where no row has a total."""

    row: int
    key: str
    order: OrderRecord | None
    line_amount: Decimal | None = None
    delivery: Delivery | None = None
    notes: tuple[str, ...] = ()
    """What of this row could not be read and was left out, without data: told once a file, as a `Note` is."""


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not kept: where, and why."""

    row: int
    column: str
    reason: str
    raw: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A row that says nothing: a blank line, a test order. Rows are counted by `because`: few texts, without data."""

    row: int
    because: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What an operator should know about the whole file: what it lacks, and what was done instead. Told once."""

    text: str


Line = CartLine | CartBlock | OrderLine | RowError | Ignored | Note


def assemble_cart(lines: Sequence[CartLine]) -> CartSnapshot | list[RowError]:
    """Make one cart of all its lines, in whichever order they come. The newest `updated_at` wins.

    Rows with an older `updated_at` show an older state of the cart: they only tell when it was created, what else an
    order may name, and what was said about mail, under the address it was said with.
    """
    heads = [(line, line.cart) for line in lines if line.cart is not None]
    if not heads:
        return _orphans(lines)
    newest = max(cart.updated_at for _, cart in heads)
    current = [(line, cart) for line, cart in heads if cart.updated_at == newest]
    merged = same_moment([replace(cart, items=line.items if line.change == WHOLE else ()) for line, cart in current])
    items = _left_by_events(lines)
    items += merged.items
    items += [item for line, _ in current if line.change == 0 for item in line.items]
    items += [item for line in lines if line.cart is None for item in line.items]
    cart = replace(
        merged,
        items=in_display_order(items),
        created_at=min((cart.created_at for _, cart in heads if cart.created_at), default=None),
        said=tuple(
            sorted(
                {
                    (email, cart.consent, cart.updated_at)
                    for _, cart in heads
                    if (email := cart.email or merged.email) and cart.consent != Consent.UNKNOWN
                }
            )
        ),
        first_seen_at=min(cart.created_at or cart.updated_at for _, cart in heads),
        former=frozenset().union(*(cart.identities for _, cart in heads)) - merged.identities,
    )
    if cart.worth > MAX_WORTH:
        return [RowError(line.row, "total", f"the cart is worth {cart.worth}: absurd") for line in lines]
    return cart


def _left_by_events(lines: Sequence[CartLine]) -> list[Item]:
    """Fold a log of what was put in and taken out, in the order of time; of one moment what was put in comes first.

    Nothing goes below zero: what is taken out without having been put in was put in before the log begins. A line that
    is not in the cart at the end is left out; one that is has the price and name it had last.
    """
    logged = [line for line in lines if line.change in {1, -1}]
    events = [(line.cart.updated_at, -line.change, line.items) for line in logged if line.cart]
    left: dict[object, tuple[int, Item]] = {}
    for _, taken, items in sorted(events, key=lambda event: (event[0], event[1], str(event[2]))):
        for item in items:
            line = item.product_id or item.line
            known = left.get(line, (0, item))[0]
            left[line] = (max(0, known - taken * item.quantity), item)
    return [replace(item, quantity=quantity) for quantity, item in left.values() if quantity]


def assemble_order(lines: Sequence[OrderLine]) -> OrderRecord | list[RowError]:
    """Make one order of all its lines, in whichever order they come. The newest `updated_at` wins.

    Where none tells what is newer, values that only some rows carry are kept; of two, the greater; and an order of
    which one row was bought (another cancelled) was bought.
    """
    heads = [(line, line.order) for line in lines if line.order is not None]
    if not heads:
        return _orphans(lines)
    orders = [order for _, order in heads]
    updates: list[datetime] = [order.updated_at for order in orders if order.updated_at]
    newest = max(updates, default=None)
    current = [order for order in orders if order.updated_at == newest]
    said = {order.status for order in orders if order.status}  # a blank says nothing
    status = max(
        said.intersection(order.status for order in current) or said,
        key=lambda word: (is_purchase(word, _NEVER_BOUGHT), word),
        default="",
    )
    total = _greatest(order.total for order in current)
    was_undone = not is_purchase(status, _NEVER_BOUGHT) and any(is_purchase(word, _NEVER_BOUGHT) for word in said)
    if total is None or was_undone:  # some exports set a cancelled order's total to nothing
        total = _greatest(order.total for order in orders)
    outdated = {line.row for line, order in heads if order.updated_at != newest}
    amounts = [line.line_amount for line in lines if line.line_amount is not None and line.row not in outdated]
    if total is None and amounts:
        total = sum(amounts, Decimal(0))
    if total is not None and total > MAX_WORTH:
        return [RowError(line.row, "total", f"the order is worth {total}: absurd") for line in lines]

    def fullest(name: str) -> str:
        found = max(str(getattr(order, name) or "") for order in current)
        return found or max(str(getattr(order, name) or "") for order in orders)

    return replace(
        orders[0],
        external_id=fullest("external_id"),
        placed_at=min(order.placed_at for order in orders),
        updated_at=newest,
        status=status,
        email=fullest("email") or None,
        phone=fullest("phone") or None,
        cart_ref=fullest("cart_ref"),
        checkout_token=fullest("checkout_token"),
        cart_token=fullest("cart_token"),
        coupon=fullest("coupon"),
        currency=max(order.currency for order in _telling_the_total(current) or _telling_the_total(orders) or current),
        channel=fullest("channel"),
        total=total,
        refunded=max(order.refunded for order in orders),
        consent=newest_consent((order.consent, order.placed_at) for order in orders)[0],
        earlier=tuple(sorted(said - {status})),
    )


def _telling_the_total(orders: Iterable[OrderRecord]) -> list[OrderRecord]:
    """The others need not know the currency: TikTok's webhooks have no amounts."""
    return [order for order in orders if order.total is not None]


def _greatest(amounts: Iterable[Decimal | None]) -> Decimal | None:
    return max((amount for amount in amounts if amount is not None), default=None)


def _orphans(lines: Sequence[CartLine] | Sequence[OrderLine]) -> list[RowError]:
    return [
        RowError(line.row, "", f"continues {line.key}, whose first row is missing or was rejected") for line in lines
    ]

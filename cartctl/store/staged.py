"""The rows of the staging tables: what their columns are, and how carts, items and orders become rows and return."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord
from cartctl.domain.money import Money
from cartctl.store import fingerprints
from cartctl.store.instants import from_micros, to_micros

_MAX_WORTH = 10**11
"""In minor units. A run worth more is put together in Python, which has no largest integer."""

_CART_COLUMNS = {
    "row": "INTEGER PRIMARY KEY",
    "key": "TEXT NOT NULL",
    "rows": "BIGINT NOT NULL",
    "change": "INTEGER NOT NULL",
    "digest": "BIGINT",  # of the facts; null where the run has continuation rows only
    "external_id": "TEXT",
    "updated_at": "BIGINT",
    "created_at": "BIGINT",
    "consent": "TEXT",
    **dict.fromkeys(fingerprints.FACTS, "TEXT"),
    "total_minor": "BIGINT",
    "total": "TEXT",  # where minor units do not hold it exactly
    "quantity": "BIGINT NOT NULL",
    "worth": "BIGINT",  # of the lines; null where minor units do not hold a price exactly
    "contents": "BIGINT NOT NULL",  # the sum of the items' digests
    "lines": "BIGINT NOT NULL",
}
_ITEM_COLUMNS = {"run": "INTEGER NOT NULL", "number": "INTEGER NOT NULL", "product": "INTEGER NOT NULL"}
_PRODUCT_COLUMNS = {
    "product": "INTEGER PRIMARY KEY",
    **dict.fromkeys(("product_id", "sku", "name", "variant"), "TEXT NOT NULL"),
    "quantity": "INTEGER NOT NULL",
    "unit_price_minor": "BIGINT",
    "unit_price": "TEXT",  # where minor units do not hold it exactly
    **dict.fromkeys(("image_url", "product_url"), "TEXT NOT NULL"),
}
_ORDER_FACTS = (
    *("channel", "email", "phone", "cart_ref", "checkout_token", "cart_token", "status", "currency", "coupon"),
    *("total", "refunded"),
)
_ORDER_COLUMNS = {
    "row": "INTEGER PRIMARY KEY",
    "key": "TEXT NOT NULL",
    "rows": "BIGINT NOT NULL",
    "digest": "BIGINT",
    "external_id": "TEXT",
    "placed_at": "BIGINT",
    "updated_at": "BIGINT",
    "consent": "TEXT",
    **dict.fromkeys(_ORDER_FACTS, "TEXT"),
    "total_minor": "BIGINT",
    "refunded_minor": "BIGINT",
    "line_amount": "TEXT",  # of all lines of the run; null where no line has one
}
_DELIVERY_COLUMNS = {
    "digest": "TEXT NOT NULL",
    "state": "TEXT NOT NULL",
    "at": "BIGINT NOT NULL",
    "subject": "TEXT NOT NULL",
}
_REJECT_COLUMNS = {"row": "BIGINT NOT NULL", "place": "TEXT NOT NULL", "reason": "TEXT NOT NULL"}
TABLES = {
    "staged_carts": _CART_COLUMNS,
    "staged_items": _ITEM_COLUMNS,
    "staged_products": _PRODUCT_COLUMNS,
    "staged_orders": _ORDER_COLUMNS,
    "staged_rejects": _REJECT_COLUMNS,
    "staged_deliveries": _DELIVERY_COLUMNS,
}


Contents = tuple[int, int | None, int, int]
"""Of some lines: their quantity, worth, digests, each summed up, and how many they are. The worth is in minor units,
None where these do not hold a price exactly."""
NOTHING: Contents = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class StagedItem:
    item: Item
    """Held on to, so that its identity is not given to another."""
    product: int
    contents: Contents


def add_up(one: Contents, other: Contents) -> Contents:
    worth = None if one[1] is None or other[1] is None else one[1] + other[1]
    return (one[0] + other[0], worth, one[2] + other[2], one[3] + other[3])


def cart_rows(
    row: Sequence[int], rows: Sequence[int], fields: Mapping[str, Sequence[Any]], contents: Sequence[Contents]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of many carts, from their fields one by one: what `OpenCart.columns` gives for each."""
    currencies, totals = fields["currency"], fields["total"]
    minor = list(map(minor_of, totals, currencies))
    named = {**fields, "total_minor": minor}
    facts = list(zip(*(named[name] for name in fingerprints.FACTS), strict=True))
    columns = zip(
        row,
        fields["external_id"],
        rows,
        map(fingerprints.facts_digest, facts),
        map(to_micros, fields["updated_at"]),
        (None if at is None else to_micros(at) for at in fields["created_at"]),
        (consent.value for consent in fields["consent"]),
        facts,
        map(_inexact, totals, minor, currencies),
        map(_stored, contents),
        strict=True,
    )
    for number, id_, count, digest, at, born, consent, fact, exact, content in columns:
        yield (number, id_, count, 0, digest, id_, at, born, consent, *fact, exact, *content)


def _stored(contents: Contents) -> Contents:
    """What is too great for the database's integers is put together in Python."""
    quantity, worth, digest, lines = contents
    if lines > fingerprints.MAX_LINES:
        return quantity, None, 0, lines
    return quantity, None if worth is None or worth > _MAX_WORTH else worth, digest, lines


def item_row(item: Item, currency: str) -> tuple[tuple[Any, ...], Contents]:
    minor = fingerprints.price_minor(item, currency)
    inexact = _inexact(item.unit_price, minor, currency)
    worth = None if inexact else (minor or 0) * item.quantity
    columns = (
        *(item.product_id, item.sku, item.name, item.variant, item.quantity, minor),
        *(inexact, item.image_url, item.product_url),
    )
    return columns, (item.quantity, worth, fingerprints.item_digest(item, minor), 1)


def minor_of(amount: Decimal | None, currency: str) -> int | None:
    return None if amount is None else Money.of(amount, currency).minor


def _inexact(amount: Decimal | None, minor: int | None, currency: str) -> str | None:
    """Return the amount as text where minor units do not hold it exactly."""
    if amount is None or minor is None or Money.from_minor(minor, currency).amount == amount:
        return None
    return str(amount)


class OpenCart:
    """The run that the next line may continue."""

    __slots__ = ("cart", "change", "contents", "currency", "key", "row", "rows")

    def __init__(self, row: int, key: str, cart: CartSnapshot | None, change: int) -> None:
        self.row, self.rows, self.key, self.cart, self.change = row, 1, key, cart, change
        self.currency = cart.currency if cart else ""
        self.contents = NOTHING

    def goes_on(self, row: int, key: str, cart: CartSnapshot | None, change: int) -> bool:
        return (
            row <= self.row + self.rows
            and key == self.key
            and not (change or self.change)
            and (cart is None or cart is self.cart or cart == self.cart)
        )

    def columns(self) -> tuple[Any, ...]:
        cart = self.cart
        begin = (self.row, self.key, self.rows, self.change)
        end = _stored(self.contents)
        if cart is None:
            return (*begin, *(None,) * (len(_CART_COLUMNS) - len(begin) - len(end)), *end)
        facts = fingerprints.facts(cart)
        total_minor = facts[fingerprints.FACTS.index("total_minor")]
        return (
            *begin,
            fingerprints.facts_digest(facts),
            cart.external_id,
            to_micros(cart.updated_at),
            to_micros(cart.created_at) if cart.created_at else None,
            cart.consent.value,
            *facts,
            _inexact(cart.total, total_minor, cart.currency),
            *end,
        )


class OpenOrder:
    """The run of an order that the next line may continue."""

    __slots__ = ("key", "line_amount", "order", "row", "rows")

    def __init__(self, row: int, key: str, order: OrderRecord | None) -> None:
        self.row, self.rows, self.key, self.order = row, 1, key, order
        self.line_amount: Decimal | None = None

    def goes_on(self, row: int, key: str, order: OrderRecord | None) -> bool:
        return (
            row <= self.row + self.rows
            and key == self.key
            and (order is None or order is self.order or order == self.order)
        )

    def columns(self) -> tuple[Any, ...]:
        order = self.order
        begin = (self.row, self.key, self.rows)
        amount = None if self.line_amount is None else str(self.line_amount)
        if order is None:
            return (*begin, *(None,) * (len(_ORDER_COLUMNS) - len(begin) - 1), amount)
        facts = tuple(getattr(order, name) for name in _ORDER_FACTS[:-2])
        amounts = (None if order.total is None else str(order.total), str(order.refunded))
        return (
            *begin,
            fingerprints.facts_digest((*facts, *amounts)),
            order.external_id,
            to_micros(order.placed_at),
            to_micros(order.updated_at) if order.updated_at else None,
            order.consent.value,
            *facts,
            *amounts,
            minor_of(order.total, order.currency),
            Money.of(order.refunded, order.currency).minor,
            amount,
        )


def cart_of(run: Row[Any]) -> CartSnapshot | None:
    if run.digest is None:
        return None
    total = decimal_of(run.total)
    if total is None and run.total_minor is not None:
        total = Money.from_minor(run.total_minor, run.currency).amount
    return CartSnapshot(
        external_id=run.external_id,
        updated_at=from_micros(run.updated_at),
        created_at=None if run.created_at is None else from_micros(run.created_at),
        consent=Consent(run.consent),
        total=total,
        **{name: getattr(run, name) for name in fingerprints.FACTS if name != "total_minor"},
    )


def item_of(row: Row[Any], currency: str | None) -> Item:
    price = decimal_of(row.unit_price)
    if price is None and row.unit_price_minor is not None:
        price = Money.from_minor(row.unit_price_minor, currency or "").amount
    return Item(
        name=row.name,
        variant=row.variant,
        sku=row.sku,
        product_id=row.product_id,
        quantity=row.quantity,
        unit_price=price,
        image_url=row.image_url,
        product_url=row.product_url,
    )


def order_of(run: Row[Any]) -> OrderRecord | None:
    if run.digest is None:
        return None
    return OrderRecord(
        external_id=run.external_id,
        placed_at=from_micros(run.placed_at),
        updated_at=None if run.updated_at is None else from_micros(run.updated_at),
        consent=Consent(run.consent),
        total=decimal_of(run.total),
        refunded=decimal_of(run.refunded) or Decimal(0),
        **{name: getattr(run, name) for name in _ORDER_FACTS[:-2]},
    )


def decimal_of(stored: str | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)

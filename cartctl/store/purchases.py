"""Bringing carts and orders together: which cart was bought, by which order, and who is credited with the money.

`match` is called by every import that touches either side, and once more at the gate before a mail leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    cast,
    literal_column,
    select,
    text,
    union_all,
    update,
)

from cartctl.domain.carts import CartStatus
from cartctl.domain.purchases import (
    CartIdentity,
    Purchase,
    PurchaseRules,
    closing_purchase,
    names,
    ordered_again,
    status_when_bought,
)
from cartctl.store import enrollments
from cartctl.store.sql import among, chunks
from cartctl.store.tables import cart_aliases, carts, orders

_LINKS = (
    (carts.c.contact_id, orders.c.contact_id),
    (carts.c.phone, orders.c.phone),
    (carts.c.external_id, orders.c.cart_ref),
    (carts.c.checkout_token, orders.c.checkout_token),
    (carts.c.cart_token, orders.c.cart_token),
)
"""What a cart and an order may have in common, column by column."""
_FORMER = (orders.c.contact_id, orders.c.phone, orders.c.checkout_token, orders.c.cart_token)
"""What a cart may have been known by before; its aliases are kept under the names of these columns."""
_next = carts.alias("next_generation")
_with_end = select(carts, _next.c.created_at.label("ended_at")).outerjoin(
    _next,
    and_(
        _next.c.store == carts.c.store,
        _next.c.external_id == carts.c.external_id,
        _next.c.generation == carts.c.generation + 1,
    ),
)
"""Carts, each with the beginning of its next generation, if it has one."""
_carts_with_end = _with_end.where(among(carts.c.id))
_carts_known_by: Select[Any] = (
    select(carts.c.id, carts.c.store, *(column for column, _ in _LINKS), cart_aliases.c.kind, cart_aliases.c.value)
    .outerjoin(cart_aliases, cart_aliases.c.cart_id == carts.c.id)
    .where(among(carts.c.id))
    .order_by(carts.c.id)
)
"""Carts, each as often as it has aliases, at least once."""
_aliases = select(cart_aliases).where(among(cart_aliases.c.cart_id))


Former = Mapping[int, frozenset[tuple[str, str]]]
"""What carts were known by before, by cart: (kind, value)."""


def carts_of_orders(connection: Connection, store: str, order_rows: Iterable[Row[Any]]) -> list[int]:
    """Return the carts that any of these orders may close."""
    found: set[int] = set()
    order_rows = list(order_rows)
    for cart_column, order_column in _LINKS:
        statement = select(carts.c.id).where(carts.c.store == store)
        found.update(row.id for row in _linked(connection, statement, cart_column, order_column, order_rows))
    for column in _FORMER:
        values = sorted({str(value) for row in order_rows if (value := row._mapping[column.name])})  # noqa: SLF001 - its public name
        for chunk in chunks(values):
            found.update(
                connection.execute(
                    select(cart_aliases.c.cart_id)
                    .join(carts, carts.c.id == cart_aliases.c.cart_id)
                    .where(carts.c.store == store, cart_aliases.c.kind == column.name, cart_aliases.c.value.in_(chunk))
                ).scalars()
            )
    return sorted(found)


def carts_to_look_at(connection: Connection, store: str, *, after_cart: int, after_order: int) -> list[int]:
    """Return the carts that have anything in common with a purchase, where one of the two is new: its id is greater."""
    found: set[int] = set()
    for fresh in (carts.c.id > after_cart, orders.c.id > after_order):
        for cart_column, order_column in _LINKS:
            statement = (
                select(carts.c.id)
                .distinct()
                .join(orders, and_(orders.c.store == carts.c.store, order_column == cart_column))
                .where(carts.c.store == store, orders.c.is_purchase, fresh)
            )
            for column in (cart_column, order_column):
                if isinstance(column.type, String) and column.name != "external_id":
                    statement = statement.where(column != text("''"))  # spelt out, as in the partial indexes
            found.update(connection.execute(statement).scalars())
    for column in _FORMER:  # a new cart has none, or was saved by `carts.save`, whose carts are matched at once
        statement = (
            select(carts.c.id)
            .distinct()
            .join(cart_aliases, cart_aliases.c.cart_id == carts.c.id)
            .join(orders, and_(orders.c.store == carts.c.store, cast(column, String) == cart_aliases.c.value))
            .where(
                carts.c.store == store,
                orders.c.is_purchase,
                orders.c.id > after_order,
                cart_aliases.c.kind == column.name,
            )
        )
        found.update(connection.execute(statement).scalars())
    return sorted(found)


def _former(connection: Connection, cart_ids: Sequence[int]) -> Former:
    found: list[tuple[int, str, str]] = []
    for chunk in chunks(list(cart_ids)):
        found += ((alias.cart_id, alias.kind, alias.value) for alias in connection.execute(_aliases, {"ids": chunk}))
    return _by_cart(found)


def _by_cart(aliases: Iterable[tuple[int, str, str]]) -> Former:
    found: dict[int, set[tuple[str, str]]] = {}
    for cart_id, kind, value in aliases:
        found.setdefault(cart_id, set()).add((kind, value))
    return {cart_id: frozenset(known) for cart_id, known in found.items()}


def _linked(
    connection: Connection, statement: Select[Any], column: Column[Any], other: Column[Any], rows: list[Row[Any]]
) -> Iterable[Row[Any]]:
    for chunk in chunks(_present(rows, other)):
        yield from connection.execute(_having(statement, column), {"values": chunk})


def _present(rows: list[Row[Any]], column: Column[Any]) -> list[Any]:
    return sorted({value for row in rows if (value := row._mapping[column.name])})  # noqa: SLF001 - its public name


def _having(statement: Select[Any], column: Column[Any], values: str = "values") -> Select[Any]:
    found = statement.where(among(column, values))
    if column.name not in ("contact_id", "external_id"):
        found = found.where(column != "")  # lets the partial index serve
    return found


def _purchases_by(column: Column[Any]) -> Select[Any]:
    purchases = select(orders, literal_column(f"'{column.name}'").label("link"))
    return _having(purchases.where(among(orders.c.store, "stores"), orders.c.is_purchase), column, column.name)


_PURCHASES = union_all(*(_purchases_by(column) for _, column in _LINKS))
"""In one statement, put together once: every turn of the sending loop asks for them."""


def alike(connection: Connection, cart_ids: Sequence[int]) -> dict[int, tuple[CartIdentity, list[Purchase]]]:
    """Return each cart as orders are compared with it, and the purchases that have anything in common with it."""
    found: dict[int, tuple[CartIdentity, list[Purchase]]] = {}
    for chunk in chunks(list(cart_ids)):
        rows = list(connection.execute(_carts_with_end, {"ids": chunk}).all())
        former = _former(connection, [row.id for row in rows])
        candidates = _candidates(connection, rows, former)
        for row in rows:
            cart = _identity(row, former)
            found[row.id] = (cart, sorted(candidates.of(row, cart.former), key=lambda purchase: purchase.placed_at))
    return found


def match(connection: Connection, cart_ids: Sequence[int], rules: PurchaseRules, *, now: datetime) -> list[int]:
    """Close the carts that were bought and stop their sequences. Returns the ids whose status or order changed.

    Depends on the carts and orders that are there, never on which was imported first.
    """
    changed: list[int] = []
    for chunk in chunks(list(cart_ids)):
        changed += _match(connection, chunk, rules, now=now)
    return changed


def _match(connection: Connection, cart_ids: Sequence[int], rules: PurchaseRules, *, now: datetime) -> list[int]:
    with_aliases = connection.execute(_carts_known_by, {"ids": cart_ids}).all()
    known_by = list({row.id: row for row in with_aliases}.values())
    former = _by_cart((row.id, row.kind, row.value) for row in with_aliases if row.kind is not None)
    candidates = _candidates(connection, known_by, former)
    # At the gate hardly any: all else of a cart is read where there is an order to compare it with.
    comparable = [row.id for row in known_by if candidates.of(row, former.get(row.id, frozenset()))]
    rows = connection.execute(_carts_with_end, {"ids": comparable}).all() if comparable else []
    closed: list[dict[str, Any]] = []
    affected_orders: set[int] = set()
    for row in rows:
        cart = _identity(row, former)
        purchases = candidates.of(row, cart.former)
        purchase = closing_purchase(cart, purchases, slack=rules.slack)
        if purchase is None:
            continue  # a cart that was closed once is never opened again by a second look
        purchase = ordered_again(cart, purchase, purchases, rules)
        # Looked at even where nothing changes: a later touch of one cart can move the credit from another.
        affected_orders.add(purchase.order_id)
        values = _values(row, cart, purchase, rules)
        if any(row._mapping[name] != value for name, value in values.items()):  # noqa: SLF001 - its public name
            closed.append({f"new_{name}": value for name, value in values.items()} | {"cart": row.id})
            affected_orders |= {row.order_id} if row.order_id else set()
    if closed:
        _close(connection, closed, now=now)
    _credit(connection, sorted(affected_orders))
    return [values["cart"] for values in closed]


def _close(connection: Connection, closed: list[dict[str, Any]], *, now: datetime) -> None:
    names_ = [name.removeprefix("new_") for name in closed[0] if name != "cart"]
    connection.execute(
        update(carts)
        .where(carts.c.id == bindparam("cart"))
        .values({name: bindparam(f"new_{name}") for name in names_}),
        closed,
    )
    enrollments.stop_carts(connection, [values["cart"] for values in closed], reason="purchased", at=now)


class _Candidates:
    """Purchases by what they have in common with a cart: each cart is compared with its own few, not with all."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], dict[int, Purchase]] = {}

    def add(self, order: Row[Any], link: str) -> None:
        value = str(order._mapping[link])  # noqa: SLF001 - its public name
        self._found.setdefault((order.store, link, value), {})[order.id] = _purchase(order)

    def of(self, cart: Row[Any], former: frozenset[tuple[str, str]]) -> list[Purchase]:
        found: dict[int, Purchase] = {}
        own = [(order_column.name, cart._mapping[cart_column.name]) for cart_column, order_column in _LINKS]  # noqa: SLF001 - its public name
        for link, value in (*own, *former):
            found |= self._found.get((cart.store, link, str(value)), {}) if value else {}
        return list(found.values())


def _candidates(connection: Connection, rows: list[Row[Any]], former: Former) -> _Candidates:
    """Return the purchases that have anything in common with these carts."""
    candidates = _Candidates()
    stores = sorted({row.store for row in rows})
    known_by = {order_column.name: _present(rows, cart_column) for cart_column, order_column in _LINKS}
    for row in connection.execute(_PURCHASES, {"stores": stores} | known_by):
        candidates.add(row, row.link)
    for column in _FORMER:
        texts = {value for aliases in former.values() for kind, value in aliases if kind == column.name}
        values = sorted(int(text_) if column.name == "contact_id" else text_ for text_ in texts)
        for chunk in chunks(values):
            statement = select(orders).where(orders.c.store.in_(stores), orders.c.is_purchase, column.in_(chunk))
            for row in connection.execute(statement):
                candidates.add(row, column.name)
    return candidates


def _purchase(row: Row[Any]) -> Purchase:
    return Purchase(
        order_id=row.id,
        external_id=row.external_id,
        placed_at=row.placed_at,
        cart_ref=row.cart_ref,
        checkout_token=row.checkout_token,
        cart_token=row.cart_token,
        contact_id=row.contact_id,
        phone=row.phone,
        taken_back=row.net_minor == 0 < row.total_minor,
    )


def _identity(row: Row[Any], former: Former) -> CartIdentity:
    return CartIdentity(
        external_id=row.external_id,
        checkout_token=row.checkout_token,
        cart_token=row.cart_token,
        contact_id=row.contact_id,
        phone=row.phone,
        created_at=row.created_at,
        last_activity_at=row.last_activity_at,
        ended_at=row.ended_at,
        first_detected=row.first_abandoned_at if row.detected_at else None,
        former=former.get(row.id, frozenset()),
    )


def _values(row: Row[Any], cart: CartIdentity, purchase: Purchase, rules: PurchaseRules) -> dict[str, Any]:
    status = status_when_bought(cart, purchase.placed_at, idle_after=rules.idle_after)
    # What detection saw stays; what only the order told is told anew by the next look.
    first, abandoned = (row.first_abandoned_at, row.abandoned_at) if row.detected_at else (None, None)
    if status == CartStatus.RECOVERED and first is None:
        first = row.last_activity_at
    return {
        "status": status.value,
        "order_id": purchase.order_id,
        "recovered_at": purchase.placed_at if status == CartStatus.RECOVERED else None,
        "first_abandoned_at": first,
        "abandoned_at": row.last_activity_at if status == CartStatus.RECOVERED else abandoned,
        "awaits_enrollment": False,
    }


def _credit(connection: Connection, order_ids: Sequence[int]) -> None:
    """Give each order's money to one cart: of those that it recovered the one it names, else the last touched."""
    for chunk in chunks(list(order_ids)):
        purchases = {row.id: _purchase(row) for row in connection.execute(select(orders).where(orders.c.id.in_(chunk)))}
        rows = connection.execute(_with_end.where(carts.c.order_id.in_(chunk))).all()
        former = _former(connection, [row.id for row in rows])
        winners: dict[int, Row[Any]] = {}
        for row in sorted(
            rows,
            key=lambda row: (
                row.status == CartStatus.RECOVERED.value,
                names(purchases[row.order_id], _identity(row, former)),
                row.last_activity_at,
                row.external_id,
                row.generation,
            ),
        ):
            winners[row.order_id] = row
        connection.execute(update(carts).where(carts.c.order_id.in_(chunk)).values(credited=False))
        connection.execute(
            update(carts).where(carts.c.id.in_([row.id for row in winners.values()])).values(credited=True)
        )

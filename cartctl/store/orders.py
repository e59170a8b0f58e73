"""Orders: what imports write."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, update

from cartctl.domain.carts import OrderRecord
from cartctl.domain.money import Money
from cartctl.domain.purchases import PurchaseRules, is_purchase
from cartctl.store import contacts
from cartctl.store.carts import Saved
from cartctl.store.sql import chunks
from cartctl.store.tables import carts, orders


def save(
    connection: Connection,
    store: str,
    records: Sequence[OrderRecord],
    *,
    rules: PurchaseRules,
    now: datetime,
    source: str,
) -> tuple[Saved, list[Row[Any]]]:
    """Write orders (each external id once); return the counts and the rows that are new or changed."""
    saved = Saved()
    people = contacts.ensure(connection, [order.email for order in records if order.email])
    signals = [(people[order.email], order.consent, order.placed_at) for order in records if order.email]
    contacts.hear_consent(connection, signals, source=source)
    known = _known(connection, store, [order.external_id for order in records])
    fresh: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for order in records:
        row = known.get(order.external_id)
        values = _columns(order, row, people, rules.not_purchases)
        if row is None:
            fresh.append(values | {"store": store, "external_id": order.external_id, "imported_at": now})
        elif row.updated_at and order.updated_at and order.updated_at < row.updated_at:
            values = _what_an_older_state_adds(order, row, values, rules.not_purchases)
            if any(row._mapping[name] != value for name, value in values.items()):  # noqa: SLF001 - its public name
                changes.append({f"new_{name}": value for name, value in values.items()} | {"order": row.id})
            else:
                saved.unchanged += 1
        elif any(row._mapping[name] != value for name, value in values.items()):  # noqa: SLF001 - its public name
            changes.append({f"new_{name}": value for name, value in values.items()} | {"order": row.id})
        else:
            saved.unchanged += 1
    if fresh:
        connection.execute(insert(orders), fresh)
    if changes:
        names = [name.removeprefix("new_") for name in changes[0] if name != "order"]
        statement = update(orders).where(orders.c.id == bindparam("order"))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in names}), changes)
    saved.created, saved.updated = len(fresh), len(changes)
    changed_ids = {change["order"] for change in changes}
    touched = {values["external_id"] for values in fresh} | {
        row.external_id for row in known.values() if row.id in changed_ids
    }
    return saved, list(_known(connection, store, sorted(touched)).values())


def _known(connection: Connection, store: str, external_ids: Sequence[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for chunk in chunks(list(external_ids)):
        rows = connection.execute(select(orders).where(orders.c.store == store, orders.c.external_id.in_(chunk)))
        found.update((row.external_id, row) for row in rows)
    return found


def _columns(order: OrderRecord, row: Row[Any] | None, people: Any, not_purchases: frozenset[str]) -> dict[str, Any]:
    """Merge an order's new state into the known one.

    Once a purchase, always a purchase: a cancellation or refund that comes later changes what is left of the money
    (net), not that the shopper had bought.
    """
    bought = is_purchase(order.status, not_purchases)
    status = order.status
    currency, total = order.currency, 0
    if order.total is not None:
        total = Money.of(order.total, currency).minor
    elif row is not None:  # this file does not tell the total: another one did, or will
        currency, total = row.currency, row.total_minor
    refunded = Money.of(order.refunded, currency).minor
    net = max(0, total - refunded) if bought else 0
    if row is not None and row.currency == currency:
        if not bought and row.is_purchase and row.total_given:
            total = max(total, row.total_minor)  # some exports set a cancelled order's total to nothing
        if order.updated_at is None and row.total_given:  # nothing says it is newer: what was taken back stays so
            net = min(net, max(0, total - max(refunded, row.total_minor - row.net_minor)))
            status = status if is_purchase(row.status, not_purchases) else row.status
    return {
        "channel": order.channel,
        "contact_id": people[order.email] if order.email else (row.contact_id if row else None),
        "phone": order.phone or (row.phone if row else None),
        "cart_ref": order.cart_ref or (row.cart_ref if row else ""),
        "checkout_token": order.checkout_token or (row.checkout_token if row else ""),
        "cart_token": order.cart_token or (row.cart_token if row else ""),
        "status": status,
        "is_purchase": bool(
            bought or (row and row.is_purchase) or any(is_purchase(status, not_purchases) for status in order.earlier)
        ),
        "currency": currency,
        "total_minor": total,
        "net_minor": net,
        "total_given": order.total is not None or bool(row and row.total_given),
        "coupon": order.coupon or (row.coupon if row else ""),
        "placed_at": min(order.placed_at, row.placed_at) if row else order.placed_at,
        "updated_at": max((at for at in (order.updated_at, row.updated_at if row else None) if at), default=None),
    }


def _what_an_older_state_adds(
    order: OrderRecord, row: Row[Any], values: dict[str, Any], not_purchases: frozenset[str]
) -> dict[str, Any]:
    """The newer state stays; an older one may tell that it was bought at all, whose it is, and what it came to."""
    kept = {name: row._mapping[name] for name in values}  # noqa: SLF001 - its public name
    kept["is_purchase"] = values["is_purchase"]
    kept["placed_at"] = values["placed_at"]
    for name in ("contact_id", "phone", "cart_ref", "checkout_token", "cart_token"):
        kept[name] = kept[name] or values[name]
    if order.total is not None and not row.total_given:
        total = Money.of(order.total, order.currency).minor
        still_bought = is_purchase(row.status, not_purchases)
        kept |= {"currency": order.currency, "total_minor": total, "total_given": True}
        kept["net_minor"] = total if still_bought else 0
    elif (
        order.total is not None
        and order.currency == row.currency
        and is_purchase(order.status, not_purchases)
        and not is_purchase(row.status, not_purchases)
    ):
        total = Money.of(order.total, order.currency).minor
        kept["total_minor"] = max(total, row.total_minor)  # the cancellation may have set it to nothing
    return kept


def latest_purchases(connection: Connection, contact_ids: Sequence[int]) -> dict[int, datetime]:
    """Return when each of these contacts last bought anything, in whatever store; who never did is left out."""
    found: dict[int, datetime] = {}
    for chunk in chunks(list(contact_ids)):
        latest = select(orders.c.contact_id, func.max(orders.c.placed_at)).where(
            orders.c.contact_id.in_(chunk), orders.c.is_purchase
        )
        found.update((row[0], row[1]) for row in connection.execute(latest.group_by(orders.c.contact_id)))
    return found


def fill_totals(connection: Connection, store: str, rules: PurchaseRules) -> int:
    """Give orders whose total no file has told the total of the very cart that they were (TikTok's unpaid orders).

    It stays untold: what a file of orders says of it counts more, whenever that comes.
    """
    untold = connection.execute(
        select(orders.c.id, orders.c.status, carts.c.total_minor, carts.c.currency)
        .join(carts, and_(carts.c.store == orders.c.store, carts.c.external_id == orders.c.cart_ref))
        .where(
            orders.c.store == store,
            ~orders.c.total_given,
            orders.c.cart_ref == orders.c.external_id,
            carts.c.generation == 1,
            ~carts.c.is_empty,
            or_(orders.c.currency != carts.c.currency, orders.c.total_minor != carts.c.total_minor),
        )
    ).all()
    for row in untold:
        still_bought = is_purchase(row.status, rules.not_purchases)
        connection.execute(
            update(orders)
            .where(orders.c.id == row.id)
            .values(
                currency=row.currency,
                total_minor=row.total_minor,
                net_minor=row.total_minor if still_bought else 0,
            )
        )
    return len(untold)

"""Carts: what imports write, and what detection asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, literal, select, text, update

from cartctl.domain.carts import CartSnapshot, CartStatus, Consent, Item, in_display_order, same_moment
from cartctl.domain.money import Money
from cartctl.domain.purchases import opens_new_generation
from cartctl.store import contacts, enrollments
from cartctl.store.fingerprints import fingerprint, price_minor
from cartctl.store.instants import UtcTime
from cartctl.store.sql import among, chunks, insert_missing
from cartctl.store.tables import cart_aliases, cart_items, carts
from cartctl.store.tables import contacts as contacts_table
from cartctl.store.tables import orders as orders_table


@dataclass(slots=True)
class Saved:
    """What an import did to carts or to orders."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


def save(
    connection: Connection,
    store: str,
    snapshots: Sequence[CartSnapshot],
    *,
    now: datetime,
    slack: timedelta,
    dated: bool = True,
    source: str,
) -> tuple[Saved, list[int]]:
    """Write sightings of carts (each external id once). Older sightings never overwrite newer ones.

    Without `dated` their time is that of the file they stand in, and no sign of life of a cart that is known already.
    Returns the counts and the ids of carts whose identity or activity changed.
    """
    saved = Saved()
    emails = {cart.email for cart in snapshots if cart.email} | {said[0] for cart in snapshots for said in cart.said}
    emails |= {value for cart in snapshots for name, value in cart.former if name == "email"}
    people = dict(contacts.ensure(connection, emails))
    signals = [(people[email], consent, at) for cart in snapshots for email, consent, at in cart.said]
    contacts.hear_consent(connection, signals, source=source)
    known = _latest(connection, store, [cart.external_id for cart in snapshots])
    if not dated:
        saved.unchanged = sum(cart.external_id in known for cart in snapshots)
        snapshots = [cart for cart in snapshots if cart.external_id not in known]
    fresh: list[tuple[CartSnapshot, int, datetime | None]] = []
    changed: list[tuple[CartSnapshot, Row[Any]]] = []
    told = {cart.external_id: _known_as(cart, people) for cart in snapshots}
    for cart in snapshots:
        row = known.get(cart.external_id)
        if row is None:
            fresh.append((cart, 1, cart.created_at))
        elif opens_new_generation(
            cart.updated_at,
            last_activity_at=row.last_activity_at,
            bought_at=row.bought_at,
            was_abandoned=row.first_abandoned_at is not None,
            slack=slack,
        ):
            # It began somewhere in the slack before its first sign: an order stamped just before it still counts.
            fresh.append((cart, row.generation + 1, cart.updated_at - slack))
        else:
            if cart.updated_at == row.last_activity_at and _is_newer(cart, row):
                merged = same_moment([_snapshot(connection, row), cart])
                cart = replace(merged, created_at=cart.created_at, first_seen_at=cart.first_seen_at)  # noqa: PLW2901
                people.setdefault(cart.email or "", row.contact_id)
            changed.append((cart, row))
    saved.created = len(fresh)
    touched = _insert(connection, store, fresh, people)
    updated = _update(connection, changed, people, now=now)
    saved.updated = len(updated)
    saved.unchanged += len(changed) - len(updated)
    touched += updated
    for _, row in changed:
        told[row.external_id] |= _row_known_as(row)
    return saved, [*touched, *sorted(_keep_aliases(connection, store, told) - set(touched))]


def _keep_aliases(connection: Connection, store: str, told: Mapping[str, set[tuple[str, str]]]) -> set[int]:
    """Note what carts were known by and their newest sighting does not show; return the ids of such carts."""
    rows = _latest(connection, store, list(told))
    former = [
        {"cart_id": row.id, "kind": kind, "value": value}
        for external_id, row in rows.items()
        for kind, value in sorted(told[external_id] - _row_known_as(row))
    ]
    insert_missing(connection, cart_aliases, former, ["cart_id", "kind", "value"])
    return {alias["cart_id"] for alias in former}


def _known_as(cart: CartSnapshot, people: Mapping[str, int]) -> set[tuple[str, str]]:
    return {
        ("contact_id", str(people[value])) if name == "email" else (name, value)
        for name, value in cart.identities | cart.former
    }


def _row_known_as(row: Row[Any]) -> set[tuple[str, str]]:
    names = ("contact_id", "phone", "checkout_token", "cart_token")
    return {(name, str(value)) for name in names if (value := row._mapping[name])}  # noqa: SLF001 - its public name


def _latest(connection: Connection, store: str, external_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Return the newest generation of each cart, with the time of its purchase."""
    found: dict[str, Row[Any]] = {}
    for chunk in chunks(list(external_ids)):
        rows = connection.execute(
            select(carts, orders_table.c.placed_at.label("bought_at"))
            .outerjoin(orders_table, orders_table.c.id == carts.c.order_id)
            .where(carts.c.store == store, carts.c.external_id.in_(chunk))
            .order_by(carts.c.generation)
        )
        found.update((row.external_id, row) for row in rows)
    return found


def _insert(
    connection: Connection,
    store: str,
    fresh: Sequence[tuple[CartSnapshot, int, datetime | None]],
    people: Any,
) -> list[int]:
    if not fresh:
        return []
    rows = [
        _columns(cart, people)
        | {
            "store": store,
            "external_id": cart.external_id,
            "generation": generation,
            "status": CartStatus.ACTIVE.value,
            "created_at": created_at,
            "first_activity_at": cart.updated_at if generation > 1 else _first_seen(cart),
        }
        for cart, generation, created_at in fresh
    ]
    connection.execute(insert(carts), rows)
    # Asking for the ids afterwards is one statement; RETURNING in the order of the rows would be one a row on SQLite.
    made = _latest(connection, store, [cart.external_id for cart, _, _ in fresh])
    _insert_items(connection, [(made[cart.external_id].id, cart) for cart, _, _ in fresh])
    return [made[cart.external_id].id for cart, _, _ in fresh]


def _update(
    connection: Connection, changed: Sequence[tuple[CartSnapshot, Row[Any]]], people: Any, *, now: datetime
) -> list[int]:
    """Write what is newer; an older sighting may still tell when the cart was created."""
    newer: list[tuple[int, CartSnapshot]] = []
    rows: list[dict[str, Any]] = []
    births: list[dict[str, Any]] = []
    back: list[int] = []
    for cart, row in changed:
        if _is_newer(cart, row):
            newer.append((row.id, cart))
            columns = _columns(cart, people) | {"erased": row.erased and cart.email is None}
            touched = cart.updated_at > row.last_activity_at or columns["contact_id"] != row.contact_id
            if touched and row.status in (CartStatus.ABANDONED, CartStatus.EXPIRED):
                back.append(row.id)
            rows.append({f"new_{name}": value for name, value in columns.items()} | {"cart": row.id})
        birth = min((at for at in (cart.created_at, row.created_at) if at), default=None)
        first = min(_first_seen(cart), row.first_activity_at)
        if row.generation == 1 and (birth, first) != (row.created_at, row.first_activity_at):
            births.append({"cart": row.id, "birth": birth, "first": first})
    if rows:
        names = [name.removeprefix("new_") for name in rows[0] if name != "cart"]
        statement = update(carts).where(carts.c.id == bindparam("cart"))
        connection.execute(statement.values({name: bindparam(f"new_{name}") for name in names}), rows)
        for chunk in chunks([id_ for id_, _ in newer]):
            connection.execute(delete(cart_items).where(cart_items.c.cart_id.in_(chunk)))
        _insert_items(connection, newer)
    if births:
        statement = update(carts).where(carts.c.id == bindparam("cart"))
        connection.execute(
            statement.values(created_at=bindparam("birth"), first_activity_at=bindparam("first")), births
        )
    _reactivate(connection, back, now=now)
    known = {id_ for id_, _ in newer}
    return [id_ for id_, _ in newer] + [birth["cart"] for birth in births if birth["cart"] not in known]


def _first_seen(cart: CartSnapshot) -> datetime:
    return min(at for at in (cart.first_seen_at, cart.created_at, cart.updated_at) if at)


def _is_newer(cart: CartSnapshot, row: Row[Any]) -> bool:
    if cart.updated_at != row.last_activity_at:
        return bool(cart.updated_at > row.last_activity_at)
    return not row.erased and bool(fingerprint(cart) != row.fingerprint)


def _reactivate(connection: Connection, cart_ids: Sequence[int], *, now: datetime) -> None:
    for chunk in chunks(list(cart_ids)):
        connection.execute(
            update(carts)
            .where(carts.c.id.in_(chunk))
            .values(status=CartStatus.ACTIVE.value, abandoned_at=None, awaits_enrollment=False)
        )
    enrollments.suspend_carts(connection, cart_ids, at=now)


def _columns(cart: CartSnapshot, people: Any) -> dict[str, Any]:
    return {
        "channel": cart.channel,
        "contact_id": people[cart.email] if cart.email else None,
        "phone": cart.phone,
        "checkout_token": cart.checkout_token,
        "cart_token": cart.cart_token,
        "first_name": cart.first_name,
        "last_name": cart.last_name,
        "locale": cart.locale,
        "timezone": cart.timezone,
        "currency": cart.currency,
        "total_minor": Money.of(cart.worth, cart.currency).minor,
        "total_given": cart.total is not None,
        "is_empty": cart.is_empty,
        "cart_url": cart.cart_url,
        "last_activity_at": cart.updated_at,
        "fingerprint": fingerprint(cart),
    }


def _insert_items(connection: Connection, pairs: Sequence[tuple[int, CartSnapshot]]) -> None:
    rows = [
        {
            "cart_id": cart_id,
            "position": position,
            "product_id": item.product_id,
            "sku": item.sku,
            "name": item.name,
            "variant": item.variant,
            "quantity": item.quantity,
            "unit_price_minor": price_minor(item, cart.currency),
            "image_url": item.image_url,
            "product_url": item.product_url,
        }
        for cart_id, cart in pairs
        for position, item in enumerate(cart.items)
    ]
    if rows:
        connection.execute(insert(cart_items), rows)


def _snapshot(connection: Connection, row: Row[Any]) -> CartSnapshot:
    """Read a cart back as the sighting it was written from."""
    email = None
    if row.contact_id is not None:
        email = connection.execute(
            select(contacts_table.c.email_normalised).where(contacts_table.c.id == row.contact_id)
        ).scalar_one()
    return CartSnapshot(
        external_id=row.external_id,
        updated_at=row.last_activity_at,
        created_at=row.created_at,
        channel=row.channel,
        email=email,
        phone=row.phone,
        first_name=row.first_name,
        last_name=row.last_name,
        locale=row.locale,
        timezone=row.timezone,
        currency=row.currency,
        total=Money.from_minor(row.total_minor, row.currency).amount if row.total_given else None,
        cart_url=row.cart_url,
        checkout_token=row.checkout_token,
        cart_token=row.cart_token,
        consent=Consent.UNKNOWN,
        items=items(connection, [row.id], {row.id: row.currency})[row.id],
    )


_ITEM = ("name", "variant", "sku", "product_id", "quantity", "image_url", "product_url")
_ITEMS = (
    select(cart_items.c.cart_id, cart_items.c.unit_price_minor, *(cart_items.c[name] for name in _ITEM))
    .where(among(cart_items.c.cart_id))
    .order_by(cart_items.c.cart_id)
)


Line = tuple[Any, ...]
"""What the database keeps of an item, for `as_items`."""


def items(connection: Connection, cart_ids: Sequence[int], currencies: dict[int, str]) -> dict[int, tuple[Item, ...]]:
    """Return the items of carts, dearest line first, prices in the cart's currency."""
    return {id_: as_items(found, currencies[id_]) for id_, found in lines(connection, cart_ids).items()}


def lines(connection: Connection, cart_ids: Sequence[int]) -> dict[int, list[Line]]:
    found: dict[int, list[Line]] = {id_: [] for id_ in cart_ids}
    for chunk in chunks(list(cart_ids)):
        for cart_id, *line in connection.execute(_ITEMS, {"ids": chunk}):
            found[cart_id].append(tuple(line))
    return found


def as_items(found: Iterable[Line], currency: str) -> tuple[Item, ...]:
    """Return lines as the items of their cart, dearest first."""
    made: list[Item] = []
    for minor, *rest in found:
        price = None if minor is None else Money.from_minor(minor, currency).amount
        made.append(Item(unit_price=price, **dict(zip(_ITEM, rest, strict=True))))
    return in_display_order(made)


def any_idle(connection: Connection, *, now: datetime, idle_after: timedelta) -> bool:
    """Say whether detection has anything to do, without taking a lock: most ticks have not."""
    return bool(connection.execute(select(_idle(now, idle_after).exists())).scalar_one())


def _idle(now: datetime, idle_after: timedelta) -> Select[Any]:
    return select(carts.c.id, carts.c.last_activity_at).where(
        carts.c.status == text("'active'"),  # spelt out, as in the partial index, so that the planner can use it
        text("NOT carts.is_empty"),
        carts.c.last_activity_at <= now - idle_after,
    )


def abandon_idle(
    connection: Connection, *, now: datetime, idle_after: timedelta, max_age: timedelta, limit: int
) -> dict[CartStatus, int]:
    """Mark at most `limit` idle carts as abandoned, or as expired where they are older than `max_age`."""
    idle = _idle(now, idle_after).order_by(carts.c.last_activity_at).limit(limit).with_for_update()
    rows = connection.execute(idle).all()
    by_status: dict[CartStatus, list[int]] = {CartStatus.ABANDONED: [], CartStatus.EXPIRED: []}
    for id_, last_activity_at in rows:
        too_old = now - last_activity_at > max_age
        by_status[CartStatus.EXPIRED if too_old else CartStatus.ABANDONED].append(id_)
    for status, ids in by_status.items():
        for chunk in chunks(ids):
            connection.execute(
                update(carts)
                .where(carts.c.id.in_(chunk))
                .values(
                    status=status.value,
                    abandoned_at=carts.c.last_activity_at,
                    first_abandoned_at=func.coalesce(carts.c.first_abandoned_at, carts.c.last_activity_at),
                    detected_at=func.coalesce(carts.c.detected_at, literal(now, UtcTime())),
                    awaits_enrollment=status == CartStatus.ABANDONED,
                )
            )
    return {status: len(ids) for status, ids in by_status.items()}


_AWAITS = text("carts.awaits_enrollment")
"""Spelt as in the partial index: SQLAlchemy would write `= 1` for SQLite, whose planner then sees another condition."""


def any_awaiting(connection: Connection) -> bool:
    return bool(connection.execute(select(select(carts.c.id).where(_AWAITS).exists())).scalar_one())


def awaiting_enrollment(connection: Connection, *, limit: int) -> Sequence[Row[Any]]:
    """Return carts that detection found abandoned and no sequence has looked at yet."""
    return connection.execute(
        select(carts, contacts_table.c.email_normalised, contacts_table.c.consent)
        .outerjoin(contacts_table, contacts_table.c.id == carts.c.contact_id)
        .where(_AWAITS)
        .order_by(carts.c.id)
        .limit(limit)
        .with_for_update(of=carts)
    ).all()


def enrollment_done(connection: Connection, cart_ids: Sequence[int]) -> None:
    for chunk in chunks(list(cart_ids)):
        connection.execute(update(carts).where(carts.c.id.in_(chunk)).values(awaits_enrollment=False))

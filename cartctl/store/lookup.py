"""Finding what a person asks for by name: a cart by its id, a shopper by the address; or what was probably meant."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from cartctl.domain.identity import NOBODY, mask_email, normalise_email, without_addresses
from cartctl.store.tables import carts, contacts, enrollments

_CANDIDATES = 20_000
"""More names are not compared: this is for a person who waits."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """Every generation of the carts, oldest first, each with its `email_normalised`. `contact_ids`: whose.

    Of an address: the carts that are that shopper's now, and those about which they are or were written to.
    """

    carts: tuple[Row[Any], ...] = ()
    contact_ids: tuple[int, ...] = ()
    is_person: bool = False
    """Whether an address was asked for."""

    def __bool__(self) -> bool:
        return bool(self.carts or self.contact_ids)


def find(connection: Connection, name: str, *, store: str | None = None) -> Found:
    """Return the cart with this id, in one store or in whichever, else what is known of this e-mail address."""
    name = name.strip()
    stores = carts.c.store.in_(_stores(connection) if store is None else [store])
    by_id = connection.execute(_carts().where(carts.c.external_id == name, stores)).all()
    if by_id:
        return Found(tuple(by_id), tuple(sorted({row.contact_id for row in by_id if row.contact_id})))
    email = normalise_email(name)
    contact = connection.execute(select(contacts.c.id).where(contacts.c.email_normalised == email)).scalar()
    if contact is None or "@" not in name:
        return Found()
    about = select(enrollments.c.cart_id).where(enrollments.c.contact_id == contact)
    theirs = _carts().where((carts.c.contact_id == contact) | carts.c.id.in_(about))
    found = theirs if store is None else theirs.where(stores)
    return Found(tuple(connection.execute(found).all()), (contact,), is_person=True)


def _stores(connection: Connection) -> list[str]:
    """Return the stores to look into: an index leads from each to its carts."""
    found: list[str] = []
    least = select(func.min(carts.c.store))
    name = connection.execute(least).scalar()
    while name is not None:
        found.append(name)
        name = connection.execute(least.where(carts.c.store > name)).scalar()
    return found


def unknown(connection: Connection, name: str, *, store: str | None = None, what: str = "") -> str:
    """Say that there is no cart and no address of this name, and what is near. `what`: which was asked for."""
    if not name.strip():
        return "a blank is no name: say a cart's id or a shopper's e-mail address"
    kind = what or ("cart and no address" if "@" in name else "cart")
    shown = mask_email(name) if "@" in name else name
    near = nearest(connection, name)
    hint = f"the nearest: {', '.join(near)}" if near else "nothing is near it either"
    return f"no {kind} {shown}{'' if store is None else f' in store {store}'}: {hint}"


def nearest(connection: Connection, name: str) -> list[str]:
    """Return what is spelt most like `name`, addresses masked, each with a cart of that shopper."""
    if "@" not in name:
        ids = _candidates(connection, carts.c.external_id, name.strip())
        return [without_addresses(id_) for id_ in _close(name.strip(), ids)]
    email = normalise_email(name)
    shown: list[str] = []
    known = [one for one in _candidates(connection, contacts.c.email_normalised, email) if not one.endswith(NOBODY)]
    for close in _close(email, known):
        cart = _carts().where(contacts.c.email_normalised == close)
        row = connection.execute(cart.order_by(None).order_by(carts.c.id.desc()).limit(1)).first()
        shown.append(f"{mask_email(close)} (cart {without_addresses(row.external_id)})" if row else mask_email(close))
    return shown


def _carts() -> Any:
    return (
        select(carts, contacts.c.email_normalised)
        .outerjoin(contacts, contacts.c.id == carts.c.contact_id)
        .order_by(carts.c.store, carts.c.external_id, carts.c.generation)
    )


def _candidates(connection: Connection, column: ColumnElement[str], name: str) -> list[str]:
    """Return what begins alike, and of the rest as much as a person may wait for: all, but in a large shop."""
    everything = select(column).limit(_CANDIDATES)
    alike = everything.where(column.startswith(name[:2], autoescape=True))
    return [text for statement in (alike, everything) for text in connection.execute(statement).scalars()]


def _close(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, sorted(set(known)), n=_SHOWN, cutoff=0.6)

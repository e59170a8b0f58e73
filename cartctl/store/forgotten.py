"""Who asked to be forgotten, and how an import that still has them meets that: it counts, and says nothing of them.

`strike` makes the staged sightings anonymous before anything is saved, so every way of saving sees the same. It takes
the address, and what stands beside it, from

1. rows with the address of somebody who was forgotten, and rows of the same cart or order that bear no address,
2. rows that show a cart or an order as it was before it was erased: for whatever reason, see `erasing`.

`mark` then notes on the carts and orders that came of the first kind that they are to stay so. Where nobody was ever
forgotten and nothing erased, all of this is three look-ups.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, text

from cartctl.domain.identity import address_pattern, names_pattern
from cartctl.store import keys
from cartctl.store.contacts import email_hash
from cartctl.store.erasing import CART_BLANKS, ORDER_BLANKS, stand_in, without_names
from cartctl.store.sql import chunks, insert_missing
from cartctl.store.tables import carts, forgotten, orders

_PAGE = 5000
_BLANKS = {"carts": CART_BLANKS, "orders": ORDER_BLANKS}
_IDS = {"carts": ("external_id",), "orders": ("external_id", "cart_ref")}
"""The shop's own ids stay; an address that stands in one does not."""
_STRIKE = "UPDATE staged_{kind} SET email = NULL, consent = 'unknown', {blanks} WHERE row IN ({rows})"
_OF_PEOPLE = "SELECT row FROM struck_{kind}"
_FIND_PEOPLE = """
INSERT INTO struck_{kind} (row)
SELECT row FROM staged_{kind}
WHERE digest IS NOT NULL
  AND (email IN (SELECT email FROM struck_people)
       OR (email IS NULL AND key IN (
         SELECT key FROM staged_{kind} WHERE email IN (SELECT email FROM struck_people))))
"""
_OF_ERASED = {
    "carts": """
SELECT row FROM staged_carts AS staged
WHERE EXISTS (
  SELECT 1 FROM carts AS known
  WHERE known.store = :store AND known.external_id = staged.external_id AND known.erased
    AND known.last_activity_at >= staged.updated_at)
""",
    "orders": """
SELECT row FROM staged_orders AS staged
WHERE EXISTS (
  SELECT 1 FROM orders AS known
  WHERE known.store = :store AND known.external_id = staged.external_id AND known.erased)
""",
}
"""Not joins: SQLite would look through all of the file for each of the erased."""
_MARK = """
UPDATE {kind} SET erased = true{more}
WHERE store = :store AND contact_id IS NULL AND external_id IN (
  SELECT external_id FROM staged_{kind} WHERE row IN (SELECT row FROM struck_{kind}))
"""


def since(connection: Connection, hash_: str) -> datetime | None:
    """Return when the person was forgotten; None: they were not."""
    return connection.execute(select(forgotten.c.at).where(forgotten.c.email_hash == hash_)).scalar()


def hashes(connection: Connection) -> frozenset[str]:
    """Return the keyed hash of everybody who was forgotten."""
    return frozenset(connection.execute(select(forgotten.c.email_hash)).scalars())


def erased(connection: Connection, kind: str, store: str, external_ids: Sequence[str]) -> set[str]:
    """Return those of these carts or orders (`kind`) that were erased."""
    table = {"carts": carts, "orders": orders}[kind]
    found: set[str] = set()
    for chunk in chunks(external_ids):
        wanted = select(table.c.external_id).where(table.c.store == store, table.c.external_id.in_(chunk))
        found.update(connection.execute(wanted.where(table.c.erased)).scalars())
    return found


def add(connection: Connection, hash_: str, *, at: datetime) -> None:
    """Note for ever, by the keyed hash alone, that this address must not come back."""
    insert_missing(connection, forgotten, [{"email_hash": hash_, "at": at}], ["email_hash"])


def strike(connection: Connection, store: str, *, now: datetime) -> bool:
    """Make staged sightings anonymous, before anything is saved; return whether `mark` is to follow that."""
    for kind, rows in _OF_ERASED.items():
        if connection.execute(text(f"SELECT 1 FROM {kind} WHERE erased LIMIT 1")).first():
            _strike(connection, kind, rows, store=store)
    known = hashes(connection)
    if not known:
        return False
    hashing_key = keys.key(connection, keys.HASHING, now=now).encode()
    for name, column in (("people", "email TEXT"), ("carts", "row INTEGER"), ("orders", "row INTEGER")):
        connection.execute(text(f"DROP TABLE IF EXISTS struck_{name}"))
        connection.execute(text(f"CREATE TEMPORARY TABLE struck_{name} ({column} PRIMARY KEY)"))
    for kind in _BLANKS:
        people = [{"email": email} for email in _emails(connection, kind) if email_hash(hashing_key, email) in known]
        if people:
            connection.execute(text("INSERT INTO struck_people VALUES (:email) ON CONFLICT DO NOTHING"), people)
    if not connection.execute(text("SELECT 1 FROM struck_people LIMIT 1")).first():
        return False
    for kind in _BLANKS:
        connection.execute(text(_FIND_PEOPLE.format(kind=kind)))
    _take_out_of_ids(connection, hashing_key)
    _take_out_of_items(connection)
    for kind in _BLANKS:
        _strike(connection, kind, _OF_PEOPLE.format(kind=kind))
    return True


def mark(connection: Connection, store: str) -> None:
    """Note that what was saved of people who were forgotten is erased, and stays so."""
    for kind, more in (("carts", ", fingerprint = ''"), ("orders", "")):
        connection.execute(text(_MARK.format(kind=kind, more=more)), {"store": store})


def _strike(connection: Connection, kind: str, rows: str, **values: str) -> None:
    blanks = ", ".join(f"{name} = {'NULL' if blank is None else repr(blank)}" for name, blank in _BLANKS[kind].items())
    connection.execute(text(_STRIKE.format(kind=kind, blanks=blanks, rows=rows)), values)


def _emails(connection: Connection, kind: str) -> Iterator[str]:
    """Yield every address of the file once; nothing is written meanwhile."""
    found = text(f"SELECT DISTINCT email FROM staged_{kind} WHERE email IS NOT NULL")
    yield from connection.execute(found, execution_options={"yield_per": _PAGE}).scalars()


def _take_out_of_ids(connection: Connection, hashing_key: bytes) -> None:
    for kind, names in _IDS.items():
        columns = ", ".join(names)
        rows = connection.execute(
            text(f"SELECT row, email, {columns} FROM staged_{kind} WHERE email IN (SELECT email FROM struck_people)")
        ).all()
        for row in rows:
            wanted, instead = address_pattern(row.email), stand_in(email_hash(hashing_key, row.email))
            for name in names:
                old = getattr(row, name)
                if wanted.search(old):
                    connection.execute(
                        text(f"UPDATE staged_{kind} SET {name} = :new WHERE row = :row"),
                        {"new": wanted.sub(instead, old), "row": row.row},
                    )


def _take_out_of_items(connection: Connection) -> None:
    """A product that was made for somebody may bear their name or address."""
    named = {
        row.row: pattern
        for row in connection.execute(
            text("""
            SELECT row, email, first_name, last_name FROM staged_carts WHERE row IN (SELECT row FROM struck_carts)
            """)
        )
        if (pattern := names_pattern((row.email or "", row.first_name, row.last_name)))
    }
    items = connection.execute(
        text("""
        SELECT item.run, item.number, product.* FROM staged_items AS item
        JOIN staged_products AS product ON product.product = item.product
        WHERE item.run IN (SELECT row FROM struck_carts)
        """)
    ).all()
    last: int = connection.execute(text("SELECT COALESCE(MAX(product), 0) FROM staged_products")).scalar_one()
    for item in items:
        changed = without_names(item, named[item.run]) if item.run in named else {}
        if not changed:
            continue
        last += 1
        columns = list(item._fields[2:])
        values = item._asdict() | changed | {"product": last}
        marks = ", ".join(f":{name}" for name in columns)
        connection.execute(text(f"INSERT INTO staged_products ({', '.join(columns)}) VALUES ({marks})"), values)
        connection.execute(
            text("UPDATE staged_items SET product = :product WHERE number = :number"),
            {"product": last, "number": item.number},
        )

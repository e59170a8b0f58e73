"""Saving what a file staged, in SQL as far as it is plain: each step is one statement over all carts of the file.

A cart is plain when all its rows say the same of it, and the database does not know it yet, or knows just that: the
greater part of every export. What is not plain (two sightings in one file, a newer state, a price that minor units do
not hold) is left in `left_carts`, `left_items` and `left_orders` for `carts.save` and `orders.save`, which know every
rule. Both ways come to the same database.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from cartctl.domain.purchases import PurchaseRules, is_purchase
from cartctl.store import fingerprints
from cartctl.store.carts import Saved
from cartctl.store.instants import from_micros, to_micros

_MAX_WORTH = 10**13
"""In minor units. A cart or order worth more is looked at in Python, which may find it absurd."""
_HALF = 2**31
"""Digests are added up in halves: those of a million rows that bear one cart's id would pass the largest integer."""

_TABLES = {
    "cart_keys": "key TEXT PRIMARY KEY, head INTEGER, quantity BIGINT, worth BIGINT, contents BIGINT, plain BOOLEAN",
    "order_keys": "key TEXT PRIMARY KEY, head INTEGER, plain BOOLEAN",
    "fresh_carts": "head INTEGER PRIMARY KEY, quantity BIGINT, worth BIGINT, contents BIGINT",
    **dict.fromkeys(("same_carts", "fresh_orders", "same_orders"), "head INTEGER PRIMARY KEY"),
    "placed": "run INTEGER PRIMARY KEY, head INTEGER NOT NULL",
    "bought_statuses": "status TEXT PRIMARY KEY",
}

_CART_KEYS = f"""
INSERT INTO cart_keys (key, head, quantity, worth, contents, plain)
SELECT key, MIN(CASE WHEN digest IS NOT NULL THEN row END), SUM(quantity), SUM(worth),
       CASE WHEN SUM(lines) <= {fingerprints.MAX_LINES}
            THEN SUM(contents / {_HALF}) * {_HALF} + SUM(contents % {_HALF}) END,
       COUNT(digest) = COUNT(*)
       AND MIN(digest) = MAX(digest)
       AND MIN(external_id) = MAX(external_id)
       AND MIN(updated_at) = MAX(updated_at)
       AND MIN(CASE WHEN digest IS NOT NULL THEN COALESCE(created_at, -1) END)
         = MAX(CASE WHEN digest IS NOT NULL THEN COALESCE(created_at, -1) END)
       AND MIN(consent) = MAX(consent)
       AND MIN(change) >= 0 AND MAX(change) <= CASE COUNT(*) WHEN 1 THEN 2 ELSE 0 END
       AND COUNT(worth) = COUNT(*) AND SUM(worth) <= {_MAX_WORTH}
       AND SUM(lines) <= {fingerprints.MAX_LINES}
FROM staged_carts GROUP BY key
"""

_FRESH_CARTS = """
INSERT INTO fresh_carts (head, quantity, worth, contents)
SELECT keys.head, keys.quantity, keys.worth, keys.contents
FROM cart_keys AS keys JOIN staged_carts AS cart ON cart.row = keys.head
WHERE keys.plain
  AND NOT EXISTS (SELECT 1 FROM carts WHERE store = :store AND external_id = cart.external_id)
  AND (keys.key = cart.external_id OR NOT EXISTS (
    SELECT 1 FROM staged_carts AS other WHERE other.external_id = cart.external_id AND other.key <> keys.key))
ORDER BY keys.head
"""

# "Known just so" leaves nothing to write: not even an earlier creation, and no purchase after which it begins anew.
_SAME_CARTS = """
INSERT INTO same_carts (head)
SELECT keys.head
FROM cart_keys AS keys
JOIN staged_carts AS cart ON cart.row = keys.head
JOIN carts AS known ON known.store = :store AND known.external_id = cart.external_id
LEFT JOIN orders ON orders.id = known.order_id
WHERE keys.plain
  AND NOT EXISTS (SELECT 1 FROM carts AS later
                  WHERE later.store = :store AND later.external_id = cart.external_id
                    AND later.generation > known.generation)
  AND known.last_activity_at = cart.updated_at
  AND (known.erased OR known.fingerprint = CAST(cart.digest + keys.contents AS TEXT))
  AND (orders.id IS NULL OR cart.updated_at <= orders.placed_at + :slack)
  AND (known.generation > 1 OR (
    (cart.created_at IS NULL OR known.created_at <= cart.created_at)
    AND known.first_activity_at <= cart.updated_at
    AND (cart.created_at IS NULL OR known.first_activity_at <= cart.created_at)))
"""

# The newest answer of each address as one number: its time, and in the last two bits 2 for a refusal, 1 for a grant.
_CONTACTS = """
INSERT INTO contacts (email_normalised, consent, consent_at, consent_source)
SELECT email, CASE said % 4 WHEN 2 THEN 'refused' WHEN 1 THEN 'granted' ELSE 'unknown' END, said / 4,
       CASE WHEN said IS NULL THEN '' ELSE :source END
FROM (
  SELECT email, MAX(CASE consent WHEN 'refused' THEN {at} * 4 + 2 WHEN 'granted' THEN {at} * 4 + 1 END) AS said
  FROM (SELECT head FROM fresh_{kind} UNION ALL SELECT head FROM same_{kind}) AS done
  JOIN staged_{kind} AS staged ON staged.row = done.head
  WHERE email IS NOT NULL
  GROUP BY email
) AS heard
WHERE true
ON CONFLICT (email_normalised) DO UPDATE
SET consent = excluded.consent, consent_at = excluded.consent_at, consent_source = excluded.consent_source
WHERE excluded.consent <> 'unknown' AND (
  contacts.consent_at IS NULL OR contacts.consent_at < excluded.consent_at
  OR (contacts.consent_at = excluded.consent_at AND contacts.consent = 'granted' AND excluded.consent = 'refused'))
"""

_INSERT_CARTS = """
INSERT INTO carts (
  id, store, external_id, generation, channel, contact_id, phone, checkout_token, cart_token, first_name, last_name,
  locale, timezone, currency, total_minor, total_given, is_empty, cart_url, created_at, first_activity_at,
  last_activity_at, fingerprint, status)
SELECT :base + cart.row, :store, cart.external_id, 1, cart.channel, contacts.id, cart.phone, cart.checkout_token,
  cart.cart_token, cart.first_name, cart.last_name, cart.locale, cart.timezone, cart.currency,
  COALESCE(cart.total_minor, fresh.worth), cart.total_minor IS NOT NULL,
  fresh.quantity = 0 AND COALESCE(cart.total_minor, fresh.worth) <= 0 AND cart.total IS NULL,
  cart.cart_url, cart.created_at,
  CASE WHEN cart.created_at < cart.updated_at THEN cart.created_at ELSE cart.updated_at END,
  cart.updated_at, CAST(cart.digest + fresh.contents AS TEXT), 'active'
FROM fresh_carts AS fresh
JOIN staged_carts AS cart ON cart.row = fresh.head
LEFT JOIN contacts ON contacts.email_normalised = cart.email
ORDER BY fresh.head
"""

_PLACED = """
INSERT INTO placed (run, head)
SELECT run.row, keys.head
FROM staged_carts AS run
JOIN cart_keys AS keys ON keys.key = run.key
JOIN fresh_carts AS fresh ON fresh.head = keys.head
"""

_PLACED_ALONE = "INSERT INTO placed (run, head) SELECT head, head FROM fresh_carts"
"""The same where each cart has one run."""

_INSERT_ITEMS = """
INSERT INTO cart_items (
  cart_id, position, product_id, sku, name, variant, quantity, unit_price_minor, image_url, product_url)
SELECT :base + placed.head, item.number, product.product_id, product.sku, product.name, product.variant,
  product.quantity, product.unit_price_minor, product.image_url, product.product_url
FROM staged_items AS item
JOIN placed ON placed.run = item.run
JOIN staged_products AS product ON product.product = item.product
"""

_ORDER_KEYS = f"""
INSERT INTO order_keys (key, head, plain)
SELECT key, MIN(CASE WHEN digest IS NOT NULL THEN row END),
       COUNT(digest) > 0
       AND MIN(digest) = MAX(digest)
       AND MIN(external_id) = MAX(external_id)
       AND MIN(placed_at) = MAX(placed_at)
       AND MIN(CASE WHEN digest IS NOT NULL THEN COALESCE(updated_at, -1) END)
         = MAX(CASE WHEN digest IS NOT NULL THEN COALESCE(updated_at, -1) END)
       AND MIN(consent) = MAX(consent)
       AND CASE WHEN MAX(total_minor) IS NULL THEN COUNT(line_amount) = 0 ELSE MAX(total_minor) <= {_MAX_WORTH} END
FROM staged_orders GROUP BY key
"""

_FRESH_ORDERS = """
INSERT INTO fresh_orders (head)
SELECT keys.head
FROM order_keys AS keys JOIN staged_orders AS placed ON placed.row = keys.head
WHERE keys.plain
  AND NOT EXISTS (SELECT 1 FROM orders WHERE store = :store AND external_id = placed.external_id)
  AND (keys.key = placed.external_id OR NOT EXISTS (
    SELECT 1 FROM staged_orders AS other WHERE other.external_id = placed.external_id AND other.key <> keys.key))
ORDER BY keys.head
"""

_ORDER_VALUES = """
  placed.channel, contacts.id AS contact_id, placed.phone, placed.cart_ref, placed.checkout_token, placed.cart_token,
  placed.status, bought.status IS NOT NULL AS is_purchase, placed.currency,
  COALESCE(placed.total_minor, 0) AS total_minor, placed.total_minor IS NOT NULL AS total_given,
  CASE WHEN bought.status IS NULL OR placed.refunded_minor > COALESCE(placed.total_minor, 0) THEN 0
       ELSE COALESCE(placed.total_minor, 0) - placed.refunded_minor END AS net_minor,
  placed.coupon, placed.placed_at, placed.updated_at
"""

_INSERT_ORDERS = f"""
INSERT INTO orders (
  store, external_id, imported_at, channel, contact_id, phone, cart_ref, checkout_token, cart_token,
  status, is_purchase, currency, total_minor, total_given, net_minor, coupon, placed_at, updated_at)
SELECT :store, placed.external_id, :now, {_ORDER_VALUES}
FROM fresh_orders AS fresh
JOIN staged_orders AS placed ON placed.row = fresh.head
LEFT JOIN contacts ON contacts.email_normalised = placed.email
LEFT JOIN bought_statuses AS bought ON bought.status = placed.status
ORDER BY fresh.head
"""

# A file that does not tell the total says nothing of the one that is known, be it its cart's or another file's.
_SAME_ORDERS = f"""
INSERT INTO same_orders (head)
SELECT told.head
FROM (
  SELECT keys.head, placed.external_id, placed.refunded_minor, {_ORDER_VALUES}
  FROM order_keys AS keys
  JOIN staged_orders AS placed ON placed.row = keys.head
  LEFT JOIN contacts ON contacts.email_normalised = placed.email
  LEFT JOIN bought_statuses AS bought ON bought.status = placed.status
  WHERE keys.plain
) AS told
JOIN orders AS known ON known.store = :store AND known.external_id = told.external_id
WHERE {{same}}
  AND CASE WHEN told.total_given
           THEN known.total_given AND known.currency = told.currency AND known.total_minor = told.total_minor
                AND known.net_minor = told.net_minor
           ELSE told.refunded_minor = 0
                AND known.net_minor = CASE WHEN told.is_purchase THEN known.total_minor ELSE 0 END END
"""
_COMPARED = (
    *("channel", "contact_id", "phone", "cart_ref", "checkout_token", "cart_token", "status", "is_purchase"),
    *("coupon", "placed_at", "updated_at"),
)

_LEFT = """
INSERT INTO left_{kind}
SELECT staged.*
FROM {kind_one}_keys AS keys
LEFT JOIN fresh_{kind} AS fresh ON fresh.head = keys.head
LEFT JOIN same_{kind} AS same ON same.head = keys.head
JOIN staged_{kind} AS staged ON staged.key = keys.key
WHERE fresh.head IS NULL AND same.head IS NULL
"""

_LEFT_ITEMS = """
INSERT INTO left_items
SELECT run.key, item.run, item.number, product.*
FROM staged_items AS item
JOIN left_carts AS run ON run.row = item.run
JOIN staged_products AS product ON product.product = item.product
"""


def prepare(connection: Connection) -> None:
    """Make the temporary tables that the merge of one file uses."""
    sqlite = connection.dialect.name == "sqlite"
    for kind, columns in (("carts", "*"), ("items", "'' AS key, run, number, staged_products.*"), ("orders", "*")):
        connection.execute(text(f"DROP TABLE IF EXISTS left_{kind}"))
        tables = "staged_items, staged_products" if kind == "items" else f"staged_{kind}"
        source = f"SELECT {columns} FROM {tables} WHERE false"
        connection.execute(text(f"CREATE TEMPORARY TABLE left_{kind} AS {source}"))
    for name, columns in _TABLES.items():
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
        alone = " WITHOUT ROWID" if sqlite and "TEXT PRIMARY KEY" in columns else ""
        connection.execute(text(f"CREATE TEMPORARY TABLE {name} ({columns}){alone}"))


def plain_carts(connection: Connection, store: str, *, slack: timedelta, source: str) -> tuple[Saved, int]:
    """Save the plain carts. Returns the counts, and the id after which the new carts come."""
    keys = _run(connection, _CART_KEYS)
    if _scalar(connection, "SELECT 1 FROM staged_carts WHERE key <> external_id LIMIT 1"):
        _run(connection, "CREATE INDEX staged_carts_by_id ON staged_carts (external_id)")
    fresh = _run(connection, _FRESH_CARTS, store=store)
    same = 0
    if fresh < keys:
        same = _run(connection, _SAME_CARTS, store=store, slack=slack // timedelta(microseconds=1))
    if fresh or same:
        _run(connection, _CONTACTS.format(kind="carts", at="updated_at"), source=source)
    base = _reserve_ids(connection, _scalar(connection, "SELECT MAX(row) FROM staged_carts") or 0)
    if fresh:
        _run(connection, _INSERT_CARTS, store=store, base=base)
        runs = _scalar(connection, "SELECT COUNT(*) FROM staged_carts")
        _run(connection, _PLACED_ALONE if runs == keys else _PLACED)
        _run(connection, _INSERT_ITEMS, base=base)
    if fresh + same < keys:
        _leave(connection, "carts")
        _run(connection, _LEFT_ITEMS)
        _run(connection, "CREATE INDEX left_items_by_key ON left_items (key)")
    return Saved(created=fresh, unchanged=same), base


def plain_orders(
    connection: Connection, store: str, rules: PurchaseRules, *, now: datetime, source: str
) -> tuple[Saved, int]:
    """Save the plain orders. Returns the counts, and the id after which the new orders come."""
    before = _scalar(connection, "SELECT MAX(id) FROM orders") or 0
    keys = _run(connection, _ORDER_KEYS)
    if _scalar(connection, "SELECT 1 FROM staged_orders WHERE key <> external_id LIMIT 1"):
        _run(connection, "CREATE INDEX staged_orders_by_id ON staged_orders (external_id)")
    statuses = connection.execute(text("SELECT DISTINCT status FROM staged_orders WHERE status IS NOT NULL")).scalars()
    bought = [{"status": status} for status in statuses.all() if is_purchase(status, rules.not_purchases)]
    if bought:
        connection.execute(text("INSERT INTO bought_statuses (status) VALUES (:status)"), bought)
    fresh = _run(connection, _FRESH_ORDERS, store=store)
    same = 0
    if fresh < keys:
        compared = " AND ".join(f"known.{name} IS NOT DISTINCT FROM told.{name}" for name in _COMPARED)
        same = _run(connection, _SAME_ORDERS.format(same=compared), store=store)
    if fresh or same:
        _run(connection, _CONTACTS.format(kind="orders", at="placed_at"), source=source)
    if fresh:
        _run(connection, _INSERT_ORDERS, store=store, now=to_micros(now))
    if fresh + same < keys:
        _leave(connection, "orders")
    return Saved(created=fresh, unchanged=same), before


def unmatchable(connection: Connection) -> int:
    """Count the staged orders in which nothing could ever close a cart."""
    blank = " AND ".join(
        f"COALESCE(MAX({name}), '') = ''" for name in ("email", "phone", "cart_ref", "checkout_token", "cart_token")
    )
    keys = f"SELECT key FROM staged_orders GROUP BY key HAVING COUNT(digest) > 0 AND {blank}"
    return int(_scalar(connection, f"SELECT COUNT(*) FROM ({keys}) AS orders"))


def newest_orders(connection: Connection) -> dict[str, datetime]:
    """Return the channels of the staged orders, with the time at which the newest of each was placed."""
    newest = "SELECT channel, MAX(placed_at) FROM staged_orders WHERE digest IS NOT NULL GROUP BY channel"
    return {channel: from_micros(placed_at) for channel, placed_at in connection.execute(text(newest))}


def _leave(connection: Connection, kind: str) -> None:
    """Set aside what is not plain, by key."""
    _run(connection, _LEFT.format(kind=kind, kind_one=kind.removesuffix("s")))
    _run(connection, f"CREATE INDEX left_{kind}_by_key ON left_{kind} (key, row)")


def _reserve_ids(connection: Connection, count: int) -> int:
    """Reserve `count` cart ids; return the number before the first. Nobody else inserts carts meanwhile."""
    if connection.dialect.name == "sqlite":
        return _scalar(connection, "SELECT MAX(id) FROM carts") or 0
    sequence = "pg_get_serial_sequence('carts', 'id')"
    last: int = _scalar(connection, f"SELECT setval({sequence}, nextval({sequence}) + {count})")
    return last - count


def _run(connection: Connection, statement: str, **values: Any) -> int:
    return connection.execute(text(statement), values).rowcount


def _scalar(connection: Connection, statement: str) -> Any:
    return connection.execute(text(statement)).scalar()

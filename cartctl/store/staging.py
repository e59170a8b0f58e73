"""The lines of one file, staged in temporary tables that nobody else sees, so that a file of any size needs no memory.

Lines of one cart that follow each other and say the same of it are one *run*: one row, its items beside it. `merging`
then saves plain carts and orders in SQL; the rest is handed out here, cart by cart, to be put together in Python.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from cartctl.domain.carts import CartSnapshot, Item, OrderRecord
from cartctl.store import staged
from cartctl.store.database import EngineDatabase
from cartctl.store.instants import to_micros

_BATCH = 5000
_MAX_WORTH = 10**13
"""In minor units. A run worth more is put together in Python, which has no largest integer."""
_CACHED_ITEMS = 20_000
_PAGE = 2000


@dataclass(frozen=True, slots=True)
class CartRun:
    """Rows `row` … `row + rows - 1` of the file: one sighting of a cart (None: continuation rows), with items."""

    row: int
    rows: int
    key: str
    change: int
    cart: CartSnapshot | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class OrderRun:
    """The same for an order; `line_amount` is the sum over its lines, None where none has one."""

    row: int
    rows: int
    key: str
    order: OrderRecord | None
    line_amount: Decimal | None


class Staging:
    """The staged lines of one file: added once, in the order of the file; then merged inside `write`."""

    def __init__(self, database: EngineDatabase, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._buffers: dict[str, list[tuple[Any, ...]]] = {name: [] for name in staged.TABLES}
        self._cart: staged.OpenCart | None = None
        self._order: staged.OpenOrder | None = None
        self._items: dict[str, dict[int, staged.StagedItem]] = {}
        self._number = self._products = 0
        with connection.begin():
            for name, columns in staged.TABLES.items():
                connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
                layout = ", ".join(f"{column} {kind}" for column, kind in columns.items())
                connection.execute(text(f"CREATE TEMPORARY TABLE {name} ({layout})"))

    def add_cart(self, row: int, key: str, cart: CartSnapshot | None, items: Sequence[Item], change: int) -> None:
        """Stage one row of a cart. Rows come in ascending order."""
        run = self._cart
        if run is None or not run.goes_on(row, key, cart, change):
            self._close_cart()
            run = self._cart = staged.OpenCart(row, key, cart, change)
        run.rows = row - run.row + 1
        run.contents = staged.add_up(run.contents, self._add_items(run.row, items, run.currency))

    def add_carts(
        self,
        row: Sequence[int],
        rows: Sequence[int],
        fields: Mapping[str, Sequence[Any]],
        items: Sequence[tuple[Item, ...]],
    ) -> None:
        """Stage many carts at once, field by field."""
        self._close_cart()
        contents = [
            self._add_items(number, of_cart, code)
            for number, of_cart, code in zip(row, items, fields["currency"], strict=True)
        ]
        self._buffers["staged_carts"] += staged.cart_rows(row, rows, fields, contents)
        if len(self._buffers["staged_carts"]) >= _BATCH:
            self._flush("staged_carts")

    def _add_items(self, run: int, items: Sequence[Item], currency: str) -> staged.Contents:
        """Stage the items of one run; return their sum."""
        known = self._items.setdefault(currency, {})
        buffer = self._buffers["staged_items"]
        contents = staged.NOTHING
        for item in items:
            product = known.get(id(item)) or self._product(item, currency)
            self._number += 1
            buffer.append((run, self._number, product.product))
            contents = product.contents if contents is staged.NOTHING else staged.add_up(contents, product.contents)
        if len(buffer) >= _BATCH:
            self._flush("staged_items")
        return contents

    def add_order(self, row: int, key: str, order: OrderRecord | None, line_amount: Decimal | None) -> None:
        run = self._order
        if run is None or not run.goes_on(row, key, order):
            self._close_order()
            run = self._order = staged.OpenOrder(row, key, order)
        run.rows = row - run.row + 1
        if line_amount is not None:
            run.line_amount = line_amount + (run.line_amount or 0)

    def add_delivery(self, digest: bytes, state: str, at: datetime, subject: str) -> None:
        """Stage a webhook that is to be remembered: see `events.remember_staged`."""
        self._buffers["staged_deliveries"].append((digest.hex(), state, to_micros(at), subject))
        if len(self._buffers["staged_deliveries"]) >= _BATCH:
            self._flush("staged_deliveries")

    def reject(self, row: int, column: str, reason: str) -> None:
        """Note a row that turned out wrong when the lines of its cart or order were put together."""
        self._buffers["staged_rejects"].append((row, column, reason))
        if len(self._buffers["staged_rejects"]) >= _BATCH:
            self._flush("staged_rejects", inside=True)

    def rejects(self) -> Iterator[Row[Any]]:
        """Yield (row, place, reason) of these rows, in the order of the file."""
        self._flush("staged_rejects", inside=True)
        page = text("SELECT row, place, reason FROM staged_rejects WHERE row > :row ORDER BY row LIMIT :n")
        row = -1
        while rows := self._connection.execute(page, {"row": row, "n": _PAGE}).all():
            yield from rows
            row = rows[-1].row

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open the transaction that makes the file take effect; alone with the carts and orders."""
        self._close_cart()
        self._close_order()
        for name in staged.TABLES:
            self._flush(name)
        if self._connection.dialect.name == "postgresql":
            with self._connection.begin():
                for name in staged.TABLES:
                    self._connection.execute(text(f"ANALYZE {name}"))
        self._connection.execution_options(cartctl_write=True)
        with self._connection.begin():
            self._database.open_write(self._connection, "change")
            yield self._connection

    def cart_groups(self) -> Iterator[list[CartRun]]:
        """Yield all runs of each cart in `left_carts`, cart after cart."""
        for low, high in self._pages("left_carts"):
            items: dict[int, list[Item]] = {}
            runs = self._range("left_carts", "key, row", low, high)
            currencies = {run.row: run.currency for run in runs}
            for item in self._range("left_items", "number", low, high):
                items.setdefault(item.run, []).append(staged.item_of(item, currencies[item.run]))
            for group in _groups(runs):
                yield [
                    CartRun(run.row, run.rows, run.key, run.change, staged.cart_of(run), tuple(items.get(run.row, ())))
                    for run in group
                ]

    def order_groups(self) -> Iterator[list[OrderRun]]:
        """Yield all runs of each order in `left_orders`, order after order."""
        for low, high in self._pages("left_orders"):
            for group in _groups(self._range("left_orders", "key, row", low, high)):
                yield [
                    OrderRun(run.row, run.rows, run.key, staged.order_of(run), staged.decimal_of(run.line_amount))
                    for run in group
                ]

    def _pages(self, table: str) -> Iterator[tuple[str, str]]:
        """Cut the keys into ranges (low, high]: no cursor is held open while others write."""
        keys = f"SELECT DISTINCT key FROM {table} WHERE key > :low ORDER BY key LIMIT {_PAGE}"
        bound = text(f"SELECT max(key) FROM ({keys}) AS page")
        low = ""
        while (high := self._connection.execute(bound, {"low": low}).scalar()) is not None:
            yield low, high
            low = high

    def _range(self, table: str, order: str, low: str, high: str) -> Sequence[Row[Any]]:
        statement = text(f"SELECT * FROM {table} WHERE key > :low AND key <= :high ORDER BY {order}")
        return self._connection.execute(statement, {"low": low, "high": high}).all()

    def _product(self, item: Item, currency: str) -> staged.StagedItem:
        """Stage a product once: they repeat, and importers hand out the same object for the same cells."""
        known = self._items[currency]
        if len(known) >= _CACHED_ITEMS:
            known.clear()
        self._products += 1
        columns, contents = staged.item_row(item, currency)
        self._buffers["staged_products"].append((self._products, *columns))
        if len(self._buffers["staged_products"]) >= _BATCH:
            self._flush("staged_products")
        product = known[id(item)] = staged.StagedItem(item, self._products, contents)
        return product

    def _close_cart(self) -> None:
        if self._cart is not None:
            self._buffers["staged_carts"].append(self._cart.columns())
            self._cart = None
            if len(self._buffers["staged_carts"]) >= _BATCH:
                self._flush("staged_carts")

    def _close_order(self) -> None:
        if self._order is not None:
            self._buffers["staged_orders"].append(self._order.columns())
            self._order = None
            if len(self._buffers["staged_orders"]) >= _BATCH:
                self._flush("staged_orders")

    def _flush(self, table: str, *, inside: bool = False) -> None:
        rows, self._buffers[table] = self._buffers[table], []
        if not rows:
            return
        if inside:
            _bulk_insert(self._connection, table, rows)
        else:
            with self._connection.begin():
                _bulk_insert(self._connection, table, rows)


@contextmanager
def staging(database: EngineDatabase) -> Iterator[Staging]:
    with database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":  # KiB; the default of 2 MB has the disk do what memory can
            connection.exec_driver_sql("PRAGMA cache_size = -32768")
            connection.exec_driver_sql("PRAGMA temp.cache_size = -8192")
            connection.rollback()
        yield Staging(database, connection)


def _bulk_insert(connection: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """The fastest way in: COPY on PostgreSQL, a prepared statement on SQLite."""
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(rows[0]))
    connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", list(rows))


def _groups(runs: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    group: list[Row[Any]] = []
    for run in runs:
        if group and run.key != group[0].key:
            yield group
            group = []
        group.append(run)
    if group:
        yield group

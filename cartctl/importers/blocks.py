"""Reading rows by the block, column by column: the fast way through a file that has a cart's columns on each row.

Exports repeat themselves: of a thousand rows the currency is one text, products return, and a cart's own columns stand
on each of its rows. So each different text of a column is read once a block. A block in which anything is out of the
ordinary is read row by row instead, which is where errors are named.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from cartctl.domain.carts import CartSnapshot, Item
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.fields import FieldError, deciding_amounts
from cartctl.importers.format import Cells, line_of
from cartctl.importers.records import CartBlock, CartLine, Line

BLOCK = 1000
_KNOWN_ITEMS = 20_000

Fields = Mapping[str, tuple[str, Callable[[str], Any]]]
"""A CartSnapshot's field -> the column it stands in, and how its text is read."""


def cart_lines(
    file: CsvFile, fields: Fields, item_columns: Sequence[str], items_of: Callable[[Cells], tuple[Item, ...]]
) -> Iterator[Line]:
    """Yield the file's carts in blocks. `items_of` may look at `item_columns` only."""

    def parse(row: int, cells: Cells) -> CartLine:
        cart = cart_of(fields, cells)
        return CartLine(row=row, key=cart.external_id, cart=cart, items=items_of(cells))

    positions = file.header.positions()
    columns = _Columns(positions, fields, item_columns, items_of)
    rows = file.rows()
    while block := list(islice(rows, BLOCK)):
        ordinary = [row for row in block if isinstance(row, tuple) and row[1]]
        if len(ordinary) == len(block):
            try:
                with deciding_amounts(file.decimal_sign):
                    read = columns.read(ordinary)
            except FieldError:
                pass
            else:
                yield read
                continue
        for row in block:
            yield line_of(file, positions, row, parse)


def cart_of(fields: Fields, cells: Mapping[str, str]) -> CartSnapshot:
    """Read the cart's own columns of one row. Raises FieldError."""
    return CartSnapshot(**{name: read(cells[column]) for name, (column, read) in fields.items()})


class _Columns:
    """Where the columns stand, how they are read, and which items are known."""

    def __init__(
        self,
        positions: Mapping[str, int],
        fields: Fields,
        item_columns: Sequence[str],
        items_of: Callable[[Cells], tuple[Item, ...]],
    ) -> None:
        self._positions = positions
        present = {name: (positions[column], read) for name, (column, read) in fields.items() if column in positions}
        self._names = tuple(present)
        self._places = tuple(place for place, _ in present.values())
        self._readers = tuple(read for _, read in present.values())
        self._absent = {name: read("") for name, (_, read) in fields.items() if name not in present}
        self._item_places = tuple(positions[column] for column in item_columns if column in positions)
        self._items_of = items_of
        self._items: dict[tuple[str, ...], tuple[Item, ...]] = {}

    def read(self, block: Sequence[tuple[int, tuple[str, ...]]]) -> CartBlock:
        """Raises FieldError where any cell cannot be read: nothing of the block was yielded then."""
        numbers = [number for number, _ in block]
        rows = [row for _, row in block]
        columns = list(zip(*rows, strict=True))
        heads = list(zip(*(columns[place] for place in self._places), strict=True))
        starts = [0]
        starts += [i for i in range(1, len(heads)) if heads[i] != heads[i - 1] or numbers[i] != numbers[i - 1] + 1]
        ends = [*starts[1:], len(rows)]
        items = self._by_row(columns, rows)
        fields: dict[str, Sequence[Any]] = dict(self._fields([heads[start] for start in starts]))
        fields |= {name: [value] * len(starts) for name, value in self._absent.items()}
        return CartBlock(
            row=[numbers[start] for start in starts],
            rows=[end - start for start, end in zip(starts, ends, strict=True)],
            fields=fields,
            items=[
                items[start] if end == start + 1 else tuple([item for row in items[start:end] for item in row])
                for start, end in zip(starts, ends, strict=True)
            ],
        )

    def _fields(self, heads: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, list[Any]]]:
        columns = zip(*heads, strict=True)
        for name, texts, read in zip(self._names, columns, self._readers, strict=True):
            known = {text: read(text) for text in set(texts)}
            yield name, [known[text] for text in texts]

    def _by_row(self, columns: Sequence[tuple[str, ...]], rows: Sequence[tuple[str, ...]]) -> list[tuple[Item, ...]]:
        """Return each row's items; equal cells give the same objects."""
        if not self._item_places:
            return [()] * len(rows)
        if len(self._items) > _KNOWN_ITEMS:
            self._items.clear()
        known = self._items
        keys = list(zip(*(columns[place] for place in self._item_places), strict=True))
        found = list(map(known.get, keys))
        if None in found:
            for i, items in enumerate(found):
                if items is None:
                    known[keys[i]] = self._items_of(Cells(self._positions, rows[i]))
            return [known[key] for key in keys]
        return [items for items in found if items is not None]

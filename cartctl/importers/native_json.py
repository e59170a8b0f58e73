"""cartctl's own carts as JSON or JSON Lines: the columns of the native carts CSV, as fields.

A record is a cart with its `items`, a list of objects; or, without `items`, one line of a cart, as a row of the CSV is.
"""

from collections.abc import Iterator

from cartctl.importers import values
from cartctl.importers.format import JsonFormat, lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.native_carts import REQUIRED, cart_of, items_of
from cartctl.importers.records import WHOLE, CartLine, Context, Line
from cartctl.importers.values import Record, Texts


def recognise(sample: Sample) -> bool:
    """`email` may be left out, as anything that is unknown."""
    if not sample.first:
        return sample.envelope == "carts"
    return {"cart_id", "updated_at"} <= sample.first.keys() and not {"order_id", "placed_at"} <= sample.first.keys()


def read(file: JsonFile, context: Context) -> Iterator[Line]:
    return lines_of_records(file, lambda row, record: [_line(row, record, context)])


def _line(row: int, record: Record, context: Context) -> CartLine:
    cart = cart_of(Texts(record), context)
    if record.get("items") is None:
        return CartLine(row=row, key=cart.external_id, cart=cart, items=items_of(Texts(record)))
    lines = values.records(record, "items")
    items = tuple(item for line in lines for item in items_of(Texts(line, "items.")))
    return CartLine(row=row, key=cart.external_id, cart=cart, items=items, change=WHOLE)


FORMAT = JsonFormat(
    name="native-carts-json",
    kind="carts",
    needs=f"fields {', '.join(REQUIRED[:2])}; email and items where they are known",
    recognise=recognise,
    read=read,
)

"""Adobe Commerce's and Magento's abandoned-carts report, shopcart_abandoned.csv: one row per cart.

It has no cart id (one is made of the address and `Created`) and names no products, only how many there are. Times are
those of the shop's clock, as the report's language writes them; English, numbers and ISO 8601 can be read.
"""

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime

from cartctl.domain.carts import CartSnapshot
from cartctl.importers import fields, values
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.records import CartLine, Context, Line, Note
from cartctl.importers.wallclock import WallClock

REQUIRED = ("customer", "email", "products", "quantity", "subtotal", "created")
_ENGLISH = ("%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p", "%d %b %Y, %H:%M:%S")


def recognise(header: Header) -> bool:
    return header.names.issuperset(REQUIRED)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    yield Note("names no products: mails about these carts show the total alone")
    clock = WallClock.of(file, ("created", "updated"), context)
    yield from lines_of(file, lambda row, cells: _line(row, cells, clock))


def _line(row: int, cells: Cells, clock: WallClock) -> CartLine:
    created_at = _instant(cells["created"], "Created", clock)
    updated_at = _instant(cells["updated"], "Updated", clock) if cells["updated"].strip(" -") else created_at
    email = fields.email(cells["email"], "Email")
    first_name, _, last_name = " ".join(cells["customer"].split()).partition(" ")
    key = values.made_id(email or cells["customer"].strip(), created_at.isoformat())
    cart = CartSnapshot(
        external_id=key,
        updated_at=updated_at,
        created_at=created_at,
        email=email,
        first_name=fields.short(first_name),
        last_name=fields.short(last_name),
        currency=clock.context.currency,
        total=fields.amount(cells["subtotal"], "Subtotal"),
    )
    return CartLine(row=row, key=key, cart=cart)


def _instant(cell: str, column: str, clock: WallClock) -> datetime:
    """`Mar 2, 2026, 10:00:00 AM`, with whichever space before AM; or what `WallClock` reads."""
    written = re.sub(r"\s+", " ", cell).strip()
    for pattern in _ENGLISH if re.search("[A-Za-z]{3}", written) else ():
        with contextlib.suppress(ValueError):
            written = datetime.strptime(written, pattern).isoformat()  # noqa: DTZ007 - the zone is the context's
            break
    return clock.instant(written, column)


FORMAT = CsvFormat(
    name="magento-carts",
    kind="carts",
    needs=f"columns {', '.join(column.capitalize() for column in REQUIRED)}",
    recognise=recognise,
    read=read,
    never_has_offset=True,
)

"""WooCommerce carts from the CartFlows plugin: woo-cart-abandonment-recovery-export-YYYY-mm-dd-HH-ii-ss.csv.

It has no id, no time of the cart and no currency column: the id is made of the address and the products, the time is
the one in the file's name, and the currency stands in a header (`Cart-Total in EUR`). Products are names, in one cell.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord
from cartctl.domain.purchases import STAND_IN
from cartctl.errors import InputFileError
from cartctl.importers import fields, values
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.records import CartLine, Context, Ignored, Line, Note, OrderLine

REQUIRED = ("email", "products", "order-status")
_TOTAL = re.compile(r"cart-total in\s+(\S+)")
_WRITTEN = re.compile(r"(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_OPEN = frozenset({"", "abandoned"})
_BOUGHT = frozenset({"completed", "recovered"})
_OTHER = frozenset({"normal", "lost", "failed"})


def recognise(header: Header) -> bool:
    return header.names.issuperset(REQUIRED) and any(_TOTAL.fullmatch(name) for name in header.names)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    written = _written(file)
    column = next((name for name in file.header.names if _TOTAL.fullmatch(name)), "")
    try:
        at = fields.instant(written, "", context)
    except fields.FieldError as error:
        raise InputFileError(f"{file.path}: the time in the file's name: {error.reason}") from None
    yield Note(
        f"says nowhere when a cart was left: those that are new count as left when it was written, {written}; "
        "leave out what is older than you would write about"
    )
    yield from lines_of(file, lambda row, cells: _line(row, cells, column, at, context))


def _written(file: CsvFile) -> str:
    """Return the time in the file's name, ISO 8601 without offset."""
    found = _WRITTEN.search(file.path.name)
    if not found:
        raise InputFileError(
            f"{file.path}: says nowhere when it was written: keep the name it was exported under "
            "(woo-cart-abandonment-recovery-export-2026-03-02-10-00-00.csv)"
        )
    return "{}-{}-{}T{}:{}:{}".format(*found.groups())


def _line(row: int, cells: Cells, column: str, at: datetime, context: Context) -> Line:
    status = cells["order-status"].strip().lower()
    email = fields.email(cells["email"], "Email")
    key = values.made_id(email or "", cells["phone"].strip(), cells["products"].strip())
    currency = fields.currency(column.removeprefix("cart-total in"), "Cart-Total", context)
    if status in _BOUGHT:
        return _bought(row, key, currency, at)
    if status not in _OPEN:
        return Ignored(row, f"order status {status}" if status in _OTHER else "another order status")
    cart = CartSnapshot(
        external_id=key,
        updated_at=at,
        email=email,
        phone=fields.phone(cells["phone"], context.country),
        first_name=fields.short(cells["first-name"]),
        last_name=fields.short(cells["last-name"]),
        currency=currency,
        total=fields.amount(cells[column], "Cart-Total"),
        consent=_consent(cells["unsubscribed"]),
    )
    return CartLine(row=row, key=key, cart=cart, items=_items(cells["products"]))


def _bought(row: int, key: str, currency: str, at: datetime) -> OrderLine:
    """Close this cart and no other: nothing says when it was bought, so the address is kept out."""
    order = OrderRecord(
        external_id=f"{STAND_IN}{key}", placed_at=at, status="completed", currency=currency, total=None, cart_ref=key
    )
    return OrderLine(row=row, key=order.external_id, order=order)


def _consent(cell: str) -> Consent:
    """Unsubscribed is a refusal; to be none of them is no consent."""
    said = fields.consent(cell, "Unsubscribed")
    return Consent.REFUSED if said == Consent.GRANTED else Consent.UNKNOWN


def _items(cell: str) -> tuple[Item, ...]:
    """A name that holds a comma itself comes apart here: nothing tells it from two names."""
    return tuple(Item(name=name.strip()) for name in cell.split(",") if name.strip())


FORMAT = CsvFormat(
    name="cartflows",
    kind="carts",
    needs="columns Email, Products, Order-Status, Cart-Total in …; the file name it was exported under",
    recognise=recognise,
    read=read,
    never_has_offset=True,
    dates_carts=False,
)

"""WooCommerce carts from the CartFlows plugin: woo-cart-abandonment-recovery-export-YYYY-mm-dd-HH-ii-ss.csv.

It has no id, no time of the cart and no currency column: the id is made of the address and the products, the time is
the one in the file's name, and the currency stands in a header (`Cart-Total in EUR`). Products are names, in one cell.

A row that was completed says that its shopper bought at some time before the export, and every later export says it
again. So it is the same order in all of them, placed when the earliest of these exports was written: it closes the
shopper's carts that were seen by then, whatever was in them, and none that was first seen later. The second of two
equal rows of one export is another purchase.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord
from cartctl.domain.purchases import STAND_IN
from cartctl.errors import InputFileError
from cartctl.importers import fields, values
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.orders import Kept
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
        "leave out what is older than you would write about. The same address with the same products is one cart for "
        "good: left again, even after it was bought, it counts and is written about no second time"
    )
    reader = _Reader(column, at, context)
    yield from lines_of(file, reader.line)


def _written(file: CsvFile) -> str:
    """Return the time in the file's name, ISO 8601 without offset."""
    found = _WRITTEN.search(file.path.name)
    if not found:
        raise InputFileError(
            f"{file.path}: says nowhere when it was written: keep the name it was exported under "
            "(woo-cart-abandonment-recovery-export-2026-03-02-10-00-00.csv)"
        )
    return "{}-{}-{}T{}:{}:{}".format(*found.groups())


class _Reader:
    """What must be remembered from one row to the next: how often a purchase was seen."""

    def __init__(self, column: str, at: datetime, context: Context) -> None:
        self._column, self._at, self._context = column, at, context
        self._bought: Counter[str] = Counter()

    def line(self, row: int, cells: Cells) -> Line:
        status = cells["order-status"].strip().lower()
        if status in _BOUGHT:
            return self._purchase(row, cells)
        if status not in _OPEN:
            return Ignored(row, f"order status {status}" if status in _OTHER else "another order status")
        email = fields.email(cells["email"], "Email")
        key = _key(email, cells)
        cart = CartSnapshot(
            external_id=key,
            updated_at=self._at,
            email=email,
            phone=self._phone(cells),
            first_name=fields.short(cells["first-name"]),
            last_name=fields.short(cells["last-name"]),
            currency=self._currency(),
            total=fields.amount(cells[self._column], self._column),
            consent=_consent(cells["unsubscribed"]),
        )
        return CartLine(row=row, key=key, cart=cart, items=_items(cells["products"]))

    def _purchase(self, row: int, cells: Cells) -> OrderLine:
        """What it came to is the order's to say: it has no total."""
        kept = Kept()
        email = kept.email(cells["email"], "Email")
        phone = self._phone(cells)
        key = _key(email, cells) if email or not kept.lacks_email else ""
        consent = Consent.UNKNOWN
        with contextlib.suppress(fields.FieldError):  # whatever stands there, the shopper bought
            consent = _consent(cells["unsubscribed"])
        made = key or values.made_id(cells["email"].strip(), cells["phone"].strip(), cells["products"].strip())
        number = self._bought[made] + 1
        order = OrderRecord(
            external_id=f"{STAND_IN}{made}" + (f"-{number}" if number > 1 else ""),
            placed_at=self._at,
            status="completed",
            email=email,
            phone=phone,
            currency=self._currency(),
            total=None,
            cart_ref=key,
            consent=consent,
        )
        line = kept.line(OrderLine(row=row, key=order.external_id, order=order))
        self._bought[made] = number
        return line

    def _phone(self, cells: Cells) -> str | None:
        return fields.phone(cells["phone"], self._context.country)

    def _currency(self) -> str:
        return fields.currency(self._column.removeprefix("cart-total in"), "Cart-Total", self._context)


def _key(email: str | None, cells: Cells) -> str:
    return values.made_id(email or "", cells["phone"].strip(), cells["products"].strip())


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

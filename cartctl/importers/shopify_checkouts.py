"""Shopify's abandoned-checkouts export, checkouts_export*.csv. It has no recovery URL, no token and one time only."""

from collections.abc import Iterator

from cartctl.domain.carts import CartSnapshot
from cartctl.errors import InputFileError
from cartctl.importers import fields, shopify
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, CsvFormat, check_columns, lines_of
from cartctl.importers.records import CartLine, Context, Line


def recognise(header: Header) -> bool:
    return shopify.has_layout(header)


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, shopify.REQUIRED)
    if file.path.name.lower().startswith("orders_export"):
        raise _orders(file)
    return lines_of(file, lambda row, cells: _line(file, row, cells, context))


def _orders(file: CsvFile) -> InputFileError:
    return InputFileError(
        f"{file.path}: is an orders export, not abandoned checkouts: `cartctl import orders {file.path}`"
    )


def _line(file: CsvFile, row: int, cells: Cells, context: Context) -> CartLine:
    if cells["financial status"].strip() or cells["paid at"].strip():
        raise _orders(file)  # buyers must never be taken for abandoned carts
    key = shopify.key(cells)
    items = shopify.items(cells)
    if not shopify.is_first_row(cells):
        return CartLine(row=row, key=key, cart=None, items=items)
    created_at = fields.instant(cells["created at"], "Created at", context)
    first_name, last_name = shopify.names(cells)
    cart = CartSnapshot(
        external_id=shopify.external_id(cells),
        updated_at=created_at,
        created_at=created_at,
        email=fields.email(cells["email"], "Email"),
        phone=shopify.phone(cells, context.country),
        first_name=first_name,
        last_name=last_name,
        currency=fields.currency(cells["currency"], "Currency", context),
        total=shopify.amount(cells, "Total"),
        consent=shopify.consent(cells),
    )
    return CartLine(row=row, key=key, cart=cart, items=items)


FORMAT = CsvFormat(
    name="shopify-checkouts",
    kind="carts",
    needs="Shopify's abandoned-checkouts export",
    recognise=recognise,
    read=read,
)

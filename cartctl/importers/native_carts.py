"""cartctl's own carts CSV: one row per line item, the cart's columns repeated on each row (README, "Formats")."""

from collections.abc import Iterator

from cartctl.domain.carts import CartSnapshot, Item
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import Cells, Format, check_columns, lines_of
from cartctl.importers.records import CartLine, Context, Ignored, RowError

REQUIRED = ("cart_id", "updated_at", "email")
OPTIONAL = (
    *("created_at", "currency", "product_id", "product_name", "sku", "variant", "quantity", "unit_price", "total"),
    *("image_url", "product_url", "cart_url", "first_name", "last_name", "phone", "locale", "timezone", "consent"),
    *("channel", "checkout_token", "cart_token"),
)
_ITEM = ("product_name", "product_id", "sku", "variant")
CHANNELS = ("website", "tiktok")


def recognise(header: Header) -> bool:
    """An orders file may have all of these too, `cart_id` and `updated_at` among its optional columns."""
    return header.names.issuperset(REQUIRED) and not header.names.issuperset(("order_id", "placed_at"))


def read(file: CsvFile, context: Context) -> Iterator[CartLine | RowError | Ignored]:
    check_columns(file.header, REQUIRED)
    return lines_of(file, lambda row, cells: _line(row, cells, context))


def _line(row: int, cells: Cells, context: Context) -> CartLine:
    key = fields.identifier(cells["cart_id"], "cart_id")
    cart = CartSnapshot(
        external_id=key,
        updated_at=fields.instant(cells["updated_at"], "updated_at", context),
        created_at=fields.optional_instant(cells["created_at"], "created_at", context),
        channel=channel(cells["channel"]),
        email=fields.email(cells["email"], "email"),
        phone=fields.phone(cells["phone"], context.country),
        first_name=fields.short(cells["first_name"]),
        last_name=fields.short(cells["last_name"]),
        locale=fields.locale(cells["locale"]),
        timezone=fields.timezone(cells["timezone"], "timezone"),
        currency=fields.currency(cells["currency"], "currency", context),
        total=fields.amount(cells["total"], "total"),
        cart_url=fields.url(cells["cart_url"], "cart_url"),
        checkout_token=fields.short(cells["checkout_token"]),
        cart_token=fields.short(cells["cart_token"]),
        consent=fields.consent(cells["consent"], "consent"),
    )
    return CartLine(row=row, key=key, cart=cart, items=_items(cells), raw=cells.raw)


def _items(cells: Cells) -> tuple[Item, ...]:
    """A row without any product column filled is a cart without items (yet)."""
    quantity = fields.quantity(cells["quantity"], "quantity")
    price = fields.amount(cells["unit_price"], "unit_price")
    image_url = fields.url(cells["image_url"], "image_url")
    product_url = fields.url(cells["product_url"], "product_url")
    if not any(cells[column].strip() for column in _ITEM):
        return ()
    product_id, sku = fields.short(cells["product_id"]), fields.short(cells["sku"])
    name = cells["product_name"].strip() or sku or product_id or cells["variant"].strip()
    return (
        Item(
            name=name,
            variant=cells["variant"].strip(),
            sku=sku,
            product_id=product_id,
            quantity=quantity,
            unit_price=price,
            image_url=image_url,
            product_url=product_url,
        ),
    )


def channel(text: str) -> str:
    """Return `website` or `tiktok`; a blank is the website."""
    value = text.strip().lower() or "website"
    if value not in CHANNELS:
        raise fields.FieldError("channel", f'"{text}" is none of {", ".join(CHANNELS)}')
    return value


FORMAT = Format(
    name="native-carts",
    kind="carts",
    needs="columns cart_id, updated_at, email",
    recognise=recognise,
    read=read,
    columns=frozenset(REQUIRED + OPTIONAL),
)

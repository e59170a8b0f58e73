"""cartctl's own carts CSV: one row per line item, the cart's columns repeated on each row (README, "Formats")."""

from collections.abc import Iterator, Mapping

from cartctl.domain.carts import CartSnapshot, Item
from cartctl.importers import blocks, fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.format import CsvFormat, check_columns
from cartctl.importers.records import Context, Line

REQUIRED = ("cart_id", "updated_at", "email")
_OF_A_CART = (
    *("created_at", "currency", "total", "cart_url", "first_name", "last_name", "phone", "locale", "timezone"),
    *("consent", "channel", "checkout_token", "cart_token"),
)
_OF_AN_ITEM = ("product_id", "product_name", "sku", "variant", "quantity", "unit_price", "image_url", "product_url")
OPTIONAL = (*_OF_A_CART, *_OF_AN_ITEM)
_ITEM = ("product_name", "product_id", "sku", "variant")
CHANNELS = ("website", "tiktok")


def recognise(header: Header) -> bool:
    """An orders file may have all of these too, `cart_id` and `updated_at` among its optional columns."""
    return header.names.issuperset(REQUIRED) and not header.names.issuperset(("order_id", "placed_at"))


def read(file: CsvFile, context: Context) -> Iterator[Line]:
    check_columns(file.header, REQUIRED)
    return blocks.cart_lines(file, _fields(context), _OF_AN_ITEM, items_of)


def cart_of(cells: Mapping[str, str], context: Context) -> CartSnapshot:
    """Read the cart's own columns."""
    return blocks.cart_of(_fields(context), cells)


def _fields(context: Context) -> blocks.Fields:
    return {
        "external_id": ("cart_id", lambda text: fields.identifier(text, "cart_id")),
        "updated_at": ("updated_at", lambda text: fields.instant(text, "updated_at", context)),
        "created_at": ("created_at", lambda text: fields.optional_instant(text, "created_at", context)),
        "channel": ("channel", channel),
        "email": ("email", lambda text: fields.email(text, "email")),
        "phone": ("phone", lambda text: fields.phone(text, context.country)),
        "first_name": ("first_name", fields.short),
        "last_name": ("last_name", fields.short),
        "locale": ("locale", fields.locale),
        "timezone": ("timezone", lambda text: fields.timezone(text, "timezone")),
        "currency": ("currency", lambda text: fields.currency(text, "currency", context)),
        "total": ("total", lambda text: fields.amount(text, "total")),
        "cart_url": ("cart_url", lambda text: fields.url(text, "cart_url")),
        "checkout_token": ("checkout_token", fields.short),
        "cart_token": ("cart_token", fields.short),
        "consent": ("consent", lambda text: fields.consent(text, "consent")),
    }


def items_of(cells: Mapping[str, str]) -> tuple[Item, ...]:
    """Read the columns of the line. A row without any product column filled is a cart without items (yet)."""
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


FORMAT = CsvFormat(
    name="native-carts",
    kind="carts",
    needs="columns cart_id, updated_at, email",
    recognise=recognise,
    read=read,
    columns=frozenset(REQUIRED + OPTIONAL),
)

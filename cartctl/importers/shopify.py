"""What Shopify's two exports share: one layout, one row per line item, the cart's or order's cells on the first only.

Both have the columns of orders_export*.csv. An abandoned-checkouts export leaves `Financial Status` and `Paid at`
blank; nothing in the header tells them apart, so each importer refuses rows that belong to the other.
"""

from decimal import Decimal

from cartctl.domain.carts import Consent, Item
from cartctl.importers import fields
from cartctl.importers.csvfile import Header
from cartctl.importers.format import Cells

REQUIRED = ("name", "email", "created at", "lineitem name")


def has_layout(header: Header) -> bool:
    return header.names.issuperset(REQUIRED) and "financial status" in header.names


def key(cells: Cells) -> str:
    """`Name` is on every row: `#1001`, and for a checkout `#` + its id."""
    return fields.identifier(cells["name"], "Name")


def is_first_row(cells: Cells) -> bool:
    """Continuation rows carry Name, Email, Created at, Vendor and the line item only."""
    return any(cells[column].strip() for column in ("currency", "total", "financial status", "id"))


def external_id(cells: Cells) -> str:
    """The id where the export has one, as the REST API does; else the name without its #."""
    return fields.identifier(cells["id"], "Id") if cells["id"].strip() else key(cells).removeprefix("#")


def consent(cells: Cells) -> Consent:
    """`yes` was ticked; `no` and blank are unticked boxes, which say nothing."""
    return Consent.GRANTED if cells["accepts marketing"].strip().lower() == "yes" else Consent.UNKNOWN


def phone(cells: Cells, country: str | None) -> str | None:
    for column, where in (("phone", ""), ("billing phone", "billing country"), ("shipping phone", "shipping country")):
        if found := fields.phone(cells[column], cells[where].strip() or country if where else country):
            return found
    return None


def names(cells: Cells) -> tuple[str, str]:
    """First and last name, as far as a full name tells."""
    full = cells["billing name"].strip() or cells["shipping name"].strip()
    first, _, last = full.partition(" ")
    return fields.short(first), fields.short(last)


def items(cells: Cells) -> tuple[Item, ...]:
    """The row's line item. `Lineitem name` ends in " - variant"; the price is per unit."""
    name = cells["lineitem name"].strip()
    if not name:
        return ()
    return (
        Item(
            name=name,
            sku=fields.short(cells["lineitem sku"]),
            quantity=fields.quantity(cells["lineitem quantity"], "Lineitem quantity"),
            unit_price=fields.amount(cells["lineitem price"], "Lineitem price"),
        ),
    )


def amount(cells: Cells, column: str) -> Decimal | None:
    return fields.amount(cells[column.lower()], column)

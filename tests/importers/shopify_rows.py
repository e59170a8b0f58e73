"""Rows of Shopify's exports, by the names of their columns; what is not given is blank."""

from tests.importers.reading import csv_text

COLUMNS = """Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,\
Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,\
Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,\
Lineitem fulfillment status,Billing Name,Billing Street,Billing Address1,Billing Address2,Billing Company,Billing City,\
Billing Zip,Billing Province,Billing Country,Billing Phone,Shipping Name,Shipping Street,Shipping Address1,\
Shipping Address2,Shipping Company,Shipping City,Shipping Zip,Shipping Province,Shipping Country,Shipping Phone,Notes,\
Note Attributes,Cancelled at,Payment Method,Payment Reference,Refunded Amount,Vendor,Id,Tags,Risk Level,Source,\
Lineitem discount,Phone""".split(",")

CREATED = "2026-03-02 05:00:00 -0500"
"""10:00 UTC."""


def blank(cells: dict[str, str]) -> dict[str, str]:
    assert set(cells) <= set(COLUMNS), set(cells) - set(COLUMNS)
    return dict.fromkeys(COLUMNS, "") | cells


def checkout(**cells: str) -> dict[str, str]:
    """The first row of an abandoned checkout. `Created_at` stands for `Created at`."""
    row = {
        "Name": "#37107488451315",
        "Email": "anna@example.com",
        "Accepts Marketing": "no",
        "Currency": "USD",
        "Total": "132.26",
        "Created at": CREATED,
        "Lineitem quantity": "1",
        "Lineitem name": "Blue mug - large",
        "Lineitem price": "70.95",
        "Id": "37107488451315",
    }
    return blank(row | _spelt(cells))


def order(**cells: str) -> dict[str, str]:
    """The first row of an order."""
    return checkout(**{"Name": "#1001", "Id": "6798482565856", "Financial_Status": "paid"} | cells)


def further(first: dict[str, str], **cells: str) -> dict[str, str]:
    """A continuation row: the next line item, and next to nothing else."""
    row = {"Name": first["Name"], "Email": first["Email"], "Created at": first["Created at"], "Lineitem quantity": "2"}
    return blank(row | {"Lineitem name": "Tea", "Lineitem price": "15.00", "Vendor": "Example Tea"} | _spelt(cells))


def _spelt(cells: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", " "): value for name, value in cells.items()}


def export(*rows: dict[str, str]) -> str:
    return csv_text(*rows)


HEADER = ",".join(COLUMNS) + "\n"

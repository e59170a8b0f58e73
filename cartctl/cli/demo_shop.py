"""The demo's invented shop: its exports, and the story that is told with them. All people and shops are made up."""

import csv
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cartctl.config import FILE_NAME

MARK = "# Made by `cartctl demo`"
SHOP = "localhost:8001"
"""Where `python3 -m http.server` stands in for the shop."""
_CONFIG = f"""{MARK}: an invented shop. Remove the folder when you are done.
transport = "outbox"
from = "Fern & Kettle <hello@fern-and-kettle.example.com>"
postal_address = "Fern & Kettle, 1 Example Street, Exampletown"

[safety]
orders_max_age = "0"    # no more orders come: else mail would be held after a day

[coupons]
recovery10 = "BACK10"

[stores.fern]
brand = "Fern & Kettle"
hosts = ["{SHOP}"]
url = "http://{SHOP}/"
discount = "shopify"
colour = "#2f6b4f"
currency = "EUR"
timezone = "Europe/Berlin"
country = "DE"
"""

_MIN = timedelta(minutes=1)
_HOUR = timedelta(hours=1)

STORY: Sequence[tuple[timedelta, list[str]]] = (
    (5 * _MIN, ["import", "carts", "exports/carts.csv", "exports/checkouts_export.csv", "-v"]),
    (31 * _MIN, ["import", "orders", "exports/orders-first-hour.csv", "-v"]),
    (35 * _MIN, ["run-due", "-v"]),
    (6 * _HOUR, ["import", "orders", "exports/orders_export.csv", "-v"]),
    (24 * _HOUR, ["run-due", "-v"]),
    (25 * _HOUR, ["import", "orders", "exports/orders-late.csv", "-v"]),
    (47 * _HOUR, ["import", "carts", "exports/carts-later.csv", "-v"]),
    (48 * _HOUR, ["run-due", "-v"]),
    (49 * _HOUR, ["report"]),
)
"""When after the start, and which command."""


def write_exports(folder: Path, start: datetime) -> None:
    """Write configuration and exports. Times count from `start`, when the last shopper walks away."""
    (folder / FILE_NAME).write_text(_CONFIG, encoding="utf-8")
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)

    def at(**offset: float) -> str:
        return (start + timedelta(**offset)).isoformat()

    def shopify(**offset: float) -> str:
        return (start + timedelta(**offset)).strftime("%Y-%m-%d %H:%M:%S +0000")

    _write_carts(exports, at, shopify)
    _write_orders(exports, at, shopify)
    _write_shop(folder / "shop")


def _write_carts(exports: Path, at: Callable[..., str], shopify: Callable[..., str]) -> None:
    picture = f"http://{SHOP}/pictures"
    shop = f"http://{SHOP}/cart.html?cart="
    columns = (
        *("cart_id", "created_at", "updated_at", "email", "first_name", "currency", "product_name", "variant"),
        *("quantity", "unit_price", "image_url", "cart_url", "locale", "phone", "consent"),
    )
    _write(
        exports / "carts.csv",
        columns,
        [
            # Ada orders before any mail. Ben comes back after the first. Chiyo gets all three. Dora's order is late.
            ("w-1", at(minutes=-40), at(minutes=-12), "ada@example.com", "Ada", "EUR", "Fern in a pot", "", 1, "24.90",
             f"{picture}/fern.svg", f"{shop}w-1", "de_DE", "", "granted"),
            ("w-2", at(minutes=-30), at(minutes=-9), "ben@example.com", "Ben", "USD", "Kettle", "copper", 1, "79.00",
             f"{picture}/kettle.svg", f"{shop}w-2", "en_US", "", ""),
            ("w-2", at(minutes=-30), at(minutes=-9), "ben@example.com", "Ben", "USD", "Tea, 250 g", "", 2, "9.50",
             f"{picture}/tea.svg", f"{shop}w-2", "en_US", "", ""),
            ("w-3", at(minutes=-25), at(minutes=-8), "chiyo@example.com", "Chiyo", "JPY", "Tea bowl", "blue", 2, "3200",
             f"{picture}/bowl.svg", f"{shop}w-3", "ja_JP", "", ""),
            ("w-4", at(minutes=-21), at(minutes=-5), "dora@example.com", "Dora", "EUR", "Watering can", "2 l", 1,
             "34.00", f"{picture}/can.svg", f"{shop}w-4", "de_DE", "+493012345678", ""),
            # Nobody knows who filled w-5: it counts, and is never written to.
            ("w-5", at(minutes=-20), at(minutes=-4), "", "", "EUR", "Moss ball", "", 3, "7.00",
             f"{picture}/moss.svg", f"{shop}w-5", "", "", ""),
        ],
    )  # fmt: skip
    _write(
        exports / "carts-later.csv",
        columns,
        [
            # Fritz has his first mail when the story ends; the second one is due by now.
            ("w-6", at(hours=46), at(hours=46, minutes=20), "fritz@example.com", "Fritz", "EUR", "Kettle", "steel", 1,
             "49.00", f"{picture}/kettle.svg", f"{shop}w-6", "en_IE", "", "granted"),
        ],
    )  # fmt: skip
    _write(
        exports / "checkouts_export.csv",
        (
            *("Name", "Email", "Financial Status", "Paid at", "Accepts Marketing", "Currency", "Total", "Created at"),
            *("Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem sku", "Billing Name", "Id"),
        ),
        [
            ("#9001", "emil@example.com", "", "", "yes", "EUR", "58.00", shopify(minutes=-3), 1, "Kettle - steel",
             "49.00", "K-ST", "Emil Example", "9001"),
            ("#9001", "emil@example.com", "", "", "", "", "", shopify(minutes=-3), 1, "Tea strainer", "9.00", "T-ST",
             "", ""),
        ],
    )  # fmt: skip


def _write_orders(exports: Path, at: Callable[..., str], shopify: Callable[..., str]) -> None:
    orders = ("order_id", "placed_at", "email", "phone", "status", "currency", "total", "cart_id", "refunded")
    _write(
        exports / "orders-first-hour.csv",
        orders,
        [("o-1", at(minutes=10), "ada@example.com", "", "paid", "EUR", "24.90", "w-1", "")],
    )
    _write(
        exports / "orders_export.csv",
        (
            *("Name", "Email", "Financial Status", "Paid at", "Currency", "Total", "Created at", "Lineitem quantity"),
            *("Lineitem name", "Lineitem price", "Refunded Amount", "Cancelled at", "Id"),
        ),
        [
            ("#2001", "BEN@Example.com", "paid", "", "USD", "98.00", shopify(hours=2), 1, "Kettle - copper", "79.00",
             "9.50", "", "2001"),
            ("#2001", "BEN@Example.com", "", "", "", "", shopify(hours=2), 2, "Tea, 250 g", "9.50", "", "", ""),
        ],
    )  # fmt: skip
    _write(
        exports / "orders-late.csv",
        orders,
        [("o-3", at(hours=20), "", "+49 30 12345678", "pending", "EUR", "34.00", "", "")],
    )


_COLOURS = {
    "fern": "#2f6b4f",
    "kettle": "#b5651d",
    "tea": "#6b8e23",
    "bowl": "#3b5b92",
    "can": "#4f7f8f",
    "moss": "#7a8b3a",
}
_PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect width="72" height="72" fill="#eef1ea"/>
<path d="M20 28h32l-4 26a6 6 0 0 1-6 5H30a6 6 0 0 1-6-5z" fill="{colour}"/>
<path d="M36 28c0-10 4-15 12-17 0 9-4 15-12 17zm0 0c0-7-4-12-11-13 0 7 4 12 11 13z" fill="{colour}" opacity=".7"/></svg>
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Fern &amp; Kettle</title></head>
<body style="font: 1.1rem/1.6 sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color: #1f2933">
<h1 style="color: #2f6b4f">Fern &amp; Kettle</h1>
<p>This page stands in for the shop's own: {text}</p></body></html>
"""


def _write_shop(folder: Path) -> None:
    """Write the shop that the links lead to: two pages, and a picture of every product."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for name, colour in _COLOURS.items():
        (folder / "pictures" / f"{name}.svg").write_text(_PICTURE.format(colour=colour), encoding="utf-8")
    cart = "your cart, just as you left it. The address bar shows what the link brought along, the code among it."
    (folder / "cart.html").write_text(_PAGE.format(text=cart), encoding="utf-8")
    (folder / "index.html").write_text(_PAGE.format(text="its front page."), encoding="utf-8")


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(row)

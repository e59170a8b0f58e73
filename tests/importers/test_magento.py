"""The abandoned-carts report of Magento and Adobe Commerce."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.importers.cart_rows import magento_row as row
from tests.importers.reading import Reading, csv_text, read

SEEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def export(*rows: dict[str, str], **context: Any) -> Reading:
    own: dict[str, Any] = {"zone": ZoneInfo("Europe/Berlin"), "currency": "EUR"}
    return read("carts", csv_text(*rows), name="shopcart_abandoned.csv", **(own | context))


def test_one_cart() -> None:
    reading = export(row())
    cart = reading.cart
    assert (cart.updated_at, cart.created_at) == (SEEN, datetime(2026, 3, 2, 9, tzinfo=UTC))
    assert (cart.email, cart.first_name, cart.last_name) == ("anna@example.com", "Anna", "Maria Example")
    assert (cart.currency, cart.total, cart.items) == ("EUR", Decimal("33.90"), ())
    assert not cart.is_empty
    assert reading.notes == ["names no products: mails about these carts show the total alone"]


def test_id_is_the_same_in_every_report_and_another_for_another_cart() -> None:
    later = row(Updated="Mar 3, 2026, 9:00:00 PM", Subtotal="50.00")
    assert export(row()).cart.external_id == export(later).cart.external_id
    others = [row(Email="bea@example.com"), row(Created="Mar 1, 2026, 10:00:00 AM")]
    assert len({cart.external_id for cart in export(row(), *others).carts}) == 3


@pytest.mark.parametrize(
    "cell",
    [
        "Mar 2, 2026, 11:00:00 AM",
        "Mar 2, 2026 11:00:00 AM",
        "Mar 2, 2026, 11:00:00\N{NARROW NO-BREAK SPACE}AM",
        "2 Mar 2026, 11:00:00",
        "2026-03-02 11:00:00",
        "02.03.2026, 11:00:00",
    ],
)
def test_time_as_the_report_writes_it(cell: str) -> None:
    assert export(row(Created=cell, Updated=cell)).cart.updated_at == SEEN


def test_cart_that_was_never_updated_was_left_when_it_was_created() -> None:
    assert export(row(Updated="")).cart.updated_at == datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["2 mars 2026 à 11:00:00", "Mar 99, 2026, 11:00:00 AM", "", "-"])
def test_time_that_cannot_be_read_rejects_the_row(cell: str) -> None:
    assert export(row(Created=cell)).error[0] == "Created"

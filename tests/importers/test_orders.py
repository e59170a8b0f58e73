"""What the orders of all platforms share."""

from decimal import Decimal

import pytest

from cartctl.domain.purchases import is_purchase
from cartctl.importers.bigcommerce_orders import _STATUSES as BIGCOMMERCE  # the platform's own list of words
from cartctl.importers.fields import FieldError
from cartctl.importers.orders import CarriedId, Statuses, phone, refunded
from cartctl.importers.woocommerce import statuses as woocommerce

DEFAULT = frozenset({"failed", "voided", "cancelled", "expired"})


@pytest.mark.parametrize(
    ("word", "bought"),
    [
        ("wc-pending", True),
        ("Pending payment", True),
        ("On hold", True),
        ("wc-processing", True),
        ("COMPLETED", True),
        ("Refunded", True),
        ("wc-failed", False),
        ("Cancelled", False),
        ("Canceled", False),
        ("trash", False),
        ("packed", True),
        ("", True),
    ],
)
def test_word_of_woocommerce_is_bought_or_not(word: str, *, bought: bool) -> None:
    assert is_purchase(woocommerce().meaning(word), DEFAULT) is bought


@pytest.mark.parametrize(
    ("word", "bought"),
    [
        ("Awaiting Payment", True),
        ("Pending", True),
        ("Disputed", True),
        ("Refunded", True),
        ("Declined", False),
        ("Cancelled", False),
    ],
)
def test_word_of_bigcommerce_is_bought_or_not(word: str, *, bought: bool) -> None:
    assert is_purchase(Statuses(BIGCOMMERCE).meaning(word), DEFAULT) is bought


def test_words_that_are_not_known_are_named_a_few_of_them_and_nothing_but_words() -> None:
    statuses = Statuses({"paid": "paid"})
    for word in ("paid", "packed", "Packed ", "in 3 days", "anna@example.com", "+4915123456789", ""):
        statuses.meaning(word)
    assert [note.text.split(":")[1].split(";")[0] for note in statuses.notes()] == [" packed"]
    for word in "ready sent posted picked lost found".split():
        statuses.meaning(word)
    [note] = statuses.notes()
    assert note.text.count(",") == 4
    assert "…" in note.text
    assert list(Statuses({"paid": "paid"}).notes()) == []


@pytest.mark.parametrize(
    ("status", "amount", "left"),
    [("refunded", None, 10), ("refunded", 0, 10), ("refunded", 4, 4), ("completed", 4, 4), ("completed", None, 0)],
)
def test_refunded_order_without_an_amount_gave_all_back(status: str, amount: int | None, left: int) -> None:
    assert refunded(status, None if amount is None else Decimal(amount), Decimal(10)) == Decimal(left)


def test_id_is_carried_to_the_rows_below_but_never_past_one_that_cannot_be_read() -> None:
    ids = CarriedId()
    with pytest.raises(FieldError, match="is blank"):
        ids.of("", "Order ID")
    assert [ids.of(text, "Order ID") for text in ("7", "", " ", "8", "")] == ["7", "7", "7", "8", "8"]
    with pytest.raises(FieldError, match="rounded"):
        ids.of("1.5E+17", "Order ID")
    with pytest.raises(FieldError, match="is blank"):
        ids.of("", "Order ID")


def test_first_number_that_is_one_is_the_phone() -> None:
    assert phone(("none", "DE"), ("+60123456*89", None), ("0151 23456789", "DE")) == "+4915123456789"
    assert phone(("", "DE")) is None

"""Putting the rows of one cart, or one order, together."""

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord, newest_consent
from cartctl.importers.records import WHOLE, CartLine, OrderLine, RowError, assemble_cart, assemble_order

T = datetime(2026, 3, 2, 10, tzinfo=UTC)


def line(row: int, minutes: int = 0, *, items: tuple[Item, ...] = (), **columns: Any) -> CartLine:
    columns = {"email": "anna@example.com"} | columns
    cart = CartSnapshot(external_id="c-1", currency="EUR", updated_at=T + timedelta(minutes=minutes), **columns)
    return CartLine(row=row, key="c-1", cart=cart, items=items)


def further(row: int, name: str) -> CartLine:
    return CartLine(row=row, key="c-1", cart=None, items=(Item(name=name),))


def order_line(row: int, minutes: int = 0, *, total: str = "1.00", **columns: Any) -> OrderLine:
    placed_at = T + timedelta(minutes=minutes)
    order = OrderRecord(external_id="o-1", currency="EUR", total=Decimal(total), placed_at=placed_at, **columns)
    return OrderLine(row=row, key="o-1", order=order)


def test_lines_of_a_cart_in_any_order_make_the_same_cart() -> None:
    lines = [
        line(2, 0, items=(Item(name="Old"),), created_at=T - timedelta(hours=1), consent=Consent.GRANTED),
        line(3, 5, items=(Item(name="Mug", unit_price=Decimal(5)),), email="anna@example.com"),
        line(4, 5, items=(Item(name="Tea", unit_price=Decimal(9)),), first_name="Anna"),
        further(5, "Cake"),
    ]
    made = {str(assemble_cart(list(order))) for order in itertools.permutations(lines)}
    assert len(made) == 1
    cart = assemble_cart(lines)
    assert isinstance(cart, CartSnapshot)
    assert [item.name for item in cart.items] == ["Tea", "Mug", "Cake"]
    assert (cart.email, cart.first_name) == ("anna@example.com", "Anna")
    assert cart.created_at == T - timedelta(hours=1)


@pytest.mark.parametrize(
    ("signals", "consent", "minutes"),
    [
        ([(0, "granted"), (5, "refused")], Consent.REFUSED, 5),
        ([(0, "refused"), (5, "granted")], Consent.GRANTED, 5),
        ([(0, "refused"), (5, "unknown")], Consent.REFUSED, 0),
        ([(0, "granted"), (0, "refused")], Consent.REFUSED, 0),
        ([(0, "unknown")], Consent.UNKNOWN, None),
    ],
)
def test_newest_grant_or_refusal_wins_and_unknown_says_nothing(
    signals: list[tuple[int, str]], consent: Consent, minutes: int | None
) -> None:
    for order in itertools.permutations(signals):
        cart = assemble_cart([line(2, at, consent=Consent(said)) for at, said in order])
        assert isinstance(cart, CartSnapshot)
        said_at = None if minutes is None else T + timedelta(minutes=minutes)
        assert newest_consent((said, at) for _, said, at in cart.said) == (consent, said_at)


EVENT = st.tuples(st.integers(0, 5), st.sampled_from([1, -1]), st.sampled_from(["1", "2"]))


@given(events=st.lists(EVENT, min_size=1, max_size=12), seed=st.randoms(use_true_random=False))
def test_log_of_events_leaves_what_was_put_in_and_not_taken_out(
    events: list[tuple[int, int, str]], seed: random.Random
) -> None:
    lines = [
        replace(line(row, at, items=(Item(name="Tea", product_id=product),)), change=change)
        for row, (at, change, product) in enumerate(events)
    ]
    left = dict.fromkeys(["1", "2"], 0)
    for _, change, product in sorted(events, key=lambda event: (event[0], -event[1])):
        left[product] = max(0, left[product] + change)
    cart = assemble_cart(seed.sample(lines, len(lines)))
    assert cart == assemble_cart(lines)
    assert isinstance(cart, CartSnapshot)
    assert {item.product_id: item.quantity for item in cart.items} == {p: n for p, n in left.items() if n}
    assert cart.updated_at == max(T + timedelta(minutes=at) for at, _, _ in events)


@given(at=st.lists(st.integers(0, 3), min_size=1, max_size=6), seed=st.randoms(use_true_random=False))
def test_records_that_hold_the_whole_cart_are_not_added_up(at: list[int], seed: random.Random) -> None:
    lines = [
        replace(line(row, minute, items=(Item(name=f"Tea {minute}", quantity=minute + 1),)), change=WHOLE)
        for row, minute in enumerate(at)
    ]
    cart = assemble_cart(seed.sample(lines, len(lines)))
    assert isinstance(cart, CartSnapshot)
    assert [(item.name, item.quantity) for item in cart.items] == [(f"Tea {max(at)}", max(at) + 1)]


def test_cart_of_continuation_rows_alone_is_rejected_row_by_row() -> None:
    assert assemble_cart([further(2, "Tea"), further(3, "Cake")]) == [
        RowError(2, "", "continues c-1, whose first row is missing or was rejected"),
        RowError(3, "", "continues c-1, whose first row is missing or was rejected"),
    ]


def test_cart_worth_a_fortune_is_kept_and_one_worth_the_world_is_not() -> None:
    dear = Item(name="Gold", quantity=10, unit_price=Decimal(10) ** 12)
    assert isinstance(assemble_cart([line(2, items=(dear,))]), CartSnapshot)
    assert assemble_cart([line(2, items=(dear,)), line(3, items=(Item(name="Tea", unit_price=Decimal(1)),))]) == [
        RowError(2, "total", "the cart is worth 10000000000001: absurd"),
        RowError(3, "total", "the cart is worth 10000000000001: absurd"),
    ]


def test_lines_of_an_order_in_any_order_make_the_same_order() -> None:
    lines = [
        order_line(2, 5, status="paid", consent=Consent.GRANTED),
        order_line(3, 0, email="anna@example.com", refunded=Decimal(9)),
        order_line(4, 5, total="49.90", updated_at=T + timedelta(days=1), consent=Consent.REFUSED, cart_ref="c-1"),
        OrderLine(row=5, key="o-1", order=None),
    ]
    made = {str(assemble_order(list(order))) for order in itertools.permutations(lines)}
    assert len(made) == 1
    order = assemble_order(lines)
    assert isinstance(order, OrderRecord)
    assert (order.placed_at, order.updated_at) == (T, T + timedelta(days=1))
    assert (order.total, order.refunded, order.email) == (Decimal("49.90"), Decimal(9), "anna@example.com")
    assert order.consent == Consent.REFUSED


def test_order_of_continuation_rows_alone_is_rejected() -> None:
    errors = assemble_order([OrderLine(row=7, key="#7", order=None)])
    assert errors == [RowError(7, "", "continues #7, whose first row is missing or was rejected")]

"""Which order closes a cart, and what the cart was by then."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.carts import CartStatus
from cartctl.domain.purchases import (
    CartIdentity,
    Purchase,
    closing_purchase,
    opens_new_generation,
    status_when_bought,
)
from tests.shop import T0, at

SLACK = timedelta(hours=1)
IDLE = timedelta(minutes=30)
CART = CartIdentity(external_id="c-1", contact_id=1, phone="+491", created_at=at("-2h"), last_activity_at=T0)


def bought(placed: str, **by: object) -> Purchase:
    return Purchase(order_id=1, external_id="o-1", placed_at=at(placed), **by)  # type: ignore[arg-type] # a builder


@pytest.mark.parametrize(
    ("purchase", "closes"),
    [
        (bought("-2h", cart_ref="c-1"), True),
        (bought("-121m", cart_ref="c-1"), False),
        (bought("-1h", contact_id=1), True),
        (bought("-61m", contact_id=1), False),
        (bought("-1h", phone="+491"), True),
        (bought("5h", contact_id=2), False),
        (bought("5h"), False),
        (bought("5h", contact_id=2, phone="+491"), True),
    ],
)
def test_what_closes_a_cart(purchase: Purchase, *, closes: bool) -> None:
    assert (closing_purchase(CART, [purchase], slack=SLACK) is not None) is closes


def test_blank_identities_never_match() -> None:
    nobody = CartIdentity(external_id="c-1", last_activity_at=T0)
    assert closing_purchase(nobody, [bought("1h")], slack=SLACK) is None


def test_a_cart_of_unknown_creation_is_closed_by_any_order_that_names_it() -> None:
    cart = replace(CART, created_at=None)
    assert closing_purchase(cart, [bought("-9h", cart_ref="c-1")], slack=SLACK) is not None


def test_an_order_that_names_the_cart_goes_before_an_earlier_one_of_the_shopper() -> None:
    named = replace(bought("3h", cart_ref="c-1"), order_id=2)
    assert closing_purchase(CART, [bought("1h", contact_id=1), named], slack=SLACK) == named


@given(st.permutations([bought("1h", contact_id=1), bought("2h", phone="+491"), bought("3h", cart_ref="c-1")]))
def test_the_closing_order_does_not_depend_on_the_order_of_arrival(orders: list[Purchase]) -> None:
    found = closing_purchase(CART, orders, slack=SLACK)
    assert found is not None
    assert found.placed_at == at("3h")


CHECKOUT = replace(bought("2h", cart_ref="c-1", contact_id=1), order_id=9, external_id="checkout:c-1")
"""A completed checkout: it names the cart and knows the shopper, but not the order."""


@pytest.mark.parametrize(
    ("order", "closes"),
    [
        (bought("2h", contact_id=1), "o-1"),
        (bought("3h", contact_id=1), "o-1"),  # stamped within the slack
        (bought("1h", phone="+491"), "o-1"),
        (bought("3h1s", contact_id=1), "checkout:c-1"),  # another purchase of theirs
        (bought("200h", cart_ref="c-1"), "o-1"),  # names the cart: it is this purchase, whenever it was placed
        (bought("2h", contact_id=7), "checkout:c-1"),
    ],
)
def test_a_completed_checkout_gives_way_to_the_order_that_it_became(order: Purchase, closes: str) -> None:
    for purchases in ([CHECKOUT, order], [order, CHECKOUT]):
        found = closing_purchase(CART, purchases, slack=SLACK)
        assert found is not None
        assert found.external_id == closes


def test_a_completed_checkout_closes_another_cart_of_the_shopper_until_the_order_is_there() -> None:
    other = replace(CART, external_id="c-2", checkout_token="", cart_token="", phone=None)
    order = bought("2h", contact_id=1)
    assert closing_purchase(other, [CHECKOUT], slack=SLACK) == CHECKOUT
    assert closing_purchase(other, [CHECKOUT, order], slack=SLACK) == order


@pytest.mark.parametrize(
    ("placed", "first_detected", "status"),
    [
        ("29m59s", None, CartStatus.CONVERTED),
        ("30m", None, CartStatus.RECOVERED),
        ("29m", "0m", CartStatus.CONVERTED),
        ("5m", "-5h", CartStatus.RECOVERED),
    ],
)
def test_bought_before_it_was_ever_abandoned_is_converted(
    placed: str, first_detected: str | None, status: CartStatus
) -> None:
    cart = replace(CART, first_detected=at(first_detected) if first_detected else None)
    assert status_when_bought(cart, at(placed), idle_after=IDLE) == status


@pytest.mark.parametrize(
    ("activity", "bought_at", "was_abandoned", "opens"),
    [
        ("3h", "2h", False, False),
        ("3h1s", "2h", False, True),
        ("720h", None, True, True),
        ("719h", None, True, False),
        ("720h", None, False, False),
    ],
)
def test_when_a_cart_begins_anew(activity: str, bought_at: str | None, *, was_abandoned: bool, opens: bool) -> None:
    assert (
        opens_new_generation(
            at(activity),
            last_activity_at=T0,
            bought_at=at(bought_at) if bought_at else None,
            was_abandoned=was_abandoned,
            slack=SLACK,
        )
        is opens
    )

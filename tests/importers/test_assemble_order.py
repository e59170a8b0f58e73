"""Putting the rows of one order together."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.carts import Consent, OrderRecord
from cartctl.importers.records import OrderLine, RowError, assemble_order

T = datetime(2026, 3, 2, 10, tzinfo=UTC)


def line(row: int = 2, *, updated: int | None = None, line_amount: str | None = None, **columns: Any) -> OrderLine:
    """One row; `updated` is in minutes after T."""
    values: dict[str, Any] = {"placed_at": T, "currency": "EUR", "total": None} | columns
    updated_at = None if updated is None else T + timedelta(minutes=updated)
    order = OrderRecord(external_id="o-1", updated_at=updated_at, **values)
    return OrderLine(row=row, key="o-1", order=order, line_amount=None if line_amount is None else Decimal(line_amount))


def assembled(*lines: OrderLine) -> OrderRecord:
    """The order of these lines, the same in whichever order they come."""
    found = [assemble_order(list(order)) for order in itertools.permutations(lines)]
    assert all(record == found[0] for record in found)
    assert isinstance(found[0], OrderRecord)
    return found[0]


def test_newest_status_wins_and_what_it_was_before_is_remembered() -> None:
    order = assembled(line(2, updated=0, status="paid"), line(3, updated=5, status="cancelled"))
    assert (order.status, order.earlier, order.updated_at) == ("cancelled", ("paid",), T + timedelta(minutes=5))


def test_row_that_tells_its_time_is_newer_than_one_that_does_not() -> None:
    assert assembled(line(2, status="pending"), line(3, updated=5, status="failed")).status == "failed"


@pytest.mark.parametrize(
    ("words", "status"), [(("cancelled", "awaiting"), "awaiting"), (("cancelled", ""), "cancelled")]
)
def test_of_rows_at_one_time_the_bought_one_wins_and_a_blank_says_nothing(words: tuple[str, str], status: str) -> None:
    assert assembled(*(line(row, status=word) for row, word in enumerate(words))).status == status


def test_status_of_an_older_row_counts_where_the_newest_has_none() -> None:
    assert assembled(line(2, updated=0, status="paid"), line(3, updated=5)).status == "paid"


def test_total_is_the_newest_one_and_never_a_sum() -> None:
    assert assembled(line(2, total=Decimal(9)), line(3, total=Decimal(9))).total == Decimal(9)
    assert assembled(line(2, updated=0, total=Decimal(9)), line(3, updated=5, total=Decimal(7))).total == Decimal(7)
    assert assembled(line(2, updated=0, total=Decimal(9)), line(3, updated=5)).total == Decimal(9)


def test_lines_are_summed_where_no_row_has_a_total_but_not_those_of_an_older_state() -> None:
    assert assembled(line(2, line_amount="4"), line(3, line_amount="5")).total == Decimal(9)
    assert assembled(line(2, updated=0, line_amount="4"), line(3, updated=5, line_amount="5")).total == Decimal(5)
    further = OrderLine(row=4, key="o-1", order=None, line_amount=Decimal(2))
    assert assembled(line(2, line_amount="4"), further).total == Decimal(6)
    assert assembled(line(2)).total is None


def test_what_only_some_rows_say_is_kept() -> None:
    order = assembled(
        line(2, updated=5, refunded=Decimal(1)),
        line(3, updated=0, email="anna@example.com", refunded=Decimal(2), consent=Consent.GRANTED),
        line(4, updated=0, cart_ref="c-1", placed_at=T - timedelta(hours=1), consent=Consent.REFUSED),
    )
    assert (order.email, order.cart_ref, order.refunded) == ("anna@example.com", "c-1", Decimal(2))
    assert (order.placed_at, order.consent) == (T - timedelta(hours=1), Consent.GRANTED)


def test_order_worth_the_world_is_rejected_row_by_row() -> None:
    dear = [line(2, total=Decimal(10) ** 14), OrderLine(row=3, key="o-1", order=None)]
    reason = f"the order is worth {10**14}: absurd"
    assert assemble_order(dear) == [RowError(2, "total", reason), RowError(3, "total", reason)]


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([None, 0, 5]),
            st.sampled_from(["", "paid", "cancelled", "pending"]),
            st.sampled_from([None, Decimal(1), Decimal(2)]),
            st.sampled_from([None, "1", "3"]),
            st.sampled_from([None, "anna@example.com", "bea@example.com"]),
            st.sampled_from(list(Consent)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_order_of_the_rows_never_matters(rows: list[Any]) -> None:
    assembled(
        *(
            line(row, updated=updated, status=status, total=total, line_amount=amount, email=email, consent=consent)
            for row, (updated, status, total, amount, email, consent) in enumerate(rows)
        )
    )


def test_cancellation_that_set_the_total_to_nothing_does_not_lower_what_was_bought() -> None:
    placed = line(2, updated=0, status="paid", total=Decimal(9))
    assert assembled(placed, line(3, updated=5, status="cancelled", total=Decimal(0))).total == Decimal(9)
    failed = line(2, updated=0, status="failed", total=Decimal(9))
    assert assembled(failed, line(3, updated=5, status="cancelled", total=Decimal(0))).total == Decimal(0)

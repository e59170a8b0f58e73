"""The same rows in any order, in any order of files, carts before or after orders: always the same state.

Left out is only what may depend on history: activity more than the slack after a purchase of the same cart.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cartctl.domain.purchases import PurchaseRules
from cartctl.importers.format import Kind
from cartctl.importers.records import Context
from cartctl.jobs.importing import Options, import_file
from cartctl.store.database import EngineDatabase, open_database
from cartctl.store.tables import cart_items, carts, contacts, metadata, orders
from tests.shop import T0, write_csv

RULES = PurchaseRules(slack=timedelta(hours=1), idle_after=timedelta(minutes=30), not_purchases=frozenset({"failed"}))
SLACK_MINUTES = 60
CARTS = ("c-1", "c-2", "c-3")

Row = Mapping[str, str]


@dataclass(frozen=True)
class File:
    kind: Kind
    name: str
    rows: tuple[Row, ...]


def minute(number: int) -> str:
    return (T0 + timedelta(minutes=number)).isoformat()


CONSENT = st.sampled_from(["", "granted", "refused", "unknown"])
ITEM = st.fixed_dictionaries(
    {
        "product_name": st.sampled_from(["Blue mug", "Red mug", "Tea"]),
        "quantity": st.sampled_from(["0", "1", "2"]),
        "unit_price": st.sampled_from(["", "4.50", "49.90"]),
    }
)
NO_ITEM = {"product_name": "", "quantity": "", "unit_price": ""}


@st.composite
def sighting(draw: st.DrawFn, cart_id: str, email: str, created: str) -> list[dict[str, str]]:
    """Draw the rows of one cart at one moment; not every one of them has the address."""
    cart = {
        "cart_id": cart_id,
        "updated_at": minute(draw(st.integers(0, 300) | st.sampled_from([0, 30, 60]))),
        "created_at": created,
        "email": draw(st.sampled_from([email, email.upper()])),
        "phone": draw(st.sampled_from(["", "+4915123456789", "+4915100000000"])),
        "checkout_token": draw(st.sampled_from(["", "", "t-1", "t-2"])),
        "currency": "EUR",
        "first_name": draw(st.sampled_from(["", "Anna", "Ann"])),
        "total": draw(st.sampled_from(["", "", "49.90"])),
        "consent": draw(CONSENT),
    }
    first, *others = draw(st.lists(ITEM, max_size=3)) or [NO_ITEM]
    return [cart | first, *(cart | item | {"email": draw(st.sampled_from([email, ""]))} for item in others)]


@st.composite
def cart_rows(draw: st.DrawFn) -> list[dict[str, str]]:
    """Draw all rows of a few carts, each seen several times, by other names too. When it was created stays the same."""
    rows: list[dict[str, str]] = []
    for cart_id in draw(st.sets(st.sampled_from(CARTS), min_size=1)):
        created = draw(st.sampled_from(["", minute(-30)]))
        for _ in range(draw(st.integers(1, 4))):
            email = draw(st.sampled_from(["", "anna@example.com", "bea@example.com"]))
            rows.extend(draw(sighting(cart_id, email, created)))
    return rows


@st.composite
def order_rows(draw: st.DrawFn) -> list[dict[str, str]]:
    number = draw(st.integers(0, 3))
    return [
        {
            "order_id": f"o-{i}",
            "placed_at": minute(draw(st.integers(-90, 500))),
            "email": draw(st.sampled_from(["", "Anna@Example.com", "BEA@example.com"])),
            "phone": draw(st.sampled_from(["", "", "+49 1512 3456789"])),
            "cart_id": draw(st.sampled_from(["", "", "c-1", "c-2", "c-9"])),
            "checkout_token": draw(st.sampled_from(["", "", "t-1", "t-2", "t-9"])),
            "currency": "EUR",
            "total": draw(st.sampled_from(["", "10.00", "49.90"])),
            "refunded": draw(st.sampled_from(["", "", "5.00"])),
            "status": draw(st.sampled_from(["", "paid", "failed"])),
            "consent": draw(CONSENT),
        }
        for i in range(number)
    ]


@st.composite
def exports(draw: st.DrawFn) -> list[File]:
    """Draw the rows, and spread them over files: those of one cart at one moment too."""
    seen, bought = draw(cart_rows()), draw(order_rows())
    assume(not any(filled_again(row, seen, order) for row in seen for order in bought))
    files = []
    parts: list[tuple[Kind, list[dict[str, str]], int]] = [("carts", seen, 3), ("orders", bought, 2)]
    for kind, rows, most in parts:
        places = [draw(st.integers(1, most)) for _ in rows]
        for number in sorted(set(places)):
            here = tuple(row for row, place in zip(rows, places, strict=True) if place == number)
            files.append(File(kind, f"{kind}-{number}.csv", here))
    return files


def filled_again(row: Row, rows: Sequence[Row], order: Row) -> bool:
    """Say whether the row shows a cart more than the slack after a purchase of that same cart."""
    if order["status"] == "failed" or row["updated_at"] <= _later(order["placed_at"]):
        return False
    seen = [other for other in rows if other["cart_id"] == row["cart_id"]]
    created = not row["created_at"] or order["placed_at"] >= row["created_at"]
    token = bool(order["checkout_token"]) and order["checkout_token"] in {other["checkout_token"] for other in seen}
    named = created and (order["cart_id"] == row["cart_id"] or token)
    email, phone = order["email"].lower(), order["phone"].replace(" ", "")
    same = any((email and email == other["email"].lower()) or (phone and phone == other["phone"]) for other in seen)
    return named or (same and any(other["updated_at"] <= _later(order["placed_at"]) for other in seen))


def _later(moment: str) -> str:
    return (datetime.fromisoformat(moment) + timedelta(minutes=SLACK_MINUTES)).isoformat()


@pytest.fixture(scope="module")
def memory() -> Iterator[EngineDatabase]:
    database = open_database("sqlite://")
    yield database
    database.close()


def state_after(database: EngineDatabase, files: Sequence[File], folder: Path) -> Any:
    """Import the files, one after the other, into the emptied database; return what it then says."""
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    options = Options(context=Context(store="main", currency="EUR"), rejects_folder=folder)
    for file in files:
        path = write_csv(folder / file.name, *file.rows)
        result = import_file(database, path, kind=file.kind, options=options, rules=RULES, now=T0)
        assert result.rejected == 0, result.first_error
    return logical_state(database)


def logical_state(database: EngineDatabase) -> Any:
    """All that reports and sequences could tell apart: no row ids, no file names."""
    hidden = {"id", "contact_id", "order_id", "cart_id", "consent_source", "fingerprint", "position"}

    def shown(row: Any, **more: Any) -> dict[str, Any]:
        return {name: value for name, value in row._mapping.items() if name not in hidden} | more

    with database.read() as connection:
        people = {row.id: row for row in connection.execute(select(contacts))}
        bought = {row.id: row for row in connection.execute(select(orders))}
        items = connection.execute(select(cart_items).order_by(cart_items.c.cart_id, cart_items.c.position)).all()
        return {
            "carts": {
                (row.external_id, row.generation): shown(
                    row,
                    email=row.contact_id and people[row.contact_id].email_normalised,
                    order=row.order_id and bought[row.order_id].external_id,
                    items=sorted((shown(item) for item in items if item.cart_id == row.id), key=str),
                )
                for row in connection.execute(select(carts))
            },
            "orders": {
                row.external_id: shown(row, email=row.contact_id and people[row.contact_id].email_normalised)
                for row in bought.values()
            },
            "contacts": {row.email_normalised: shown(row) for row in people.values()},
        }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=exports(), seed=st.randoms(use_true_random=False))
def test_any_order_of_rows_and_files_gives_the_same_state(
    memory: EngineDatabase, tmp_path: Path, files: list[File], seed: random.Random
) -> None:
    other = [File(file.kind, file.name, tuple(seed.sample(file.rows, len(file.rows)))) for file in files]
    seed.shuffle(other)
    assert state_after(memory, files, tmp_path) == state_after(memory, other, tmp_path)


def states(database: EngineDatabase, folder: Path, *files: File) -> list[Any]:
    """Return the state after the files in this order, and after them in reverse."""
    return [state_after(database, order, folder) for order in (files, files[::-1])]


def test_cart_whose_rows_of_one_moment_lie_in_two_files_is_worth_the_same_in_any_order(
    memory: EngineDatabase, tmp_path: Path
) -> None:
    row = {"cart_id": "c-1", "updated_at": minute(0), "email": "", "currency": "EUR"}
    one = File("carts", "one.csv", (row | {"product_name": "Mug", "unit_price": "10.00"},))
    two = File("carts", "two.csv", (row | {"product_name": "Tea", "unit_price": "20.00"},))
    first, second = states(memory, tmp_path, one, two)
    assert first == second
    assert first["carts"]["c-1", 1]["total_minor"] == 3000


def test_credit_goes_to_the_cart_that_was_touched_last(memory: EngineDatabase, tmp_path: Path) -> None:
    def seen(cart_id: str, at: int) -> File:
        row = {"cart_id": cart_id, "updated_at": minute(at), "email": "anna@example.com", "product_name": "Mug"}
        return File("carts", f"{cart_id}-{at}.csv", (row,))

    order = {"order_id": "o-1", "placed_at": minute(10), "email": "anna@example.com", "total": "9.00"}
    for files in itertools.permutations(
        [seen("c-1", 0), seen("c-2", 1), File("orders", "o.csv", (order,)), seen("c-1", 2)]
    ):
        state_after(memory, files, tmp_path)
        with memory.read() as connection:
            credited = connection.execute(select(carts.c.external_id).where(carts.c.credited)).scalars().all()
        assert credited == ["c-1"]


def test_address_of_one_of_two_sightings_at_one_moment_is_kept(memory: EngineDatabase, tmp_path: Path) -> None:
    row = {"cart_id": "c-1", "updated_at": minute(0), "currency": "EUR", "total": "10.00"}
    one = File("carts", "one.csv", (row | {"email": "anna@example.com"},))
    two = File("carts", "two.csv", (row | {"email": "", "product_name": "Mug"},))
    first, second = states(memory, tmp_path, one, two)
    assert first == second
    assert first["carts"]["c-1", 1]["email"] == "anna@example.com"


@pytest.mark.parametrize(
    ("column", "values", "bears"),
    [
        ("checkout_token", ("t-z", "t-a", ""), {"checkout_token": "t-a"}),
        ("checkout_token", ("t-z", "t-a", ""), {"checkout_token": "t-z"}),
        ("phone", ("+4915123456789", "+4915100000000", ""), {"phone": "+4915123456789"}),
        ("email", ("bea@example.com", "anna@example.com", "zoe@example.com"), {"email": "anna@example.com"}),
        ("email", ("bea@example.com", "", ""), {"email": "Bea@example.com"}),
    ],
)
def test_whatever_a_cart_was_once_known_by_closes_it_in_any_order(
    memory: EngineDatabase, tmp_path: Path, column: str, values: tuple[str, ...], bears: dict[str, str]
) -> None:
    row = {"cart_id": "c-1", "email": "anna@example.com", "currency": "EUR", "product_name": "Mug", "unit_price": "9"}
    sightings = [row | {"updated_at": minute(60 * n), column: value} for n, value in enumerate(values)]
    files = [File("carts", f"{n}.csv", (sighting,)) for n, sighting in enumerate(sightings)]
    order = {"order_id": "o-1", "placed_at": minute(150), "email": "other@example.com", "currency": "EUR"}
    files.append(File("orders", "orders.csv", (order | bears,)))
    found = [state_after(memory, played, tmp_path) for played in itertools.permutations(files)]
    together = [File("carts", "all.csv", tuple(sightings)), files[-1]]
    found += states(memory, tmp_path, *together)
    assert {state["carts"]["c-1", 1]["order"] for state in found} == {"o-1"}
    assert all(state == found[0] for state in found)

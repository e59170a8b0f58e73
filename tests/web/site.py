"""A shop's endpoint in this process, asked as a browser or a mail program would ask. Time is set by hand."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select
from starlette.testclient import TestClient

from cartctl import config
from cartctl.store.database import connect
from cartctl.store.tables import events, metadata
from cartctl.web import create_app
from cartctl.web.service import Service
from tests.shop import Shop, at, cart

PHONE = {
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Accept-Language": "en-GB,en;q=0.9",
}
"""What a shopper's browser says of itself."""
CART_URL = "https://shop.example.com/cart?id=c-1"
STORE = """
[stores.main]
brand = "Mugs & More"
url = "https://shop.example.com"
hosts = ["shop.example.com"]
"""


class Site:
    """The endpoint of a shop."""

    def __init__(self, shop: Shop, client: TestClient) -> None:
        self.shop, self.client = shop, client
        self.now = "1d"
        self.seconds = 0.0

    @property
    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything the database holds but events."""
        engine = connect(config.load(file=None, environment={}, folder=self.shop.folder).database_url)
        with engine.connect() as connection:
            found = {
                name: sorted(tuple(row) for row in connection.execute(select(table)))
                for name, table in metadata.tables.items()
                if name != "events"
            }
        engine.dispose()
        return found

    @property
    def visits(self) -> list[tuple[str, int | None]]:
        """(kind, score) of every event of the endpoint, in order, once nothing more is being written: no page waits."""
        service: Service = self.client.app.state.service  # type: ignore[attr-defined] # Starlette's type knows no state
        idle, until = 0, time.monotonic() + 2  # a test may hold the database
        while idle < 3 and time.monotonic() < until:
            idle = 0 if service.writer.is_behind(0) else idle + 1
            time.sleep(0.005)
        engine = connect(config.load(file=None, environment={}, folder=self.shop.folder).database_url)
        with engine.connect() as connection:
            rows = connection.execute(
                select(events.c.kind, events.c.scanner_score).where(events.c.source == "endpoint").order_by(events.c.id)
            ).all()
        engine.dispose()
        return [(kind, score) for kind, score in rows]

    def links(self, step: str = "reminder", *, to: str = "anna@example.com") -> tuple[str, str]:
        """Return the paths of the recovery and the unsubscribe link of a mail in the outbox."""
        (mail,) = (mail for mail in self.shop.mails if (mail.step, mail.to) == (step, to))
        text = mail.part("plain")
        recover, unsubscribe = (re.search(rf"https?://[^/]+(/{kind}/\S+)", text) for kind in "ru")
        assert recover
        assert unsubscribe
        return recover[1], unsubscribe[1]


@contextmanager
def open_site(shop: Shop, settings: str = STORE, *, environment: Mapping[str, str] | None = None) -> Iterator[Site]:
    """Serve a shop whose database is that of its configuration."""
    before = (shop.folder / "cartctl.toml").read_text(encoding="utf-8")
    database = next((line for line in before.splitlines() if line.startswith("database")), "")
    top, _, tables = settings.partition("\n[")
    shop.configure("\n".join([database, top, f"[{tables}" if tables else ""]))
    site: list[Site] = []
    app = create_app(
        config.load(file=None, environment=environment or {}, folder=shop.folder),
        clock=lambda: at(site[0].now if site else "1d"),
        monotonic=lambda: site[0].seconds if site else 0.0,
    )
    with TestClient(app, follow_redirects=False, headers=PHONE) as client:
        site.append(Site(shop, client))
        yield site[0]


def mailed(shop: Shop, *, settings: str = STORE, step: str = "reminder", **columns: str) -> None:
    """Let one shopper, Anna, leave a cart and get her mails up to `step`."""
    database = (shop.folder / "cartctl.toml").read_text(encoding="utf-8").partition("\n[")[0]
    shop.configure(f"{database}\n{settings}")
    shop.carts(cart(**({"cart_url": CART_URL} | columns)), when="5m")
    for name, when in (("reminder", "30m"), ("urgency", "24h"), ("offer", "48h")):
        shop.run_once(when)
        if name == step:
            return

"""Import one file of carts."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from cartctl.domain.carts import CartSnapshot
from cartctl.domain.purchases import PurchaseRules
from cartctl.importers.records import CartLine, assemble_cart
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.store import carts, purchases
from cartctl.store.carts import Saved
from cartctl.store.database import EngineDatabase


def run(database: EngineDatabase, path: Path, *, options: Options, rules: PurchaseRules, now: datetime) -> ImportResult:
    """Import `path` as carts. A cart that a known order has bought is closed at once."""

    def save(connection: Connection, snapshots: list[CartSnapshot]) -> tuple[Saved, dict[str, int]]:
        saved, touched = carts.save(
            connection, options.context.store, snapshots, now=now, slack=rules.slack, source=f"carts:{path.name}"[:80]
        )
        purchases.match(connection, touched, rules, now=now)
        return saved, {}

    return import_file(
        database,
        path,
        kind="carts",
        line_type=CartLine,
        assemble=assemble_cart,
        save=save,
        options=options,
        now=now,
    )

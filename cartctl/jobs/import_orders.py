"""Import one file of orders. Every cart that one of them bought is closed in the same transaction."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from cartctl.domain.carts import OrderRecord
from cartctl.domain.purchases import PurchaseRules
from cartctl.importers.records import OrderLine, assemble_order
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.store import orders, purchases
from cartctl.store.carts import Saved
from cartctl.store.database import EngineDatabase


def run(
    database: EngineDatabase,
    path: Path,
    *,
    options: Options,
    rules: PurchaseRules,
    not_purchases: frozenset[str],
    now: datetime,
) -> ImportResult:
    """Import `path` as orders. `not_purchases`: statuses (lower case) that do not count as bought."""
    store = options.context.store

    def save(connection: Connection, records: list[OrderRecord]) -> tuple[Saved, dict[str, int]]:
        saved, rows = orders.save(
            connection, store, records, now=now, not_purchases=not_purchases, source=f"orders:{path.name}"[:80]
        )
        affected = purchases.carts_of_orders(connection, store, rows)
        closed = purchases.match(connection, affected, rules, now=now)
        unmatchable = sum(not record.can_match for record in records)
        return saved, {"carts_closed": len(closed), "unmatchable": unmatchable}

    return import_file(
        database,
        path,
        kind="orders",
        line_type=OrderLine,
        assemble=assemble_order,
        save=save,
        options=options,
        now=now,
    )

"""Import one file of orders."""

from datetime import datetime
from pathlib import Path

from cartctl.domain.purchases import PurchaseRules
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.store.database import EngineDatabase


def run(database: EngineDatabase, path: Path, *, options: Options, rules: PurchaseRules, now: datetime) -> ImportResult:
    """Import `path` as orders. Every cart that one of them bought is closed in the same transaction."""
    return import_file(database, path, kind="orders", options=options, rules=rules, now=now)

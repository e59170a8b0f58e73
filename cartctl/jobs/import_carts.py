"""Import one file of carts."""

from datetime import datetime
from pathlib import Path

from cartctl.domain.purchases import PurchaseRules
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.store.database import EngineDatabase


def run(database: EngineDatabase, path: Path, *, options: Options, rules: PurchaseRules, now: datetime) -> ImportResult:
    """Import `path` as carts. A cart that a known order has bought is closed at once."""
    return import_file(database, path, kind="carts", options=options, rules=rules, now=now)

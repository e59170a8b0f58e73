"""Import one dump of TikTok Shop: unpaid orders become carts, later states of them orders.

Webhooks and details may come in any order and on different days: the state with the newest `update_time` stays, a
payment that any of them told is never forgotten, and an order without an amount gets it from whatever tells it.
"""

from datetime import datetime
from pathlib import Path

from cartctl.domain.purchases import PurchaseRules
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.store.database import EngineDatabase


def run(database: EngineDatabase, path: Path, *, options: Options, rules: PurchaseRules, now: datetime) -> ImportResult:
    """Import `path`. With `options.context.tiktok_app` what is not signed by that app is rejected."""
    return import_file(database, path, kind="tiktok", options=options, rules=rules, now=now)

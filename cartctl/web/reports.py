"""The report for whoever asks over the network: worked out in a thread, one at a time, kept for a few seconds."""

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Any

from cartctl import wiring
from cartctl.domain.times import Bound
from cartctl.jobs.rules import Rules
from cartctl.settings import Settings
from cartctl.store.database import EngineDatabase
from cartctl.web.limits import Monotonic

KEPT_SECONDS = 10.0
_PERIODS = 32


class Reports:
    """Reports by their period."""

    def __init__(self, database: EngineDatabase, rules: Rules, settings: Settings, monotonic: Monotonic) -> None:
        self._database, self._rules, self._settings, self._monotonic = database, rules, settings, monotonic
        self._kept: OrderedDict[object, tuple[float, dict[str, Any]]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def get(
        self, key: object, since: Bound, until: Bound, *, include_outbox: bool, now: datetime
    ) -> dict[str, Any]:
        """Return the report's JSON object. `key` is what was asked for: `30d` is another moment each time."""
        async with self._one_at_a_time:
            made_at, report = self._kept.pop(key, (0.0, {}))
            if not report or self._monotonic() - made_at > KEPT_SECONDS:
                report = await asyncio.to_thread(self._make, since, until, include_outbox, now)
                made_at = self._monotonic()
            self._kept[key] = (made_at, report)
            if len(self._kept) > _PERIODS:
                self._kept.popitem(last=False)
            return report

    def _make(self, since: Bound, until: Bound, include_outbox: bool, now: datetime) -> dict[str, Any]:
        from cartctl.jobs.report import overall  # brings pandas, which no other request needs
        from cartctl.jobs.report.asking import Asked

        settings = self._settings.report
        asked = Asked(
            now=now,
            since=since,
            until=until,
            recovery_window=settings.recovery_window,
            attribution_window=settings.attribution_window,
            include_outbox=include_outbox or not wiring.delivers(self._settings),
        )
        return overall.run(self._database, rules=self._rules, asked=asked).as_json()

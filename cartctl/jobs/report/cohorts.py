"""Carts, what became of them, and what that was worth: by channel, store, currency, period, or all together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from cartctl.domain.money import Money
from cartctl.jobs.report.asking import Asked, folded, read, rows
from cartctl.jobs.report.results import Counted, Takings, Tier
from cartctl.jobs.rules import Rules

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cohorts:
    """What was read once, and is added up in as many ways as are asked for."""

    filled: pd.DataFrame
    abandoned: pd.DataFrame
    bought: pd.DataFrame

    def by(self, *columns: str) -> dict[Key, Counted]:
        """Return the numbers of each group, in order. Without columns: of all, under the key ().

        `columns`: store, period, channel, currency. By currency carts are told apart by their own, orders by theirs.
        """
        carts = _numbers(self.filled, columns, "carts")
        abandoned, recovered, immature = (
            _numbers(self.abandoned, columns, name) for name in ("abandoned", "recovered", "immature")
        )
        left = _money(self.abandoned, columns, "abandoned_minor")
        bought, clicked, sent = (tiers_by(self.bought, columns, where) for where in ("", "clicked_step", "sent_step"))
        keys = carts.keys() | abandoned.keys() | bought.keys()
        return {
            key: Counted(
                carts=carts.get(key, 0),
                abandoned=abandoned.get(key, 0),
                recovered=recovered.get(key, 0),
                immature=immature.get(key, 0),
                left=left.get(key, {}),
                bought=bought.get(key, Tier()),
                clicked=clicked.get(key, Tier()),
                sent=sent.get(key, Tier()),
            )
            for key in sorted(keys)
        }


def read_cohorts(connection: Connection, asked: Asked, rules: Rules) -> Cohorts:
    return Cohorts(*(read(connection, name, asked, rules) for name in ("filled", "abandoned", "bought")))


def tiers_by(bought: pd.DataFrame, columns: Sequence[str], where: str) -> dict[Key, Tier]:
    """Add up orders by these columns. `where`: a column that must not be blank; "" for all orders."""
    counted: dict[Key, int] = {}
    revenue: dict[Key, dict[str, Takings]] = {}
    chosen = bought[bought[where] != ""] if where and len(bought) else bought
    by = [*columns, *([] if "currency" in columns else ["currency"])]
    for row in rows(folded(chosen, by)):
        key = tuple(getattr(row, name) for name in columns)
        counted[key] = counted.get(key, 0) + int(row.orders)
        gross, net = (Money.from_minor(int(minor), row.currency) for minor in (row.gross_minor, row.net_minor))
        revenue.setdefault(key, {})[row.currency] = Takings(gross, net)
    return {key: Tier(orders, revenue[key]) for key, orders in counted.items()}


def _money(frame: pd.DataFrame, columns: Sequence[str], minor: str) -> dict[Key, dict[str, Money]]:
    found: dict[Key, dict[str, Money]] = {}
    by = [*columns, *([] if "currency" in columns else ["currency"])]
    for row in rows(folded(frame, by)):
        key = tuple(getattr(row, name) for name in columns)
        found.setdefault(key, {})[row.currency] = Money.from_minor(int(getattr(row, minor)), row.currency)
    return found


def _numbers(frame: pd.DataFrame, columns: Sequence[str], name: str) -> dict[Key, int]:
    return {
        tuple(getattr(row, column) for column in columns): int(getattr(row, name))
        for row in rows(folded(frame, list(columns)))
    }

"""Ten weeks of an invented shop, written straight into its database: some four hundred carts and what became of them.

The same every time, however it is asked for. Everything that a report counts is in it: recoveries with a click, with a
mail and without one, refunds, a holdout, bounces, complaints, late orders, carts too young to be judged.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from cartctl.store.database import EngineDatabase
from cartctl.store.tables import carts, contacts, enrollments, events, imports, messages, orders

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NOW = MONDAY + timedelta(weeks=10, hours=5)
"""The Monday after, when the report is made."""
STEPS = (("reminder", timedelta(minutes=30)), ("urgency", timedelta(hours=24)), ("offer", timedelta(hours=48)))


@dataclass
class _Rows:
    contacts: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    carts: list[dict[str, Any]] = field(default_factory=list)
    enrollments: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def fill(
    database: EngineDatabase, *, currencies: Sequence[str] = ("EUR",), holdout: bool = True, count: int = 400
) -> None:
    """Write the ten weeks. `holdout`: one contact in ten was never written to."""
    rows, dice = _Rows(), random.Random(20260302)
    for number in range(1, count + 1):
        _shop(rows, dice, number, currency=currencies[number % len(currencies)], holdout=holdout)
    feed = {"identity": "ten-weeks", "kind": "carts", "store": "main", "format": "native-carts", "name": "carts.csv"}
    with database.write() as connection:
        connection.execute(insert(imports).values(**feed, counts="{}", at=MONDAY))
        for table in (contacts, orders, carts, enrollments, messages, events):
            if found := getattr(rows, table.name):
                connection.execute(insert(table), found)


def _shop(rows: _Rows, dice: random.Random, number: int, *, currency: str, holdout: bool) -> None:
    """Let one shopper fill a cart, and perhaps come back."""
    left_at = MONDAY + timedelta(minutes=dice.randrange(70 * 24 * 60 - 600))
    total = dice.randrange(1500, 18000) * (1 if currency != "JPY" else 2)
    written_to = not holdout or dice.random() > 0.1
    comes_back = dice.random() < (0.17 if written_to else 0.08)
    bought_at = left_at + timedelta(minutes=int(dice.expovariate(1 / 1800)) + 31)
    if dice.random() < 0.3:  # bought before it was ever abandoned
        comes_back, bought_at = True, left_at + timedelta(minutes=12)
    comes_back = comes_back and bought_at < NOW
    converted = comes_back and bought_at - left_at < timedelta(minutes=30)
    rows.contacts.append({"id": number, "email_normalised": f"shopper{number}@example.com"})
    if comes_back:
        rows.orders.append(_order(dice, number, currency, total, bought_at))
    rows.carts.append(
        {
            "id": number,
            "store": "main",
            "external_id": f"c-{number}",
            "channel": "tiktok" if number % 5 == 0 else "website",
            "contact_id": number,
            "currency": currency,
            "total_minor": total,
            "total_given": True,
            "is_empty": False,
            "first_activity_at": left_at,
            "last_activity_at": left_at,
            "fingerprint": str(number),
            "status": "converted" if converted else "recovered" if comes_back else "abandoned",
            "abandoned_at": None if converted else left_at,
            "first_abandoned_at": None if converted else left_at,
            "recovered_at": bought_at if comes_back and not converted else None,
            "order_id": number if comes_back else None,
            "credited": comes_back,
        }
    )
    if not converted:
        _write_to(rows, dice, number, left_at, bought_at if comes_back else NOW, holdout=holdout, written_to=written_to)


def _order(dice: random.Random, number: int, currency: str, total: int, at: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "store": "main",
        "external_id": f"o-{number}",
        "channel": "website",
        "contact_id": number,
        "status": "paid",
        "is_purchase": True,
        "currency": currency,
        "total_minor": total,
        "net_minor": total // 2 if dice.random() < 0.1 else total,
        "placed_at": at,
        "imported_at": at + timedelta(minutes=10),
    }


def _write_to(
    rows: _Rows,
    dice: random.Random,
    number: int,
    left_at: datetime,
    until: datetime,
    *,
    holdout: bool,
    written_to: bool,
) -> None:
    """Send the steps that are due before the shopper bought, and let machines and people answer."""
    rows.enrollments.append(
        {
            "id": number,
            "sequence": "cart-recovery",
            "cart_id": number,
            "contact_id": number,
            "store": "main",
            "status": "finished" if written_to else "holdout",
            "arm": ("treated" if written_to else "holdout") if holdout else "",
            "enrolled_at": left_at + timedelta(minutes=30),
        }
    )
    late = 6 if dice.random() < 0.2 else 0  # so many hours after the purchase its order came
    due = [(step, left_at + after) for step, after in STEPS if left_at + after < until + timedelta(hours=late)]
    for step, at in due if written_to else []:
        message = len(rows.messages) + 1
        rows.messages.append(
            {
                "id": message,
                "enrollment_id": number,
                "contact_id": number,
                "step": step,
                "state": "accepted",
                "due_at": at,
                "attempt_at": at,
                "transport": "sendgrid",
                "delivers": True,
                "sent_at": at,
            }
        )
        fate = dice.random()
        kinds = ["bounce"] if fate < 0.012 else ["delivered"]
        kinds += ["spamreport"] if 0.5 < fate < 0.502 else ["unsubscribe"] if 0.6 < fate < 0.607 else []
        kinds += ["click"] * (fate > 0.86)
        for kind in kinds:
            event = len(rows.events) + 1
            score = None if kind != "click" else 90 if fate > 0.96 else 0
            rows.events.append(
                {
                    "id": event,
                    "content_hash": f"{event:064}",
                    "source": "sendgrid",
                    "kind": kind,
                    "at": at + timedelta(minutes=5),
                    "message_id": message,
                    "scanner_score": score,
                }
            )

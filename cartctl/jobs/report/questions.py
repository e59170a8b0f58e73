"""What `cartctl report NAME` answers: each question with its words, its table and its JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select

from cartctl.jobs.report import coupons, deliverability, lift, sheets, steps
from cartctl.jobs.report.asking import Asked
from cartctl.jobs.report.cohorts import read_cohorts
from cartctl.jobs.report.definitions import OF_CARTS
from cartctl.jobs.report.results import Counted, Delivered
from cartctl.jobs.report.sheets import Cell, Sheet
from cartctl.jobs.rules import Rules
from cartctl.store.database import Database
from cartctl.store.tables import carts


@dataclass(frozen=True, slots=True)
class Answer:
    """One question answered."""

    sheet: Sheet
    json: list[dict[str, Any]]
    notes: tuple[str, ...] = ()
    """Sentences that stand under the table."""


@dataclass(frozen=True, slots=True)
class Question:
    """How it is answered, and the words that are defined under it."""

    answer: Callable[[Database, Rules, Asked], Answer]
    words: tuple[str, ...]


def _cohorts(column: str) -> Callable[[Database, Rules, Asked], Answer]:
    def answer(database: Database, rules: Rules, asked: Asked) -> Answer:
        keys = ("period", column) if asked.by else (column,)
        with database.read() as connection:
            groups = read_cohorts(connection, asked, rules).by(*keys)
        rows = [
            {**_named(keys, key), **one.as_json(), "revenue": one.revenue_json()}
            | {"clicked": one.clicked.as_json(), "sent": one.sent.as_json()}
            for key, one in groups.items()
        ]
        return Answer(sheets.cohorts(groups, keys), rows, _immature(groups))

    return answer


def _immature(groups: Mapping[tuple[Cell, ...], Counted]) -> tuple[str, ...]:
    young = sum(one.immature for one in groups.values())
    return (f"* with {young} immature carts: the time to buy them is not over",) if young else ()


def _named(keys: tuple[str, ...], key: tuple[Cell, ...]) -> dict[str, Any]:
    return {name: cell.isoformat() if isinstance(cell, date) else cell for name, cell in zip(keys, key, strict=True)}


def _pieces(database: Database, rules: Rules, asked: Asked) -> list[tuple[tuple[date, ...], Asked]]:
    """Return what is asked, cut into periods where these are asked for, each with its key."""
    if asked.by is None:
        return [((), asked)]
    with database.read() as connection:
        first = connection.execute(select(func.min(carts.c.first_abandoned_at))).scalar()
    return [((begins,), piece) for begins, piece in asked.pieces(rules, first if first is not None else asked.now)]


def _periods(asked: Asked) -> tuple[str, ...]:
    return ("period",) if asked.by else ()


def _steps(database: Database, rules: Rules, asked: Asked) -> Answer:
    found = [
        (key, one)
        for key, piece in _pieces(database, rules, asked)
        for one in steps.run(database, rules=rules, asked=piece)
    ]
    rows = [{**_named(_periods(asked), key), **one.as_json()} for key, one in found]
    young = sum(one.count.immature for _, one in found)
    notes = (f"* with {young} immature messages, whose orders may still come",) if young else ()
    return Answer(sheets.steps(found, _periods(asked)), rows, (*notes, *_bases(one.delivery for _, one in found)))


def _bases(parts: Any) -> tuple[str, ...]:
    """Say of what rates are, where they are not of what was delivered."""
    if any(part.basis != "delivered" and part.accepted for part in parts):
        return ("rates are of what was accepted where the transport told of no delivery",)
    return ()


def _coupons(database: Database, rules: Rules, asked: Asked) -> Answer:
    found = [
        (key, one)
        for key, piece in _pieces(database, rules, asked)
        for one in coupons.run(database, rules=rules, asked=piece)
    ]
    rows = [{**_named(_periods(asked), key), **one.as_json()} for key, one in found]
    return Answer(sheets.coupons(found, _periods(asked)), rows)


def _deliverability(database: Database, rules: Rules, asked: Asked) -> Answer:
    found: list[tuple[tuple[Cell, ...], Delivered]] = []
    for key, piece in _pieces(database, rules, asked):
        result = deliverability.run(database, rules=rules, asked=piece)
        together = [("all", result.all)] if len(result.by_transport) > 1 else []
        found += [((*key, name), one) for name, one in (*result.by_transport.items(), *together)]
    keys = (*_periods(asked), "transport")
    rows = [{**_named(keys, key), **one.as_json()} for key, one in found]
    return Answer(sheets.deliverability(found, _periods(asked)), rows, _bases(one for _, one in found))


def _lift(database: Database, rules: Rules, asked: Asked) -> Answer:
    found = [
        (key, one)
        for key, piece in _pieces(database, rules, asked)
        for one in lift.run(database, rules=rules, asked=piece)
    ]
    rows = [{**_named(_periods(asked), key), **one.as_json()} for key, one in found]
    notes = tuple(
        " ".join([*(f"{begins}," for begins in key), f"{one.sequence}: {one.sentence}"]) for key, one in found
    )
    return Answer(sheets.lift(found, _periods(asked)), rows, notes or ("no sequence has a holdout",))


QUESTIONS: Mapping[str, Question] = {
    "steps": Question(
        _steps,
        (
            "sent",
            "late orders",
            "clicks",
            "sent, then bought",
            "clicked",
            "immature",
            "revenue",
            "per recipient",
            "rates",
        ),
    ),
    "channels": Question(_cohorts("channel"), OF_CARTS),
    "stores": Question(_cohorts("store"), OF_CARTS),
    "currencies": Question(_cohorts("currency"), OF_CARTS),
    "coupons": Question(_coupons, ("shown", "redeemed")),
    "lift": Question(_lift, ("because of the mails", "recovered", "immature")),
    "deliverability": Question(
        _deliverability,
        ("sent", "delivered", "bounced", "complained", "unsubscribed", "opened", "clicks", "rates"),
    ),
}

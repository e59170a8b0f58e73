"""How the HTML report writes its numbers: amounts, rates, days, durations."""

import re
from collections.abc import Iterable
from datetime import date, timedelta

from cartctl.domain.money import Money
from cartctl.domain.times import format_duration
from cartctl.jobs.report.asking import By

NONE = "–"


def amount(value: Money) -> str:
    """Write 12,345.60: the currency stands beside it."""
    return f"{value.amount:,}".replace("-", "−")


def money(value: Money) -> str:
    return f"{value.currency} {amount(value)}"


def rate(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def share(part: int, whole: int, *, decimals: int = 1) -> str:
    return f"{part / whole:.{decimals}%}" if whole else NONE


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def points(difference: float) -> str:
    return f"{difference * 100:.1f}%".replace("-", "−")


def beginning(day: date, by: By, *, with_year: bool = False) -> str:
    if by is By.MONTH:
        return f"{day:%b %Y}"
    return f"{day.day} {day:%b}" + (f" {day.year}" if with_year else "")


def spans(edges: Iterable[timedelta]) -> list[str]:
    """Name the times between edges: under 1 h, 1 to 6 h, 1 to 2 d."""
    names, before = [], timedelta(0)
    for edge in edges:
        names.append(f"{long(before)} to {long(edge)}" if before else f"under {long(edge)}")
        before = edge
    return names


def long(duration: timedelta) -> str:
    """Write 2 d 4 h or 45 min: two units are enough."""
    compact = format_duration(duration - duration % timedelta(minutes=1))
    parts = [
        f"{count}\N{NO-BREAK SPACE}{'min' if unit == 'm' else unit}"
        for count, unit in re.findall(r"(\d+)([dhm])", compact)
    ]
    return "\N{NO-BREAK SPACE}".join(parts[:2]) or "0\N{NO-BREAK SPACE}min"

"""Results as tables for people. Imported only when something is shown."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from cartctl.domain.money import Money
from cartctl.jobs.report.results import Counted, Lift, Report, StepCount, Takings, Tier

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR = 8
"""Characters of the longest bar."""


def show_report(report: Report, *, attribution_window: str) -> None:
    """Print the report."""
    console = Console(highlight=False)
    since, until = (bound.isoformat() if bound else "…" for bound in (report.since, report.until))
    console.print(
        f"[bold]Carts {since} to {until}[/bold]" if report.since or report.until else "[bold]All carts[/bold]"
    )
    if report.by_period:
        console.print(_counts("from", {f"{begins}": row for begins, row in report.by_period.items()}))
    channels = {**report.by_channel, "all": report.all} if len(report.by_channel) != 1 else report.by_channel
    console.print(_counts("channel", channels))
    if report.all.immature:
        console.print(f"* {report.all.immature} carts are immature: they may still be bought.")
    if money := report.all.left.keys() | report.all.bought.revenue.keys():
        console.print(_money(report.all, sorted(money)))
    if report.all.bought.orders or report.lift:
        console.print(_tiers(report.all, report.lift, attribution_window))
    for lift in report.lift:
        console.print(f"{lift.sequence}: {lift.sentence}")
    if report.by_step:
        console.print(_steps(report, attribution_window))
    console.print(f"late orders: {report.late_orders}")
    if report.includes_outbox and report.by_step:
        console.print("Messages that only went to the outbox are counted.")


def show_definitions(definitions: Mapping[str, str]) -> None:
    """Print what the words above mean."""
    console = Console(highlight=False)
    console.print()
    for word, meaning in definitions.items():
        console.print(f"[dim]{word}: {meaning}[/dim]")


def _counts(first: str, rows: Mapping[str, Counted]) -> Table:
    table = _table(first, "carts", "abandoned", "recovered", "recovery rate", "")
    highest = max((row.recovery_rate or 0 for row in rows.values()), default=0)
    for name, row in rows.items():
        mark = "*" if row.immature else ""
        counts = (str(number) for number in (row.carts, row.abandoned, row.recovered))
        table.add_row(name, *counts, f"{_rate(row.recovery_rate)}{mark}", bar(row.recovery_rate, highest))
    table.columns[-1].justify = "left"
    return table


def _money(row: Counted, currencies: list[str]) -> Table:
    table = _table("currency", "left in carts", "recovered, gross", "recovered, net")
    for currency in currencies:
        nothing = Money.from_minor(0, currency)
        takings = row.bought.revenue.get(currency, Takings(nothing, nothing))
        table.add_row(currency, str(row.left.get(currency, nothing)), str(takings.gross), str(takings.net))
    return table


def _tiers(row: Counted, lifts: Sequence[Lift], window: str) -> Table:
    """Three ways of crediting the mails with orders, side by side."""
    table = _table(
        "credited", f"clicked, bought within {window}", f"sent, bought within {window}", "beyond the holdout"
    )
    beyond = [lift.incremental for lift in lifts if lift.incremental is not None]
    table.add_row("orders", str(row.clicked.orders), str(row.sent.orders), f"{sum(beyond):.0f}" if beyond else "–")
    for currency in sorted(row.clicked.revenue.keys() | row.sent.revenue.keys()):
        table.add_row(f"{currency}, net", _net(row.clicked, currency), _net(row.sent, currency), "")
    return table


def _net(tier: Tier, currency: str) -> str:
    takings = tier.revenue.get(currency)
    return str(takings.net) if takings else str(Money.from_minor(0, currency))


def _steps(report: Report, window: str) -> Table:
    table = _table("step", "sent", f"bought within {window}", "after a click")
    for step in report.by_step:
        numbers = (step.sent, step.recovered.orders, step.clicked.orders)
        table.add_row(_name(step), *(str(number) for number in numbers))
    return table


def _name(step: StepCount) -> str:
    return f"{step.sequence}/{step.step}"


def _table(*columns: str) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"


def bar(rate: float | None, highest: float) -> str:
    """Draw a share of the highest one."""
    eighths = round((rate or 0) / highest * _BAR * 8) if highest else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()

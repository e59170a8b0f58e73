"""Results as tables for people. Imported only when something is shown."""

from rich.console import Console
from rich.table import Table

from cartctl.jobs.report import DEFINITIONS, Report


def show_report(report: Report, *, recovery_window: str, attribution_window: str) -> None:
    """Print the report, and under it what its words mean."""
    console = Console(highlight=False)
    since, until = (bound.isoformat() if bound else "…" for bound in (report.since, report.until))
    console.print(
        f"[bold]Carts {since} to {until}[/bold]" if report.since or report.until else "[bold]All carts[/bold]"
    )
    counts = _table("channel", "carts", "abandoned", "recovered", "recovery rate")
    rows = {**report.by_channel, "all": report.all} if len(report.by_channel) != 1 else report.by_channel
    for channel, row in rows.items():
        counts.add_row(channel, str(row.carts), str(row.abandoned), str(row.recovered), _rate(row.recovery_rate))
    console.print(counts)
    if report.revenue:
        money = _table("currency", "left in carts", "recovered, gross", "recovered, net")
        for currency, revenue in report.revenue.items():
            money.add_row(currency, str(revenue.abandoned), str(revenue.recovered_gross), str(revenue.recovered_net))
        console.print(money)
    if report.by_step:
        steps = _table("step", "sent", f"bought within {attribution_window}")
        for step in report.by_step:
            steps.add_row(f"{step.sequence}/{step.step}", str(step.sent), str(step.recovered))
        console.print(steps)
    console.print(f"late orders: {report.late_orders}")
    if report.includes_outbox and report.by_step:
        console.print("Messages that only went to the outbox are counted.")
    console.print()
    for word, meaning in DEFINITIONS.items():
        text = meaning.format(recovery_window=recovery_window, attribution_window=attribution_window)
        console.print(f"[dim]{word.replace('_', ' ')}: {text}[/dim]")


def _table(*columns: str) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"

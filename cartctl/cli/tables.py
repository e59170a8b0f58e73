"""Results as tables for people. Imported only when something is shown."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from cartctl.domain.money import Money
from cartctl.jobs.report.asking import Asked
from cartctl.jobs.report.results import Counted, Lift, Report, StepCount, Takings, Tier
from cartctl.jobs.report.sheets import Cell, Column, Kind, Sheet

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BEFORE = "_before"
_BARRED = ("recovery_rate", "orders_rate", "treated_rate")
_ONLY_IN_FILES = frozenset({"immature", "clicked_gross", "sent_gross", "reached"})
_TITLES = {
    "orders_clicked": "after a click",
    "orders_sent": "after a mail",
    "orders_rate": "bought",
    "clicked_net": "net, after a click",
    "sent_net": "net, after a mail",
    "left": "left in carts",
    "clicked_raw": "clicked, raw",
}
_FEW = 5
"""Rows of a table that may be laid on its side."""
_BAR = 8
"""Characters of the longest bar."""


def _console() -> Console:
    """Names are the shop's own: no bracket or colon in them is markup."""
    return Console(highlight=False, markup=False, emoji=False)


def show_report(report: Report, *, attribution_window: str) -> None:
    """Print the report."""
    console = _console()
    since, until = (bound.isoformat() if bound else "…" for bound in (report.since, report.until))
    console.print(f"Carts {since} to {until}" if report.since or report.until else "All carts", style="bold")
    if report.by_period:
        console.print(_counts("from", {f"{begins}": row for begins, row in report.by_period.items()}))
    channels = {**report.by_channel, "all": report.all} if len(report.by_channel) != 1 else report.by_channel
    console.print(_counts("channel", channels))
    if report.all.immature:
        console.print(f"* with {report.all.immature} immature carts: the time to buy them is not over")
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


def show_period(asked: Asked) -> None:
    since, until = (bound.isoformat() if bound else "…" for bound in (asked.since, asked.until))
    _console().print(f"Carts {since} to {until}" if asked.since or asked.until else "All carts", style="bold")


def show_sheet(sheet: Sheet) -> None:
    """Print a table, with a bar beside its first rate; and one of its money, currency by currency.

    Numbers of the period before stand in brackets behind those of today.
    """
    console = _console()
    keys = [number for number, column in enumerate(sheet.columns) if column.kind is Kind.KEY]
    numbers = [number for number, column in enumerate(sheet.columns) if column.kind not in (Kind.KEY, Kind.MONEY)]
    if sheet.rows:
        console.print(_fitting(console, _counted(sheet, keys, numbers), len(keys)))
    if any(column.kind is Kind.MONEY for column in sheet.columns):
        money = [number for number in keys if sheet.columns[number].name != "currency"]
        console.print(_fitting(console, _moneyed(sheet, money), len(money) + 1))


def show_lines(lines: Sequence[str]) -> None:
    console = _console()
    for line in lines:
        console.print(line)


def show_comparison(totals: Sheet, before: Report) -> None:
    """Print one row of numbers as rows: what it is, now, and in the period before."""
    since, until = (bound.isoformat() if bound else "…" for bound in (before.since, before.until))
    console = _console()
    console.print(f"Beside {since} to {until}", style="bold")
    table = _table("", "now", "before")
    (row,) = totals.rows
    cells = dict(zip(totals.columns, row, strict=True))
    for column in totals.columns[::2]:
        earlier = Column(f"{column.name}_before", column.kind, column.currency)
        table.add_row(_title(column), _cell(column, cells[column]), _cell(earlier, cells[earlier]))
    console.print(table)


def _fitting(console: Console, table: Table, keys: int) -> Table:
    """Return the table, or itself on its side: a number a line, where it is too wide and has few rows."""
    width = table.__rich_measure__(console, console.options.update(max_width=1000)).maximum
    if width <= console.width or table.row_count > _FEW:
        return table
    lines = [list(column.cells) for column in table.columns]
    turned = _table("", *("\n".join(str(lines[key][row]) for key in range(keys)) for row in range(table.row_count)))
    for column, cells in list(zip(table.columns, lines, strict=True))[keys:]:
        if column.header:
            turned.add_row(str(column.header), *(str(cell) for cell in cells))
    wide = turned.__rich_measure__(console, console.options.update(max_width=1000)).maximum
    return turned if wide <= console.width else table


def _counted(sheet: Sheet, keys: list[int], numbers: list[int]) -> Table:
    shown = [number for number in numbers if _is_shown(sheet.columns[number])]
    table = Table()
    for number in keys:
        table.add_column(_title(sheet.columns[number]), overflow="fold")
    rate = next((number for number in shown if sheet.columns[number].name in _BARRED), None)
    for number in shown:
        table.add_column(_title(sheet.columns[number]), justify="right", overflow="fold")
        if number == rate:
            table.add_column("", no_wrap=True)
    young = next((number for number in numbers if sheet.columns[number].name == "immature"), None)
    highest = max((_number(row[rate]) for row in sheet.rows), default=0.0) if rate is not None else 0.0
    for row in sheet.rows:
        cells = [_cell(sheet.columns[number], row[number]) for number in keys]
        for number in shown:
            mark = "*" if number == rate and young is not None and row[young] else ""
            cells.append(_cell(sheet.columns[number], row[number]) + mark + _earlier(sheet, row, number))
            if number == rate:
                cells.append(bar(_number(row[number]), highest))
        table.add_row(*cells)
    return table


def _moneyed(sheet: Sheet, keys: list[int]) -> Table:
    money = [number for number, column in enumerate(sheet.columns) if column.kind is Kind.MONEY]
    names = dict.fromkeys(sheet.columns[number].name for number in money if _is_shown(sheet.columns[number]))
    table = Table()
    for title in (*(_title(sheet.columns[number]) for number in keys), "currency"):
        table.add_column(title, overflow="fold")
    for name in names:
        table.add_column(_title(Column(name, Kind.MONEY)), justify="right", overflow="fold")
    for row in sheet.rows:
        for currency in dict.fromkeys(sheet.columns[number].currency for number in money):
            own = [number for number in money if sheet.columns[number].currency == currency]
            if any(row[number] is not None and str(row[number]).strip("0.") for number in own):
                cells = [_cell(sheet.columns[number], row[number]) for number in keys]
                mine = [number for number in own if sheet.columns[number].name in names]
                amounts = [_cell(sheet.columns[number], row[number]) + _earlier(sheet, row, number) for number in mine]
                table.add_row(*cells, currency, *amounts)
    return table


def _is_shown(column: Column) -> bool:
    return not column.name.endswith(_BEFORE) and column.name not in _ONLY_IN_FILES


def _earlier(sheet: Sheet, row: Sequence[Cell], number: int) -> str:
    """Return the same number of the period before in brackets; it stands in the next column."""
    following = sheet.columns[number + 1 : number + 2]
    if not following or not following[0].name.endswith(_BEFORE):
        return ""
    return f" ({_cell(sheet.columns[number], row[number + 1])})"


def _cell(column: Column, cell: Cell) -> str:
    if cell is None:
        return "–"
    if column.kind is Kind.RATE and isinstance(cell, float):
        return f"{cell:.2%}" if 0 < abs(cell) < 0.01 else f"{cell:.1%}"
    return str(cell)


def _number(cell: Cell) -> float:
    return cell if isinstance(cell, float) else 0.0


def _title(column: Column) -> str:
    return _TITLES.get(column.name, column.name.replace("_", " ")) + (f" {column.currency}" if column.currency else "")


def show_definitions(definitions: Mapping[str, str]) -> None:
    """Print what the words above mean."""
    console = _console()
    if definitions:
        console.print()
    for word, meaning in definitions.items():
        console.print(f"{word}: {meaning}", style="dim")


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
    table = _table(f"bought within {window}", "after a click", "after a mail", "beyond the holdout")
    beyond = [lift.incremental for lift in lifts if lift.incremental is not None and not lift.is_early]
    credited = f"{sum(beyond):.0f}" if beyond else "too early" if lifts else "–"
    table.add_row("orders", str(row.clicked.orders), str(row.sent.orders), credited)
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

"""`cartctl report`, and what it can be asked by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.contacts import read_address
from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.report_files import write_sheet
from cartctl.cli.session import State, clock, print_json, read_at
from cartctl.domain.times import Bound, NoOffsetError, format_duration, parse_bound, zone_named
from cartctl.errors import UsageError
from cartctl.suggest import did_you_mean

if TYPE_CHECKING:  # they bring pandas, which no other command pays for
    from cartctl.jobs.report.asking import Asked

app = typer.Typer(help="Tell what was abandoned, what came back, and what that was worth.", invoke_without_command=True)

Since = Annotated[str | None, typer.Option(help="2026-11-01 (store's zone), a time with offset, 30d; 4w: a Monday.")]
Until = Annotated[str | None, typer.Option(help="The same; exclusive.")]
ByPeriod = Annotated[str | None, typer.Option("--by", metavar="day|week|month", help="Cut into periods.")]
Compare = Annotated[bool, typer.Option("--compare", help="Show the period before beside it; needs --since.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table there instead.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with charts instead.")]
EmailTo = Annotated[
    str | None, typer.Option("--email", metavar="TO", help="Mail that page through the transport, once for a period.")
]
Define = Annotated[bool, typer.Option("--define", help="Say under the numbers what each of them means.")]
IncludeOutbox = Annotated[
    bool, typer.Option("--include-outbox", help="Count messages that only went to the outbox, too.")
]
SUBJECTS = {
    "steps": "Each step of each sequence: what was sent, clicked, and bought after it.",
    "channels": "Carts by channel.",
    "stores": "Carts by store.",
    "currencies": "Carts by their currency, revenue by that of the orders.",
    "coupons": "Codes that mails showed, and the orders that bear them.",
    "lift": "What came back because of the mails: beside a holdout that is never written to.",
    "deliverability": "What became of the messages: delivered, bounced, complained of, opened, clicked.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What stood on the command line."""

    since: str | None
    until: str | None
    by: str | None
    compare: bool
    csv_file: Path | None
    define: bool
    include_outbox: bool
    at: str | None
    as_json: bool


@app.callback()
def report(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    by: ByPeriod = None,
    compare: Compare = False,
    csv_file: CsvFile = None,
    define: Define = False,
    include_outbox: IncludeOutbox = False,
    html: HtmlFile = None,
    email: EmailTo = None,
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Tell what was abandoned, what came back, and what that was worth."""
    wanted = Wanted(
        since=since,
        until=until,
        by=by,
        compare=compare,
        csv_file=csv_file,
        define=define,
        include_outbox=include_outbox,
        at=at,
        as_json=as_json,
    )
    state = state_of(ctx, verbose=verbose)
    if ctx.invoked_subcommand is None and html is None and email is None:
        _overall(state, wanted)
    elif ctx.invoked_subcommand is None:
        raise typer.Exit(_page(state, wanted, html=html, email=email))
    elif any((since, until, by, compare, csv_file, define, include_outbox, html, email, at, as_json)):
        raise UsageError(f"options stand behind the name: cartctl report {ctx.invoked_subcommand} …")


def _subcommand(name: str) -> Callable[..., None]:
    """Make the command that asks one question; all of them take the same options."""

    def command(
        ctx: typer.Context,
        since: Since = None,
        until: Until = None,
        by: ByPeriod = None,
        compare: Compare = False,
        csv_file: CsvFile = None,
        define: Define = False,
        include_outbox: IncludeOutbox = False,
        at: At = None,
        as_json: AsJson = False,
    ) -> None:
        wanted = Wanted(
            since=since,
            until=until,
            by=by,
            compare=compare,
            csv_file=csv_file,
            define=define,
            include_outbox=include_outbox,
            at=at,
            as_json=as_json,
        )
        _ask(state_of(ctx), name, wanted)

    return command


for _name, _help in SUBJECTS.items():
    app.command(_name, help=_help)(_subcommand(_name))


def _overall(state: State, wanted: Wanted) -> None:
    from cartctl.jobs.report import definitions, overall, sheets

    asked = _asked(state, wanted)
    rules = wiring.rules(state.loaded)
    with state.database(at=read_at(wanted.at), writes=False) as database:
        result = overall.run(database, rules=rules, asked=asked)
        before = overall.run(database, rules=rules, asked=_before(asked, rules)) if wanted.compare else None
    meanings = definitions.define(definitions.DEFAULT, asked) if wanted.define else {}
    if wanted.csv_file:
        sheet = sheets.of_report(result)
        write_sheet(state.loaded, wanted.csv_file, sheet.beside(sheets.of_report(before)) if before else sheet)
    if wanted.as_json:
        extra = ({"before": before.as_json()} if before else {}) | ({"definitions": meanings} if meanings else {})
        print_json(result.as_json() | extra)
    elif not wanted.csv_file:
        from cartctl.cli import tables

        tables.show_report(result, attribution_window=format_duration(asked.attribution_window))
        if before:
            tables.show_comparison(sheets.totals(result).beside(sheets.totals(before)), before)
        tables.show_definitions(meanings)


def _ask(state: State, name: str, wanted: Wanted) -> None:
    from cartctl.jobs.report import definitions
    from cartctl.jobs.report.questions import QUESTIONS

    question = QUESTIONS[name]
    asked = _asked(state, wanted)
    rules = wiring.rules(state.loaded)
    with state.database(at=read_at(wanted.at), writes=False) as database:
        answer = question.answer(database, rules, asked)
        before = question.answer(database, rules, _before(asked, rules)) if wanted.compare else None
    sheet = answer.sheet.beside(before.sheet) if before else answer.sheet
    meanings = definitions.define(question.words, asked) if wanted.define else {}
    if wanted.csv_file:
        write_sheet(state.loaded, wanted.csv_file, sheet)
    if wanted.as_json:
        found: dict[str, Any] = {
            "since": asked.since.isoformat() if asked.since else None,
            "until": asked.until.isoformat() if asked.until else None,
            "includes_outbox": asked.include_outbox,
            name: answer.json,
        }
        extra = ({"before": before.json} if before else {}) | ({"definitions": meanings} if meanings else {})
        print_json(found | extra)
    elif not wanted.csv_file:
        from cartctl.cli import tables

        tables.show_period(asked)
        tables.show_sheet(sheet)
        tables.show_lines(answer.notes)
        tables.show_definitions(meanings)


def _asked(state: State, wanted: Wanted) -> "Asked":
    from cartctl.jobs.report.asking import Asked, By

    settings = state.loaded.settings
    now, zone = read_at(wanted.at) or clock(None)(), zone_named(settings.timezone)
    if wanted.by is not None and wanted.by not in list(By):
        raise UsageError(f'--by: "{wanted.by}" is neither day, week nor month{did_you_mean(wanted.by, list(By))}')
    if wanted.compare and wanted.by:
        raise UsageError("--compare shows one whole period beside another: leave out --by")
    if wanted.compare and wanted.since is None:
        raise UsageError("--compare needs --since: the period before is as long as the one that begins there")
    return Asked(
        now=now,
        since=_bound(wanted.since, "--since", now, zone),
        until=_bound(wanted.until, "--until", now, zone),
        recovery_window=settings.report.recovery_window,
        attribution_window=settings.report.attribution_window,
        include_outbox=wanted.include_outbox or not wiring.delivers(settings),
        by=By(wanted.by) if wanted.by else None,
    )


def _before(asked: "Asked", rules: Any) -> "Asked":
    try:
        return asked.before(rules)
    except (OverflowError, ValueError) as error:
        raise UsageError(f"--compare: {error}") from None


def _page(state: State, wanted: Wanted, *, html: Path | None, email: str | None) -> int:
    """Write the page, mail it, or both; return the exit code."""
    from cartctl.cli.report_delivery import deliver
    from cartctl.jobs.report.asking import By

    if wanted.as_json or wanted.csv_file or wanted.compare or wanted.define:
        raise UsageError("--html and --email take neither --json, --csv nor --compare, and define everything anyway")
    asked = _asked(state, wanted)
    asked = replace(asked, by=asked.by or By.WEEK)
    to = None if email is None else read_address(email, "--email")
    at = read_at(wanted.at)
    with state.database(at=at, writes=email is not None) as database:
        rules = wiring.rules(state.loaded)
        return deliver(state, database, rules, asked, clock=clock(at), file=html, to=to)


def _bound(text: str | None, option: str, now: datetime, zone: tzinfo) -> Bound:
    try:
        return parse_bound(text, now, zone)
    except NoOffsetError as error:
        raise UsageError(f"{option}: {error}: append one, such as Z or +01:00, or name a date") from None
    except ValueError as error:
        raise UsageError(f"{option}: {error} (2026-11-01, 30d and 4w are, too)") from None

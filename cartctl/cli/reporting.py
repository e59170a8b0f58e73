"""`cartctl report`."""

from datetime import datetime
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, At, state_of
from cartctl.cli.session import clock, print_json, read_at
from cartctl.domain.times import Bound, NoOffsetError, format_duration, parse_bound
from cartctl.errors import UsageError


def report(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option(help="2026-11-01 (store's zone), a time with offset, or 30d.")] = None,
    until: Annotated[str | None, typer.Option(help="The same; exclusive.")] = None,
    include_outbox: Annotated[
        bool, typer.Option("--include-outbox", help="Count messages that only went to the outbox, too.")
    ] = False,
    define: Annotated[bool, typer.Option("--define", help="Say under the numbers what each of them means.")] = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Tell what was abandoned, what came back, and what that was worth."""
    from cartctl.jobs.report import definitions, overall
    from cartctl.jobs.report.asking import Asked

    state = state_of(ctx)
    settings = state.loaded.settings
    moment = read_at(at)
    now = moment or clock(None)()
    asked = Asked(
        now=now,
        since=_bound(since, "--since", now),
        until=_bound(until, "--until", now),
        recovery_window=settings.report.recovery_window,
        attribution_window=settings.report.attribution_window,
        include_outbox=include_outbox or not wiring.delivers(settings),
    )
    with state.database(at=moment, writes=False) as database:
        result = overall.run(database, rules=wiring.rules(state.loaded), asked=asked)
    meanings = definitions.define(definitions.DEFAULT, asked) if define else {}
    if as_json:
        print_json(result.as_json() | ({"definitions": meanings} if define else {}))
        return
    from cartctl.cli.tables import show_definitions, show_report

    show_report(result, attribution_window=format_duration(asked.attribution_window))
    if define:
        show_definitions(meanings)


def _bound(text: str | None, option: str, now: datetime) -> Bound:
    try:
        return parse_bound(text, now)
    except NoOffsetError as error:
        raise UsageError(f"{option}: {error}: append one, such as Z or +01:00, or name a date") from None
    except ValueError as error:
        raise UsageError(f"{option}: {error} (2026-11-01 and 30d are, too)") from None

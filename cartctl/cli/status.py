"""`cartctl status`: how the shop stands, for people."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, At, state_of
from cartctl.cli.session import clock, print_json, read_at
from cartctl.domain.brakes import what
from cartctl.domain.times import format_duration
from cartctl.jobs import status as job
from cartctl.jobs.status import LastRun, Status


def status(ctx: typer.Context, at: At = None, as_json: AsJson = False) -> None:
    """Show how things stand: the last run, what is due, what was sent, what holds. Changes nothing."""
    state = state_of(ctx)
    settings = state.loaded.settings
    moment = read_at(at)
    rules = wiring.rules(state.loaded)
    with state.database(at=moment, writes=False) as database:
        found = job.run(
            database,
            rules=rules,
            recovery_window=settings.report.recovery_window,
            include_outbox=not wiring.delivers(settings),
            now=moment or clock(None)(),
        )
    if as_json:
        print_json(found.as_json())
    else:
        print("\n".join(f"{name:14}{text}" for name, text in _lines(found)))


def _lines(found: Status) -> Iterator[tuple[str, str]]:
    figures = found.figures
    yield "last run", _last_run(figures.last_run, figures.at)
    yield "due now", f"{figures.due}, {figures.due_held} of them held" if figures.due_held else str(figures.due)
    if figures.oldest_due_at:
        yield "oldest due", _ago(figures.oldest_due_at, figures.at)
    outbox = " (the outbox's are counted)" if found.includes_outbox and found.sent else ""
    yield "sent", f"{found.sent_today} today, {found.sent_last_7_days} in 7 days, {found.sent} in all{outbox}"
    yield "failed", str(found.failed)
    yield "unknown", f"{found.unknown} (cartctl messages list --state unknown)" if found.unknown else "0"
    for one in found.brakes:
        yield "held", f"{what(one.kind, one.subject)} since {_ago(one.since, figures.at)}: {one.why}"
    if not found.brakes:
        yield "held", "nothing"
    for (store, channel), fresh_at in figures.order_feeds.items():
        yield "orders", f"{store}, {channel}: {_ago(fresh_at, figures.at)}"
    if not figures.order_feeds:
        yield "orders", "none were ever imported"
    told = "{carts}: {active} active now, {abandoned} abandoned so far, {recovered} of these recovered"
    yield "carts", told.format(**found.carts)


def _last_run(last: LastRun | None, now: datetime) -> str:
    if last is None:
        return "run-due never ran"
    if last.seconds is None:
        return f"{_ago(last.started_at, now)}, not finished"
    return f"{_ago(last.started_at, now)}, took {last.seconds:.1f} s"


def _ago(instant: datetime, now: datetime) -> str:
    """`2026-03-02 10:30 UTC (1h5m ago)`."""
    shown = f"{instant:%Y-%m-%d %H:%M} UTC"
    age = now - instant
    if age < timedelta(minutes=1):
        return f"{shown} (now)" if age > -timedelta(minutes=1) else f"{shown} (in the future)"
    return f"{shown} ({format_duration(timedelta(minutes=age // timedelta(minutes=1)))} ago)"

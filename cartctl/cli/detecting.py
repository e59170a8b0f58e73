"""`cartctl detect` and `cartctl run-due`, as Typer sees them."""

from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.logs import LOG
from cartctl.cli.options import AsJson, At, LogFormat, Verbose, state_of
from cartctl.cli.session import clock, print_json, read_at
from cartctl.cli.tick import tick
from cartctl.jobs import detect as detect_job


def detect(
    ctx: typer.Context,
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Mark the carts that were left behind. `run-due` does this too, and then sends."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    moment = read_at(at)
    rules = wiring.rules(state.loaded)
    with state.database(at=moment) as database:
        found = detect_job.abandon(database, rules=rules, clock=clock(moment))
    result: dict[str, Any] = {"detected": found.total, "abandoned": found.abandoned, "expired": found.expired}
    LOG.tell("detected", **result)
    if as_json:
        print_json(result)
    else:
        state.say(f"{found.abandoned} carts abandoned, {found.expired} too old to be written to")


def run_due(
    ctx: typer.Context,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most so many messages.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go to whom and why; change nothing.")
    ] = False,
    show_addresses: Annotated[bool, typer.Option("--show-addresses", help="With --dry-run: whole addresses.")] = False,
    confirm_burst: Annotated[
        bool, typer.Option("--confirm-burst", help="Send what is due now, however much it is.")
    ] = False,
    no_lock: Annotated[
        bool, typer.Option("--no-lock", hidden=True, help="For tests: run beside another run on this machine.")
    ] = False,
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Detect, enroll, and send what is due: the job for cron, every 5 minutes."""
    exit_code = tick(
        state_of(ctx, verbose=verbose, log_format=log_format),
        limit=limit,
        dry_run=dry_run,
        show_addresses=show_addresses,
        at=read_at(at),
        as_json=as_json,
        lock=not no_lock,
        confirm_burst=confirm_burst,
    )
    raise typer.Exit(exit_code)

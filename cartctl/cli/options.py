"""The options that several commands share."""

from typing import Annotated

import typer

from cartctl.cli.logs import Format
from cartctl.cli.session import State

Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say what was done, not only what went wrong.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
LogFormat = Annotated[
    Format | None, typer.Option("--log-format", help="How the log on standard error is written; else log.format.")
]
ShowAddresses = Annotated[bool, typer.Option("--show-addresses", help="Whole addresses.")]
At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Rehearse: act as if it were this time (2026-11-22T10:30:00+01:00)."),
]


def state_of(ctx: typer.Context, *, verbose: bool = False, log_format: Format | None = None) -> State:
    """Return what stood before the command; `-v` and `--log-format` count there as well as behind it."""
    state: State = ctx.obj
    state.verbose = state.verbose or verbose
    state.log_as(log_format)
    return state

"""The options that several commands share."""

from typing import Annotated

import typer

from cartctl.cli.session import State

Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say what was done, not only what went wrong.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Rehearse: act as if it were this time (2026-11-22T10:30:00+01:00)."),
]


def state_of(ctx: typer.Context, *, verbose: bool = False) -> State:
    """Return what stood before the command; `-v` counts there as well as behind it."""
    state: State = ctx.obj
    state.verbose = state.verbose or verbose
    return state

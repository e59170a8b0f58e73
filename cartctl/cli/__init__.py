"""The command line: parse, open, call one job, render its result, choose the exit code. No rules here."""

import os
import sys

from cartctl.cli.logs import LOG
from cartctl.errors import CartctlError


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code. What cartctl can name ends in one line, never in a traceback."""
    LOG.format = "text"  # until option or configuration say otherwise
    try:
        _dispatch(sys.argv[1:] if arguments is None else arguments)
    except CartctlError as error:
        LOG.complain(str(error), level="error")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; without this Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _dispatch(arguments: list[str]) -> None:
    if arguments == ["run-due"]:
        # Cron's tick, 288 times a day, and mostly idle. It has no options to parse, and Typer with its
        # pydantic would take longer than everything else together.
        from cartctl.cli.session import State
        from cartctl.cli.tick import tick

        sys.exit(tick(State(None, verbose=False)))
    from cartctl.cli.app import command

    command(args=arguments, prog_name="cartctl")

"""The command line: parse, open, call one job, render its result, choose the exit code. No rules here."""

import errno
import os
import sys
from pathlib import Path

from cartctl.cli.logs import LOG
from cartctl.errors import CartctlError, UsageError


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code. What cartctl can name ends in one line, never in a traceback."""
    _open_what_was_closed()
    LOG.format = "text"  # until option or configuration say otherwise
    words = sys.argv[1:] if arguments is None else arguments
    try:
        _dispatch(words)
    except CartctlError as error:
        LOG.complain(str(error), level="error")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; without this Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        _refuse("the name of a file or folder is longer than this system allows: name another")
    except UnicodeEncodeError:
        # Files may be called so, and are; what is looked for in a database or kept there may not.
        number = next((place for place, word in enumerate(words, start=1) if not _is_text(word)), 0)
        if not number:
            raise
        _refuse(f"word {number} of the command is not UTF-8: write it in a terminal that speaks UTF-8")


def _open_what_was_closed() -> None:
    """Give a process that was started without standard streams (`<&- >&-`) some that lead nowhere.

    Else the first files it opens take their numbers, and what writes to them finds none.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open as long as the process


def _refuse(complaint: str) -> None:
    LOG.complain(complaint, level="error")
    sys.exit(UsageError.exit_code)


def _is_text(word: str) -> bool:
    """Say whether it is UTF-8: of other bytes Python makes halves of characters, which nothing can write."""
    return not any("\udc80" <= sign <= "\udcff" for sign in word)


def _dispatch(arguments: list[str]) -> None:
    if arguments == ["run-due"]:
        # Cron's tick, 288 times a day, and mostly idle. It has no options to parse, and Typer with its
        # pydantic would take longer than everything else together.
        from cartctl.cli.session import State
        from cartctl.cli.tick import tick

        sys.exit(tick(State(None, verbose=False)))
    from cartctl.cli.app import command

    command(args=arguments, prog_name="cartctl")

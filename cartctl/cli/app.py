"""All commands, under one name. The order here is the order in `cartctl --help`."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl import __version__
from cartctl.cli import (
    braking,
    coming,
    contacts,
    database,
    demo,
    detecting,
    doctor,
    enrolling,
    explaining,
    feedback,
    formats,
    importing,
    inbox,
    messages,
    notion,
    previewing,
    purging,
    pushing,
    reporting,
    segments,
    sequences,
    serve,
    setup,
    status,
    suppressing,
    templates,
    tiktok,
)
from cartctl.cli.options import LogFormat, Verbose
from cartctl.cli.session import State

app = typer.Typer(
    help="Win back abandoned carts: import, detect, mail at the right moment, stop at the purchase, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks would show local variables, and so addresses and keys
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"cartctl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The configuration; else CARTCTL_CONFIG, else ./cartctl.toml.")
    ] = None,
    verbose: Verbose = False,
    log_format: LogFormat = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Keep what stands before the command."""
    ctx.obj = State(config, verbose=verbose, log_format=log_format)


app.command("init")(setup.init)
app.command("demo")(demo.demo)
app.add_typer(importing.app, name="import")
for _command in (
    *(tiktok.tiktok, feedback.events, feedback.suppressions, feedback.coupons),
    *(enrolling.contacts, inbox.inbox, formats.formats),
):
    importing.app.command()(_command)
app.command("enroll")(enrolling.enroll)
app.command("detect")(detecting.detect)
app.command("run-due")(detecting.run_due)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("plan")(coming.plan)
app.command("simulate")(coming.simulate)
app.command("explain")(explaining.explain)
app.command("pause")(braking.pause)
app.command("resume")(braking.resume)
app.command("cancel")(braking.cancel)
app.add_typer(messages.app, name="messages")
app.add_typer(reporting.app, name="report")
app.command("serve")(serve.serve)
app.add_typer(sequences.app, name="sequences")
app.add_typer(segments.app, name="segments")
app.command("preview")(previewing.preview)
app.command("send-test")(previewing.send_test)
app.add_typer(contacts.app, name="contact")
app.add_typer(suppressing.app, name="suppress")
app.add_typer(pushing.app, name="templates")
pushing.app.command("eject")(templates.eject)
app.add_typer(notion.app, name="notion")
app.command("purge")(purging.purge)
app.add_typer(database.app, name="db")

command = typer.main.get_command(app)
"""The command line as a whole. Built here, once a process, as that takes longer than most commands."""

"""`cartctl templates push`: the copy of sequences, for everybody to read in Notion."""

from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.notion import connected, locked, properties
from cartctl.cli.options import AsJson, Verbose, state_of
from cartctl.cli.session import clock, complain, print_json
from cartctl.errors import ConfigurationError, UsageError
from cartctl.suggest import did_you_mean

app = typer.Typer(help="The templates of mails.", no_args_is_help=True)


@app.command()
def push(
    ctx: typer.Context,
    sequence: Annotated[str | None, typer.Argument(metavar="[SEQUENCE]", help="Its texts alone.")] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Upload subject and text of every step to Notion, read them back, and write only what differs."""
    from cartctl.jobs.notion_pages import Names
    from cartctl.mail.copies import copies

    state = state_of(ctx, verbose=verbose)
    section = state.loaded.settings.notion.templates
    sequences = wiring.rules(state.loaded).sequences
    if sequence is not None and sequence not in sequences:
        raise UsageError(f'there is no sequence "{sequence}"{did_you_mean(sequence, sequences)}')
    if not section.database:
        raise ConfigurationError("set `database` in [notion.templates] to the link of a database in Notion")
    names = Names(
        kind="template",
        setting="notion.templates",
        database=section.database,
        data_source=section.data_source,
        properties=properties(section),
    )
    folders = wiring.template_folders(state.loaded)
    wanted = [sequences[name] for name in ([sequence] if sequence else sequences)]
    texts = [copy for one in wanted for copy in copies(folders, one)]
    with connected(state.loaded) as notion:
        from cartctl.jobs import templates_push

        with state.database() as database, locked(state):
            result = templates_push.run(database, notion, names, texts, clock=clock(None))
    for problem in result.problems:
        complain(problem)
    if as_json:
        print_json(result.as_json())
    else:
        state.say(f"Notion: {len(result.written)} texts written, {result.unchanged} as they were")
    raise typer.Exit(1 if result.problems else 0)

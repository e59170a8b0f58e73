"""`cartctl db`: the schema."""

import typer

from cartctl.cli.options import AsJson, Verbose, state_of
from cartctl.cli.session import print_json
from cartctl.store import schema
from cartctl.store.database import EngineDatabase, connect

app = typer.Typer(help="The database: its schema.", no_args_is_help=True)


@app.command()
def upgrade(ctx: typer.Context, verbose: Verbose = False) -> None:
    """Bring the database to the schema that this cartctl needs. Safe to repeat."""
    state = state_of(ctx, verbose=verbose)
    database = EngineDatabase(connect(state.loaded.database_url))
    try:
        with database.read() as connection:
            before = schema.revision(connection)
        schema.refuse_newer(before)
        schema.upgrade(database.engine)
    finally:
        database.close()
    state.say(
        f"schema {before or 'none'} -> {schema.HEAD}" if before != schema.HEAD else f"schema {before}: up to date"
    )


@app.command()
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show which schema the database has, and which one this cartctl needs."""
    state = state_of(ctx)
    database = EngineDatabase(connect(state.loaded.database_url))
    try:
        with database.read() as connection:
            found = schema.revision(connection)
    finally:
        database.close()
    if as_json:
        print_json({"revision": found, "needed": schema.HEAD})
    else:
        typer.echo(f"schema {found or 'none (empty database)'}, needed {schema.HEAD}")

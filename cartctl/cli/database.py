"""`cartctl db`: the schema, and a backup."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.session import clock, print_json, read_at
from cartctl.errors import UsageError
from cartctl.jobs import restored as restored_job
from cartctl.store import backups, schema
from cartctl.store.database import EngineDatabase, connect

app = typer.Typer(help="The database: its schema, and a backup.", no_args_is_help=True)


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


@app.command()
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    verbose: Verbose = False,
) -> None:
    """Copy a SQLite database while others use it. For PostgreSQL: say how its own program does it."""
    state = state_of(ctx, verbose=verbose)
    if state.loaded.database_is_missing:
        raise UsageError("db backup: there is no database yet")
    database = EngineDatabase(connect(state.loaded.database_url))
    try:
        url = database.engine.url
        if url.get_backend_name() != "sqlite":
            raise UsageError(
                f"db backup: PostgreSQL backs itself up; nothing was written. Run: {backups.pg_dump(url, file)}"
            )
        if not url.database or url.database == ":memory:":
            raise UsageError("db backup: the database is in memory, and gone when cartctl ends")
        _refuse(file, Path(url.database), state.loaded.lock_file)
        with database.read() as connection:
            schema.revision(connection)
        size = backups.backup(database.engine, file, force=force, now=clock(None)())
    finally:
        database.close()
    state.say(f"{file}: {size} bytes, checked. It holds personal data: keep it as safe as the database")


def _refuse(file: Path, database: Path, lock_file: Path) -> None:
    """Raise UsageError where a backup would take the place of something that is no backup."""
    beside = [Path(f"{database}{end}") for end in ("-wal", "-shm", "-journal")]
    if file.exists() and file.samefile(database):
        raise UsageError(f"{file} is the database itself: name another file")
    if file.resolve() in [path.resolve() for path in (database, *beside, lock_file)]:
        raise UsageError(f"{file} belongs to the database itself: name another file")
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name a file in it, as in {file / 'cartctl-backup.db'}")
    if os.path.lexists(file) and not file.is_file():
        raise UsageError(f"{file} is no regular file, so no backup can take its place: name another file")


@app.command()
def restored(ctx: typer.Context, at: At = None, as_json: AsJson = False) -> None:
    """Say that this database was restored: nothing that may have been sent since the backup is sent again.

    The first run-due on a copy that `db backup` made does this by itself.
    """
    moment = read_at(at)
    with state_of(ctx).database(at=moment) as database:
        settled = restored_job.settle(database, now=moment or clock(None)())
    if as_json:
        print_json({"called_off": settled.called_off, "codes_retired": settled.codes_retired})
    else:
        typer.echo(settled.told())

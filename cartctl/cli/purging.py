"""`cartctl purge`: retention."""

from typing import Annotated

import typer

from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.session import clock, print_json, read_at
from cartctl.domain.times import format_duration
from cartctl.jobs import purge as purge_job
from cartctl.store import compacting


def purge(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be erased, and erase nothing.")] = False,
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Erase personal data that is older than retention.personal_data. Reports stay as they are."""
    state = state_of(ctx, verbose=verbose)
    age = state.loaded.settings.retention.personal_data
    if age is None:
        if as_json:
            print_json({"before": None, "contacts": 0, "carts": 0, "orders": 0})
        else:
            state.say('nothing is purged: retention.personal_data is not set ("730d" keeps two years)')
        return
    moment = read_at(at)
    now = moment or clock(None)()
    before = now - age
    with state.database(at=moment, writes=not dry_run) as database:
        done = purge_job.run(database, before=before, now=now, dry_run=dry_run)
        if database.engine.dialect.name == "sqlite" and not dry_run:
            compacting.empty_log(database.engine)
    if as_json:
        print_json(
            {"before": before.isoformat(), "contacts": done.contacts, "carts": done.carts, "orders": done.orders}
        )
        return
    what = f"{done.contacts} contacts, {done.carts} carts, {done.orders} orders"
    text = f"{what} {'would be' if dry_run else ''} erased".replace("  ", " ")
    line = f"{text}: nothing of them is newer than {before:%Y-%m-%d %H:%M} UTC ({format_duration(age)})"
    if dry_run:
        print(line)
    else:
        state.say(line)

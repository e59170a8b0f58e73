"""`cartctl import events`, `import suppressions` and `import coupons`: what comes back, and what is handed out."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.importing import Again, Files, RejectsFolder, Zone, import_files
from cartctl.cli.options import AsJson, At, LogFormat, Verbose, state_of
from cartctl.domain.times import zone_named
from cartctl.errors import UsageError
from cartctl.importers.records import Context
from cartctl.jobs import import_coupons, import_events, import_suppressions
from cartctl.jobs.importing import Options
from cartctl.settings import Settings


def events(
    ctx: typer.Context,
    files: Files,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import the provider's events: bounces, complaints and refusals suppress, `unknown` messages are settled."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    options = options_without_store(state.loaded.settings, again=again, rejects=rejects)
    job = partial(import_events.run, rules=wiring.rules(state.loaded))
    import_files(state, files, options, job, at=at, as_json=as_json)


def suppressions(
    ctx: typer.Context,
    files: Files,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import addresses that must not be written to again, each with its reason if the file gives one."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    options = options_without_store(state.loaded.settings, again=again, rejects=rejects)
    import_files(state, files, options, import_suppressions.run, at=at, as_json=as_json)


def coupons(
    ctx: typer.Context,
    files: Files,
    coupon: Annotated[
        str, typer.Option(metavar="NAME", help="Which coupon they are of, as a step names it (recovery10).")
    ] = "",
    timezone: Zone = None,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import coupon codes, each for one message alone."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    options = options_without_store(state.loaded.settings, timezone=timezone, again=again, rejects=rejects)
    job = partial(import_coupons.run, coupon=coupon, sequences=wiring.rules(state.loaded).sequences)
    import_files(state, files, options, job, at=at, as_json=as_json)


def options_without_store(
    settings: Settings, *, timezone: str | None = None, again: bool = False, rejects: Path = Path()
) -> Options:
    """Options of files that belong to no store. A time without an offset is read in the only store's zone."""
    stores = list(settings.stores.values())
    zone_name = timezone or (stores[0].timezone if len(stores) == 1 else None)
    try:
        zone = zone_named(zone_name) if zone_name else None
    except ValueError as error:
        raise UsageError(f"--timezone: {error}") from None
    if not rejects.is_dir():
        raise UsageError(f"--rejects: {rejects} is no folder")
    name = next(iter(settings.stores)) if len(stores) == 1 else "NAME"
    return Options(context=Context(store=name, zone=zone), again=again, rejects_folder=rejects)

"""`cartctl import inbox`: the drop folder."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.feedback import options_without_store
from cartctl.cli.importing import CurrencyCode, StoreName, Zone, options_of, tell
from cartctl.cli.logs import LOG
from cartctl.cli.options import AsJson, At, LogFormat, Verbose, state_of
from cartctl.cli.session import State, clock, complain, print_json, read_at
from cartctl.errors import UsageError
from cartctl.importers.format import Kind
from cartctl.jobs import import_contacts, import_coupons, import_events, import_suppressions
from cartctl.jobs import inbox as job
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.jobs.inbox import Handled, Importer, Waiting
from cartctl.store.database import EngineDatabase


def inbox(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that files are dropped into.")],
    store: StoreName = None,
    timezone: Zone = None,
    currency: CurrencyCode = None,
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import every file that was dropped into a folder, whatever it is, and move it to done/ or failed/."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    shops = options_of(state.loaded.settings, "auto", store, timezone, currency, again=False, rejects=folder)
    lists = options_without_store(state.loaded.settings, timezone=timezone)
    moment = read_at(at)
    handled: list[Handled] = []
    with state.lock(_lock_file(folder)), state.database(at=moment) as database:
        waiting = job.look(folder, now=datetime.now(UTC))  # a file's age is real, whatever --at says
        importers = _importers(state, database, shops, lists, clock(moment))
        for one in job.run(folder, waiting.ready, importers):
            handled.append(one)
            _tell_of(state, one, as_json=as_json)
    _tell_of_waiting(state, waiting, as_json=as_json)
    if as_json:
        left = [job.shown(path) for path in (*waiting.young, *waiting.early)]
        print_json({"files": [one.as_json() for one in handled], "waiting": left})
    if waiting.early or any(one.has_problems for one in handled):
        raise typer.Exit(1)


def _lock_file(folder: Path) -> Path:
    work = folder / job.WORK
    try:
        work.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{work}: {error.strerror}: may this user write to the folder?") from None
    return work / "lock"


def _importers(
    state: State, database: EngineDatabase, shops: Options, lists: Options, now: Callable[[], datetime]
) -> dict[str, Importer]:
    """Return what each kind's own command would do with a file."""
    purchase = wiring.purchase_rules(state.loaded.settings)
    rules = wiring.rules(state.loaded)
    coupons = import_coupons.named(rules.sequences) | frozenset(rules.coupons)

    def beside(options: Options, folder: Path, name: str) -> Options:
        return replace(options, rejects_folder=folder, rejects_name=name)

    def shop_files(kind: Kind, options: Options) -> Importer:
        def one(path: Path, folder: Path, name: str) -> ImportResult:
            beside_it = beside(options, folder, name)
            return import_file(database, path, kind=kind, options=beside_it, rules=purchase, now=now())

        return one

    def events(path: Path, folder: Path, name: str) -> ImportResult:
        return import_events.run(database, path, options=beside(lists, folder, name), rules=rules, now=now())

    def suppressions(path: Path, folder: Path, name: str) -> ImportResult:
        return import_suppressions.run(database, path, options=beside(lists, folder, name), now=now())

    def people(path: Path, folder: Path, name: str) -> ImportResult:
        beside_it = beside(lists, folder, name)
        return import_contacts.run(database, path, options=beside_it, rules=rules, now=now())

    def codes(path: Path, folder: Path, name: str) -> ImportResult:
        return import_coupons.run(
            database,
            path,
            options=beside(lists, folder, name),
            coupon=import_coupons.coupon_in(path.name, coupons),
            sequences=rules.sequences,
            now=now(),
        )

    signed = replace(shops.context, tiktok_app=wiring.tiktok_app(state.loaded.settings, verify=None))
    return {
        "carts": shop_files("carts", shops),
        "orders": shop_files("orders", shops),
        "tiktok": shop_files("tiktok", replace(shops, context=signed)),
        "events": events,
        "suppressions": suppressions,
        "coupons": codes,
        "contacts": people,
    }


def _tell_of(state: State, one: Handled, *, as_json: bool) -> None:
    if one.moved_to is None:
        complain(
            f"{one.safe_error}: {'imported, but not moved' if one.result else 'not imported'}; the next run tries again"
        )
    elif one.result is None:
        complain(f"{one.safe_error}; moved to {job.shown(one.moved_to)}")
    if one.result is None:
        return
    if one.result.already_imported:
        LOG.tell("import", **one.result.as_json())
        if one.has_problems and one.moved_to:
            complain(f"{job.shown(one.path)}: imported before; rejected rows: {one.result.rejects_file or 'all'}")
        elif not as_json:
            state.say(f"{job.shown(one.path)}: already imported; nothing changed")
        return
    tell(state, one.result, as_json=as_json)


def _tell_of_waiting(state: State, waiting: Waiting, *, as_json: bool) -> None:
    for path in waiting.early:
        complain(f"{job.shown(path)}: was changed in the future: is a clock wrong? It was left alone")
    if not as_json:
        for path in waiting.young:
            state.say(f"{job.shown(path)}: changed less than a minute ago: left for the next run")

"""`cartctl import carts` and `cartctl import orders`."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cartctl.cli import wiring
from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.session import State, clock, complain, print_json, read_at
from cartctl.config import MAX_STORE_NAME, Settings
from cartctl.domain.money import check_currency
from cartctl.domain.times import zone_named
from cartctl.errors import InputFileError, UsageError
from cartctl.importers.records import Context
from cartctl.jobs import import_carts, import_orders
from cartctl.jobs.importing import ImportResult, Options
from cartctl.store.database import EngineDatabase
from cartctl.suggest import did_you_mean

app = typer.Typer(help="Read a shop's exports: carts and orders.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="One or more exports.")]
Format = Annotated[str, typer.Option("--format", help="The format's name; auto looks at the header.")]
StoreName = Annotated[str | None, typer.Option("--store", help="Which shop the files belong to.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="Where times without an offset were written.")]
CurrencyCode = Annotated[str | None, typer.Option("--currency", help="The currency of rows that name none.")]
Again = Annotated[bool, typer.Option("--again", help="Read a file anew that was imported before.")]
RejectsFolder = Annotated[Path, typer.Option("--rejects", help="Where NAME.rejects.csv goes.")]

_BAR_FROM_BYTES = 5_000_000


@app.command()
def carts(
    ctx: typer.Context,
    files: Files,
    format_name: Format = "auto",
    store: StoreName = None,
    timezone: Zone = None,
    currency: CurrencyCode = None,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Import carts: what shoppers filled, and when they last touched it."""
    state = state_of(ctx, verbose=verbose)
    options = _options(state.loaded.settings, format_name, store, timezone, currency, again=again, rejects=rejects)
    rules = wiring.purchase_rules(state.loaded.settings)

    def one(database: EngineDatabase, path: Path, options: Options, now: datetime) -> ImportResult:
        return import_carts.run(database, path, options=options, rules=rules, now=now)

    _import(state, files, options, one, at=read_at(at), as_json=as_json)


@app.command()
def orders(
    ctx: typer.Context,
    files: Files,
    format_name: Format = "auto",
    store: StoreName = None,
    timezone: Zone = None,
    currency: CurrencyCode = None,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Import orders: what was bought. A cart that one of them bought gets no more mail."""
    state = state_of(ctx, verbose=verbose)
    options = _options(state.loaded.settings, format_name, store, timezone, currency, again=again, rejects=rejects)
    rules = wiring.purchase_rules(state.loaded.settings)
    not_purchases = frozenset(status.lower() for status in state.loaded.settings.purchase.not_purchases)

    def one(database: EngineDatabase, path: Path, options: Options, now: datetime) -> ImportResult:
        return import_orders.run(database, path, options=options, rules=rules, not_purchases=not_purchases, now=now)

    _import(state, files, options, one, at=read_at(at), as_json=as_json)


def _options(
    settings: Settings,
    format_name: str,
    store: str | None,
    timezone: str | None,
    currency: str | None,
    *,
    again: bool,
    rejects: Path,
) -> Options:
    """Resolve what the command line leaves open from the store's configuration."""
    name = _store(settings, store)
    known = settings.store(name)
    zone_name = timezone or known.timezone
    try:
        zone = zone_named(zone_name) if zone_name else None
    except ValueError as error:
        raise UsageError(f"--timezone: {error}") from None
    try:
        code = check_currency(currency or known.currency or "XXX")
    except ValueError as error:
        raise UsageError(f"--currency: {error}") from None
    if not rejects.is_dir():
        raise UsageError(f"--rejects: {rejects} is no folder")
    return Options(
        context=Context(store=name, zone=zone, currency=code, country=known.country),
        format_name=format_name,
        again=again,
        rejects_folder=rejects,
        progress=_progress if sys.stderr.isatty() else None,
    )


def _store(settings: Settings, asked: str | None) -> str:
    """Choose the store: the one asked for, the only one there is, or `main` where none is configured."""
    stores = settings.stores
    if asked is None:
        if len(stores) > 1:
            raise UsageError(f"--store: which shop are these files of? ({', '.join(sorted(stores))})")
        return next(iter(stores), "main")
    if not 1 <= len(asked) <= MAX_STORE_NAME:
        raise UsageError(f"--store: a store's name has 1 to {MAX_STORE_NAME} characters")
    if stores and asked not in stores:
        raise UsageError(f"--store: no [stores.{asked}] is configured{did_you_mean(asked, stores)}")
    return asked


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on the terminal for a file that takes a while."""
    if size < _BAR_FROM_BYTES:
        yield lambda _position: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=size)
        yield lambda position: progress.update(task, completed=position)


def _import(
    state: State,
    files: list[Path],
    options: Options,
    one: Callable[[EngineDatabase, Path, Options, datetime], ImportResult],
    *,
    at: datetime | None,
    as_json: bool,
) -> None:
    """Import each file on its own: one that is no export does not keep the others out."""
    now = clock(at)
    results: list[ImportResult] = []
    exit_code = 0
    seen: Counter[str] = Counter()
    with state.database(at=at) as database:
        for path in files:
            seen[path.stem] += 1
            # a/carts.csv and b/carts.csv: neither loses its rejects to the other
            own = replace(options, rejects_name=f"{path.stem}-{seen[path.stem]}" if seen[path.stem] > 1 else path.stem)
            try:
                results.append(one(database, path, own, now()))
            except (InputFileError, UsageError) as error:
                if len(files) == 1:
                    raise
                complain(str(error))
                exit_code = error.exit_code
    for result in results:
        _tell(state, result, as_json=as_json)
        if result.rejected and not result.already_imported:
            exit_code = max(exit_code, 1)
    if as_json:
        documents = [result.as_json() for result in results]
        print_json(documents[0] if len(files) == 1 else documents)
    if exit_code:
        raise typer.Exit(exit_code)


def _without_addresses(text: str) -> str:
    """What is printed may end in a log or a mail: an address that stood in a wrong column stays out of it."""
    return re.sub(r"[^\s\"]+@[^\s\"]+", "…@…", text)


def _tell(state: State, result: ImportResult, *, as_json: bool) -> None:
    if result.already_imported:
        if not as_json:
            typer.echo(f"{result.name}: already imported; nothing changed (--again reads it anew)")
        return
    if result.rejected:
        complain(
            f"{result.name}: {result.rejected} of {result.rows} rows rejected, see {result.rejects_file}; "
            f"the first: {_without_addresses(result.first_error)}"
        )
    for note in result.notes:
        complain(f"{result.name}: {note}")
    if as_json:
        return
    saved = result.saved
    text = (
        f"{result.name}: {result.format}, {result.rows} rows: {result.accepted} accepted, {result.ignored} ignored, "
        f"{result.rejected} rejected; {result.kind}: {saved.created} created, {saved.updated} updated, "
        f"{saved.unchanged} unchanged"
    )
    closed, unmatchable = result.extra.get("carts_closed", 0), result.extra.get("unmatchable", 0)
    if closed:
        text += f"; {closed} carts bought"
    if unmatchable:
        text += f"; {unmatchable} orders name no cart, e-mail or phone and can match nothing"
    state.say(text)

"""`cartctl import carts` and `cartctl import orders`."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Protocol

import typer

from cartctl import wiring
from cartctl.cli.logs import LOG
from cartctl.cli.options import AsJson, At, LogFormat, Verbose, state_of
from cartctl.cli.session import State, clock, complain, print_json, read_at
from cartctl.domain.identity import without_addresses
from cartctl.domain.money import UNKNOWN_CURRENCY, check_currency
from cartctl.domain.times import zone_named
from cartctl.errors import InputFileError, UsageError
from cartctl.importers.format import Kind
from cartctl.jobs.importing import ImportResult, Options, import_file
from cartctl.settings import MAX_STORE_NAME, Settings
from cartctl.store.database import EngineDatabase
from cartctl.suggest import did_you_mean

app = typer.Typer(help="Read a shop's exports: carts and orders.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="One or more exports; - is standard input.")]
Format = Annotated[str, typer.Option("--format", help="The format's name; auto looks at the header.")]
StoreName = Annotated[str | None, typer.Option("--store", help="Which shop the files belong to.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="Where times without an offset were written.")]
CurrencyCode = Annotated[str | None, typer.Option("--currency", help="The currency of rows that name none.")]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS", help="What a column is in our format; or a [mappings.NAME]."),
]
Again = Annotated[bool, typer.Option("--again", help="Read a file anew that was imported before.")]
RejectsFolder = Annotated[Path, typer.Option("--rejects", help="Where NAME.rejects.csv goes.")]

_BAR_FROM_BYTES = 5_000_000
STDIN = "stdin"
"""What standard input is called in messages and in the name of its rejects."""


@app.command()
def carts(
    ctx: typer.Context,
    files: Files,
    format_name: Format = "auto",
    store: StoreName = None,
    timezone: Zone = None,
    currency: CurrencyCode = None,
    maps: Maps = None,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import carts: what shoppers filled, and when they last touched it."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    options = options_of(
        state.loaded.settings, format_name, store, timezone, currency, maps=maps, again=again, rejects=rejects
    )
    import_shop_files(state, "carts", files, options, at=at, as_json=as_json)


@app.command()
def orders(
    ctx: typer.Context,
    files: Files,
    format_name: Format = "auto",
    store: StoreName = None,
    timezone: Zone = None,
    currency: CurrencyCode = None,
    maps: Maps = None,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import orders: what was bought. A cart that one of them bought gets no more mail."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    options = options_of(
        state.loaded.settings, format_name, store, timezone, currency, maps=maps, again=again, rejects=rejects
    )
    import_shop_files(state, "orders", files, options, at=at, as_json=as_json)


def options_of(
    settings: Settings,
    format_name: str,
    store: str | None,
    timezone: str | None,
    currency: str | None,
    *,
    maps: Sequence[str] | None = None,
    again: bool,
    rejects: Path,
) -> Options:
    """Resolve what the command line leaves open from the store's configuration."""
    name = store_of(settings, store)
    known = settings.store(name)
    zone_name = timezone or known.timezone
    try:
        zone = zone_named(zone_name) if zone_name else None
    except ValueError as error:
        raise UsageError(f"--timezone: {error}") from None
    try:
        code = check_currency(currency or known.currency or UNKNOWN_CURRENCY)
    except ValueError as error:
        raise UsageError(f"--currency: {error}") from None
    if not rejects.is_dir():
        raise UsageError(f"--rejects: {rejects} is no folder")
    return Options(
        context=replace(wiring.context(settings, name), zone=zone, currency=code),
        format_name=format_name,
        mapping=_mapping(settings, maps or ()),
        again=again,
        rejects_folder=rejects,
        progress=_progress if sys.stderr.isatty() else None,
    )


def store_of(settings: Settings, asked: str | None) -> str:
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


def _mapping(settings: Settings, maps: Sequence[str]) -> dict[str, str]:
    """Put together what `--map` says: THEIRS=OURS, or the name of a mapping in the configuration."""
    found: dict[str, str] = {}
    for text in maps:
        theirs, sign, ours = text.rpartition("=")
        if sign:
            if not theirs.strip() or not ours.strip():
                raise UsageError(f'--map: "{text}": expected "Their column=our column"')
            found[theirs.strip()] = ours.strip()
        elif text in settings.mappings:
            found |= settings.mappings[text]
        else:
            raise UsageError(f"--map: no [mappings.{text}] is configured{did_you_mean(text, settings.mappings)}")
    return found


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the terminal for a file that takes a while."""
    if size < _BAR_FROM_BYTES:
        yield lambda _position, _rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=size)

        def advance(position: int, rows: int) -> None:
            elapsed = progress.tasks[0].elapsed or 0
            speed = f", {rows / elapsed:,.0f} rows/s" if elapsed else ""
            text = f"{rows:,} rows{speed}" if position < size else f"{rows:,} rows read, saving"
            progress.update(task, completed=position, description=text)

        yield advance


@contextmanager
def _on_disk(path: Path) -> Iterator[Path]:
    """Standard input is read to its end first: a file is looked at more than once."""
    if str(path) != "-":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="cartctl-") as folder:
        spooled = Path(folder) / STDIN
        try:
            with spooled.open("wb") as target:
                shutil.copyfileobj(sys.stdin.buffer, target)
        except OSError as error:
            raise InputFileError(f"{STDIN}: cannot be read: {error.strerror}") from None
        try:
            yield spooled
        except (InputFileError, UsageError) as error:
            raise type(error)(str(error).replace(str(spooled), STDIN)) from None


def import_shop_files(
    state: State, kind: Kind, files: list[Path], options: Options, *, at: str | None, as_json: bool
) -> None:
    """Import files of carts and orders, as the kind of export that the operator says they are."""
    job = partial(import_file, kind=kind, rules=wiring.purchase_rules(state.loaded.settings))
    import_files(state, files, options, job, at=at, as_json=as_json)


class ImportJob(Protocol):
    """A job that imports one file, with its rules already given."""

    def __call__(self, database: EngineDatabase, path: Path, *, options: Options, now: datetime) -> ImportResult: ...


def import_files(
    state: State, files: list[Path], options: Options, job: ImportJob, *, at: str | None, as_json: bool
) -> None:
    """Import each file on its own: one that is no export does not keep the others out."""
    moment = read_at(at)
    now = clock(moment)
    results: list[ImportResult] = []
    exit_code = 0
    seen: Counter[str] = Counter()
    with state.database(at=moment) as database:
        for path in files:
            stem = path.stem if str(path) != "-" else STDIN
            seen[stem] += 1
            # a/carts.csv and b/carts.csv: neither loses its rejects to the other
            own = replace(options, rejects_name=f"{stem}-{seen[stem]}" if seen[stem] > 1 else stem)
            try:
                with _on_disk(path) as file:
                    results.append(replace(job(database, file, options=own, now=now()), name=str(path)))
            except (InputFileError, UsageError) as error:
                text = without_addresses(str(error), name=str(path))
                if len(files) == 1:
                    raise type(error)(text) from None
                complain(text)
                exit_code = error.exit_code
    for result in results:
        tell(state, result, as_json=as_json)
        if result.rejected and not result.already_imported:
            exit_code = max(exit_code, 1)
    if as_json:
        documents = [result.as_json() for result in results]
        print_json(documents[0] if len(files) == 1 else documents)
    if exit_code:
        raise typer.Exit(exit_code)


def tell(state: State, result: ImportResult, *, as_json: bool) -> None:
    LOG.tell("import", **result.as_json())
    if result.already_imported:
        if not as_json and not LOG.is_json:
            typer.echo(f"{result.name}: already imported; nothing changed (--again reads it anew)")
        return
    if result.rejected:
        # A cell may hold anything: what one held is for people, not for a log.
        first = "" if LOG.is_json else f"; the first: {without_addresses(result.first_error)}"
        complain(f"{result.name}: {result.rejected} of {result.rows} rows rejected, see {result.rejects_file}{first}")
    for note in result.notes:
        complain(f"{result.name}: {without_addresses(note)}")
    if as_json:
        return
    because = ", ".join(f"{number} {reason}" for reason, number in result.ignored_because.items() if reason != "blank")
    text = (
        f"{result.name}: {result.format}, {result.rows} rows: {result.accepted} accepted, "
        f"{result.ignored} ignored{f' ({because})' if because else ''}, {result.rejected} rejected"
    )
    for kind, counts in result.saved.items():
        text += f"; {kind}: {counts['created']} created, {counts['updated']} updated, {counts['unchanged']} unchanged"
    about_contacts = result.saved.get("contacts", {})
    if forgotten := about_contacts.get("forgotten"):
        text += f"; {forgotten} forgotten, and left out"
    if "enrolled" in about_contacts:
        text += f"; {about_contacts['enrolled']} enrolled, {about_contacts['already']} already in the sequence"
    about_orders = result.saved.get("orders", {})
    if closed := about_orders.get("carts_closed"):
        text += f"; {closed} carts bought"
    if unmatchable := about_orders.get("unmatchable"):
        text += f"; {unmatchable} orders name no cart, e-mail or phone and can match nothing"
    state.say(text)

"""`cartctl contact`: what is held about one person, adding to it, and making an end of it."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.session import State, clock, complain, print_json, read_at
from cartctl.domain.identity import mask_email
from cartctl.errors import UsageError
from cartctl.importers import contacts as importer
from cartctl.importers import fields
from cartctl.importers.fields import FieldError
from cartctl.jobs import forget as forget_job
from cartctl.jobs import import_contacts, traces
from cartctl.jobs.forget import Forgotten
from cartctl.store import keys, lookup, people
from cartctl.store.contacts import email_hash
from cartctl.store.database import EngineDatabase

app = typer.Typer(help="One person: what is held about them, adding to it, and forgetting them.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Their address.")]
LookIn = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR", help="Another folder in which files are looked through; may be repeated."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ADVICE = {
    "postgresql": "PostgreSQL keeps the bytes of the old rows until they are overwritten: VACUUM FULL makes an end of "
    "them, and so does time in its own log (WAL)",
    "sqlite": "",
}
_ELSEWHERE = "What the provider keeps, and backups kept elsewhere, are not in cartctl's hands."


@app.command()
def show(ctx: typer.Context, email: Email, as_json: AsJson = False) -> None:
    """Show in short what is held about one person."""
    address = read_address(email)
    with state_of(ctx).database(writes=False) as database:
        found = _held(database, address)
    if as_json:
        print_json(_in_short(address, found))
        return
    for line in _lines(address, found):
        print(line)


@app.command("set")
def set_(
    ctx: typer.Context,
    email: Email,
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE…", help="What is known of them, such as booking=2026-12-01.")
    ],
    at: At = None,
    verbose: Verbose = False,
) -> None:
    """Write down what is known of one contact: a name, a zone, consent, any attribute. A blank value takes it away.

    A `booking` ends what stops by it, at once.
    """
    state = state_of(ctx, verbose=verbose)
    address, moment, given = read_address(email), read_at(at), _given(values)
    try:
        line = importer.of_record(1, {**given, "email": address})
    except FieldError as error:
        raise UsageError(f"{error.column}: {error.reason}") from None
    rules, now = wiring.rules(state.loaded), clock(moment)()
    with state.database(at=moment) as database:
        if not import_contacts.set_one(database, line, rules, now=now):
            raise _nobody(database, address)
    state.say(f"{mask_email(address)}: {', '.join(given)} written down")


def _given(values: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in values:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f'"{text}": expected NAME=VALUE, such as booking=2026-12-01')
        found[name.strip()] = value.strip()
    return found


@app.command()
def export(ctx: typer.Context, email: Email, look_in: LookIn = None) -> None:
    """Print everything that is held about one person, as JSON: every row of every table, and files with the address."""
    address = read_address(email)
    state = state_of(ctx)
    with state.database(writes=False) as database:
        found = _held(database, address)
    print_json({"email": address, **found, "files": [str(path) for path in _files(state, address, look_in)]})


@app.command()
def forget(
    ctx: typer.Context, email: Email, yes: Yes = False, look_in: LookIn = None, at: At = None, as_json: AsJson = False
) -> None:
    """Erase one person for good. Their carts and orders go on to count, as nobody's."""
    address = read_address(email)
    state = state_of(ctx)
    shown = mask_email(address)
    question = f"Forget {shown} for good? Nothing brings back what is erased."
    if not yes and sys.stdin.isatty() and not typer.confirm(question):
        print("Nothing was done.")
        raise typer.Exit(1)
    moment = read_at(at)
    with state.database(at=moment) as database:
        done = forget_job.run(database, address, now=clock(moment)())
        if done is None:
            raise _nobody(database, address)
        advice = ADVICE[database.engine.dialect.name]
    files = [str(path) for path in _files(state, address, look_in)]
    if as_json:
        print_json(_result(shown, done, files, advice))
    else:
        for line in _told(shown, done, files, advice):
            print(line)
    if done.left:
        complain(
            f"{shown} is forgotten, but the file of the database still has bytes of it: {done.left}. "
            "Run the same command again"
        )
        raise typer.Exit(1)


def read_address(text: str, option: str = "EMAIL") -> str:
    """Fold the address as imports do. Raises UsageError, in which it does not stand."""
    try:
        address = fields.email(text, option)
    except FieldError as error:
        raise UsageError(f"{option}: {error.reason}") from None
    if address is None:
        raise UsageError(f"{option}: is blank")
    return address


def _held(database: EngineDatabase, address: str) -> dict[str, list[dict[str, Any]]]:
    with database.read() as connection:
        key = keys.known(connection, keys.HASHING)
        found = people.held(connection, address, email_hash=email_hash(key.encode(), address) if key else None)
    if not any(found.values()):
        raise _nobody(database, address)
    return found


def _nobody(database: EngineDatabase, address: str) -> UsageError:
    with database.read() as connection:
        return UsageError(lookup.unknown(connection, address, what="address"))


def _files(state: State, address: str, look_in: Iterable[Path] | None) -> list[Path]:
    """Look where cartctl writes, and where files for it usually lie."""
    loaded = state.loaded
    folders = [loaded.outbox_folder, *traces.kept_in(Path())]
    if loaded.file and loaded.file.parent != Path.cwd():
        folders += traces.kept_in(loaded.file.parent)
    for folder in look_in or ():
        if not folder.is_dir():
            raise UsageError(f"--look-in: {folder} is no folder")
        folders += traces.kept_in(folder)
    return [_shown(path) for path in traces.holding(address, folders)]


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _in_short(address: str, found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    contact = found["contacts"][0] if found["contacts"] else {}
    forgotten = found["forgotten"][0]["at"] if found["forgotten"] else None
    return {
        "email": mask_email(address),
        "consent": contact.get("consent"),
        "consent_at": contact.get("consent_at"),
        "consent_source": contact.get("consent_source"),
        "carts": dict(Counter(cart["status"] for cart in found["carts"])),
        "orders": len(found["orders"]),
        "messages": dict(Counter(message["state"] for message in found["messages"])),
        "suppressed": [{name: one[name] for name in ("scope", "reason", "at")} for one in found["suppressions"]],
        "forgotten_at": forgotten,
    }


def _lines(address: str, found: dict[str, list[dict[str, Any]]]) -> Iterable[str]:
    short = _in_short(address, found)
    if short["consent"]:
        heard = f" ({short['consent_source']}, {short['consent_at']})" if short["consent_at"] else ""
        yield f"{short['email']}: consent {short['consent']}{heard}"
    else:
        yield f"{short['email']}: no contact"
    yield f"carts: {_counts(short['carts'])}"
    yield f"orders: {short['orders']}"
    yield f"messages: {_counts(short['messages'])}"
    for one in short["suppressed"]:
        where = "" if one["scope"] == "all" else f" in {one['scope']}"
        yield f"suppressed{where} since {one['at']}: {one['reason']}"
    if short["forgotten_at"]:
        yield f"forgotten since {short['forgotten_at']}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "none"


def _result(shown: str, done: Forgotten, files: list[str], advice: str) -> dict[str, Any]:
    return {
        "email": shown,
        "already_forgotten": done.before is not None,
        "carts": done.carts,
        "orders": done.orders,
        "cancelled": done.cancelled,
        "texts": done.texts,
        "files": files,
        "left": done.left or None,
        "advice": advice or None,
    }


def _told(shown: str, done: Forgotten, files: list[str], advice: str) -> Iterable[str]:
    if done.before:
        yield f"{shown} was already forgotten, on {done.before:%Y-%m-%d %H:%M} UTC."
    else:
        yield (
            f"{shown} is forgotten. Nobody's now: {done.carts} carts, {done.orders} orders. Called off: "
            f"{done.cancelled} messages."
        )
    if files:
        yield "These files still hold the address. Delete them, or the rows in them, as soon as you need them no more:"
        yield from (f"  {file}" for file in files)
    if advice:
        yield f"{advice}."
    yield _ELSEWHERE

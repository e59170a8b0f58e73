"""`cartctl suppress`: addresses that must not be written to, one by one."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.contacts import Email, Yes, read_address
from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.session import clock, print_json, read_at
from cartctl.domain.identity import mask_email
from cartctl.errors import UsageError
from cartctl.store import keys, suppressions
from cartctl.store.contacts import email_hash
from cartctl.store.suppressions import EVERYWHERE, Listed
from cartctl.suggest import did_you_mean

app = typer.Typer(help="Addresses that must not be written to.", no_args_is_help=True)

OPERATOR = "operator"
"""The reason of a suppression for which nobody gave another one: only whoever gave it can have wanted it."""
LONGEST_REASON = 80
Sequence = Annotated[str | None, typer.Option(metavar="NAME", help="In this sequence alone; else in all.")]


@app.command()
def add(
    ctx: typer.Context,
    email: Email,
    sequence: Sequence = None,
    reason: Annotated[str, typer.Option(help="Why.")] = OPERATOR,
    at: At = None,
    verbose: Verbose = False,
) -> None:
    """Never write to an address again. What is scheduled for it is called off at once."""
    state = state_of(ctx, verbose=verbose)
    address, moment = read_address(email), read_at(at)
    if not (reason.strip() and reason.isprintable() and len(reason) <= LONGEST_REASON):
        raise UsageError(f"--reason: expected one line of at most {LONGEST_REASON} characters")
    scope = _scope(sequence, list(wiring.rules(state.loaded).sequences))
    now = clock(moment)()
    with state.database(at=moment) as database, database.write(carts="change") as connection:
        key = keys.key(connection, keys.HASHING, now=now).encode()
        new = suppressions.suppress(connection, {address: reason}, hashing_key=key, now=now, scope=scope)
    state.say(f"{mask_email(address)} {'is suppressed' if new else 'was suppressed already'}{_where(scope)}")


@app.command()
def remove(
    ctx: typer.Context, email: Email, sequence: Sequence = None, yes: Yes = False, verbose: Verbose = False
) -> None:
    """Let an address be written to again. Who refused, complained or bounced needs --yes: do they want it?"""
    state = state_of(ctx, verbose=verbose)
    address, scope = read_address(email), sequence or EVERYWHERE
    shown = mask_email(address)
    with state.database() as database:
        with database.read() as connection:
            key = keys.known(connection, keys.HASHING)
            hash_ = email_hash(key.encode(), address) if key else ""
            known = suppressions.reasons(connection, hash_)
        if scope not in known:
            others = [f"in {name}" if name != EVERYWHERE else "everywhere" for name in sorted(known)]
            instead = f"; it is {', '.join(others)}" if others else ""
            raise UsageError(f"{shown} is not suppressed{_where(scope)}{instead}")
        if known[scope] != OPERATOR and not yes:
            _ask(shown, known[scope])
        with database.write() as connection:
            suppressions.lift(connection, hash_, scopes=[scope], reason=known[scope])
    state.say(f"{shown} is not suppressed{_where(scope)} any more: carts abandoned from now on may be written about")


@app.command("list")
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List suppressions, oldest first. An address is known, and shown masked, where carts or orders have it too."""
    with state_of(ctx).database(writes=False) as database, database.read() as connection:
        key = keys.known(connection, keys.HASHING)
        rows = suppressions.listed(connection, key.encode() if key else b"")
    if as_json:
        print_json([dict(_as_json(row)) for row in rows])
        return
    for row in rows:
        whose = mask_email(row.email) if row.email else f"hash {row.email_hash[:12]}"
        print(f"{row.at:%Y-%m-%d %H:%M} UTC  {whose}{_where(row.scope)}: {row.reason}")


def _scope(sequence: str | None, known: list[str]) -> str:
    if sequence is not None and sequence not in known:
        raise UsageError(f'--sequence: there is no sequence "{sequence}"{did_you_mean(sequence, known)}')
    return sequence or EVERYWHERE


def _where(scope: str) -> str:
    return "" if scope == EVERYWHERE else f" in {scope}"


def _ask(shown: str, reason: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"{shown} is suppressed because: {reason}. To write to them all the same may be against the law, and harms "
            "your name with providers: say --yes if they asked for it"
        )
    if not typer.confirm(f"{shown} is suppressed because: {reason}. Did they ask to be written to again?"):
        print("Nothing was done.")
        raise typer.Exit(1)


def _as_json(row: Listed) -> Iterator[tuple[str, Any]]:
    yield "email", mask_email(row.email) if row.email else None
    yield "email_hash", row.email_hash
    yield "sequence", None if row.scope == EVERYWHERE else row.scope
    yield "reason", row.reason
    yield "at", row.at.isoformat()

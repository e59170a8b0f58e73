"""`cartctl import contacts` and `cartctl enroll`: who is written to without a cart."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.contacts import read_address
from cartctl.cli.feedback import options_without_store
from cartctl.cli.importing import Again, Files, RejectsFolder, import_files, store_of
from cartctl.cli.options import AsJson, At, LogFormat, Verbose, state_of
from cartctl.cli.session import State, clock, complain, print_json, read_at
from cartctl.domain.identity import mask_email
from cartctl.domain.times import parse_instant
from cartctl.errors import UsageError
from cartctl.importers.contacts import ContactLine
from cartctl.jobs import enroll as enroll_job
from cartctl.jobs import import_contacts
from cartctl.jobs.enroll import Enrolling

_LISTS = (".csv", ".json", ".jsonl")
"""What is named so is a file, there or not, and no address."""


def contacts(
    ctx: typer.Context,
    files: Files,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import contacts: addresses, names, zones, consent, and whatever else is known of people. Enrolls nobody."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    options = options_without_store(state.loaded.settings, again=again, rejects=rejects)
    job = partial(import_contacts.run, rules=wiring.rules(state.loaded))
    import_files(state, files, options, job, at=at, as_json=as_json)


def enroll(
    ctx: typer.Context,
    sequence: Annotated[str, typer.Argument(metavar="SEQUENCE", help="The name of a sequence for contacts.")],
    whom: Annotated[str, typer.Argument(metavar="EMAIL|FILE", help="An address, or a list as import contacts reads.")],
    store: Annotated[str | None, typer.Option("--store", help="Whose name and address the mails bear.")] = None,
    start_at: Annotated[
        str | None, typer.Option(metavar="STEP", help="Begin with this step, now; those before it are left out.")
    ] = None,
    sent: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP=DATE", help="This step was sent elsewhere, on that day; may be repeated."),
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="As a test: fast, and to test_recipients alone.")] = False,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Put a contact, or a list of them, into a sequence: each once. Who does not fit what it asks for is named."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    settings, moment = state.loaded.settings, read_at(at)
    name = store_of(settings, store)
    how = enroll_job.enrolling(
        wiring.rules(state.loaded),
        sequence,
        store=name,
        now=clock(moment)(),
        is_test=test,
        start_at=start_at,
        sent=_sent(state, name, sent or []),
    )
    path = Path(whom)
    if "@" in whom and path.suffix.lower() not in _LISTS and not path.exists():
        _one(state, whom, how, moment=moment, as_json=as_json)
        return
    options = options_without_store(settings, again=again, rejects=rejects)
    import_files(state, [path], options, partial(enroll_job.run, how=how), at=at, as_json=as_json)


def _one(state: State, whom: str, how: Enrolling, *, moment: datetime | None, as_json: bool) -> None:
    line = ContactLine(row=1, email=read_address(whom))
    with state.database(at=moment) as database:
        done = enroll_job.one(database, line, how, source="enroll", now=clock(moment)())
    shown, name = mask_email(line.email), how.sequence.name
    if as_json:
        print_json({"email": shown, "sequence": name, **done.as_json()})
    elif done.outcome == "enrolled":
        segment = f", segment {done.segment}" if done.segment else ""
        state.say(f"{shown} is enrolled in {name}{' as a test' if how.is_test else ''}{segment}")
    elif done.outcome == "already":
        complain(f"{shown} is in {name} already: {done.why}")
    else:
        complain(f"{shown} is not enrolled in {name}: {done.why}")
    if done.outcome == "rejected":
        raise typer.Exit(1)


def _sent(state: State, store: str, texts: list[str]) -> dict[str, datetime]:
    """Read STEP=DATE: a day is its beginning in the store's zone; a time bears its offset."""
    zone = wiring.store_facts(state.loaded.settings, store).zone
    found: dict[str, datetime] = {}
    for text in texts:
        step, sign, when = text.partition("=")
        if not sign:
            raise UsageError(f'--sent: "{text}": expected STEP=DATE, such as welcome=2026-12-01')
        try:
            found[step.strip()] = parse_instant(when, zone)
        except ValueError as error:
            raise UsageError(f"--sent: {error}") from None
    return found

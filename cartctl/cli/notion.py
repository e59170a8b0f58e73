"""`cartctl notion`: the mirror of contacts and messages in Notion."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.failpoints import failpoint
from cartctl.cli.options import AsJson, Verbose, state_of
from cartctl.cli.session import State, clock, complain, print_json
from cartctl.config import Loaded
from cartctl.domain.sequences import ENROLLED, Sequence
from cartctl.errors import ConfigurationError
from cartctl.settings import NotionContacts, NotionMessages, NotionTemplates
from cartctl.suggest import did_you_mean

if TYPE_CHECKING:
    from cartctl.jobs.notion_pages import Names
    from cartctl.notion.client import Notion

app = typer.Typer(help="The mirror of contacts and mails in Notion.", no_args_is_help=True)
_NO_PROPERTIES = {"database", "data_source", "mail", "attributes"}


@app.command()
def sync(ctx: typer.Context, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Write to Notion what has changed since it was last written there. Mail does not wait for it."""
    state = state_of(ctx, verbose=verbose)
    names, sequences = _names(state.loaded), _mirrored(state.loaded)
    with connected(state.loaded) as notion:
        from cartctl.jobs import notion_sync

        with state.database() as database, locked(state):
            result = notion_sync.run(
                notion_sync.SyncJob(
                    database=database,
                    notion=notion,
                    names=names,
                    sequences=sequences,
                    clock=clock(None),
                    at=failpoint(os.environ),
                )
            )
    for problem in result.problems:
        complain(problem)
    if as_json:
        print_json(result.as_json())
    else:
        state.say(
            f"Notion: {result.created} pages made, {result.updated} changed, {result.discarded} discarded, "
            f"{result.unchanged} as they were"
        )
    raise typer.Exit(1 if result.problems else 0)


@app.command()
def check(
    ctx: typer.Context,
    add: Annotated[bool, typer.Option("--add", help="Add the properties that are missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask Notion for the databases, and compare their properties with what `cartctl notion sync` writes."""
    state = state_of(ctx)
    names, sequences = _names(state.loaded), _mirrored(state.loaded)
    found: list[dict[str, Any]] = []
    with connected(state.loaded) as notion:
        from cartctl.jobs import notion_sync
        from cartctl.notion import client

        for table in notion_sync.tables(notion, names, sequences):
            fields = list(table.fields.values())
            missing = client.missing(table.source, fields)
            if add and missing:
                notion.add_properties(table.source, missing)
            lacking = [field.name for field in missing]
            found.append({"table": table.names.setting, "properties": len(fields), "missing": lacking, "added": add})
    if as_json:
        print_json({"ok": add or not any(one["missing"] for one in found), "tables": found})
    else:
        for one in found:
            print(_line(one))
    raise typer.Exit(1 if not add and any(one["missing"] for one in found) else 0)


def _line(one: dict[str, Any]) -> str:
    told = ", ".join(f'"{name}"' for name in one["missing"])
    if not told:
        return f"[{one['table']}] all {one['properties']} properties are there"
    if one["added"]:
        return f"[{one['table']}] added {told}"
    return f"[{one['table']}] without {told}: set their names, or add them with --add"


@contextmanager
def connected(loaded: Loaded) -> "Iterator[Notion]":
    """Open what asks Notion. Raises ConfigurationError for a missing key or extra."""
    settings = loaded.settings
    if not settings.notion.api_key:
        raise ConfigurationError("Notion needs NOTION_API_KEY in the environment (or notion.api_key)")
    from cartctl.notion.client import Notion

    ca_file = str(loaded.folder("notion") / settings.notion.ca_file) if settings.notion.ca_file else None
    notion = Notion(
        settings.notion.api_key.reveal().strip(),
        host=settings.notion.host,
        timeout=settings.sending.timeout,
        ca_file=ca_file,
        per_second=settings.notion.requests_per_second,
        pause=time.sleep,
        monotonic=time.monotonic,
    )
    try:
        yield notion
    finally:
        notion.close()


@contextmanager
def locked(state: State) -> Iterator[None]:
    """Let one run at a time write to Notion. It is not the lock of the sending loop, which never waits for it."""
    path = state.loaded.lock_file
    with state.lock(path.with_name(f"{path.name}.notion")):
        yield


def _mirrored(loaded: Loaded) -> dict[str, Sequence]:
    """Return the sequences that are mirrored: those named, else all that contacts are enrolled in themselves."""
    known = {name: one for name, one in wiring.rules(loaded).sequences.items() if one.trigger == ENROLLED}
    wanted = loaded.settings.notion.sequences or tuple(known)
    for name in wanted:
        if name not in known:
            raise ConfigurationError(
                f'notion.sequences: there is no sequence "{name}" that contacts are enrolled in'
                f"{did_you_mean(name, known)}"
            )
    return {name: known[name] for name in wanted}


def _names(loaded: Loaded) -> "list[Names]":
    from cartctl.jobs.notion_pages import Names

    contacts, messages = loaded.settings.notion.contacts, loaded.settings.notion.messages
    found: list[Names] = []
    if contacts.database:
        found.append(
            Names(
                kind="contact",
                setting="notion.contacts",
                database=contacts.database,
                data_source=contacts.data_source,
                properties=properties(contacts),
                mail=contacts.mail,
                attributes=contacts.attributes,
            )
        )
    if messages.database:
        found.append(
            Names(
                kind="message",
                setting="notion.messages",
                database=messages.database,
                data_source=messages.data_source,
                properties=properties(messages),
            )
        )
    if not found:
        raise ConfigurationError(
            "nothing is mirrored: set `database` in [notion.contacts], in [notion.messages], or in both, to the link "
            "of a database in Notion"
        )
    return found


def properties(section: NotionContacts | NotionMessages | NotionTemplates) -> dict[str, str]:
    """Return what properties are called in Notion, by our names for them."""
    names = (key for key in section.__struct_fields__ if key not in _NO_PROPERTIES)
    return {key: getattr(section, key) for key in names}

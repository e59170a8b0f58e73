"""Import one file of provider events: what became of the mails, and who must not get another.

1. An event is of a message of ours when it bears its id (else: what the provider calls it), and went to the same
   address. Ids start at 1 in every database: an event that names another one is of none of ours. Mails of earlier
   versions name none; their events are told apart by the address alone.
2. A message that is `unknown` was accepted after all: no provider has events of a mail that it never took.
3. A hard bounce, a complaint or a refusal suppresses the event's own address, whoever's mail it was.
4. Events are kept by their content: the same one again, in whichever file, changes nothing.
"""

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from cartctl.domain.messages import MessageState
from cartctl.errors import InputFileError
from cartctl.importers import resend_events, sendgrid_events
from cartctl.importers.csvfile import CsvFile, open_binary
from cartctl.importers.format import Source
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.mail_events import Event
from cartctl.importers.records import Ignored, Note, RowError
from cartctl.importers.source import open_source
from cartctl.jobs.import_lines import import_lines
from cartctl.jobs.importing import ImportResult, Options
from cartctl.jobs.rules import Rules
from cartctl.jobs.steps import schedule_next
from cartctl.store import events, keys, messages, suppressions
from cartctl.store.database import EngineDatabase
from cartctl.store.events import Addressed

S = MessageState


class Importer(Protocol):
    """What a module that reads one provider's events has."""

    NAME: str
    PROVIDER: str

    def recognise(self, sample: Sample) -> bool: ...

    def read(self, file: JsonFile) -> Iterable[Event | RowError | Ignored | Note]: ...


PROVIDERS: tuple[Importer, ...] = (sendgrid_events, resend_events)
"""Their importers. What a transport is called is what the provider of its events is called."""


def run(database: EngineDatabase, path: Path, *, options: Options, rules: Rules, now: datetime) -> ImportResult:
    """Import `path`, a dump of what a provider's webhook posted."""
    with open_binary(path) as stream:
        importer = provider_of(open_source(path, stream))
    if importer is None:
        raise InputFileError(f"{path}: no events: expected what SendGrid's or Resend's webhook posts, as JSON")
    read_events, provider = importer.read, importer.PROVIDER

    def read(source: Source) -> Iterable[Event | RowError | Ignored | Note]:
        assert not isinstance(source, CsvFile)
        return read_events(source)

    def save(connection: Connection, rows: list[Event]) -> dict[str, int]:
        hashing_key = keys.key(connection, keys.HASHING, now=now).encode()
        return take(connection, rows, provider=provider, rules=rules, hashing_key=hashing_key, now=now)

    return import_lines(
        database,
        path,
        kind="events",
        format_name=importer.NAME,
        read=read,
        save=save,
        counts=("created", "updated", "unchanged", "settled", "suppressed", "unmatched"),
        options=options,
        carts="change",
        now=now,
    )


def provider_of(source: Source) -> Importer | None:
    """Return the importer of whoever posted these events; of an empty list, which is anybody's, the first."""
    if isinstance(source, CsvFile):
        return None
    return next((one for one in PROVIDERS if not source.sample.first or one.recognise(source.sample)), None)


def take(
    connection: Connection,
    found: Sequence[Event],
    *,
    provider: str,
    rules: Rules,
    hashing_key: bytes,
    now: datetime,
) -> dict[str, int]:
    """Let events of one provider take effect, in the caller's transaction (opened with `carts="change"`).

    Returns the counts.
    """
    named = ("", keys.database_id(hashing_key))
    about = _messages_of(connection, [event for event in found if event.database in named], provider)
    rows = [
        {
            "content_hash": hmac.new(hashing_key, event.content, "sha256").hexdigest(),
            "source": provider,
            "kind": event.kind,
            "at": event.at or now,
            "message_id": about[event.row].id if event.row in about else None,
            "detail": event.detail,
        }
        for event in found
    ]
    new = events.remember(connection, rows)
    settled = _settle(connection, found, about, rules=rules, now=now)
    reasons = {event.email: event.suppresses for event in reversed(found) if event.suppresses}
    return {
        "created": len(new),
        "unchanged": len(found) - len(new),
        "settled": settled,
        "suppressed": suppressions.suppress(connection, reasons, hashing_key=hashing_key, now=now),
        "unmatched": len(found) - len(about),
    }


def _messages_of(connection: Connection, found: Sequence[Event], provider: str) -> dict[int, Addressed]:
    """Return the message that each event is about, by the event's row."""
    by_id = events.messages_by_id(connection, [event.message_id for event in found if event.message_id])
    by_receipt = events.messages_by_receipt(connection, [event.receipt for event in found])
    about: dict[int, Addressed] = {}
    for event in found:
        message = by_id.get(event.message_id or 0) if event.message_id else by_receipt.get(event.receipt)
        if message is not None and message.transport == provider and _is_about(event, message):
            about[event.row] = message
    return about


def _is_about(event: Event, message: Addressed) -> bool:
    called_alike = not event.receipt or not message.receipt or event.receipt == message.receipt
    return message.email == event.email and called_alike


def _settle(
    connection: Connection, found: Sequence[Event], about: dict[int, Addressed], *, rules: Rules, now: datetime
) -> int:
    """Move messages from unknown to accepted. Their next step was planned when they became unknown; that stays."""
    receipts: dict[int, str] = {}
    owners: dict[int, int] = {}
    for event in found:
        message = about.get(event.row)
        if message is not None and message.state == S.UNKNOWN:
            receipts[message.id] = receipts.get(message.id) or message.receipt or event.receipt
            owners[message.id] = message.enrollment_id
    moved: list[int] = []
    for id_, receipt in sorted(receipts.items()):
        moved += messages.move(connection, [id_], S.UNKNOWN, S.ACCEPTED, at=now, reason="event", receipt=receipt)
    schedule_next(connection, [owners[id_] for id_ in moved], rules, now=now)
    return len(moved)

"""Mirror contacts and their messages into two databases of Notion. Nothing of it is read back: it is no truth.

1. Look at both databases; what is missing there is said before anything is written.   notion.client
2. Empty, and put into the trash, the pages of whoever was forgotten or purged.
3. Page by page in the order of ids: write what differs from what was last written.

A page is announced in the database before it is made, and looked for by its id before it is made again: wherever a run
dies, the next one goes on, and nothing stands there twice. Every transaction is a few rows long, and none is open while
Notion is asked.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Row

from cartctl.domain import sequences as sequences_domain
from cartctl.domain.messages import OPEN
from cartctl.errors import NotionError
from cartctl.jobs.notion_pages import Names, contact_fields, contact_values, message_fields, message_values
from cartctl.jobs.rules import Clock
from cartctl.notion import client
from cartctl.notion.client import DataSource, GoneError, Notion, RefusedError
from cartctl.notion.properties import Field, Value, encode
from cartctl.store import keys, mirrored
from cartctl.store.database import Database

CHUNK = 100
"""Pages that are looked for in one request."""
Sequences = Mapping[str, sequences_domain.Sequence]


@dataclass(slots=True)
class Synced:
    """How many pages were made, changed and discarded. `problems`: which were refused, by id."""

    created: int = 0
    updated: int = 0
    discarded: int = 0
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "created": self.created,
            "updated": self.updated,
            "discarded": self.discarded,
            "unchanged": self.unchanged,
            "problems": self.problems,
        }


@dataclass(frozen=True, kw_only=True)
class SyncJob:
    """What a run works with. `at` is called where a process may die; tests make it die there."""

    database: Database
    notion: Notion
    names: Sequence[Names]
    sequences: Sequences
    clock: Clock
    at: Callable[[str], None] = lambda _point: None


@dataclass(frozen=True, slots=True)
class Table:
    """One database of Notion, ready to be written to."""

    names: Names
    source: DataSource
    fields: Mapping[str, Field]

    def encoded(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Return all properties; those without a value are emptied."""
        return {one.name: encode(values.get(ours), self.source.types[one.name]) for ours, one in self.fields.items()}


def tables(notion: Notion, names: Sequence[Names], sequences: Sequences) -> list[Table]:
    """Look the databases up. Raises ConfigurationError and NotionError."""
    return [
        Table(
            one,
            notion.source(one.database, one.data_source, setting=one.setting),
            contact_fields(one, sequences) if one.kind == mirrored.CONTACT else message_fields(one),
        )
        for one in names
    ]


def run(job: SyncJob) -> Synced:
    """Mirror all that has changed. Where Notion does not let it go on it ends, and says so; what was done stays.

    A sequence that nobody was ever put into needs no properties there. Raises ConfigurationError for what somebody must
    put right first.
    """
    with job.database.read() as connection:
        in_use = mirrored.sequences_in_use(connection)
    job = replace(job, sequences={name: one for name, one in job.sequences.items() if name in in_use})
    found = tables(job.notion, job.names, job.sequences)
    for table in found:
        client.check(table.source, list(table.fields.values()))
    with job.database.write() as connection:
        hashing = keys.key(connection, keys.HASHING, now=job.clock())
    run_ = _Run(job, keys.database_id(hashing.encode()), Synced())
    try:
        for table in found:
            run_.discard(table)
        for table in found:
            run_.write(table)
    except NotionError as error:
        run_.result.problems.append(str(error))
    return run_.result


@dataclass(frozen=True, slots=True)
class _Run:
    job: SyncJob
    database_id: str
    """Stands in every page's id: contacts are counted from 1 in every database."""
    result: Synced

    def discard(self, table: Table) -> None:
        """Take out of Notion what is to be seen no more."""
        kind = table.names.kind
        with self.job.database.read() as connection:
            rows = mirrored.gone(connection, kind)
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            pages = {row.subject: row.page_id for row in chunk}
            pages |= self._made_unseen(table, [row.subject for row in chunk if not row.page_id])
            for subject, page_id in pages.items():
                if page_id:
                    try:
                        self.job.notion.discard(page_id, table.encoded({}))
                    except RefusedError as error:  # it stays known: the next run tries again
                        self.result.problems.append(f"notion: {kind} {subject}: {error}")
                        continue
                    self.result.discarded += 1
                with self.job.database.write() as connection:
                    mirrored.drop(connection, kind, subject)

    def write(self, table: Table) -> None:
        after_id: int | None = 0
        while after_id is not None:
            rows, shown = self._read(table, after_id)
            self._write(table, shown)
            after_id = rows[-1].id if len(rows) == CHUNK else None

    def _read(self, table: Table, after_id: int) -> tuple[Sequence[Row[Any]], dict[str, dict[str, Any]]]:
        """Return the next rows, and by subject what their pages should show, where it is not what they do show."""
        kind, sequences = table.names.kind, self.job.sequences
        with self.job.database.read() as connection:
            if kind == mirrored.CONTACT:
                rows = mirrored.contacts_after(connection, sequences, after_id=after_id, limit=CHUNK)
                sent = mirrored.accepted(connection, [row.id for row in rows])
                values = {
                    str(row.id): contact_values(row, sequences[row.sequence], sent.get(row.id, {})) for row in rows
                }
            else:
                rows = mirrored.messages_after(connection, sequences, after_id=after_id, limit=CHUNK)
                values = {str(row.id): message_values(row) for row in rows}
            known = mirrored.known(connection, kind, list(values))
        waiting = {str(row.id) for row in rows if kind == mirrored.MESSAGE and row.state in OPEN} - known.keys()
        shown = {
            subject: table.encoded(one | {"id": self._key(subject)})
            for subject, one in values.items()
            if subject not in waiting
        }
        same = {
            subject for subject, one in shown.items() if subject in known and known[subject].fingerprint == _print(one)
        }
        self.result.unchanged += len(same)
        return rows, {subject: one for subject, one in shown.items() if subject not in same}

    def _write(self, table: Table, shown: Mapping[str, dict[str, Any]]) -> None:
        kind = table.names.kind
        with self.job.database.read() as connection:
            pages = {subject: row.page_id for subject, row in mirrored.known(connection, kind, list(shown)).items()}
        new = [subject for subject in shown if not pages.get(subject)]
        if new:
            with self.job.database.write() as connection:
                mirrored.announce(connection, kind, new, at=self.job.clock())
            self.job.at("after-announce")
            pages |= self._made_unseen(table, new)
        for subject, properties in shown.items():
            try:
                page_id = self._write_one(table, subject, pages.get(subject, ""), properties)
            except RefusedError as error:
                self.result.problems.append(f"notion: {kind} {subject}: {error}")
                continue
            self.job.at("after-page")
            with self.job.database.write() as connection:
                mirrored.keep(
                    connection, kind, subject, page_id=page_id, fingerprint=_print(properties), at=self.job.clock()
                )

    def _write_one(self, table: Table, subject: str, page_id: str, properties: dict[str, Any]) -> str:
        if page_id:
            try:
                self.job.notion.update(page_id, properties)
            except GoneError:
                pass  # somebody deleted it: it is made anew
            else:
                self.result.updated += 1
                return page_id
        page_id = self.job.notion.create(table.source, properties, key=table.names.key, value=self._key(subject))
        self.result.created += 1
        return page_id

    def _made_unseen(self, table: Table, subjects: Sequence[str]) -> dict[str, str]:
        """Return the pages that were made by somebody who then died."""
        if not subjects:
            return {}
        found = self.job.notion.find(table.source, table.names.key, [self._key(subject) for subject in subjects])
        return {subject: found.get(self._key(subject), "") for subject in subjects}

    def _key(self, subject: str) -> str:
        return f"{self.database_id}/{subject}"


def _print(properties: Mapping[str, Any]) -> str:
    """Return what two pages that show the same have in common."""
    return hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()

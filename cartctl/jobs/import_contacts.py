"""Import one list of contacts: who they are, what is known of them, and what follows from that at once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.attributes import is_booked
from cartctl.domain.carts import Consent
from cartctl.domain.decide import refused
from cartctl.domain.sequences import BOOKED
from cartctl.importers import contacts as importer
from cartctl.importers.contacts import ContactLine
from cartctl.jobs import segments
from cartctl.jobs.import_lines import import_lines
from cartctl.jobs.importing import ImportResult, Options
from cartctl.jobs.rules import Rules
from cartctl.store import contacts, enrollments, forgotten, keys
from cartctl.store.contacts import email_hash
from cartctl.store.database import EngineDatabase

COUNTS = ("created", "updated", "unchanged", "forgotten")
_FIELDS = ("first_name", "business_name", "timezone", "locale")


def run(database: EngineDatabase, path: Path, *, options: Options, rules: Rules, now: datetime) -> ImportResult:
    """Import `path`. Who asked to be forgotten is counted and left out."""

    def save(connection: Connection, lines: list[ContactLine]) -> Mapping[str, int]:
        return learn(connection, lines, rules, source=path.name, now=now)

    return import_lines(
        database,
        path,
        kind="contacts",
        format_name=importer.NAME,
        read=importer.read,
        save=save,
        counts=COUNTS,
        options=options,
        carts="change",
        now=now,
    )


def set_one(database: EngineDatabase, line: ContactLine, rules: Rules, *, now: datetime) -> bool:
    """Write down what is said of one contact who is known; return whether there is such a one."""
    with database.write(carts="change") as connection:
        if not of_lines(connection, [line]):
            return False
        learn(connection, [line], rules, source="contact set", by_hand=True, now=now)
    return True


def learn(
    connection: Connection,
    lines: Sequence[ContactLine],
    rules: Rules,
    *,
    source: str,
    by_hand: bool = False,
    now: datetime,
) -> Mapping[str, int]:
    """Write down what the lines say, in their order, and let it take effect. Returns COUNTS.

    A list does not say when somebody agreed: only `by_hand` is a refusal taken back.

    Belongs into a transaction with `carts="change"`: what a run is about to send then meets it at the gate.
    """
    counts = dict.fromkeys(COUNTS, 0)
    known = of_lines(connection, lines)
    changed: dict[int, dict[str, Any]] = {}
    consents: list[tuple[int, Consent, datetime]] = []
    gone = _forgotten(connection, [line.email for line in lines], now=now)
    fresh = {line.email for line in lines if line.email not in known and line.email not in gone}
    ids = contacts.ensure(connection, [line.email for line in lines if line.email not in gone])
    contacts.lock(connection, ids.values())
    contacts.listed(connection, ids.values(), at=now)
    states = {email: as_known(row) for email, row in known.items()}
    for line in lines:
        if line.email in gone:
            counts["forgotten"] += 1
            continue
        before = states.get(line.email, as_known(None))
        states[line.email] = after = merged(before, line)
        is_new = line.email in fresh
        fresh.discard(line.email)
        counts["created" if is_new else "unchanged" if after == before else "updated"] += 1
        if after != before:
            changed[ids[line.email]] = after
        consents.append((ids[line.email], line.consent, now))
    contacts.describe(connection, {id_: _columns(state) for id_, state in changed.items()})
    contacts.hear_consent(connection, consents, source=source[:80], over_refusals=by_hand)
    refusing = {id_ for id_, consent, _ in consents if consent == Consent.REFUSED}
    heed(connection, sorted(changed.keys() | refusing), rules, now=now)
    return counts


def of_lines(connection: Connection, lines: Iterable[ContactLine]) -> dict[str, Row[Any]]:
    """Return the contacts that are known already, by address."""
    return {row.email_normalised: row for row in contacts.by_email(connection, sorted({line.email for line in lines}))}


def as_known(row: Row[Any] | None) -> dict[str, Any]:
    """Return what is known of a contact: fields, and `attributes` by name."""
    if row is None:
        return {**dict.fromkeys(_FIELDS, ""), "attributes": {}}
    return {**{name: getattr(row, name) for name in _FIELDS}, "attributes": contacts.known_attributes(row)}


def merged(before: Mapping[str, Any], line: ContactLine) -> dict[str, Any]:
    """Return what is known after a line: a blank field says nothing, a blank attribute takes its value away."""
    fields = {name: getattr(line, name) or before[name] for name in _FIELDS}
    attributes = {name: value for name, value in (before["attributes"] | line.attributes).items() if value != ""}
    return {**fields, "attributes": attributes}


def _columns(state: Mapping[str, Any]) -> dict[str, str]:
    attributes = state["attributes"]
    text = json.dumps(attributes, ensure_ascii=False, sort_keys=True) if attributes else ""
    return {**{name: state[name] for name in _FIELDS}, "attributes": text}


def _forgotten(connection: Connection, emails: Iterable[str], *, now: datetime) -> set[str]:
    hashes = forgotten.hashes(connection)
    if not hashes:
        return set()
    key = keys.key(connection, keys.HASHING, now=now).encode()
    return {email for email in emails if email_hash(key, email) in hashes}


def heed(connection: Connection, contact_ids: Sequence[int], rules: Rules, *, now: datetime) -> None:
    """Let what is known of contacts take effect: it ends what runs, and segments are worked out anew."""
    people = contacts.by_ids(connection, contact_ids)
    booked = {row.id for row in people if is_booked(contacts.known_attributes(row))}
    stopping = {sequence.name for sequence in rules.sequences.values() if BOOKED in sequence.stop_when}
    running = enrollments.live_of(connection, sorted(booked), stopping)
    enrollments.stop(connection, running, reason="booked", at=now)
    refusing = {
        row.id: refused(Consent.REFUSED, rules.consent_required) for row in people if row.consent == Consent.REFUSED
    }
    running = enrollments.live_of(connection, sorted(id_ for id_, why in refusing.items() if why), rules.sequences)
    enrollments.stop(connection, running, reason="consent-refused", at=now)
    segments.again(connection, contact_ids, rules, now=now)

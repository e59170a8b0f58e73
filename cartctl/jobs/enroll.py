"""Put contacts into a sequence: whoever fits what it asks for, each once.

1. What is known of each, and what the sign-up says, is held against the sequence. Who does not fit is refused, with
   the reason, and nothing of the sign-up is kept.
2. What it says of the others is kept, as of any list of contacts.
3. Who is not in the sequence yet is put into it, into their segment, with the first step in the queue.

Runs inside the caller's transaction, in which the contacts are locked: of two sign-ups at once one comes second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row

from cartctl.domain.attributes import is_booked
from cartctl.domain.sequences import BOOKED, ENROLLED
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.errors import UnknownSequenceError, UsageError
from cartctl.importers import contacts as importer
from cartctl.importers.contacts import ContactLine
from cartctl.importers.records import RowError
from cartctl.jobs import import_contacts, segments
from cartctl.jobs.import_contacts import as_known, learn, merged, of_lines
from cartctl.jobs.import_lines import import_lines
from cartctl.jobs.importing import ImportResult, Options
from cartctl.jobs.rules import Rules
from cartctl.jobs.steps import schedule_next
from cartctl.store import contacts, enrollments, noting
from cartctl.store.database import EngineDatabase
from cartctl.store.noting import Noted
from cartctl.suggest import did_you_mean

COUNTS = (*import_contacts.COUNTS, "enrolled", "already")


@dataclass(frozen=True, kw_only=True)
class Enrolling:
    """Into which sequence, and how."""

    sequence: MailSequence
    rules: Rules
    store: str
    """Whose name, address and zone the mails bear."""
    is_test: bool = False
    start_at: str | None = None
    """The key of the first step: it is due at once, those before it are left out."""
    sent: Mapping[str, datetime] = field(default_factory=dict)
    """Steps that were sent elsewhere, and when: the sequence goes on from the last of them."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one sign-up."""

    line: ContactLine
    outcome: Literal["enrolled", "already", "rejected", "forgotten"]
    why: str = ""
    """Why it was rejected; how far the sequence is, of who is in it already."""
    segment: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"outcome": self.outcome, "why": self.why, "segment": self.segment}


def enrolling(
    rules: Rules,
    name: str,
    *,
    store: str,
    now: datetime,
    is_test: bool = False,
    start_at: str | None = None,
    sent: Mapping[str, datetime] | None = None,
) -> Enrolling:
    """Check what is asked for. Raises UsageError."""
    mine = {key: sequence for key, sequence in rules.sequences.items() if sequence.trigger == ENROLLED}
    if name not in mine:
        why = "is about carts" if name in rules.sequences else f"is unknown{did_you_mean(name, mine)}"
        why += f': contacts are enrolled in those with trigger = "{ENROLLED}"'
        raise UnknownSequenceError(f'sequence "{name}" {why}')
    sequence, sent = mine[name], sent or {}
    order = [step.key for step in sequence.steps]
    for what, key in [*(("--sent", key) for key in sent), *((("--start-at", start_at),) if start_at else ())]:
        if key not in order:
            raise UsageError(f'{what}: {name} has no step "{key}"{did_you_mean(key, order)}')
    if any(at > now for at in sent.values()):
        raise UsageError("--sent: a step was sent in the past")
    times = [sent[key] for key in order if key in sent]
    if times != sorted(times):
        raise UsageError("--sent: a step was sent after the step before it")
    if start_at and any(order.index(key) >= order.index(start_at) for key in sent):
        raise UsageError(f"--start-at: {start_at} comes after what was sent")
    if is_test and not rules.test_recipients:
        raise UsageError("--test: test_recipients names nobody: say there to whom tests may go")
    return Enrolling(sequence=sequence, rules=rules, store=store, is_test=is_test, start_at=start_at, sent=sent)


def enroll(
    connection: Connection, lines: Sequence[ContactLine], how: Enrolling, *, source: str, now: datetime
) -> tuple[Mapping[str, int], list[Outcome]]:
    """Enroll contacts, in their order. Returns COUNTS and what became of each.

    Belongs into a transaction with `carts="change"`. Raises ConfigurationError for a rule that cannot be worked out.
    """
    fits: list[tuple[ContactLine, str]] = []
    outcomes: list[Outcome] = []
    known = {email: as_known(row) for email, row in of_lines(connection, lines).items()}
    for line in lines:
        state = merged(known.get(line.email, as_known(None)), line)
        values, faults = segments.faults_of(how.sequence, state["attributes"])
        if why := "; ".join(faults) or _unwelcome(line, state, how):
            outcomes.append(Outcome(line=line, outcome="rejected", why=why))
            continue
        known[line.email] = state
        fits.append((line, segments.resolve(how.sequence, values)))
    counts = dict.fromkeys(COUNTS, 0)
    counts |= learn(connection, [line for line, _ in fits], how.rules, source=source, now=now)
    found = list(_put_in(connection, fits, how, now=now))
    counts |= {what: sum(one.outcome == what for one in found) for what in ("enrolled", "already")}
    return counts, [*outcomes, *found]


def _unwelcome(line: ContactLine, state: Mapping[str, Any], how: Enrolling) -> str:
    """Say why somebody who fits is not enrolled all the same."""
    if not how.rules.may_write_to(line.email):
        return "is a marketplace's relay address, and channels.tiktok.write_to_relay is off"
    if how.is_test and line.email not in how.rules.test_recipients:
        return "is none of test_recipients: tests go to nobody else"
    if BOOKED in how.sequence.stop_when and is_booked(state["attributes"]):
        return "has booked already"
    return ""


def _put_in(
    connection: Connection, fits: Sequence[tuple[ContactLine, str]], how: Enrolling, *, now: datetime
) -> Iterator[Outcome]:
    ids = {row.email_normalised: row.id for row in contacts.by_email(connection, [line.email for line, _ in fits])}
    theirs = enrollments.of_contacts(connection, how.sequence.name, sorted(ids.values()))
    began_at = _began_at(how, now)
    noted = list(_noted(how))
    made: list[int] = []
    for line, segment in fits:
        contact_id = ids.get(line.email)
        if contact_id is None:
            yield Outcome(line=line, outcome="forgotten", why="asked to be forgotten")
            continue
        before = theirs.setdefault(contact_id, [])
        if row := next((row for row in before if _stands_in_the_way(row, how)), None):
            why = f"since {row.enrolled_at:%Y-%m-%d %H:%M} UTC, {row.status}{f' ({row.reason})' if row.reason else ''}"
            yield Outcome(line=line, outcome="already", why=why, segment=row.segment)
            continue
        tests = [row.id for row in before if row.status == enrollments.LIVE]
        enrollments.stop(connection, tests, reason="superseded", at=now)
        id_ = enrollments.add_contact(
            connection,
            {
                "sequence": how.sequence.name,
                "contact_id": contact_id,
                "store": how.store,
                "status": enrollments.LIVE,
                "segment": segment,
                "is_test": how.is_test,
                "enrolled_at": now,
                "began_at": began_at,
            },
        )
        segments.entered(connection, how.sequence, id_, segment, at=now)
        noting.note(connection, id_, noted, contact_id=contact_id, is_test=how.is_test, at=now)
        made.append(id_)
        theirs[contact_id] = enrollments.of_contacts(connection, how.sequence.name, [contact_id])[contact_id]
        yield Outcome(line=line, outcome="enrolled", segment=segment)
    schedule_next(connection, made, how.rules, now=now)


def _stands_in_the_way(row: Row[Any], how: Enrolling) -> bool:
    """Whoever is, or was, in the sequence is not in it again; a test stands in nobody's way, but for what is meant."""
    return not row.is_test and (not how.is_test or row.status == enrollments.LIVE)


def _began_at(how: Enrolling, now: datetime) -> datetime:
    """Return what the steps count from: the next one is due as long after the last one as the sequence says."""
    after = {step.key: how.rules.paced(step, is_test=how.is_test).after for step in how.sequence.steps}
    if how.sent:
        last = max(how.sent, key=lambda key: list(after).index(key))
        return how.sent[last] - after[last]
    minute = now.replace(second=0, microsecond=0)  # a step is due at a tick, not one later
    return minute - (after[how.start_at] if how.start_at else timedelta(0))


def _noted(how: Enrolling) -> Iterator[Noted]:
    order = [step.key for step in how.sequence.steps]
    until = order.index(how.start_at) if how.start_at else 0
    for place, key in enumerate(order):
        if key in how.sent:
            yield Noted(step=key, sent_at=how.sent[key])
        elif place < until:
            yield Noted(step=key)


def run(database: EngineDatabase, path: Path, *, options: Options, how: Enrolling, now: datetime) -> ImportResult:
    """Enroll everybody in a list of contacts; who does not fit is rejected, as a row that cannot be read."""
    refused: list[RowError] = []

    def save(connection: Connection, lines: list[ContactLine]) -> Mapping[str, int]:
        counts, outcomes = enroll(connection, lines, how, source=path.name, now=now)
        refused.extend(
            RowError(one.line.row, "", one.why, one.line.raw) for one in outcomes if one.outcome == "rejected"
        )
        return counts

    return import_lines(
        database,
        path,
        kind="contacts",
        format_name=importer.NAME,
        read=importer.read,
        save=save,
        counts=COUNTS,
        refused=refused,
        read_with=(
            *(how.sequence.name, str(how.is_test), how.start_at or "", how.store),
            *(f"{step}={at.isoformat()}" for step, at in how.sent.items()),
        ),
        options=options,
        carts="change",
        now=now,
    )


def one(database: EngineDatabase, line: ContactLine, how: Enrolling, *, source: str, now: datetime) -> Outcome:
    """Enroll one contact."""
    with database.write(carts="change") as connection:
        _, (outcome,) = enroll(connection, [line], how, source=source, now=now)
    return outcome

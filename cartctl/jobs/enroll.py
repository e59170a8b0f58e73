"""Put contacts into a sequence: whoever fits what it asks for, each once.

1. What is known of each, and what the sign-up says, is held against the sequence. Of a sign-up that does not fit
   nothing is kept but a booking and a refusal.
2. What the others say is kept, as of any list of contacts.
3. Who is not in the sequence yet is put into it, by the last that is known of them, into their segment, with the first
   step in the queue. Who does not fit is refused, with the reason.

Runs inside the caller's transaction, in which the contacts are locked: of two sign-ups at once one comes second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row

from cartctl.domain.attributes import is_booked
from cartctl.domain.carts import Consent
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
_BOOKED = "has booked already"


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
    if start_at and sent:
        raise UsageError("--start-at and --sent: give one of them; after --sent the step behind it is the next")
    if is_test and not rules.test_recipients:
        raise UsageError("--test: test_recipients names nobody: say there to whom tests may go")
    return Enrolling(sequence=sequence, rules=rules, store=store, is_test=is_test, start_at=start_at, sent=sent)


def enroll(
    connection: Connection, lines: Sequence[ContactLine], how: Enrolling, *, source: str, now: datetime
) -> tuple[Mapping[str, int], list[Outcome]]:
    """Enroll contacts, in their order. Returns COUNTS and what became of each.

    Belongs into a transaction with `carts="change"`. Raises ConfigurationError for a rule that cannot be worked out.
    """
    known = {email: as_known(row) for email, row in of_lines(connection, lines).items()}
    kept: list[ContactLine] = []
    misfits: list[str] = []
    for line in lines:
        before = known.get(line.email, as_known(None))
        _, faults = segments.faults_of(how.sequence, merged(before, line)["attributes"])
        misfits.append("; ".join(faults) or _unwelcome(line, how))
        if said := _withdrawal(line) if misfits[-1] else line:
            kept.append(said)
            known[line.email] = merged(before, said)
    counts = dict.fromkeys(COUNTS, 0)
    counts |= learn(connection, kept, how.rules, source=source, now=now)
    outcomes = list(_put_in(connection, list(zip(lines, misfits, strict=True)), known, how, now=now))
    counts |= {what: sum(one.outcome == what for one in outcomes) for what in ("enrolled", "already")}
    return counts, outcomes


def _unwelcome(line: ContactLine, how: Enrolling) -> str:
    """Say why nobody of this address is enrolled."""
    if not how.rules.may_write_to(line.email):
        return "is a marketplace's relay address, and channels.tiktok.write_to_relay is off"
    if how.is_test and line.email not in how.rules.test_recipients:
        return "is none of test_recipients: tests go to nobody else"
    return ""


def _withdrawal(line: ContactLine) -> ContactLine | None:
    """Return what counts of a sign-up that is refused: a booking and a refusal, for they end mail and begin none."""
    booking = {name: value for name, value in line.attributes.items() if is_booked({name: value})}
    if line.consent != Consent.REFUSED and not booking:
        return None
    consent = line.consent if line.consent == Consent.REFUSED else Consent.UNKNOWN
    return ContactLine(row=line.row, email=line.email, consent=consent, attributes=booking)


def _put_in(
    connection: Connection,
    lines: Sequence[tuple[ContactLine, str]],
    known: Mapping[str, Mapping[str, Any]],
    how: Enrolling,
    *,
    now: datetime,
) -> Iterator[Outcome]:
    """Enroll by the last that is `known` of each; beside each line stands what of it does not fit."""
    ids = {
        row.email_normalised: row.id for row in contacts.by_email(connection, sorted({one.email for one, _ in lines}))
    }
    theirs = enrollments.of_contacts(connection, how.sequence.name, sorted(ids.values()))
    began_at = _began_at(how, now)
    noted = list(_noted(how))
    made: list[int] = []
    for line, misfit in lines:
        contact_id = ids.get(line.email)
        before = theirs.get(contact_id, []) if contact_id is not None else []
        if row := next((row for row in before if _stands_in_the_way(row, how)), None):
            why = f"since {row.enrolled_at:%Y-%m-%d %H:%M} UTC, {row.status}{f' ({row.reason})' if row.reason else ''}"
            why += f"; this sign-up does not fit: {misfit}" if misfit else ""
            yield Outcome(line=line, outcome="already", why=why, segment=row.segment)
            continue
        state = known.get(line.email, as_known(None))["attributes"]
        values, faults = segments.faults_of(how.sequence, state)
        if why := misfit or "; ".join(faults) or (_BOOKED if _has_booked(state, how) else ""):
            yield Outcome(line=line, outcome="rejected", why=why)
            continue
        if contact_id is None:
            yield Outcome(line=line, outcome="forgotten", why="asked to be forgotten")
            continue
        tests = [row.id for row in before if row.status == enrollments.LIVE]
        enrollments.stop(connection, tests, reason="superseded", at=now)
        segment = segments.resolve(how.sequence, values)
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


def _has_booked(attributes: Mapping[str, Any], how: Enrolling) -> bool:
    return BOOKED in how.sequence.stop_when and is_booked(attributes)


def _stands_in_the_way(row: Row[Any], how: Enrolling) -> bool:
    """Whoever is, or was, in the sequence is not in it again; a test stands in nobody's way, but for what is meant."""
    return not row.is_test and (not how.is_test or row.status == enrollments.LIVE)


def _began_at(how: Enrolling, now: datetime) -> datetime:
    """Return what the steps count from: the next one is due as long after the last one as the sequence says."""
    minute = now.replace(second=0, microsecond=0)  # a step is due at a tick, not one later
    after = {step.key: how.rules.paced(step, is_test=how.is_test).after for step in how.sequence.steps}
    if how.sent:
        order = list(after)
        place = max(order.index(key) for key in how.sent)
        began_at = how.sent[order[place]] - after[order[place]]
        # Where the next one is late already it is due now, and those behind it keep their distance from it.
        return max([began_at, *(minute - after[key] for key in order[place + 1 : place + 2])])
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

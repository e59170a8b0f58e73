"""Which segment a contact is in, and why: the rules of a sequence asked in their order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.attributes import fit
from cartctl.domain.segments import Segment
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.errors import ConfigurationError, TemplateError
from cartctl.jobs.rules import Rules
from cartctl.mail.expressions import holds, names_in
from cartctl.store import alerts, contacts, enrollments


@dataclass(frozen=True, slots=True)
class Asked:
    """One rule of a segment. `inputs`: what it looked at. `outcome`: yes, no, or not asked."""

    segment: Segment
    inputs: Mapping[str, Any]
    outcome: str


@dataclass(frozen=True, slots=True)
class Explained:
    """Of one contact and sequence. `stored`: the segment of the enrollment; None: not enrolled."""

    sequence: str
    stored: str | None
    faults: tuple[str, ...]
    """What keeps the contact from fitting; then no rule was asked."""
    rules: tuple[Asked, ...]

    @property
    def segment(self) -> str:
        return next((one.segment.key for one in self.rules if one.outcome == "yes"), "")


def resolve(sequence: MailSequence, values: Mapping[str, Any]) -> str:
    """Return the key of the first segment whose rule holds; "" where the sequence has none. ConfigurationError."""
    return next((one.segment.key for one in ask(sequence, values) if one.outcome == "yes"), "")


def ask(sequence: MailSequence, values: Mapping[str, Any]) -> Iterator[Asked]:
    """Yield each rule with what it looked at and its outcome. Raises ConfigurationError for one that is none."""
    found = False
    for segment in sequence.segments:
        inputs: dict[str, Any] = {}
        try:
            if segment.when:
                inputs = {name: values[name] for name in sorted(names_in(segment.when)) if name in values}
            yes = not found and (not segment.when or holds(segment.when, values))
        except TemplateError as error:
            raise ConfigurationError(f'{sequence.name}: segment "{segment.key}": {error}') from None
        yield Asked(segment, inputs, "not asked" if found else "yes" if yes else "no")
        found = found or yes


def faults_of(sequence: MailSequence, given: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return what a sequence declares of a contact, and why they do not fit. Raises ConfigurationError."""
    fitted = fit(sequence.attributes, given)
    faults = list(fitted.faults)
    if not faults:
        for check in sequence.checks:
            try:
                if not holds(check.that, fitted.values):
                    faults.append(check.otherwise)
            except TemplateError as error:
                raise ConfigurationError(f"{sequence.name}: check {error}") from None
    return fitted.values, tuple(faults)


def entered(connection: Connection, sequence: MailSequence, enrollment_id: int, segment: str, *, at: datetime) -> None:
    """Note that whoever this segment names is to be told, if it names somebody."""
    found = sequence.segment(segment)
    if found and found.alert:
        alerts.announce(connection, enrollment_id, segment, at=at)


def again(connection: Connection, contact_ids: Sequence[int], rules: Rules, *, now: datetime) -> None:
    """Put contacts of whom something else is known now into the segments that are theirs by it.

    Whoever no longer fits stays where they are: their mail waits, and `run-due` says why.
    """
    rows = [row for row in enrollments.live_without_cart(connection, contact_ids) if row.sequence in rules.sequences]
    people = {row.id: row for row in contacts.by_ids(connection, sorted({row.contact_id for row in rows}))}
    for row in rows:
        sequence = rules.sequences[row.sequence]
        values, faults = faults_of(sequence, contacts.known_attributes(people[row.contact_id]))
        if not faults and (segment := resolve(sequence, values)) != row.segment:
            enrollments.put_into_segment(connection, row.id, segment)
            entered(connection, sequence, row.id, segment, at=now)


def explain(connection: Connection, contact: Row[Any], rules: Rules) -> list[Explained]:
    """Work out the segmented sequences that a contact is in; for who is in none, all there are."""
    given = contacts.known_attributes(contact)
    found: list[Explained] = []
    for sequence in rules.sequences.values():
        if not sequence.segments:
            continue
        values, faults = faults_of(sequence, given)
        theirs = enrollments.of_contacts(connection, sequence.name, [contact.id]).get(contact.id, [])
        stored = theirs[-1].segment if theirs else None
        found.append(Explained(sequence.name, stored, faults, () if faults else tuple(ask(sequence, values))))
    return [one for one in found if one.stored is not None] or found

"""Mailing a report: at most once for a period and a recipient, as every message is handed over at most once.

A mark of the mail's name is made and committed before the mail is handed over. What certainly did not leave takes it
back, so that the next run tries again; what may have left keeps it. It is none of the sequences' messages: gaps, caps
and the brakes that hold mail to shoppers do not concern it, and no report counts it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256

from cartctl.domain.identity import normalise_email
from cartctl.mail.message import Accepted, OutgoingMessage, Throttled, Transport, Unknown
from cartctl.store import mailed, suppressions
from cartctl.store.contacts import email_hash
from cartctl.store.database import Database


class Became(StrEnum):
    """What became of it."""

    SENT = "sent"
    SENT_BEFORE = "sent before"
    SUPPRESSED = "suppressed"
    DOUBTFUL = "doubtful"
    """It may or may not have left, now or at an earlier run."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Mailed:
    """`why`: what the transport said, in words that hold no address."""

    became: Became
    why: str = ""


def name_of(hashing_key: bytes, to: str, *, since: date | None, until: date) -> str:
    """Name the report of a period to one address, as the mail's step: says nothing of the address."""
    whose = sha256(f"{email_hash(hashing_key, normalise_email(to))} {since} {until}".encode()).hexdigest()
    return f"{until}-{whose[:16]}"


def run(
    database: Database, mail: OutgoingMessage, *, transport: Transport, hashing_key: bytes, now: datetime
) -> Mailed:
    """Hand over the mail, whose step is what `name_of` returns, unless that was done before."""
    with database.write() as connection:
        whom = email_hash(hashing_key, normalise_email(mail.to))
        if suppressions.EVERYWHERE in suppressions.reasons(connection, whom):
            return Mailed(Became.SUPPRESSED)
        stage = mailed.begin(connection, mail.unique, now=now)
    if stage is mailed.Stage.SENT:
        return Mailed(Became.SENT_BEFORE)
    if stage is mailed.Stage.SENDING:
        return Mailed(Became.DOUBTFUL, "an earlier run never heard what became of it")
    answer = transport.send(mail)
    if isinstance(answer, Unknown):
        return Mailed(Became.DOUBTFUL, answer.reason)
    with database.write() as connection:
        if isinstance(answer, Accepted):
            mailed.settle(connection, mail.unique)
            return Mailed(Became.SENT)
        mailed.take_back(connection, mail.unique)
    return Mailed(Became.FAILED, "the provider asks to wait" if isinstance(answer, Throttled) else answer.reason)

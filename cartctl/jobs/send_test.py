"""Hand one rendered mail to the transport, marked as a test. It is no message: no row is written or changed.

What keeps run-due from writing to somebody keeps this from it, too: suppressions and `mode = "test"`. Pauses and other
brakes do not: a mail that was mended is looked at while everything is held.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from cartctl.domain.identity import mask_email
from cartctl.errors import UsageError
from cartctl.importers import fields
from cartctl.jobs.rules import Rules
from cartctl.mail.message import (
    Accepted,
    Misconfigured,
    OutgoingMessage,
    Rejected,
    Throttled,
    Transport,
    Unavailable,
    Unknown,
)
from cartctl.mail.mime import envelope_address
from cartctl.store import contacts
from cartctl.store.database import Database
from cartctl.store.suppressions import EVERYWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What became of it. `text` says it to a person; `misconfigured`: no mail at all would be taken."""

    accepted: bool
    misconfigured: bool
    transport: str
    receipt: str
    text: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check_recipient(database: Database, to: str, *, rules: Rules, sequence: str, hashing_key: bytes) -> str:
    """Return the address as it is written to. Raises UsageError where it is none, or nobody may write to it."""
    try:
        email = fields.email(envelope_address(to), "--to") if to.count("@") == 1 else None  # one address, no list
    except ValueError:
        email = None
    if email is None:
        raise UsageError("--to: that is no e-mail address (anna@example.com is)") from None
    if rules.test_mode and email not in rules.test_recipients:
        raise UsageError(
            f'--to: mode = "test" lets mail go to test_recipients alone, and {mask_email(email)} is none: add it there'
        )
    with database.read() as connection:
        hash_ = contacts.email_hash(hashing_key, email)
        if {(hash_, EVERYWHERE), (hash_, sequence)} & contacts.suppressed(connection, [hash_]):
            raise UsageError(
                f"--to: {mask_email(email)} is suppressed, and so gets no mail: take another address "
                "(cartctl suppress remove, if it may be written to again)"
            )
    return email


def run(mail: OutgoingMessage, transport: Transport, *, now: datetime) -> Tested:
    """Send it. Each test is a mail of its own, however often the same is sent."""
    test = replace(mail, subject=f"[Test] {mail.subject}", step=f"{mail.step}-test-{now:%Y%m%d-%H%M%S-%f}")
    answer = transport.send(test)
    whom = f'"{test.subject}" to {mask_email(test.to)}'
    receipt = ""
    match answer:
        case Accepted(receipt) if transport.delivers:
            text = f"{transport.name} took {whom}"
        case Accepted(receipt) if transport.name == "outbox":
            text = f"{whom}: written as {receipt}; {transport.name} delivers nothing"
        case Accepted() if transport.name == "smtp":
            text = f"{transport.name} took {whom}: smtp.sandbox says that the server delivers nothing"
        case Accepted():
            text = f"{transport.name} took {whom}: as it is set up, it delivers nothing"
        case Misconfigured(reason):
            text = f"{whom} was not sent: {reason}"
        case Rejected(reason):
            text = f"{whom} was not sent: {transport.name} refuses it: {reason}"
        case Throttled():
            text = f"{whom} was not sent: {transport.name} takes no more mail just now: try again later"
        case Unavailable(reason):
            text = f"{whom} was not sent: {reason}: try again later"
        case Unknown(reason):
            text = f"{whom} may or may not have been sent: {reason}"
    return Tested(
        accepted=isinstance(answer, Accepted),
        misconfigured=isinstance(answer, Misconfigured),
        transport=transport.name,
        receipt=receipt,
        text=text,
    )

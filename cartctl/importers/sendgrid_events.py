"""SendGrid's event webhook, as it was posted: JSON arrays of events, or JSON Lines.

Facts (Twilio SendGrid's event reference): `timestamp` is in whole seconds since 1970; custom arguments stand flat among
the other fields; `type` of a bounce is `bounce` (for good) or `blocked` (for now); a `dropped` event says why in
`reason`; `sg_message_id` begins with the X-Message-Id of the answer, up to the first point, and is absent on some
bounces. An event may come again, even with another `sg_event_id`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cartctl.domain.times import YEARS
from cartctl.importers import fields
from cartctl.importers.fields import FieldError
from cartctl.importers.format import lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.mail_events import DATABASE, KINDS, MESSAGE_ID, Event, digest, message_id
from cartctl.importers.records import Ignored, Note, RowError

NAME = "sendgrid-events"
PROVIDER = "sendgrid"
_COMPLAINTS = {
    "spamreport": "spam-report",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
}
_DROPPED = {
    "bounced address": "hard-bounce",
    "invalid": "invalid-address",
    "spam reporting address": "spam-report",
    "unsubscribed address": "unsubscribed",
}
"""Reasons of a drop that tell of the address. The others (spam content, a quota, a bad header) tell of the mail."""


def recognise(sample: Sample) -> bool:
    """Say whether the first record is an event."""
    first = sample.first
    return (
        "event" in first
        and "timestamp" in first
        and ("sg_message_id" in first or "sg_event_id" in first or ("email" in first and first["event"] in KINDS))
    )


def read(file: JsonFile) -> Iterator[Event | RowError | Ignored | Note]:
    """Yield each record's event; one of a kind that is not known is ignored, and so is every unknown field."""
    return lines_of_records(file, _lines)


def _lines(row: int, record: Mapping[str, Any]) -> Iterator[Event | Ignored | Note]:
    event = _event(row, record)
    if isinstance(event, Event) and event.at is None:
        yield Note("timestamp: cannot be read in some events that suppress: they count as of this import")
    yield event


def _event(row: int, record: Mapping[str, Any]) -> Event | Ignored:
    kind = record.get("event")
    if not isinstance(kind, str) or not kind:
        raise FieldError("event", "is missing: is this a SendGrid event?")
    if kind not in KINDS:
        return Ignored(row, "unknown kind of event")
    email = fields.email(_text(record, "email"), "email")
    if email is None:
        raise FieldError("email", "is blank")
    suppresses = _suppresses(kind, record)
    content = {name: value for name, value in record.items() if name != "sg_event_id"}
    return Event(
        row=row,
        kind=kind,
        at=_instant(record.get("timestamp"), required=not suppresses),
        email=email,
        message_id=message_id(record.get(MESSAGE_ID)),
        database=_text(record, DATABASE),
        receipt=_text(record, "sg_message_id").partition(".")[0].strip()[:200],
        suppresses=suppresses,
        detail=_detail(kind, record),
        content=digest(content),
    )


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _instant(value: object, *, required: bool) -> datetime | None:
    """Seconds since 1970, as a number or as digits. A refusal must be heard whenever it was: None, not FieldError."""
    try:
        return _seconds(value)
    except FieldError:
        if required:
            raise
        return None


def _seconds(value: object) -> datetime:
    """A program may have made a float of it: 1772445600.0 is a whole number too."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 11 and value == int(value):
        value = int(value)
    known = isinstance(value, int | str) and not isinstance(value, bool)
    digits = re.sub(r"\.0+$", "", str(value)) if known else ""
    if not digits.isascii() or not digits.isdigit() or len(digits) > 11:
        raise FieldError("timestamp", "is no time in whole seconds since 1970")
    found = datetime.fromtimestamp(int(digits), UTC)
    if found.year not in YEARS:
        raise FieldError("timestamp", f"{digits} is absurd (the years from {YEARS[0]} to {YEARS[-1]} are not)")
    return found


def _is_hard(record: Mapping[str, Any]) -> bool:
    """Without a `type`, only a status of the class 5 (RFC 3463: permanent) makes a bounce hard."""
    kind = _text(record, "type").lower()
    return kind == "bounce" or (not kind and _text(record, "status").startswith("5."))


def _suppresses(kind: str, record: Mapping[str, Any]) -> str:
    if kind == "bounce":
        return "hard-bounce" if _is_hard(record) else ""
    if kind == "dropped":
        return _DROPPED.get(_text(record, "reason").strip().lower(), "")
    return _COMPLAINTS.get(kind, "")


def _detail(kind: str, record: Mapping[str, Any]) -> str:
    if kind == "bounce":
        return "hard" if _is_hard(record) else "soft"
    if kind == "dropped":
        reason = _text(record, "reason").strip().lower()
        return reason if reason in _DROPPED else ""
    if kind == "open" and record.get("sg_machine_open") is True:
        return "machine"
    return ""

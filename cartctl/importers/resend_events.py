"""Resend's webhook, as it was posted: one event a body; a file holds several as a JSON array or as JSON Lines.

Facts (resend.com/docs/webhooks): `type` says what happened, `created_at` when, in ISO 8601; `data.email_id` is the id
that the answer named, `data.to` the list of recipients, `data.tags` the mail's own tags, as an object or as a list of
`name` and `value`. `email.bounced` is for good unless `data.bounce.type` says something else (Transient, Undetermined).
`email.suppressed` was not sent at all: the address bounced or complained before.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from cartctl.domain.times import parse_instant
from cartctl.importers import fields, values
from cartctl.importers.fields import FieldError
from cartctl.importers.format import lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.mail_events import DATABASE, MESSAGE_ID, Event, digest, message_id
from cartctl.importers.records import Ignored, Note, RowError

NAME = "resend-events"
PROVIDER = "resend"
_KINDS = {
    "email.sent": "processed",
    "email.delivered": "delivered",
    "email.delivery_delayed": "deferred",
    "email.bounced": "bounce",
    "email.complained": "spamreport",
    "email.opened": "open",
    "email.clicked": "click",
    "email.failed": "dropped",
    "email.suppressed": "dropped",
}
_FAMILIES = re.compile(r"(email|domain|contact|suppression)\.")


def recognise(sample: Sample) -> bool:
    """Say whether the first record is an event: of a mail, or of what else Resend tells (`domain.created`)."""
    first = sample.first
    is_known = _FAMILIES.match(str(first.get("type"))) is not None
    return is_known and isinstance(first.get("data"), dict) and "created_at" in first


def read(file: JsonFile) -> Iterator[Event | RowError | Ignored | Note]:
    """Yield each record's event; one of a type that is not known is ignored, and so is every unknown field."""
    return lines_of_records(file, lambda row, record: [_event(row, record)])


def _event(row: int, record: Mapping[str, Any]) -> Event | Ignored:
    type_ = record.get("type")
    if not isinstance(type_, str) or not type_:
        raise FieldError("type", "is missing: is this an event of Resend's?")
    kind = _KINDS.get(type_)
    if kind is None:
        return Ignored(row, "unknown kind of event")
    recipients = values.value(record, "data.to")
    recipients = [recipients] if isinstance(recipients, str) else recipients
    if not isinstance(recipients, list) or not recipients:
        raise FieldError("data.to", "is blank")
    if len(recipients) > 1:
        return Ignored(row, "a mail to several addresses: none of ours")
    email = fields.email(parseaddr(str(recipients[0]))[1] or str(recipients[0]), "data.to")
    if email is None:
        raise FieldError("data.to", "is blank")
    suppresses = _suppresses(type_, record)
    tags = _tags(record)
    return Event(
        row=row,
        kind=kind,
        at=_instant(values.text(record, "created_at"), required=not suppresses),
        email=email,
        message_id=message_id(tags.get(MESSAGE_ID)),
        database=str(tags.get(DATABASE, "")),
        receipt=values.text(record, "data.email_id")[:200],
        suppresses=suppresses,
        detail=("hard" if suppresses else "soft") if kind == "bounce" else "",
        content=digest(record),
    )


def _tags(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = values.value(record, "data.tags")
    if isinstance(found, list):
        return {str(tag.get("name")): tag.get("value") for tag in found if isinstance(tag, dict)}
    return found if isinstance(found, dict) else {}


def _instant(text: str, *, required: bool) -> datetime | None:
    """A refusal must be heard whenever it was: None, not FieldError."""
    try:
        return parse_instant(text)
    except ValueError:
        if required:
            raise FieldError("created_at", "is no time in ISO 8601 with its offset") from None
        return None


def _suppresses(type_: str, record: Mapping[str, Any]) -> str:
    if type_ == "email.bounced":
        return "hard-bounce" if values.text(record, "data.bounce.type").lower() in ("permanent", "") else ""
    return {"email.complained": "spam-report", "email.suppressed": "hard-bounce"}.get(type_, "")

"""Resend's webhook: which events are known, what they are about, and which of them suppress."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cartctl.importers.jsonfile import Sample
from cartctl.importers.mail_events import KINDS, Event
from cartctl.importers.records import Ignored, Note, RowError
from cartctl.importers.resend_events import read, recognise
from tests.importers.reading import json_file

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
TYPES = "sent delivered delivery_delayed bounced complained opened clicked failed suppressed".split()


def event(type_: str = "email.delivered", *, created_at: Any = "2026-03-02T10:00:00.000Z", **data: Any) -> Any:
    about = {"email_id": "56761188-7520", "to": ["anna@example.com"], "tags": {"cc_message_id": "7"}}
    return {"type": type_, "created_at": created_at, "data": about | data}


def one(found: Any) -> Event | RowError | Ignored | Note:
    (line,) = read(json_file(json.dumps([found])))
    return line


def accepted(found: Any) -> Event:
    line = one(found)
    assert isinstance(line, Event), line
    return line


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_has_its_kind(type_: str) -> None:
    assert accepted(event(f"email.{type_}")).kind in KINDS


def test_an_event_says_what_it_is_about() -> None:
    found = accepted(event(to=[" Anna <Anna@Example.COM>"]))
    assert (found.at, found.email, found.kind) == (AT, "anna@example.com", "delivered")
    assert (found.message_id, found.receipt, found.database) == (7, "56761188-7520", "")
    as_list = [{"name": "cc_message_id", "value": "8"}, {"name": "cc_database", "value": "d1"}]
    assert (accepted(event(tags=as_list)).message_id, accepted(event(tags=as_list)).database) == (8, "d1")
    assert accepted(event(tags=None)).message_id is None
    assert accepted(event(tags={"cc_message_id": "many"})).message_id is None


@pytest.mark.parametrize(
    ("type_", "data", "reason", "detail"),
    [
        ("email.bounced", {"bounce": {"type": "Permanent", "subType": "General"}}, "hard-bounce", "hard"),
        ("email.bounced", {}, "hard-bounce", "hard"),
        ("email.bounced", {"bounce": {"type": "Transient"}}, "", "soft"),
        ("email.bounced", {"bounce": {"type": "Undetermined"}}, "", "soft"),
        ("email.complained", {}, "spam-report", ""),
        ("email.suppressed", {}, "hard-bounce", ""),
        ("email.failed", {}, "", ""),
        ("email.delivery_delayed", {}, "", ""),
    ],
)
def test_who_must_not_be_written_to_again(type_: str, data: dict[str, Any], reason: str, detail: str) -> None:
    found = accepted(event(type_, **data))
    assert (found.suppresses, found.detail) == (reason, detail)


@pytest.mark.parametrize("written", [None, "soon", "2026-03-02T10:00:00", 5])
def test_an_event_that_suppresses_is_taken_without_its_time(written: Any) -> None:
    assert accepted(event("email.complained", created_at=written)).at is None
    assert isinstance(one(event("email.opened", created_at=written)), RowError)


def test_what_is_no_event_of_ours_is_ignored_or_refused() -> None:
    assert isinstance(one(event("domain.created")), Ignored)
    assert isinstance(one(event("email.invented")), Ignored)
    assert isinstance(one(event(to=["a@example.com", "b@example.com"])), Ignored)
    for wrong in (event(to=[]), event(to=None), event(to=["nobody"]), event(5), {"type": "email.sent"}):  # type: ignore[arg-type] # on purpose
        assert isinstance(one(wrong), RowError)


def test_the_content_makes_it_the_same_event() -> None:
    assert accepted(event()).content == accepted(event()).content
    assert accepted(event()).content != accepted(event("email.opened")).content


def test_recognition_takes_no_other_webhook_for_resends(tmp_path: Any) -> None:
    def is_ours(first: dict[str, Any]) -> bool:
        return recognise(Sample(tmp_path, first))

    assert is_ours(event())
    assert is_ours(event("contact.created"))
    assert not is_ours({"type": 1, "data": {}, "created_at": "x"})
    assert not is_ours({"type": "event", "data": {}, "created_at": "x"})
    assert not is_ours({"email": "a@example.com", "event": "open", "timestamp": 5})

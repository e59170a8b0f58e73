"""SendGrid's event webhook: which events are known, what they are about, and which of them suppress."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cartctl.importers.jsonfile import Sample
from cartctl.importers.mail_events import Event
from cartctl.importers.records import Ignored, Note, RowError
from cartctl.importers.sendgrid_events import read, recognise
from tests.importers.reading import json_file

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def event(kind: str = "delivered", **fields: Any) -> dict[str, Any]:
    return {
        "email": "anna@example.com",
        "timestamp": int(AT.timestamp()),
        "event": kind,
        "sg_event_id": "ZGVsaXZlcmVk",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "cc_message_id": "7",
    } | fields


def one(**fields: Any) -> Event | RowError | Ignored | Note:
    (line,) = read(json_file(json.dumps([event(**fields)])))
    return line


def accepted(**fields: Any) -> Event:
    line = one(**fields)
    assert isinstance(line, Event), line
    return line


@pytest.mark.parametrize("written", ["1772445600.0", '"1772445600.0"', '"1772445600"', "1.7724456e9", "1772445600"])
def test_whole_seconds_are_read_however_they_are_written(written: str) -> None:
    text = json.dumps([event(timestamp=0)]).replace('"timestamp": 0', f'"timestamp": {written}')
    (line,) = read(json_file(text))
    assert isinstance(line, Event)
    assert line.at == AT


@pytest.mark.parametrize("written", [None, "soon", 1772445600.5, 1e99, 3, []])
def test_an_event_that_suppresses_is_taken_without_its_time(written: Any) -> None:
    note, line = read(json_file(json.dumps([event("unsubscribe", timestamp=written)])))
    assert isinstance(note, Note)
    assert isinstance(line, Event)
    assert (line.at, line.suppresses) == (None, "unsubscribed")
    assert isinstance(one(event="open", timestamp=written), RowError)


def test_an_event_says_what_it_is_about() -> None:
    found = accepted(kind="delivered", email=" Anna@Example.COM ")
    assert (found.row, found.kind, found.at, found.email) == (1, "delivered", AT, "anna@example.com")
    assert (found.message_id, found.receipt, found.suppresses) == (7, "14c5d75ce93", "")


@pytest.mark.parametrize("layout", ["array", "lines", "arrays in lines"])
def test_arrays_and_lines_are_read_alike(layout: str) -> None:
    events = [event("processed"), event("delivered"), event("open")]
    text = {
        "array": json.dumps(events),
        "lines": "\n".join(json.dumps(one) for one in events),
        "arrays in lines": f"{json.dumps(events[:1])}\n{json.dumps(events[1:])}\n",
    }[layout]
    found = [line.kind for line in read(json_file(text)) if isinstance(line, Event)]
    assert found == ["processed", "delivered", "open"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"kind": "bounce", "type": "bounce"}, "hard-bounce"),
        ({"kind": "bounce", "status": "5.1.1"}, "hard-bounce"),
        ({"kind": "bounce", "type": "blocked", "status": "5.7.1"}, ""),
        ({"kind": "bounce", "status": "4.2.2"}, ""),
        ({"kind": "bounce"}, ""),
        ({"kind": "deferred", "type": "bounce"}, ""),
        ({"kind": "spamreport"}, "spam-report"),
        ({"kind": "unsubscribe"}, "unsubscribed"),
        ({"kind": "group_unsubscribe", "asm_group_id": 3}, "unsubscribed"),
        ({"kind": "group_resubscribe"}, ""),
        ({"kind": "dropped", "reason": "Bounced Address"}, "hard-bounce"),
        ({"kind": "dropped", "reason": "Spam Reporting Address"}, "spam-report"),
        ({"kind": "dropped", "reason": "Unsubscribed Address"}, "unsubscribed"),
        ({"kind": "dropped", "reason": "Invalid"}, "invalid-address"),
        ({"kind": "dropped", "reason": "Invalid SMTPAPI header"}, ""),
        ({"kind": "dropped", "reason": "Recipient List over Package Quota"}, ""),
        ({"kind": "dropped"}, ""),
        ({"kind": "processed"}, ""),
        ({"kind": "delivered"}, ""),
        ({"kind": "open"}, ""),
        ({"kind": "click", "url": "https://shop.example.com"}, ""),
    ],
)
def test_only_what_tells_of_the_address_suppresses(fields: dict[str, Any], why: str) -> None:
    assert accepted(**fields).suppresses == why


def test_nothing_that_is_kept_holds_an_address_or_a_link() -> None:
    reason = "550 5.1.1 <anna@example.com> unknown"
    for kind in ("bounce", "dropped", "click"):
        found = accepted(kind=kind, type="bounce", reason=reason, url="https://mail.example.com/r/token")
        assert "@" not in found.detail
        assert "token" not in found.detail


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("7", 7),
        (7, 7),
        ("", None),
        ("seven", None),
        (7.5, None),
        ("0", None),
        (True, None),
        (2**70, None),
        (None, None),
    ],
)
def test_the_message_id_is_ours_or_nobodys(value: Any, found: int | None) -> None:
    assert accepted(cc_message_id=value).message_id == found


def test_an_asynchronous_bounce_lacks_the_providers_id() -> None:
    fields = event("bounce", type="bounce")
    del fields["sg_message_id"]
    (line,) = read(json_file(json.dumps([fields])))
    assert isinstance(line, Event)
    assert (line.receipt, line.message_id) == ("", 7)


def test_a_repetition_with_another_event_id_is_the_same_event() -> None:
    assert accepted(sg_event_id="a").content == accepted(sg_event_id="b").content
    assert accepted(timestamp=1772445601).content != accepted().content
    assert accepted(ip="192.0.2.1").content != accepted(ip="192.0.2.2").content


def test_unknown_kinds_are_ignored_and_unknown_fields_too() -> None:
    assert one(kind="account_status_change") == Ignored(1, "unknown kind of event")
    assert accepted(kind="open", marketing_campaign_id=12345, tls={"version": [1, 3]}).kind == "open"


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"event": None}, "event"),
        ({"event": 3}, "event"),
        ({"email": ""}, "email"),
        ({"email": None}, "email"),
        ({"email": "nobody"}, "email"),
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": "2026-03-02T10:00:00Z"}, "timestamp"),
        ({"timestamp": 1772445600000}, "timestamp"),
        ({"timestamp": -1}, "timestamp"),
        ({"timestamp": 3}, "timestamp"),
        ({"timestamp": True}, "timestamp"),
    ],
)
def test_what_cannot_be_read_is_rejected_by_name(fields: dict[str, Any], column: str) -> None:
    (line,) = read(json_file(json.dumps([event() | fields])))
    assert isinstance(line, RowError)
    assert (line.row, line.column) == (1, column)


def test_one_broken_event_costs_no_other() -> None:
    lines = list(read(json_file(json.dumps([event(), "text", event("open")]))))
    assert [type(line) for line in lines] == [Event, RowError, Event]


@pytest.mark.parametrize(
    ("record", "is_event"),
    [
        (event(), True),
        (event("a kind of tomorrow"), True),
        ({"event": "open", "email": "anna@example.com", "timestamp": 1}, True),
        ({"event": "cart", "email": "anna@example.com", "timestamp": 1}, False),
        ({"event": "Started Checkout", "timestamp": 1}, False),
        ({"type": 1, "timestamp": 1, "data": {}}, False),
    ],
)
def test_events_are_told_from_other_json(record: dict[str, Any], is_event: bool) -> None:
    assert recognise(Sample(json_file("{}").path, record)) == is_event

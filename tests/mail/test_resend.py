"""Resend, against a stand-in with real TLS: what is on the wire, and what each of its answers means."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cartctl.mail.message import (
    IDEMPOTENT_TRANSPORTS,
    Accepted,
    Attachment,
    Misconfigured,
    OutgoingMessage,
    Rejected,
    Throttled,
    Unknown,
)
from cartctl.mail.resend import Resend, payload
from tests.mail.builders import NOW, UNSUBSCRIBE, a_message
from tests.mail.provider import Authority

KEY = "re_test-key-of-nobody"
RECEIPT = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"


def client(server: HTTPServer, authority: Authority, *, database_id: str = "d1") -> Resend:
    return Resend(
        KEY,
        host=server.url_for("/"),
        timeout=timedelta(seconds=5),
        clock=lambda: NOW,
        database_id=database_id,
        delivers=False,
        ca_file=authority.ca_file,
    )


def answer_of(
    server: HTTPServer,
    authority: Authority,
    status: int,
    body: object,
    *,
    message: OutgoingMessage | None = None,
    **headers: str,
) -> Any:
    """Send one mail to a Resend that answers like this, and check that nothing leaks on the way."""
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    server.expect_request("/emails", method="POST").respond_with_response(Response(text, status=status, headers=named))
    answer = client(server, authority).send(message or a_message())
    assert KEY not in repr(answer)
    assert "anna@example.com" not in repr(answer)
    return answer


def test_the_request_on_the_wire(server: HTTPServer, authority: Authority) -> None:
    server.expect_request("/emails", method="POST").respond_with_json({"id": RECEIPT})
    message = a_message(
        sender='Bücher; Tee, & "mehr" <hello@shop.example.com>',
        reply_to="Help, desk <help@shop.example.com>",
        subject="Höflich: 日本語",
    )
    assert client(server, authority).send(message) == Accepted(RECEIPT)
    ((request, _),) = server.log
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == "cartctl-d1-123"
    assert request.get_json() == {
        "from": "Bücher Tee & mehr <hello@shop.example.com>",
        "to": ["anna@example.com"],
        "reply_to": "Help desk <help@shop.example.com>",
        "subject": "Höflich: 日本語",
        "html": "<p>Your cart</p>",
        "text": "Your cart\n",
        "headers": {
            "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tags": [{"name": "cc_message_id", "value": "123"}, {"name": "cc_database", "value": "d1"}],
    }


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"),
        ("jörg@bücher.example", "jörg@bücher.example"),
    ],
)
def test_a_domain_outside_ascii_goes_out_as_dns_knows_it(address: str, written: str) -> None:
    mail = payload(a_message(to=address, reply_to="Hilfe <help@bücher.example>"), database_id="x")
    assert (mail["to"], mail["reply_to"]) == ([written], "Hilfe <help@xn--bcher-kva.example>")


def test_a_sender_without_a_name_has_none_on_the_wire() -> None:
    assert payload(a_message(sender="hello@shop.example.com"), database_id="x")["from"] == "hello@shop.example.com"
    assert "reply_to" not in payload(a_message(), database_id="x")


@pytest.mark.parametrize("address", ["o'brien@example.com", "a.b+c@example.com", "jörg@example.com"])
def test_an_unusual_address_goes_out_as_it_is(address: str) -> None:
    assert payload(a_message(to=address), database_id="x")["to"] == [address]


def test_the_same_message_again_is_the_same_request(server: HTTPServer, authority: Authority) -> None:
    """Resend compares the content under a key: a date of its own in each request would be another mail."""
    server.expect_request("/emails").respond_with_json({"id": RECEIPT})
    for minutes in (0, 7):
        client(server, authority).send(a_message(date=NOW + timedelta(minutes=minutes)))
    (first, _), (second, _) = server.log
    assert first.get_data() == second.get_data()
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_a_file_goes_along_and_a_mail_of_no_message_bears_no_number(server: HTTPServer, authority: Authority) -> None:
    """An event that names a number is taken for one of that message; the key still tells the mail from every other."""
    server.expect_request("/emails").respond_with_json({"id": RECEIPT})
    files = [Attachment("report.html", "text/html", b"<h1>\xc3\xbc</h1>")]
    client(server, authority).send(a_message(id=0, sequence="report", step="w10", attachments=files))
    ((request, _),) = server.log
    mail = request.get_json()
    assert request.headers["Idempotency-Key"] == "cartctl-d1-report-w10"
    assert mail["tags"] == [{"name": "cc_database", "value": "d1"}]
    assert mail["attachments"] == [
        {"filename": "report.html", "content": "PGgxPsO8PC9oMT4=", "content_type": "text/html"}
    ]


def test_the_same_number_in_another_database_is_another_message(server: HTTPServer, authority: Authority) -> None:
    server.expect_request("/emails").respond_with_json({"id": RECEIPT})
    for database_id in ("d1", "d2"):
        client(server, authority, database_id=database_id).send(a_message())
    assert [request.headers["Idempotency-Key"] for request, _ in server.log] == ["cartctl-d1-123", "cartctl-d2-123"]


def test_a_lost_answer_may_be_asked_for_again_within_the_life_of_the_key(
    server: HTTPServer, authority: Authority
) -> None:
    known: dict[str, str] = {}

    def remember(request: Request) -> Response:
        key = request.headers["Idempotency-Key"]
        first = key not in known
        known.setdefault(key, RECEIPT)
        return Response(status=502) if first else Response(json.dumps({"id": known[key]}))

    server.expect_request("/emails").respond_with_handler(remember)
    resend = client(server, authority)
    assert resend.send(a_message()) == Unknown("answer 502")
    assert resend.send(a_message()) == Accepted(RECEIPT)
    assert timedelta(hours=1) < IDEMPOTENT_TRANSPORTS["resend"] < timedelta(hours=24)


@pytest.mark.parametrize("body", ["", "{}", "[]", "<html></html>", '{"id": ""}', '{"id": null}'])
def test_a_success_without_an_id_is_unknown(server: HTTPServer, authority: Authority, body: str) -> None:
    assert answer_of(server, authority, 200, body) == Unknown("answer 200")


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (401, "missing_api_key"),
        (401, "restricted_api_key"),
        (403, "invalid_api_key"),
        (403, "validation_error"),
        (422, "invalid_from_address"),
        (422, "invalid_access"),
    ],
)
def test_a_refused_key_or_sender_is_a_misconfiguration(
    server: HTTPServer, authority: Authority, status: int, name: str
) -> None:
    answer = answer_of(server, authority, status, {"name": name, "message": f"{KEY} of anna@example.com"})
    assert answer == Misconfigured(f"Resend refuses the key or the sender: {status} {name}")


def test_a_wrong_key_is_one_even_where_it_is_called_a_wrong_field(server: HTTPServer, authority: Authority) -> None:
    """So it was seen: 400, validation_error."""
    answer = answer_of(server, authority, 400, {"name": "validation_error", "message": "API key is invalid"})
    assert isinstance(answer, Misconfigured)


@pytest.mark.parametrize(
    ("status", "name", "said"),
    [
        (422, "validation_error", "Invalid `from` field. It needs to follow the `email@example.com` format."),
        (422, "validation_error", "Invalid `reply_to` field."),
        (422, "validation_error", "Invalid 'replyTo' field."),
        (400, "missing_required_field", "Missing `from` field."),
    ],
)
def test_a_field_that_is_the_same_in_every_mail_is_no_fault_of_one(
    server: HTTPServer, authority: Authority, status: int, name: str, said: str
) -> None:
    answer = answer_of(server, authority, status, {"name": name, "message": said})
    assert answer == Misconfigured(f"Resend refuses `from` or `reply_to`: {status} {name}")


@pytest.mark.parametrize("name", ["daily_quota_exceeded", "monthly_quota_exceeded"])
def test_a_quota_stops_the_run_and_a_rate_limit_does_not(server: HTTPServer, authority: Authority, name: str) -> None:
    answer = answer_of(server, authority, 429, {"name": name}, retry_after="86400")
    assert answer == Misconfigured(f"Resend's quota is used up: 429 {name}")
    server.clear()
    answer = answer_of(server, authority, 429, {"name": "rate_limit_exceeded"}, ratelimit_reset="1")
    assert answer == Throttled(wait=timedelta(seconds=1))


def test_a_mail_that_is_asked_for_again_comes_back_when_resend_says(server: HTTPServer, authority: Authority) -> None:
    """Its own date is that of the first time, and the wait begins now."""
    first = a_message(date=NOW - timedelta(hours=20))
    later = "Mon, 02 Mar 2026 15:30:00 GMT"
    answer = answer_of(server, authority, 429, {"name": "rate_limit_exceeded"}, message=first, retry_after=later)
    assert answer == Throttled(until=NOW + timedelta(hours=5))


@pytest.mark.parametrize(
    ("name", "for_good"), [("concurrent_idempotent_requests", False), ("invalid_idempotent_request", True)]
)
def test_a_key_that_is_known_leaves_the_fate_of_the_first_request_open(
    server: HTTPServer, authority: Authority, name: str, *, for_good: bool
) -> None:
    """Other content than the first time's stays other content at every repeat. Resend is well in either case."""
    expected = Unknown(f"handed over before: 409 {name}", provider_is_well=True, for_good=for_good)
    assert answer_of(server, authority, 409, {"name": name}) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            422,
            {"name": "missing_required_field", "message": "anna@example.com"},
            Rejected("422 missing_required_field"),
        ),
        (400, {"name": "anna@example.com", "message": "no"}, Rejected("400")),
        (400, [1], Rejected("400")),
        (413, "<html>anna@example.com</html>", Rejected("413")),
        (451, {"name": "security_error"}, Rejected("451 security_error")),
        (
            422,
            {"name": "validation_error", "message": "Invalid `to` field. Use `anna@example.com`."},
            Rejected("422 validation_error", bad_recipient=True),
        ),
        (
            422,
            {"name": "validation_error", "message": "Invalid `to` field. Is it the `from` field?"},
            Rejected("422 validation_error", bad_recipient=True),
        ),
        (422, {"name": "validation_error", "message": "Invalid `subject` field."}, Rejected("422 validation_error")),
    ],
)
def test_a_refusal_is_told_by_its_name_alone(
    server: HTTPServer, authority: Authority, status: int, body: object, expected: Rejected
) -> None:
    assert answer_of(server, authority, status, body) == expected


@pytest.mark.parametrize("status", [201, 202, 408, 500, 502, 503, 504])
def test_answers_that_say_nothing_are_unknown(server: HTTPServer, authority: Authority, status: int) -> None:
    assert answer_of(server, authority, status, "") == Unknown(f"answer {status}")


@pytest.mark.parametrize("status", [302, 307, 404, 405])
def test_a_wrong_host_loses_no_mail(server: HTTPServer, authority: Authority, status: int) -> None:
    answer = answer_of(server, authority, status, "", Location=server.url_for("/elsewhere"))
    assert answer == Misconfigured(f"resend.host answers {status}: is it Resend's?")
    assert [request.path for request, _ in server.log] == ["/emails"]

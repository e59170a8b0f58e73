"""SendGrid, against a stand-in with real TLS: what is on the wire, and what each of its answers means."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from cartctl.mail.message import Accepted, Attachment, Misconfigured, OutgoingMessage, Rejected, Throttled, Unknown
from cartctl.mail.sendgrid import SendGrid, payload
from tests.mail.builders import NOW, UNSUBSCRIBE, a_message
from tests.mail.provider import Authority

KEY = "SG.test-key-of-nobody"
SEND = "/v3/mail/send"


def client(host: str, authority: Authority, *, key: str = KEY, **options: Any) -> SendGrid:
    settings: dict[str, Any] = {"delivers": False, "ca_file": authority.ca_file} | options
    return SendGrid(key, host=host, timeout=timedelta(seconds=5), clock=lambda: NOW, **settings)


def answer_of(
    server: HTTPServer, authority: Authority, response: Response, *, sandbox: bool = False, **changes: Any
) -> Any:
    """Send one mail to a provider that answers with `response`, and check that nothing leaks on the way."""
    server.expect_request(SEND, method="POST").respond_with_response(response)
    answer = client(server.url_for("/"), authority, sandbox=sandbox).send(a_message(**changes))
    assert KEY not in repr(answer)
    assert "anna@example.com" not in repr(answer)
    return answer


def test_the_request_on_the_wire(server: HTTPServer, authority: Authority) -> None:
    server.expect_request(SEND, method="POST").respond_with_data(status=202, headers={"X-Message-Id": "abc.DEF-1"})
    message = a_message(
        sender="Bücher; Tee, & mehr <hello@shop.example.com>",
        reply_to="Help, desk <help@shop.example.com>",
        subject="Höflich: 日本語",
    )
    assert client(server.url_for("/"), authority).send(message) == Accepted("abc.DEF-1")
    ((request, _),) = server.log
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert "Höflich: 日本語".encode() in request.data
    assert request.get_json() == {
        "from": {"email": "hello@shop.example.com", "name": "Bücher Tee & mehr"},
        "reply_to": {"email": "help@shop.example.com", "name": "Help desk"},
        "subject": "Höflich: 日本語",
        "personalizations": [{"to": [{"email": "anna@example.com"}], "custom_args": {"cc_message_id": "123"}}],
        "content": [
            {"type": "text/plain", "value": "Your cart\n"},
            {"type": "text/html", "value": "<p>Your cart</p>"},
        ],
        "headers": {
            "List-Unsubscribe": f"<{UNSUBSCRIBE}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }


def test_a_mail_names_its_database_beside_its_number() -> None:
    (person,) = payload(a_message(), sandbox=False, database_id="0123456789abcdef")["personalizations"]
    assert person["custom_args"] == {"cc_message_id": "123", "cc_database": "0123456789abcdef"}


def test_a_file_goes_along_and_a_mail_of_no_message_bears_no_number() -> None:
    """An event that names a number is taken for one of that message."""
    report = a_message(id=0, attachments=[Attachment("report.html", "text/html", b"<h1>\xc3\xbc</h1>")])
    mail = payload(report, sandbox=False, database_id="d1")
    assert mail["personalizations"] == [{"to": [{"email": "anna@example.com"}], "custom_args": {"cc_database": "d1"}}]
    assert mail["attachments"] == [
        {
            "content": "PGgxPsO8PC9oMT4=",
            "filename": "report.html",
            "type": "text/html",
            "disposition": "attachment",
        }
    ]


def test_sandbox_mode_is_asked_for_in_the_request() -> None:
    assert payload(a_message(), sandbox=True)["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert "mail_settings" not in payload(a_message(), sandbox=False)


@pytest.mark.parametrize(
    "address", ["o'brien@example.com", "a.b+c@example.com", "jörg@example.com", '"a, b"@x.example']
)
def test_an_unusual_address_goes_out_as_it_is(address: str) -> None:
    assert payload(a_message(to=address), sandbox=False)["personalizations"][0]["to"] == [{"email": address}]


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
    mail = payload(a_message(to=address, sender="Bücher <hello@bücher.example>"), sandbox=False)
    assert mail["personalizations"][0]["to"] == [{"email": written}]
    assert mail["from"] == {"email": "hello@xn--bcher-kva.example", "name": "Bücher"}


def test_what_is_no_domain_is_rejected(authority: Authority) -> None:
    answer = client("https://localhost:1", authority).send(a_message(to="anna@-ü-.example"))
    assert answer == Rejected("cannot be written as a request: IDNAError")


def test_a_sender_without_a_name_has_none_on_the_wire() -> None:
    assert payload(a_message(sender="hello@shop.example.com"), sandbox=False)["from"] == {
        "email": "hello@shop.example.com"
    }


def test_an_acceptance_without_a_message_id_is_one(server: HTTPServer, authority: Authority) -> None:
    assert answer_of(server, authority, Response(status=202)) == Accepted("")


def test_200_is_a_success_in_the_sandbox_and_202_is_not(server: HTTPServer, authority: Authority) -> None:
    assert answer_of(server, authority, Response(status=200), sandbox=True) == Accepted("")
    server.clear()
    assert answer_of(server, authority, Response(status=202), sandbox=True) == Unknown("answer 202")


@pytest.mark.parametrize("status", [200, 201, 204, 408, 500, 502, 503, 504])
def test_answers_that_say_nothing_are_unknown(server: HTTPServer, authority: Authority, status: int) -> None:
    assert answer_of(server, authority, Response(status=status)) == Unknown(f"answer {status}")


def test_an_html_page_instead_of_json_is_unknown(server: HTTPServer, authority: Authority) -> None:
    page = Response("<html>Bad Gateway</html>", status=502, content_type="text/html")
    assert answer_of(server, authority, page) == Unknown("answer 502")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(server: HTTPServer, authority: Authority, status: int) -> None:
    server.expect_request("/elsewhere").respond_with_data("ok", status=202)
    answer = answer_of(server, authority, Response(status=status, headers={"Location": server.url_for("/elsewhere")}))
    assert answer == Misconfigured(f"sendgrid.host answers {status}: is it SendGrid's?")
    assert [request.path for request, _ in server.log] == [SEND]


def errors(*entries: dict[str, Any] | str) -> str:
    return json.dumps({"errors": list(entries)})


_TO = "personalizations.0.to.0.email"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, errors({"field": "subject"}, {"field": "from"}), "400 (at fault: from, subject)"),
        (400, errors({"field": None, "message": "Bad Request for anna@example.com"}), "400"),
        (400, errors({"field": "to.anna@example.com"}), "400"),
        (400, errors("anna@example.com"), "400"),
        (400, "<html>anna@example.com</html>", "400"),
        (400, "[1]", "400"),
        (400, "", "400"),
        (413, errors({"field": "content"}), "413 (at fault: content)"),
    ],
)
def test_a_refusal_names_the_field_and_never_the_address(
    server: HTTPServer, authority: Authority, status: int, body: str, reason: str
) -> None:
    assert answer_of(server, authority, Response(body, status=status)) == Rejected(reason)


def test_only_a_complaint_about_the_recipient_alone_is_one_about_the_address(
    server: HTTPServer, authority: Authority
) -> None:
    complaint = {"field": _TO, "message": "anna@example.com is not valid"}
    answer = answer_of(server, authority, Response(errors(complaint), status=400))
    assert answer == Rejected(f"400 (at fault: {_TO})", bad_recipient=True)
    server.clear()
    answer = answer_of(server, authority, Response(errors(complaint, {"field": "subject"}), status=400))
    assert answer == Rejected(f"400 (at fault: {_TO}, subject)")


@pytest.mark.parametrize("field", ["from", "from.email", "reply_to.email"])
def test_a_complaint_about_the_sender_is_one_about_the_configuration(
    server: HTTPServer, authority: Authority, field: str
) -> None:
    answer = answer_of(server, authority, Response(errors({"field": field, "message": "no"}), status=400))
    assert answer == Misconfigured(f"SendGrid refuses the sender: 400 (at fault: {field})")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_or_sender_is_a_misconfiguration(server: HTTPServer, authority: Authority, status: int) -> None:
    response = Response(errors({"field": "from", "message": f"{KEY} is not allowed"}), status=status)
    assert answer_of(server, authority, response) == Misconfigured(
        f"SendGrid refuses the key or the sender: {status} (at fault: from)"
    )


@pytest.mark.parametrize("status", [404, 405])
def test_a_host_without_this_path_loses_no_mail(server: HTTPServer, authority: Authority, status: int) -> None:
    assert isinstance(answer_of(server, authority, Response(status=status)), Misconfigured)


def test_too_many_requests_are_put_off_until_the_time_that_sendgrid_names(
    server: HTTPServer, authority: Authority
) -> None:
    reset = NOW + timedelta(seconds=30)
    busy = Response(status=429, headers={"X-RateLimit-Reset": str(int(reset.timestamp()))})
    answer = answer_of(server, authority, busy, date=NOW - timedelta(days=1))
    assert answer == Throttled(until=reset), "as it is seen now, however old the mail may be"


@pytest.mark.parametrize(
    "message",
    [a_message(text="SG.looks.likeakey and more"), a_message(subject="\ud800"), a_message(to="\ud800@example.com")],
)
def test_what_cannot_be_written_as_a_request_is_rejected(authority: Authority, message: OutgoingMessage) -> None:
    answer = client("https://localhost:1", authority).send(message)
    assert isinstance(answer, Rejected)

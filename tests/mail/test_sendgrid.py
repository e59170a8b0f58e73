"""SendGrid, against a stand-in with real TLS: what is on the wire, and what each kind of answer means."""

import json
import logging
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cartctl.errors import ConfigurationError
from cartctl.mail.message import Accepted, Misconfigured, OutgoingMessage, Rejected, Throttled, Unavailable, Unknown
from cartctl.mail.sendgrid import SendGrid, payload
from tests.mail.builders import NOW, UNSUBSCRIBE, a_message
from tests.mail.provider import Authority, closed_port, misbehaving, read_request

KEY = "SG.test-key-of-nobody"
SEND = "/v3/mail/send"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running_server(authority: Authority) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        yield server


@pytest.fixture
def server(running_server: HTTPServer) -> HTTPServer:
    running_server.clear()
    return running_server


def client(host: str, authority: Authority, *, key: str = KEY, seconds: float = 5.0, **options: Any) -> SendGrid:
    settings: dict[str, Any] = {"connections": 2, "delivers": False, "ca_file": authority.ca_file} | options
    return SendGrid(key, host=host, timeout=timedelta(seconds=seconds), **settings)


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


def test_sandbox_mode_is_asked_for_in_the_request() -> None:
    assert payload(a_message(), sandbox=True)["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert "mail_settings" not in payload(a_message(), sandbox=False)


@pytest.mark.parametrize(
    "address", ["o'brien@example.com", "a.b+c@example.com", "jörg@example.com", '"a, b"@x.example']
)
def test_an_unusual_address_goes_out_as_it_is(address: str) -> None:
    assert payload(a_message(to=address), sandbox=False)["personalizations"][0]["to"] == [{"email": address}]


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
        (400, errors({"field": _TO, "message": "anna@example.com is not valid"}), f"400 (at fault: {_TO})"),
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


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_or_sender_is_a_misconfiguration(server: HTTPServer, authority: Authority, status: int) -> None:
    response = Response(errors({"field": "from", "message": f"{KEY} is not allowed"}), status=status)
    assert answer_of(server, authority, response) == Misconfigured(
        f"SendGrid refuses the key or the sender: {status} (at fault: from)"
    )


@pytest.mark.parametrize("status", [404, 405])
def test_a_host_without_this_path_loses_no_mail(server: HTTPServer, authority: Authority, status: int) -> None:
    assert isinstance(answer_of(server, authority, Response(status=status)), Misconfigured)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, Throttled(until=NOW + timedelta(seconds=30))),
        ({"Retry-After": "120"}, Throttled(wait=timedelta(minutes=2))),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "120"}, Throttled(wait=timedelta(minutes=2))),
        ({"X-RateLimit-Reset": "60", "Retry-After": "7"}, Throttled(wait=timedelta(seconds=7))),
        ({}, Throttled()),
        ({"X-RateLimit-Reset": "soon"}, Throttled()),
        ({"X-RateLimit-Reset": "9" * 30}, Throttled()),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) * 1000)}, Throttled()),
        ({"Retry-After": "-5"}, Throttled()),
        ({"Retry-After": "9" * 30}, Throttled()),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, Throttled()),
    ],
)
def test_too_many_requests(
    server: HTTPServer, authority: Authority, headers: dict[str, str], expected: Throttled
) -> None:
    assert answer_of(server, authority, Response(status=429, headers=headers)) == expected


def test_nothing_listens_there_so_nothing_left(authority: Authority) -> None:
    answer = client(f"https://localhost:{closed_port()}", authority).send(a_message())
    assert answer == Unavailable("no connection: NewConnectionError")


def test_a_name_that_does_not_resolve_is_unavailable(authority: Authority) -> None:
    answer = client("https://nobody.invalid", authority).send(a_message())
    assert answer == Unavailable("no connection: NameResolutionError")


def test_an_untrusted_certificate_gets_neither_key_nor_mail(server: HTTPServer, authority: Authority) -> None:
    server.expect_request(SEND).respond_with_data(status=202)
    stranger = client(server.url_for("/"), authority, ca_file=None)
    assert stranger.send(a_message()) == Unavailable("no trusted connection: the provider's certificate was refused")
    assert server.log == []


def test_a_certificate_of_another_host_is_refused(server: HTTPServer, authority: Authority) -> None:
    by_number = server.url_for("/").replace("localhost", "127.0.0.1")
    assert isinstance(client(by_number, authority).send(a_message()), Unavailable)


def test_a_hang_up_before_the_request_is_unavailable(authority: Authority) -> None:
    with misbehaving(lambda connection: connection.close(), tls=None) as host:
        assert isinstance(client(host, authority).send(a_message()), Unavailable)


def test_a_server_that_speaks_no_tls_is_unavailable(authority: Authority) -> None:
    with misbehaving(lambda connection: connection.sendall(b"220 hello\r\n" * 20), tls=None) as host:
        assert isinstance(client(host, authority).send(a_message()), Unavailable)


def test_a_server_that_is_silent_during_the_handshake_is_unavailable(
    authority: Authority,
) -> None:
    over = threading.Event()
    with misbehaving(lambda _: over.wait(5), tls=None) as host:
        assert isinstance(client(host, authority, seconds=0.2).send(a_message()), Unavailable)
        over.set()


def test_no_answer_in_time_is_unknown(authority: Authority) -> None:
    read, over = threading.Event(), threading.Event()

    def silent(connection: Any) -> None:
        read_request(connection)
        read.set()
        over.wait(5)

    with misbehaving(silent, tls=authority.server_context) as host:
        assert client(host, authority, seconds=0.3).send(a_message()) == Unknown("no answer in time")
        over.set()
    assert read.is_set()


def _hang_up(connection: Any) -> None:
    read_request(connection)


def _reset(connection: Any) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _break_tls(connection: Any) -> None:
    """Answer past TLS: the client sees an SSL error, but after it has written everything."""
    read_request(connection)
    os.write(connection.fileno(), b"this is no TLS record")


def _half_an_answer(connection: Any) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")


def _no_http(connection: Any) -> None:
    read_request(connection)
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


def _half_a_request(connection: Any) -> None:
    connection.recv(10)


@pytest.mark.parametrize("behaviour", [_hang_up, _reset, _break_tls, _half_an_answer, _no_http, _half_a_request])
def test_a_connection_lost_after_the_request_was_begun_is_unknown(authority: Authority, behaviour: Any) -> None:
    with misbehaving(behaviour, tls=authority.server_context) as host:
        assert isinstance(client(host, authority).send(a_message(html="x" * 500_000)), Unknown)


def test_two_mails_share_one_connection(authority: Authority) -> None:
    opened: list[bytes] = []

    def answer_twice(connection: Any) -> None:
        opened.append(b"")
        for _ in range(2):
            opened[-1] += read_request(connection)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    with misbehaving(answer_twice, tls=authority.server_context) as host:
        sendgrid = client(host, authority)
        assert [sendgrid.send(a_message(id=number)) for number in (7001, 7002)] == [Accepted(""), Accepted("")]
    assert [(b"7001" in received, b"7002" in received) for received in opened] == [(True, True)]


def test_two_threads_do_not_share_mails(server: HTTPServer, authority: Authority) -> None:
    def echo(request: Request) -> Response:
        arguments = request.get_json()["personalizations"][0]["custom_args"]
        return Response(status=202, headers={"X-Message-Id": arguments["cc_message_id"]})

    server.expect_request(SEND).respond_with_handler(echo)
    sendgrid, barrier, answers = client(server.url_for("/"), authority), threading.Barrier(4), {}

    def send(number: int) -> None:
        barrier.wait()
        answers[number] = sendgrid.send(a_message(id=number))

    threads = [threading.Thread(target=send, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: Accepted(str(number)) for number in range(4)}


@pytest.mark.parametrize("status", [202, 302, 400, 401, 429, 500])
def test_neither_key_nor_address_is_logged(
    server: HTTPServer, authority: Authority, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    for name in (None, "urllib3", "sendgrid", "python_http_client"):
        caplog.set_level(logging.DEBUG, logger=name)
    answer_of(server, authority, Response(errors({"field": _TO, "message": "anna@example.com"}), status=status))
    client(f"https://localhost:{closed_port()}", authority).send(a_message())
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}, "nothing was looked at"
    assert KEY not in caplog.text
    assert "anna@example.com" not in caplog.text


@pytest.mark.parametrize(
    "message",
    [a_message(text="SG.looks.likeakey and more"), a_message(subject="\ud800"), a_message(to="\ud800@example.com")],
)
def test_what_cannot_be_written_as_a_request_is_rejected(authority: Authority, message: OutgoingMessage) -> None:
    answer = client("https://localhost:1", authority).send(message)
    assert isinstance(answer, Rejected)


@pytest.mark.parametrize("host", ["https://", "https://:443", "https://a..b", "https://[::1", "https://a b"])
def test_a_host_that_is_none_is_unavailable(authority: Authority, host: str) -> None:
    assert isinstance(client(host, authority).send(a_message()), Unavailable)


def test_a_stand_in_on_this_machine_may_do_without_tls(authority: Authority) -> None:
    with HTTPServer() as plain:
        plain.expect_request(SEND).respond_with_data(status=202)
        assert client(plain.url_for("/"), authority).send(a_message()) == Accepted("")


def test_a_key_read_with_its_line_end_still_works(server: HTTPServer, authority: Authority) -> None:
    server.expect_request(SEND, headers={"Authorization": f"Bearer {KEY}"}).respond_with_data(status=202)
    assert client(server.url_for("/"), authority, key=f"{KEY}\n").send(a_message()) == Accepted("")


@pytest.mark.parametrize("key", ["SG.one\nSG.two", "SG.kéy", "Bearer SG.one"])
def test_what_is_no_key_is_refused_without_being_shown(authority: Authority, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        client("https://localhost", authority, key=key)
    assert str(refused.value) == "SENDGRID_API_KEY holds characters that no key has: copy it anew"


def test_a_missing_file_of_certificates_is_named(authority: Authority) -> None:
    with pytest.raises(ConfigurationError, match=r"^sendgrid.ca_file: none.pem: no file of certificates"):
        client("https://localhost", authority, ca_file="none.pem")


def test_certificates_are_checked_where_no_file_is_named(authority: Authority) -> None:
    context = client("https://localhost", authority, ca_file=None)._pool.connection_pool_kw["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

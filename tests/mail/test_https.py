"""Requests over HTTPS: what SendGrid and Resend share, beside what the contract asks of every transport."""

import contextlib
import ssl
import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from cartctl.errors import ConfigurationError
from cartctl.mail.https import Endpoint, Reply, bearer, throttled
from cartctl.mail.message import Throttled, Unavailable, Unknown
from tests.mail.builders import NOW
from tests.mail.provider import Authority, Behaviour, misbehaving, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def endpoint(host: str, authority: Authority | None = None, **changes: Any) -> Endpoint:
    settings: dict[str, Any] = {
        "headers": bearer("key-of-nobody", variable="KEY"),
        "timeout": timedelta(seconds=5),
        "ca_file": authority.ca_file if authority else None,
        "section": "api",
    }
    return Endpoint(host, "/send", **settings | changes)


def answers(behaviour: Behaviour, authority: Authority, *, requests: int = 1) -> list[Reply | Unavailable | Unknown]:
    """Send requests, one after the other, to a server that behaves like this on each connection."""
    with misbehaving(behaviour, tls=authority.server_context) as host:
        shared = endpoint(host, authority)
        return [shared.post(b"{}") for _ in range(requests)]


def status(reply: object) -> int:
    assert isinstance(reply, Reply), reply
    return reply.status


def test_a_request_on_the_wire(authority: Authority) -> None:
    heard: list[bytes] = []

    def behave(connection: Any) -> None:
        heard.append(read_request(connection))
        connection.sendall(OK)

    with misbehaving(behave, tls=authority.server_context) as host:
        reply = endpoint(f"{host}/base/", authority).post(b'{"a":"\xc3\xa4"}', {"Idempotency-Key": "k-1"})
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b"ok")
    name = host.removeprefix("https://").encode()
    assert heard == [
        b"POST /base/send HTTP/1.1\r\nHost: " + name + b"\r\nAccept-Encoding: identity\r\n"
        b"User-Agent: cartctl\r\n"
        b"Authorization: Bearer key-of-nobody\r\nContent-Type: application/json\r\n"
        b'Idempotency-Key: k-1\r\nContent-Length: 10\r\n\r\n{"a":"\xc3\xa4"}'
    ]


def test_a_connection_that_the_provider_closed_while_it_was_idle_costs_no_mail(authority: Authority) -> None:
    def one_each(connection: Any) -> None:
        read_request(connection)
        connection.sendall(OK)

    assert [status(reply) for reply in answers(one_each, authority, requests=3)] == [200, 200, 200]


def test_a_connection_that_the_provider_announces_to_close_is_not_used_again(authority: Authority) -> None:
    opened: list[int] = []

    def farewell(connection: Any) -> None:
        opened.append(1)
        with contextlib.suppress(ConnectionError):
            while True:
                read_request(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    assert [status(reply) for reply in answers(farewell, authority, requests=2)] == [200, 200]
    assert len(opened) == 2


@pytest.mark.parametrize(
    "provisional",
    [b"100 Continue\r\n", b"103 Early Hints\r\nLink: </x>\r\n", b"102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n"],
)
def test_an_answer_may_come_in_chunks_after_provisional_ones(authority: Authority, provisional: bytes) -> None:
    """Each request has its own answer: taken for one, a provisional answer would leave the real one to the next."""

    def chunks(connection: Any) -> None:
        for answer in (b"1", b"2", b"3"):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 " + provisional + b"\r\n")
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nn" + answer)
            connection.sendall(b"\r\n0\r\n\r\n")

    replies = answers(chunks, authority, requests=3)
    assert [reply.body for reply in replies if isinstance(reply, Reply)] == [b"n1", b"n2", b"n3"]


@pytest.mark.parametrize("pause", [0, 0.05], ids=["at once", "in pieces"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 202 Accepted\r\nX-Message-Id:\t a:b \r\nContent-Length: 0\r\n\r\n", (202, "a:b", b"", 1)),
        (b"HTTP/1.1 202\r\nCONTENT-LENGTH: 2\r\nx-message-id: a\r\n\r\nok", (202, "a", b"ok", 1)),
        (b"HTTP/1.1 202 OK\r\nX-Message-Id: a\r\nX-Message-Id: b\r\nContent-Length: 0\r\n\r\n", (202, "a", b"", 1)),
        (b"HTTP/1.1 204 Nothing\r\nX-Message-Id: a\r\n\r\n", (204, "a", b"", 1)),
        (b"HTTP/1.0 202 OK\r\nX-Message-Id: a\r\nContent-Length: 0\r\n\r\n", (202, "a", b"", 2)),
        (b"HTTP/1.1 202 OK\r\nX-Message-Id: a\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", (202, "a", b"", 2)),
    ],
)
def test_an_answer_means_the_same_however_it_is_written_and_arrives(
    authority: Authority, answer: bytes, expected: tuple[int, str, bytes, int], pause: float
) -> None:
    opened: list[int] = []

    def behave(connection: Any) -> None:
        opened.append(1)
        with contextlib.suppress(ConnectionError):
            while True:
                read_request(connection)
                for piece in (answer[:30], answer[30:]) if pause else (answer,):
                    time.sleep(pause)
                    connection.sendall(piece)

    for reply in answers(behave, authority, requests=2):
        assert isinstance(reply, Reply)
        assert (reply.status, reply.headers["x-message-id"], reply.body) == expected[:3]
    assert len(opened) == expected[3]


def test_half_an_answer_is_none(authority: Authority) -> None:
    def half(connection: Any) -> None:
        read_request(connection)
        connection.sendall(OK[:-1])

    (reply,) = answers(half, authority)
    assert reply == Unknown("connection lost: IncompleteRead")


@pytest.mark.parametrize("piece", [b"X-More: 1\r\n", b"x" * 4_000_000])
def test_an_answer_that_does_not_end_is_waited_for_no_longer_than_the_time_out(
    authority: Authority, piece: bytes
) -> None:
    """However often a piece of it comes, and however large the pieces are."""
    ended = threading.Event()

    def drip(connection: Any) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\n" + (b"\r\n" if piece[:1] == b"x" else b""))
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.sendall(piece)
                if ended.wait(0.1):
                    break
            connection.sendall(b"Content-Length: 0\r\n\r\n")

    with misbehaving(drip, tls=authority.server_context) as host:
        reply = endpoint(host, authority, timeout=timedelta(seconds=0.5)).post(b"{}")
        ended.set()
    assert reply == Unknown("connection lost: OSError" if piece[:1] == b"x" else "no answer in time")


def test_a_certificate_of_another_host_is_refused(authority: Authority) -> None:
    with misbehaving(lambda _: None, tls=authority.server_context) as host:
        by_number = endpoint(host.replace("localhost", "127.0.0.1"), authority)
        assert by_number.post(b"{}") == Unavailable("no trusted connection: the provider's certificate was refused")


def test_a_name_that_does_not_resolve_is_unavailable(authority: Authority) -> None:
    assert isinstance(endpoint("https://nobody.invalid", authority).post(b"{}"), Unavailable)
    assert isinstance(endpoint("https://a..b", authority).post(b"{}"), Unavailable)


def test_a_stand_in_on_this_machine_may_do_without_tls() -> None:
    def behave(connection: Any) -> None:
        read_request(connection)
        connection.sendall(OK)

    with misbehaving(behave, tls=None) as host:
        assert status(endpoint(host.replace("https", "http")).post(b"{}")) == 200


@pytest.mark.parametrize(
    "host",
    [
        "https://",
        "https://:443",
        "https://[::1",
        "https://a b",
        "https://x:y@example.com",
        "https://a:b",
        "",
        "https://a/\u00e9",
    ],
)
def test_a_host_that_is_none_is_refused_before_anything_is_sent(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^api.host: "):
        endpoint(host)


@pytest.mark.parametrize("key", ["one\ntwo", "kéy", "Bearer one"])
def test_what_is_no_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bearer(key, variable="RESEND_API_KEY")
    assert str(refused.value) == "RESEND_API_KEY holds characters that no key has: copy it anew"


def test_a_key_may_have_been_read_with_its_line_end() -> None:
    assert bearer("key\n", variable="KEY")["Authorization"] == "Bearer key"


def test_a_missing_file_of_certificates_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^api.ca_file: none.pem: no file of certificates"):
        endpoint("https://localhost", ca_file="none.pem")


def test_certificates_are_checked_where_no_file_is_named() -> None:
    context = endpoint("https://localhost")._tls
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


SECOND = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-RateLimit-Reset": str(SECOND + 30)}, Throttled(until=NOW + timedelta(seconds=30))),
        ({"Retry-After": "120"}, Throttled(wait=timedelta(minutes=2))),
        ({"retry-after": "120"}, Throttled(wait=timedelta(minutes=2))),
        ({"Retry-After": "Mon, 02 Mar 2026 10:35:00 GMT"}, Throttled(until=NOW + timedelta(minutes=5))),
        ({"ratelimit-reset": "3"}, Throttled(wait=timedelta(seconds=3))),
        ({"Retry-After": "1", "RateLimit-Reset": "3"}, Throttled(wait=timedelta(seconds=1))),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "120"}, Throttled(wait=timedelta(minutes=2))),
        ({"X-RateLimit-Reset": str(SECOND - 5), "Retry-After": "3600"}, Throttled(wait=timedelta(hours=1))),
        ({"X-RateLimit-Reset": str(SECOND + 60), "Retry-After": "7"}, Throttled(until=NOW + timedelta(minutes=1))),
        ({"X-RateLimit-Reset": "60", "Retry-After": "7"}, Throttled(wait=timedelta(seconds=7))),
        ({}, Throttled()),
        ({"X-RateLimit-Reset": "soon"}, Throttled()),
        ({"X-RateLimit-Reset": "9" * 30}, Throttled()),
        ({"X-RateLimit-Reset": str(SECOND * 1000)}, Throttled()),
        ({"Retry-After": "-5"}, Throttled()),
        ({"Retry-After": "9" * 30}, Throttled()),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, Throttled()),
        ({"Retry-After": "Wed, 99 Oct 2015 07:28:00 GMT"}, Throttled()),
    ],
)
def test_when_to_come_back(authority: Authority, headers: dict[str, str], expected: Throttled) -> None:
    def busy(connection: Any) -> None:
        read_request(connection)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n{lines}\r\n".encode())

    (reply,) = answers(busy, authority)
    assert isinstance(reply, Reply)
    assert throttled(reply, NOW) == expected

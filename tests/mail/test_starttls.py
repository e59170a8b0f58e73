"""STARTTLS (RFC 3207): what came in the clear is forgotten, and without TLS nothing goes out."""

import ssl
from datetime import timedelta
from typing import Any

from cartctl.mail.message import Accepted, Answer, Rejected, Throttled
from cartctl.mail.smtp import Smtp
from tests.mail.builders import a_message
from tests.mail.provider import Authority, Behaviour, misbehaving, smtp_until


def client(url: str, authority: Authority) -> Smtp:
    return Smtp(
        "localhost",
        port=int(url.rpartition(":")[2]),
        security="starttls",
        username="",
        password="",
        timeout=timedelta(seconds=5),
        database_id="d1",
        delivers=False,
        ca_file=authority.ca_file,
    )


def answer_of(behave: Behaviour, authority: Authority, *, to: str) -> Answer:
    with misbehaving(behave, tls=None) as url:
        return client(url, authority).send(a_message(to=to))


def until_starttls(connection: Any) -> None:
    """Offer STARTTLS in the clear, until somebody wants it."""
    connection.sendall(b"220 localhost ESMTP\r\n")
    assert connection.recv(100).startswith(b"ehlo")
    connection.sendall(b"250-localhost\r\n250 STARTTLS\r\n")
    assert connection.recv(100) == b"STARTTLS\r\n"


def behind_tls(authority: Authority, *, injected: bytes) -> Behaviour:
    """A server that takes mail behind TLS, and somebody on the way who adds a line of his own to its last clear one."""

    def behave(connection: Any) -> None:
        until_starttls(connection)
        connection.sendall(b"220 go on\r\n" + injected)
        context: ssl.SSLContext = authority.server_context
        with context.wrap_socket(connection, server_side=True) as encrypted:
            assert encrypted.recv(100).startswith(b"ehlo")
            encrypted.sendall(b"250 localhost\r\n")
            smtp_until("NEVER", greets=False)(encrypted)

    return behave


def test_mail_goes_out_behind_tls(authority: Authority) -> None:
    assert answer_of(behind_tls(authority, injected=b""), authority, to="anna@example.com") == Accepted(
        "cartctl-d1-123"
    )


def test_what_somebody_adds_in_the_clear_is_no_answer_of_the_server(authority: Authority) -> None:
    """Taken for the answer to EHLO, it would promise what the server does not offer, and put answers out of step."""
    behave = behind_tls(authority, injected=b"250-localhost\r\n250 SMTPUTF8\r\n")
    no = Rejected("an address outside ASCII, and the server offers no SMTPUTF8")
    assert answer_of(behave, authority, to="jörg@example.com") == no


def test_a_server_that_has_no_tls_just_now_gets_the_mail_later(authority: Authority) -> None:
    heard: list[bytes] = []

    def behave(connection: Any) -> None:
        until_starttls(connection)
        connection.sendall(b"454 4.7.0 TLS not available due to a temporary reason\r\n")
        heard.append(connection.recv(100))

    assert answer_of(behave, authority, to="anna@example.com") == Throttled()
    assert heard == [b""], "nothing more is said in the clear"

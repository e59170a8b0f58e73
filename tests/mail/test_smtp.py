"""SMTP, against a real server on this machine: what is on the wire, and what each of its answers means."""

import contextlib
import email
import email.policy
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cartctl.errors import ConfigurationError
from cartctl.mail.message import Accepted, Answer, Attachment, Misconfigured, Rejected, Throttled, Unavailable, Unknown
from cartctl.mail.smtp import PORTS, Smtp
from tests.mail.builders import a_message
from tests.mail.provider import Authority, misbehaving, smtp_until
from tests.mail.sink import PASSWORD, USERNAME, smtp_server

FINE = Accepted("cartctl-d1-123")


def client(port: int, authority: Authority, **changes: Any) -> Smtp:
    settings: dict[str, Any] = {
        "port": port,
        "security": "none",
        "username": "",
        "password": "",
        "timeout": timedelta(seconds=5),
        "database_id": "d1",
        "delivers": False,
        "ca_file": authority.ca_file,
    }
    return Smtp("localhost", **settings | changes)


def answer_to(authority: Authority, replies: dict[str, str], **changes: Any) -> Answer:
    """Send one mail to a server that answers a command like this."""
    with smtp_server(authority.server_context, security="none") as sink:
        sink.replies.update(replies)
        return client(sink.port, authority).send(a_message(**changes))


# On the wire


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_mail_arrives_over_each_kind_of_connection(authority: Authority, security: Any) -> None:
    with smtp_server(authority.server_context, security=security, auth_require_tls=False) as sink:
        smtp = client(sink.port, authority, security=security, username=USERNAME, password=PASSWORD)
        assert smtp.send(a_message(subject="Höflich")) == FINE
    assert sink.commands == ["LOGIN", "MAIL", "RCPT", "DATA"]
    (mail,) = sink.mails
    assert (mail.sender, mail.recipients, mail.options) == ("hello@shop.example.com", ("anna@example.com",), ())
    read = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert read["Subject"] == "Höflich"
    assert read["Message-ID"] == "<cartctl-d1-123@shop.example.com>"


def test_the_same_message_again_is_the_same_mail(authority: Authority) -> None:
    """A mailbox that sees a Message-ID twice shows one mail, whatever this program does not know."""
    with smtp_server(authority.server_context, security="none") as sink:
        for _ in range(2):
            assert client(sink.port, authority).send(a_message()) == FINE
    first, second = sink.mails
    assert first == second


def test_the_same_number_in_another_database_is_another_mail(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        for database_id in ("d1", "d2"):
            client(sink.port, authority, database_id=database_id).send(a_message())
    assert [b"<cartctl-d1-123@" in mail.content for mail in sink.mails] == [True, False]


def test_a_file_goes_along_and_a_mail_of_no_message_is_told_apart_all_the_same(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        report = a_message(
            id=0, sequence="report", step="w10", attachments=[Attachment("r.html", "text/html", b"<h1>")]
        )
        assert client(sink.port, authority).send(report) == Accepted("cartctl-d1-report-w10")
    read = email.message_from_bytes(sink.mails[0].content, policy=email.policy.default)
    assert read["Message-ID"] == "<cartctl-d1-report-w10@shop.example.com>"
    assert [part.get_filename() for part in read.walk() if part.get_filename()] == ["r.html"]


def test_a_line_that_begins_with_a_dot_arrives_with_it(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        smtp = client(sink.port, authority)
        assert smtp.send(a_message(text=".\n..\n.dot\r\n.\r\nend\n")) == FINE
    assert b"\r\n\r\n.\r\n..\r\n.dot\r\n.\r\nend\r\n" in sink.mails[0].content


def test_an_address_outside_ascii_goes_where_the_server_offers_that(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none", enable_SMTPUTF8=True) as sink:
        smtp = client(sink.port, authority)
        assert smtp.send(a_message(to="jörg@example.com")) == FINE
        assert smtp.send(a_message(subject="日本語")) == FINE
    first, second = sink.mails
    assert first.recipients == ("jörg@example.com",)
    assert "To: jörg@example.com".encode() in first.content
    assert set(first.options) == {"SMTPUTF8", "BODY=8BITMIME"}
    assert second.options == ()
    assert second.content.isascii()


def test_a_domain_outside_ascii_goes_out_as_dns_knows_it_and_needs_nothing_of_the_server(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        smtp = client(sink.port, authority)
        assert smtp.send(a_message(to="anna@bücher.example", sender="Bücher <hello@bücher.example>")) == FINE
    (mail,) = sink.mails
    assert (mail.recipients, mail.options) == (("anna@xn--bcher-kva.example",), ())
    assert b"To: anna@xn--bcher-kva.example\r\n" in mail.content
    assert b"<hello@xn--bcher-kva.example>" in mail.content


def test_an_address_outside_ascii_is_rejected_where_the_server_does_not(authority: Authority) -> None:
    answer = answer_to(authority, {}, to="jörg@example.com")
    assert answer == Rejected("an address outside ASCII, and the server offers no SMTPUTF8")


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "anna@example.com>\r\nRCPT TO:<ben@example.com"},
        {"to": "anna@example.com> NOTIFY=NEVER"},
        {"sender": "Shop <shop@example.com\r\nRSET>"},
        {"subject": "a\r\n\r\nb"},
        {"headers": {"X-One": "a\r\nBcc: ben@example.com"}},
    ],
    ids=str,
)
def test_no_command_and_no_header_can_be_smuggled_in(authority: Authority, changes: dict[str, Any]) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        assert isinstance(client(sink.port, authority).send(a_message(**changes)), Rejected)
    assert sink.commands == []


# Answers


NO_RELAY = "localhost relays no mail for us: {}: check smtp.host and smtp.username"
NOT_FROM_US = "localhost takes no mail from us: {}: check `from`, smtp.username and the account there"
NO_SENDER = "localhost refuses the sender: {}: check `from` and smtp.username"
DENIED = "554 5.7.1 <anna@example.com>: Recipient address rejected: Access denied"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 5.1.1 <anna@example.com> unknown", Rejected("550 5.1.1", bad_recipient=True)),
        ("550 5.7.1 blocked by policy", Rejected("550 5.7.1")),
        ("554 5.7.1 <anna@example.com>: Relay access denied", Misconfigured(NO_RELAY.format("554 5.7.1"))),
        ("454 4.7.1 <anna@example.com>: Relay access denied", Misconfigured(NO_RELAY.format("454 4.7.1"))),
        ("550 Sender verify failed", Misconfigured(NOT_FROM_US.format("550"))),
        ("450 4.1.8 <hello@shop.example.com>: no such domain", Misconfigured(NOT_FROM_US.format("450 4.1.8"))),
        ("450 4.2.0 greylisted", Unavailable("put off: 450 4.2.0", for_recipient=True)),
        ("450 not now", Unavailable("put off: 450", for_recipient=True)),
        ("451 4.3.0 a table of ours is missing", Unavailable("put off: 451 4.3.0")),
        ("454 4.7.0 too fast", Throttled()),
        ("421 4.7.0 too many", Throttled()),
    ],
)
def test_answers_to_the_recipient(authority: Authority, reply: str, expected: Answer) -> None:
    assert answer_to(authority, {"RCPT": reply}) == expected


@pytest.mark.parametrize(
    ("reply", "otherwise"),
    [
        (DENIED, Rejected("554 5.7.1")),
        ("450 4.1.8 no such domain", Unavailable("put off: 450 4.1.8", for_recipient=True)),
        ("454 4.7.1 Client host rejected: Access denied", Throttled()),
    ],
)
def test_a_refusal_of_us_is_meant_for_one_recipient_where_the_mail_before_it_was_taken(
    authority: Authority, reply: str, otherwise: Answer
) -> None:
    """A closed mailbox costs one mail, and so does an account that is closed while we send: not all that follow."""
    with smtp_server(authority.server_context, security="none") as sink:
        smtp = client(sink.port, authority)
        sink.replies["RCPT"] = reply
        assert isinstance(smtp.send(a_message(id=1)), Misconfigured)
        sink.replies.clear()
        for number in (2, 3):
            assert isinstance(smtp.send(a_message(id=number)), Accepted)
        sink.replies["RCPT"] = reply
        assert smtp.send(a_message(id=4)) == otherwise
        assert isinstance(smtp.send(a_message(id=5)), Misconfigured)


def test_a_server_that_takes_its_own_domain_s_mail_alone_relays_for_nobody_all_the_same(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        smtp = client(sink.port, authority)
        assert isinstance(smtp.send(a_message(id=1)), Accepted)
        sink.replies["RCPT"] = "550 relay not permitted"
        assert smtp.send(a_message(id=2)) == Misconfigured(NO_RELAY.format("550"))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 5.7.1 not your address", Misconfigured(NO_SENDER.format("550 5.7.1"))),
        ("553 5.1.8 hello@shop.example.com", Misconfigured(NO_SENDER.format("553 5.1.8"))),
        ("530 Authentication required", Misconfigured(NO_SENDER.format("530"))),
        ("451 4.1.8 Domain of sender address does not resolve", Misconfigured(NO_SENDER.format("451 4.1.8"))),
        ("451 4.3.0 later", Unavailable("put off: 451 4.3.0")),
        ("454 4.7.0 too fast", Throttled()),
        ("421 going down", Throttled()),
    ],
)
def test_answers_to_the_sender(authority: Authority, reply: str, expected: Answer) -> None:
    assert answer_to(authority, {"MAIL": reply}) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("554 5.6.0 looks like spam", Rejected("554 5.6.0")),
        ("552 5.3.4 too big", Rejected("552 5.3.4")),
        ("550 no", Rejected("550")),
        ("550 5.1.1 nobody there", Rejected("550 5.1.1", bad_recipient=True)),
        (
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            Misconfigured(NOT_FROM_US.format("550 5.7.60")),
        ),
        ("451 4.3.0 later", Unavailable("put off: 451 4.3.0")),
        ("421 4.3.2 going down", Throttled()),
        ("354 go on", Unknown("answer 354")),
    ],
)
def test_answers_to_the_mail(authority: Authority, reply: str, expected: Answer) -> None:
    assert answer_to(authority, {"DATA": reply}) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("535 5.7.8 no", Misconfigured("localhost refuses us: 535 5.7.8")),
        ("534 5.7.9 too weak", Misconfigured("localhost refuses us: 534 5.7.9")),
        ("454 4.7.0 later", Throttled()),
        ("451 4.3.0 later", Unavailable("put off: 451 4.3.0")),
    ],
)
def test_answers_to_the_log_in(authority: Authority, reply: str, expected: Answer) -> None:
    with smtp_server(authority.server_context, security="tls", auth_require_tls=False) as sink:
        sink.replies["LOGIN"] = reply
        answer = client(sink.port, authority, security="tls", username=USERNAME, password=PASSWORD).send(a_message())
    assert answer == expected
    assert sink.mails == []


def test_a_wrong_password_stops_everything(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="starttls") as sink:
        answer = client(sink.port, authority, security="starttls", username=USERNAME, password="wrong").send(
            a_message()
        )
    assert isinstance(answer, Misconfigured)
    assert "wrong" not in answer.reason


def test_without_starttls_nothing_goes_in_the_clear(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        smtp = client(sink.port, authority, security="starttls", username=USERNAME, password=PASSWORD)
        answer = smtp.send(a_message())
    assert answer == Misconfigured("localhost offers no STARTTLS, and no mail goes in the clear")
    assert sink.commands == []


def test_without_a_log_in_to_be_had_nothing_is_sent(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:  # offers AUTH with TLS only
        answer = client(sink.port, authority, username=USERNAME, password=PASSWORD).send(a_message())
    assert answer == Misconfigured("localhost offers no log-in that we know")
    assert sink.commands == []


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"554 5.7.1 not you\r\n", Misconfigured("localhost refuses us: 554 5.7.1")),
        (b"421 too many connections\r\n", Throttled()),
        (b"450 not now\r\n", Unavailable("put off: 450")),
    ],
)
def test_answers_to_the_connection(authority: Authority, greeting: bytes, expected: Answer) -> None:
    with misbehaving(lambda connection: connection.sendall(greeting), tls=None) as url:
        assert client(int(url.rpartition(":")[2]), authority).send(a_message()) == expected


def test_a_certificate_of_a_stranger_is_refused_after_starttls_too(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    with smtp_server(stranger.server_context, security="starttls") as sink:
        answer = client(sink.port, authority, security="starttls").send(a_message())
    assert answer == Unavailable("no trusted connection: the provider's certificate was refused")
    assert sink.commands == []


# Connections


def dying(authority: Authority, moment: str) -> Answer:
    with misbehaving(smtp_until(moment), tls=None) as url:
        return client(int(url.rpartition(":")[2]), authority).send(a_message(html="x" * 500_000))


@pytest.mark.parametrize("moment", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_mail_leaves_nothing_behind(authority: Authority, moment: str) -> None:
    assert isinstance(dying(authority, moment), Unavailable)


@pytest.mark.parametrize(("moment", "expected"), [("ANSWER", Unknown), ("EHLO", Unavailable)])
def test_an_answer_that_does_not_end_is_waited_for_no_longer_than_the_time_out(
    authority: Authority, moment: str, expected: type
) -> None:
    """However often a line of it comes."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(20):
                connection.sendall(b"250-wait\r\n")
                if ended.wait(0.1):
                    break
            connection.sendall(b"250 fine\r\n")

    with misbehaving(smtp_until(moment, drip), tls=None) as url:
        smtp = client(int(url.rpartition(":")[2]), authority, timeout=timedelta(seconds=0.5))
        answer = smtp.send(a_message())
        ended.set()
    assert isinstance(answer, expected), answer
    assert answer in (Unknown("no answer in time"), Unavailable("no connection: TimeoutError")), answer


@pytest.mark.parametrize("moment", ["PART", "ANSWER"])
def test_a_connection_lost_from_the_mail_on_is_unknown(authority: Authority, moment: str) -> None:
    assert isinstance(dying(authority, moment), Unknown)


def test_a_server_without_ehlo_takes_mail_too(authority: Authority) -> None:
    def old(connection: Any) -> None:
        connection.sendall(b"220 old\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall({b"EHLO": b"502 what?\r\n", b"DATA": b"354 go\r\n"}.get(line[:4], b"250 fine\r\n"))
                if line[:4] == b"DATA":
                    while lines.readline() != b".\r\n":
                        pass
                    connection.sendall(b"250 fine\r\n")

    with misbehaving(old, tls=None) as url:
        assert client(int(url.rpartition(":")[2]), authority).send(a_message()) == FINE


def _closing(after: Callable[[Any], None]) -> Any:
    """A server that takes one mail per connection and then does something."""

    def behave(connection: Any) -> None:
        connection.sendall(b"220 localhost\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                if line[:4] != b"DATA":
                    connection.sendall(b"250 fine\r\n")
                    continue
                connection.sendall(b"354 go\r\n")
                while lines.readline() != b".\r\n":
                    pass
                connection.sendall(b"250 fine\r\n")
                after((connection, lines))
                return

    return behave


def _close(_: Any) -> None:
    """Nothing more: the connection ends."""


def _goodbye(parts: Any) -> None:
    parts[0].sendall(b"421 idle for too long\r\n")
    parts[1].readline()


def _refuse_the_next(parts: Any) -> None:
    parts[1].readline()
    parts[0].sendall(b"421 one mail a connection\r\n")


def _hang_up_on_the_next(parts: Any) -> None:
    parts[1].readline()


@pytest.mark.parametrize("after", [_close, _goodbye, _refuse_the_next, _hang_up_on_the_next])
def test_a_connection_that_the_server_ends_between_mails_costs_none(authority: Authority, after: Any) -> None:
    with misbehaving(_closing(after), tls=None) as url:
        smtp = client(int(url.rpartition(":")[2]), authority)
        assert [smtp.send(a_message(id=number)) for number in (1, 2, 3)] == [
            Accepted(f"cartctl-d1-{number}") for number in (1, 2, 3)
        ]


def test_a_refused_mail_leaves_the_connection_ready_for_the_next(authority: Authority) -> None:
    with smtp_server(authority.server_context, security="none") as sink:
        smtp = client(sink.port, authority)
        sink.replies["RCPT"] = "550 5.1.1 no"
        assert isinstance(smtp.send(a_message(id=1)), Rejected)
        sink.replies.clear()
        assert smtp.send(a_message()) == FINE
    assert sink.commands == ["MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    assert len(sink.peers) == 1


def test_the_server_is_told_that_we_leave(authority: Authority) -> None:
    heard: list[bytes] = []

    def listen(parts: Any) -> None:
        heard.append(parts[1].readline())

    with misbehaving(_closing(listen), tls=None) as url:
        smtp = client(int(url.rpartition(":")[2]), authority)
        assert smtp.send(a_message()) == FINE
        del smtp
    assert heard == [b"QUIT\r\n"]


# Configuration


def test_the_usual_port_belongs_to_each_kind_of_connection() -> None:
    assert PORTS == {"starttls": 587, "tls": 465, "none": 25}


@pytest.mark.parametrize("changes", [{"username": "jörg"}, {"username": "shop", "password": "pässword"}])
def test_a_log_in_that_smtp_cannot_carry_is_refused_without_being_shown(
    authority: Authority, changes: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"^smtp.username, smtp.password: ") as refused:
        client(25, authority, **changes)
    assert "ä" not in str(refused.value)


def test_a_missing_file_of_certificates_is_named(authority: Authority) -> None:
    with pytest.raises(ConfigurationError, match=r"^smtp.ca_file: none.pem: no file of certificates"):
        client(465, authority, security="tls", ca_file="none.pem")

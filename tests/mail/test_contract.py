"""What every transport promises, run against all of them: what an answer means, what a fault means, what is never told.

The stand-ins are real: TLS, sockets, an SMTP server. What only one transport knows is in its own file.
"""

import gc
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cartctl.mail.message import (
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
)
from cartctl.mail.sockets import CONNECT_SECONDS
from tests.mail.builders import a_message
from tests.mail.provider import Authority, closed_port, reset
from tests.mail.rigs import KEY, NETWORK, OutboxStand, Rig
from tests.mail.sink import PASSWORD

THREADS = 32


@pytest.fixture(params=NETWORK, ids=lambda rig: rig.name)
def rig(request: pytest.FixtureRequest, authority: Authority) -> Rig:
    made: Rig = request.param(authority)
    return made


STAND_INS = ("mail.log", "asyncio")
"""The loggers of the servers in these tests, which do tell what they hear."""


@pytest.fixture(autouse=True)
def _nothing_is_told(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever a test does: no logger of any library, at DEBUG, and no print tells key, password or address."""
    for name in (None, *logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    gc.freeze()  # what was there before need not be looked through below: it takes longer than the tests
    yield
    told = [record.getMessage() for record in caplog.get_records("call") if not record.name.startswith(STAND_INS)]
    printed = capfd.readouterr()
    for secret in (KEY, PASSWORD, "anna", "@shop.example.com"):
        assert secret not in "\n".join([*told, printed.out, printed.err])
    gc.collect()  # a socket left open is an error here
    gc.unfreeze()


def tells_nothing(answer: Answer) -> Answer:
    """Return the answer, having looked whether it may stand in a log."""
    for secret in (KEY, PASSWORD, "anna", "@"):
        assert secret not in str(getattr(answer, "reason", ""))
    assert "anna" not in repr(answer)
    return answer


# What an answer means


def test_accepted(rig: Rig) -> None:
    with rig.answering("accept") as stand:
        answer = tells_nothing(stand.transport.send(a_message()))
        assert isinstance(answer, Accepted)
        assert answer.receipt
        assert stand.taken() == [123]


def test_refused_for_good_says_nothing_of_the_address(rig: Rig) -> None:
    with rig.answering("refuse") as stand:
        answer = tells_nothing(stand.transport.send(a_message()))
    assert isinstance(answer, Rejected)
    assert not answer.bad_recipient


def test_an_address_that_does_not_exist_is_told_apart(rig: Rig) -> None:
    with rig.answering("no-such-address") as stand:
        answer = tells_nothing(stand.transport.send(a_message()))
    assert isinstance(answer, Rejected)
    assert answer.bad_recipient


def test_too_many_at_once_is_no_failure(rig: Rig) -> None:
    with rig.answering("later") as stand:
        answer = tells_nothing(stand.transport.send(a_message()))
    assert answer in (Throttled(wait=timedelta(minutes=2)), Throttled())  # SMTP cannot say until when


def test_a_refused_key_or_log_in_is_a_misconfiguration(rig: Rig) -> None:
    with rig.answering("locked-out") as stand:
        assert isinstance(tells_nothing(stand.transport.send(a_message())), Misconfigured)


# What a fault means


def test_nothing_listens_there_so_nothing_was_sent(rig: Rig) -> None:
    answer = tells_nothing(rig.client(closed_port()).send(a_message()))
    assert answer == Unavailable("no connection: Connection refused")


def test_an_untrusted_certificate_gets_nothing(rig: Rig, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    with rig.dying("ANSWER", lambda _: None) as port:
        answer = tells_nothing(rig.client(port, ca_file=stranger.ca_file).send(a_message()))
    assert answer == Unavailable("no trusted connection: the provider's certificate was refused")


def _hang_up(connection: socket.socket) -> None:
    """Leave at once."""


def _talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"what do you want? " * 20 + b"\r\n")


def _say_half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")


def _say_half_a_line(connection: socket.socket) -> None:
    connection.sendall(b"2")


@pytest.mark.parametrize("then", [_hang_up, reset, _talk_nonsense])
def test_what_breaks_before_the_mail_is_begun_is_unavailable(rig: Rig, then: Callable[[Any], None]) -> None:
    with rig.dying("BEFORE", then) as port:
        assert isinstance(tells_nothing(rig.client(port).send(a_message())), Unavailable)


@pytest.mark.parametrize("then", [_hang_up, reset])
def test_what_breaks_within_the_mail_is_unknown(rig: Rig, then: Callable[[Any], None]) -> None:
    with rig.dying("PART", then) as port:
        assert isinstance(tells_nothing(rig.client(port).send(a_message(html="x" * 900_000))), Unknown)


@pytest.mark.parametrize("then", [_hang_up, reset, _talk_nonsense, _say_half, _say_half_a_line])
def test_what_breaks_after_the_mail_is_unknown(rig: Rig, then: Callable[[Any], None]) -> None:
    with rig.dying("ANSWER", then) as port:
        assert isinstance(tells_nothing(rig.client(port).send(a_message())), Unknown)


def test_silence_before_the_mail_is_unavailable(rig: Rig) -> None:
    over = threading.Event()
    with rig.dying("BEFORE", lambda _: over.wait(10)) as port:
        assert isinstance(rig.client(port, seconds=0.2).send(a_message()), Unavailable)
        over.set()


def test_silence_after_the_mail_is_unknown(rig: Rig) -> None:
    over = threading.Event()
    with rig.dying("ANSWER", lambda _: over.wait(10)) as port:
        assert rig.client(port, seconds=0.3).send(a_message()) == Unknown("no answer in time")
        over.set()


@pytest.mark.parametrize(("timeout", "to_connect"), [(30, CONNECT_SECONDS), (2, 2)])
def test_a_connection_has_less_time_than_an_answer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, timeout: float, to_connect: float
) -> None:
    """A dead server is known after five seconds; a slow one may think for as long as `sending.timeout` says."""
    connecting: list[float] = []
    waiting: list[float | None] = []
    connect, wait = socket.create_connection, socket.socket.settimeout

    def noting(address: tuple[str, int], seconds: float, *rest: Any) -> socket.socket:
        connecting.append(seconds)
        return connect(address, seconds, *rest)

    def noted(sock: socket.socket, seconds: float | None) -> None:
        waiting.append(seconds)
        wait(sock, seconds)

    monkeypatch.setattr(socket, "create_connection", noting)
    monkeypatch.setattr(socket.socket, "settimeout", noted)
    with rig.dying("ANSWER", lambda _: None) as port:
        rig.client(port, seconds=timeout).send(a_message())
    assert CONNECT_SECONDS == 5
    assert connecting == [to_connect]
    assert timeout * 0.9 < (waiting[-1] or 0) <= timeout


def test_after_a_fault_the_next_mail_has_a_connection_of_its_own(rig: Rig) -> None:
    met: list[object] = []
    with rig.dying("ANSWER", met.append) as port:
        transport = rig.client(port)
        answers = [transport.send(a_message(id=number)) for number in (1, 2)]
    assert [type(answer) for answer in answers] == [Unknown, Unknown]
    assert len(met) == 2


def test_a_mail_that_was_begun_over_a_used_connection_is_not_handed_over_again(rig: Rig) -> None:
    met: list[object] = []
    with rig.dying("ANSWER", met.append, after=1) as port:
        transport = rig.client(port)
        answers = [transport.send(a_message(id=number)) for number in (1, 2)]
    assert [type(answer) for answer in answers] == [Accepted, Unknown]
    assert len(met) == 1


# Connections and threads


def test_one_connection_carries_one_mail_after_the_other(rig: Rig) -> None:
    with rig.answering("accept") as stand:
        for number in range(1, 6):
            assert isinstance(stand.transport.send(a_message(id=number)), Accepted)
        assert stand.taken() == [1, 2, 3, 4, 5]
        assert stand.connections() == 1


def test_a_refusal_does_not_cost_the_connection(rig: Rig) -> None:
    with rig.answering("no-such-address") as stand:
        for number in range(1, 4):
            assert isinstance(stand.transport.send(a_message(id=number)), Rejected)
        assert stand.connections() == 1


def test_32_threads_share_a_transport(rig: Rig) -> None:
    """Each mail arrives once, and no thread has to wait for another's connection."""
    with rig.answering("accept") as stand:
        barrier = threading.Barrier(THREADS)

        def send(number: int) -> Answer:
            barrier.wait()  # in rounds: each begins with every connection idle
            return stand.transport.send(a_message(id=number, to=f"anna{number}@example.com"))

        with ThreadPoolExecutor(THREADS) as executor:
            answers = list(executor.map(send, range(1, 4 * THREADS + 1)))
        numbers = list(range(1, 4 * THREADS + 1))
        assert [_number_in(answer) for answer in answers] == numbers
        assert sorted(stand.taken()) == numbers
        assert stand.connections() <= THREADS


def _number_in(answer: Answer) -> int:
    """Return the message's own number, which each receipt of these stand-ins ends with."""
    assert isinstance(answer, Accepted)
    return int(answer.receipt.rpartition("-")[2])


# What no mail can be


UNWRITABLE: list[dict[str, Any]] = [
    {"subject": "\ud800"},
    {"to": "\ud800@example.com"},
]


@pytest.mark.parametrize("changes", UNWRITABLE, ids=str)
def test_what_cannot_be_written_is_rejected_and_nothing_leaves(rig: Rig, changes: dict[str, Any]) -> None:
    with rig.answering("accept") as stand:
        answer = stand.transport.send(a_message(**changes))
        assert isinstance(answer, Rejected)
        assert not answer.bad_recipient
        assert stand.taken() == []


# What is written beforehand


LONG = {"subject": "Höflich: 日本語", "html": "<p>" + "ü" * 2000 + "</p>", "to": "anna@bücher.example"}


def test_a_mail_written_beforehand_is_the_same_mail(rig: Rig) -> None:
    """To the byte: a provider that knows its key compares."""
    with rig.answering("accept") as stand:
        beforehand = stand.transport.written(a_message(**LONG))
        assert beforehand.body
        assert (beforehand.html, beforehand.text) == ("", "")
        for mail in (a_message(**LONG), beforehand):
            assert isinstance(stand.transport.send(mail), Accepted)
        first, second = stand.contents()
        assert first == second


@pytest.mark.parametrize("changes", UNWRITABLE, ids=str)
def test_what_cannot_be_written_beforehand_is_rejected_when_it_is_sent(rig: Rig, changes: dict[str, Any]) -> None:
    with rig.answering("accept") as stand:
        assert isinstance(stand.transport.send(stand.transport.written(a_message(**changes))), Rejected)
        assert stand.taken() == []


# The outbox has no network, and keeps what is left of the promises


def test_the_outbox_writes_beforehand_what_it_writes(tmp_path: Path) -> None:
    stands = [OutboxStand(tmp_path / "now"), OutboxStand(tmp_path / "beforehand")]
    stands[0].transport.send(a_message(**LONG))
    stands[1].transport.send(stands[1].transport.written(a_message(**LONG)))
    assert stands[0].contents() == stands[1].contents() != []


def test_the_outbox_takes_the_mails_of_many_threads(tmp_path: Path) -> None:
    stand = OutboxStand(tmp_path / "outbox")
    with ThreadPoolExecutor(THREADS) as executor:
        messages: list[OutgoingMessage] = [a_message(id=number) for number in range(1, 129)]
        answers = list(executor.map(stand.transport.send, messages))
    assert all(isinstance(tells_nothing(answer), Accepted) for answer in answers)
    assert stand.taken() == list(range(1, 129))


@pytest.mark.parametrize("changes", UNWRITABLE, ids=str)
def test_the_outbox_rejects_what_cannot_be_written(tmp_path: Path, changes: dict[str, Any]) -> None:
    stand = OutboxStand(tmp_path / "outbox")
    assert isinstance(stand.transport.send(a_message(**changes)), Rejected)
    assert stand.taken() == []

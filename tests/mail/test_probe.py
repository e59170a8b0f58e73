"""What a transport learns when it only asks: whether the provider is down, told apart from whether it knows us."""

import socket

import pytest
from pytest_httpserver import HTTPServer

from cartctl.mail.message import Probed
from tests.mail.provider import Authority, closed_port
from tests.mail.rigs import NETWORK, Rig


@pytest.fixture(params=NETWORK, ids=lambda rig: rig.name)
def rig(request: pytest.FixtureRequest, authority: Authority) -> Rig:
    made: Rig = request.param(authority)
    return made


@pytest.fixture(params=[each for each in NETWORK if each.name != "smtp"], ids=lambda rig: rig.name)
def api(request: pytest.FixtureRequest, authority: Authority) -> Rig:
    made: Rig = request.param(authority)
    return made


def test_where_nobody_is_the_provider_is_down(rig: Rig) -> None:
    assert rig.client(closed_port()).probe() == Probed("no connection: Connection refused", is_down=True)


@pytest.mark.parametrize(
    ("status", "is_down"), [(500, True), (503, True), (401, False), (403, False), (404, False), (429, False)]
)
def test_only_a_failure_of_its_own_says_that_it_is_down(
    api: Rig, server: HTTPServer, status: int, *, is_down: bool
) -> None:
    for path in ("/v3/scopes", "/domains"):
        server.expect_request(path, method="GET").respond_with_data(status=status)
    assert api.client(server.port).probe().is_down == is_down
    assert all(request.method == "GET" for request, _ in server.log)


@pytest.mark.parametrize(
    ("greeting", "is_down"), [(b"451 4.3.0 try later", True), (b"421 too many", False), (b"554 no", False)]
)
def test_a_mail_server_that_greets_nobody_is_down_unless_it_is_busy_or_wants_none_of_us(
    authority: Authority, greeting: bytes, *, is_down: bool
) -> None:
    smtp = next(each for each in NETWORK if each.name == "smtp")(authority)

    def say(connection: socket.socket) -> None:
        connection.sendall(greeting + b"\r\n")

    with smtp.dying("GREETING", say) as port:
        assert smtp.client(port).probe().is_down == is_down

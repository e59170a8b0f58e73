"""A provider on this machine, with real TLS: what it answers is the test's business."""

from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer

from tests.mail.provider import Authority


@pytest.fixture(scope="module")
def running_server(authority: Authority) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        yield server


@pytest.fixture
def server(running_server: HTTPServer) -> HTTPServer:
    running_server.clear()
    return running_server

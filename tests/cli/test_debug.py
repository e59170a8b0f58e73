"""A whole `run-due` over the network, every library at its most talkative: no key and no address is told."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.mail.provider import Authority
from tests.mail.sink import PASSWORD, USERNAME, smtp_server
from tests.shop import Shop, cart, iso

KEY, SIGNING = "key-of-nobody", "signing-of-nobody"
SENDER = 'from = "Shop <hello@shop.example>"\npostal_address = "1 Example Street"\n'
STAND_INS = ("mail.log", "asyncio", "werkzeug", "pytest_httpserver")
"""The loggers of the servers, which do tell what they hear."""
Serving = Callable[[Authority, str], AbstractContextManager[str]]


@contextmanager
def api(name: str, path: str, authority: Authority, kind: str) -> Iterator[str]:
    """A provider with an API; yields the configuration that leads to it."""
    complaint = {"field": "subject", "message": f"{KEY}, anna@example.com"}
    about = json.dumps({"id": "r-1", "name": "x", "errors": [complaint]} | complaint)
    status = {"takes": 200 if name == "resend" else 202, "refuses": 400, "fails": 503, "waits": 429, "locks": 401}[kind]
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        server.expect_request(path, method="POST").respond_with_response(Response(about, status=status))
        host = server.url_for("").rstrip("/")
        yield f'transport = "{name}"\n{SENDER}[{name}]\nhost = "{host}"\nca_file = "{authority.ca_file}"\n'


@contextmanager
def sendgrid(authority: Authority, kind: str) -> Iterator[str]:
    with api("sendgrid", "/v3/mail/send", authority, kind) as text:
        yield text


@contextmanager
def resend(authority: Authority, kind: str) -> Iterator[str]:
    with api("resend", "/emails", authority, kind) as text:
        yield text


@contextmanager
def smtp(authority: Authority, kind: str) -> Iterator[str]:
    with smtp_server(authority.server_context, security="starttls") as sink:
        replies = {"refuses": "550 5.1.1 <anna@example.com>: none", "fails": "451 4.3.0 <anna@example.com>: later"}
        sink.replies |= {"RCPT": replies[kind]} if kind in replies else {}
        sink.replies |= {"LOGIN": f"535 5.7.8 {PASSWORD}"} if kind == "locks" else {}
        sink.replies |= {"MAIL": "421 4.7.0 too many of hello@shop.example"} if kind == "waits" else {}
        section = f'[smtp]\nhost = "localhost"\nport = {sink.port}\nusername = "{USERNAME}"\nsandbox = true\n'
        yield f'transport = "smtp"\n{SENDER}{section}ca_file = "{authority.ca_file}"\n'


@pytest.mark.parametrize("serving", [sendgrid, resend, smtp], ids=lambda serving: serving.__name__)
@pytest.mark.parametrize("kind", ["takes", "refuses", "fails", "waits", "locks"])
def test_no_key_and_no_address_is_logged(
    any_shop: Shop,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    serving: Serving,
    kind: str,
) -> None:
    for name in ("SENDGRID_API_KEY", "RESEND_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    monkeypatch.setenv("CARTCTL_SECRET_KEYS", SIGNING)
    with serving(authority, kind) as configuration:
        any_shop.configure(configuration)
        any_shop.carts(cart(first_name="Anna", phone="+49 30 1234567"), when="5m")
        for logger in (None, *logging.root.manager.loggerDict):
            caplog.set_level(logging.DEBUG, logger=logger)
        outcome = any_shop.cli("run-due", "-v", "--at", iso("30m"), ok=False)
    assert outcome.exit_code == (0 if kind == "takes" else 1)
    assert "message 1" in outcome.out
    told = [record.getMessage() for record in caplog.records if not record.name.startswith(STAND_INS)]
    told += [outcome.out, outcome.err]
    for secret in (KEY, PASSWORD, SIGNING, "anna", "hello@shop.example", "1234567"):
        assert secret not in "\n".join(told), secret

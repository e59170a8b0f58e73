"""`cartctl doctor --online`: what provider, name servers and endpoint say, from stand-ins on this machine."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from pytest_httpserver import HTTPServer

from tests.cli.doctoring import look
from tests.mail.provider import Authority, misbehaving, read_request
from tests.mail.sink import PASSWORD, USERNAME, Sink, smtp_server
from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("short_mail")

SENDER = 'from = "Example Shop <hello@shop.example.com>"\npostal_address = "1 Example Street"\n'
KEY = "k3y-of-nobody"
NO_DNS = "no name server"
"""A configuration that is refused at once: for tests about something else."""


@contextlib.contextmanager
def name_server(texts: Mapping[str, list[str]], *, refuses: bool = False) -> Iterator[str]:
    """Run a name server that knows these TXT records; yield its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                asked, peer = server.recvfrom(4096)
                if not asked:
                    return
                query = dns.message.from_wire(asked)
                answer = dns.message.make_response(query)
                answer.flags |= dns.flags.RA
                name = query.question[0].name.to_text().rstrip(".").lower()
                if refuses:
                    answer.set_rcode(dns.rcode.SERVFAIL)
                elif name in texts:
                    quoted = [" ".join(f'"{part}"' for part in _parts(text)) for text in texts[name]]
                    answer.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", "TXT", quoted))
                else:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                server.sendto(answer.to_wire(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()


def _parts(text: str) -> list[str]:
    """A string of a TXT record has at most 255 bytes: longer ones, as keys are, come in pieces."""
    return [text[start : start + 200] for start in range(0, len(text), 200)]


GOOD = {
    "shop.example.com": ["v=spf1 include:sendgrid.net ~all", "some-site-verification=1"],
    "s1._domainkey.shop.example.com": ["k=rsa; p=" + "MIGf" * 100],
    "_dmarc.example.com": ["v=DMARC1; p=quarantine"],
}


@pytest.fixture
def api(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A provider and an endpoint in one, both in order."""
    monkeypatch.setenv("SENDGRID_API_KEY", KEY)
    monkeypatch.setenv("RESEND_API_KEY", KEY)
    httpserver.expect_request("/healthz").respond_with_json({"ok": True})
    return httpserver


def sendgrid(shop: Shop, server: HTTPServer, nameserver: str = NO_DNS, more: str = "") -> None:
    url = server.url_for("").rstrip("/")
    shop.configure(
        f'transport = "sendgrid"\nbase_url = "{url}"\n{SENDER}[sendgrid]\nhost = "{url}"\n'
        f'[doctor]\nnameserver = "{nameserver}"\n{more}'
    )


def resend(shop: Shop, server: HTTPServer) -> None:
    url = server.url_for("").rstrip("/")
    shop.configure(f'transport = "resend"\n{SENDER}[resend]\nhost = "{url}"\n[doctor]\nnameserver = "{NO_DNS}"\n')


def scopes(server: HTTPServer, *names: str, status: int = 200, **headers: str) -> None:
    server.expect_request("/v3/scopes", method="GET", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(
        {"scopes": list(names)}, status=status, headers=headers
    )


def test_all_is_well(shop: Shop, api: HTTPServer) -> None:
    scopes(api, "mail.send", "stats.read")
    with name_server(GOOD) as nameserver:
        sendgrid(shop, api, nameserver)
        found = look(shop, "--online")
    assert {name: found[name] for name in ("keys", "spf", "dkim", "dmarc", "endpoint")} == {
        "keys": ("ok", "sendgrid knows us"),
        "spf": ("ok", "shop.example.com has one SPF record"),
        "dkim": ("ok", "a key is at s1._domainkey.shop.example.com"),
        "dmarc": ("ok", "example.com has a DMARC record (quarantine)"),
        "endpoint": ("ok", f"{api.url_for('/healthz')} answers"),
    }
    assert found["clock"] == ("ok", "agrees with the provider's")


def test_without_the_option_nobody_is_asked(shop: Shop, api: HTTPServer) -> None:
    sendgrid(shop, api)
    assert {"keys", "spf", "dkim", "dmarc", "dns", "endpoint"} & look(shop).keys() == set()
    assert api.log == []


def test_without_a_key_nobody_is_asked(shop: Shop, api: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENDGRID_API_KEY")
    sendgrid(shop, api)
    level, told = look(shop, "--online")["keys"]
    assert level == "fail"
    assert told.startswith("nobody can be asked without SENDGRID_API_KEY")
    assert [request.path for request, _ in api.log] == ["/healthz"]


@pytest.mark.parametrize(
    ("names", "status", "told"),
    [
        ((), 401, "SendGrid refuses the key: 401"),
        ((), 403, "SendGrid refuses the key: 403"),
        (("stats.read",), 200, 'the key lacks the permission "Mail Send"'),
        ((), 404, "sendgrid.host answers 404: is it SendGrid's?"),
    ],
)
def test_a_sendgrid_key_that_cannot_send(
    shop: Shop, api: HTTPServer, names: tuple[str, ...], status: int, told: str
) -> None:
    scopes(api, *names, status=status)
    sendgrid(shop, api)
    assert look(shop, "--online")["keys"] == ("fail", f"{told}: check key, account and sendgrid.host")


def test_a_provider_that_is_not_there(shop: Shop, api: HTTPServer) -> None:
    sendgrid(shop, api)
    text = (shop.folder / "cartctl.toml").read_text("utf-8").replace(f"{api.port}", "9")
    (shop.folder / "cartctl.toml").write_text(text, "utf-8")
    found = look(shop, "--online")
    assert found["keys"][0] == "fail"
    assert found["keys"][1].startswith("no connection: Connection refused")
    assert found["endpoint"][0] == "fail"
    assert "links in mails are dead" in found["endpoint"][1]


@pytest.mark.parametrize(
    ("status", "body", "level"),
    [
        (200, {"data": [{"name": "shop.example.com", "status": "verified"}]}, "ok"),
        (200, {"data": [{"name": "shop.example.com", "status": "pending"}]}, "fail"),
        (200, {"data": []}, "fail"),
        (401, {"name": "restricted_api_key", "message": "This API key is restricted to only send emails"}, "ok"),
        (401, {"name": "validation_error", "message": "API key is invalid"}, "fail"),
        (403, {"name": "invalid_api_key"}, "fail"),
        (500, {}, "fail"),
    ],
)
def test_a_resend_key(shop: Shop, api: HTTPServer, status: int, body: Any, level: str) -> None:
    api.expect_request("/domains", method="GET", headers={"Authorization": f"Bearer {KEY}"}).respond_with_json(
        body, status=status
    )
    resend(shop, api)
    found = look(shop, "--online")["keys"]
    assert found[0] == level
    assert KEY not in found[1]


@pytest.fixture
def sink(shop: Shop, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A mail server that wants a log-in; the shop is configured to use it."""
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    with smtp_server(authority.server_context, security="starttls") as server:
        shop.configure(
            f'transport = "smtp"\n{SENDER}[smtp]\nhost = "localhost"\nport = {server.port}\nusername = "{USERNAME}"\n'
            f'sandbox = true\nca_file = "{authority.ca_file}"\n[doctor]\nnameserver = "{NO_DNS}"\n'
        )
        yield server


def test_an_smtp_server_is_logged_in_to_and_gets_no_mail(shop: Shop, sink: Sink) -> None:
    assert look(shop, "--online")["keys"] == ("ok", "smtp knows us")
    assert (sink.mails, sink.commands) == ([], ["LOGIN"])


def test_an_smtp_server_that_refuses_the_password(shop: Shop, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "wr0ng-of-nobody")
    level, told = look(shop, "--online")["keys"]
    assert level == "fail"
    assert told.startswith("localhost refuses us: 535")
    assert "wr0ng" not in told


def test_an_smtp_server_that_is_not_there(shop: Shop, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTCTL_SMTP__PORT", "9")
    assert look(shop, "--online")["keys"][1].startswith("no connection: Connection refused")


@pytest.mark.parametrize(
    ("records", "check", "level", "told"),
    [
        ({"shop.example.com": []}, "spf", "warn", "has no SPF record"),
        ({"shop.example.com": ["v=spf1 a ~all", "v=spf1 mx ~all"]}, "spf", "fail", "2 SPF records"),
        ({"shop.example.com": ["v=spf1 +all"]}, "spf", "fail", "everybody may send for it"),
        ({"s1._domainkey.shop.example.com": []}, "dkim", "fail", "no DKIM key at s1._domainkey.shop.example.com or s2"),
        ({"s1._domainkey.shop.example.com": ["v=DKIM1; p="]}, "dkim", "fail", "no DKIM key"),
        ({"_dmarc.example.com": []}, "dmarc", "warn", "shop.example.com has no DMARC record"),
        (
            {"_dmarc.shop.example.com": ["v=DMARC1; p=none"]},
            "dmarc",
            "ok",
            "shop.example.com has a DMARC record (none)",
        ),
        ({"_dmarc.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}, "dmarc", "fail", "2 DMARC records"),
    ],
)
def test_records_of_the_senders_domain(
    shop: Shop, api: HTTPServer, records: dict[str, list[str]], check: str, level: str, told: str
) -> None:
    scopes(api, "mail.send")
    with name_server({name: texts for name, texts in (GOOD | records).items() if texts}) as nameserver:
        sendgrid(shop, api, nameserver)
        found = look(shop, "--online")[check]
    assert found[0] == level
    assert told in found[1]


def test_the_shop_names_the_selector_of_its_key(shop: Shop, api: HTTPServer) -> None:
    scopes(api, "mail.send")
    with name_server(GOOD | {"mine._domainkey.shop.example.com": ["p=MIGf"]}) as nameserver:
        sendgrid(shop, api, nameserver, more='dkim_selectors = ["mine"]\n')
        assert look(shop, "--online")["dkim"] == ("ok", "a key is at mine._domainkey.shop.example.com")


def test_the_selector_of_a_mail_server_of_ones_own_is_not_guessed(shop: Shop, sink: Sink) -> None:
    with name_server(GOOD) as nameserver:
        text = (shop.folder / "cartctl.toml").read_text("utf-8").replace(NO_DNS, nameserver)
        (shop.folder / "cartctl.toml").write_text(text, "utf-8")
        level, told = look(shop, "--online")["dkim"]
    assert level == "warn"
    assert "doctor.dkim_selectors" in told


def test_name_servers_that_fail_say_nothing_of_the_domain(shop: Shop, api: HTTPServer) -> None:
    scopes(api, "mail.send")
    with name_server({}, refuses=True) as nameserver:
        sendgrid(shop, api, nameserver)
        found = look(shop, "--online")
    assert found["dns"][0] == "warn"
    assert "nobody answers for shop.example.com" in found["dns"][1]
    assert "spf" not in found


def test_a_name_server_is_named_by_its_address(shop: Shop, api: HTTPServer) -> None:
    scopes(api, "mail.send")
    sendgrid(shop, api, "ns.example.com")
    level, told = look(shop, "--online")["dns"]
    assert (level, told) == ("fail", 'doctor.nameserver: "ns.example.com" is no address of a name server')


def test_an_endpoint_that_answers_badly(shop: Shop, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/healthz").respond_with_data("", status=503)
    shop.configure(f'base_url = "{httpserver.url_for("").rstrip("/")}"\n')
    level, told = look(shop, "--online")["endpoint"]
    assert level == "fail"
    assert "/healthz: answers 503: " in told


@pytest.mark.parametrize(("minutes", "level"), [(0, "ok"), (3, "warn"), (60, "fail")])
def test_the_clock_is_compared_with_the_providers(
    shop: Shop, minutes: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)

    def answer(connection: Any) -> None:
        read_request(connection)
        connection.sendall(f"HTTP/1.1 401 No\r\nDate: {theirs}\r\nContent-Length: 0\r\n\r\n".encode())

    monkeypatch.setenv("SENDGRID_API_KEY", KEY)
    with misbehaving(answer, tls=None) as address:
        url = address.replace("https:", "http:")
        shop.configure(f'transport = "sendgrid"\nbase_url = "{url}"\n[sendgrid]\nhost = "{url}"\n')
        assert look(shop, "--online")["clock"][0] == level


def test_no_key_is_shown(shop: Shop, api: HTTPServer) -> None:
    scopes(api, "mail.send", status=401)
    sendgrid(shop, api)
    assert KEY not in json.dumps(look(shop, "--online"))

"""`cartctl send-test`: one marked mail through the configured transport, and not a row of the database is touched."""

import json
import sqlite3
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.shop import Cli, Outcome, Shop, cart

REAL = 'from = "Example Shop <shop@example.com>"\npostal_address = "1 Example Street"\n'


def dump() -> str:
    connection = sqlite3.connect("cartctl.db")
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


def sendgrid(shop: Shop, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """A provider on this machine, which a rehearsal may be sent to."""
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure(f'transport = "sendgrid"\n{REAL}{more}[sendgrid]\nhost = "{httpserver.url_for("")}"\n')


def send(shop: Shop, *options: str, ok: bool = True, to: str = "you@example.com") -> Outcome:
    return shop.cli("send-test", "reminder", "--to", to, *options, ok=ok)


def test_one_marked_mail_goes_to_the_outbox_and_no_database_is_made(cli: Cli) -> None:
    outcome = cli("send-test", "reminder", "--to", "You <You@Example.com>")
    (path,) = Path("outbox").iterdir()
    assert outcome.out == (
        f'"[Test] You left something at our shop" to y…@example.com: written as {path.name}; outbox delivers nothing\n'
    )
    content = path.read_text()
    assert "\nTo: you@example.com\n" in content
    assert "\nSubject: [Test] You left something at our shop\n" in content
    assert "List-Unsubscribe: <http://localhost:8000/u/sample-this-link-leads-nowhere>" in content
    assert [entry.name for entry in Path().iterdir()] == ["outbox"]


def test_no_row_is_touched_and_a_cart_can_be_shown(shop: Shop) -> None:
    shop.carts(cart(product_name="Moss ball", first_name="Bela"), when="5m")
    shop.run("30m")
    before = dump()
    send(shop, "--cart", "c-1")
    send(shop, "--cart", "c-1")
    tests = sorted(path for path in Path("outbox").iterdir() if "test" in path.name)
    assert len(tests) == 2, "each is a mail of its own"
    assert "Bela" in tests[0].read_text()
    assert "anna@example.com" not in tests[0].read_text()
    assert dump() == before


def test_a_provider_gets_it_and_what_it_says_is_told(
    shop: Shop, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Request] = []
    answers = [Response(status=202), Response("{}", status=400), Response(status=429), Response(status=401)]

    def answer(request: Request) -> Response:
        request.get_data()
        requests.append(request)
        return answers[len(requests) - 1]

    httpserver.expect_request("/v3/mail/send").respond_with_handler(answer)
    sendgrid(shop, httpserver, monkeypatch)
    assert send(shop, "--json").json["accepted"] is True
    payload = json.loads(requests[0].get_data())
    assert payload["subject"] == "[Test] You left something at Example Shop"
    assert "cc_message_id" not in json.dumps(payload), "no event may be taken for one of a message"
    for code, words in ((1, "sendgrid refuses it"), (1, "takes no more mail just now"), (2, "was not sent")):
        outcome = send(shop, ok=False)
        assert outcome.exit_code == code, outcome
        assert words in outcome.err
        assert "you@example.com" not in outcome.err
        assert outcome.err.count("\n") == 1


def test_what_is_missing_for_a_delivery_is_a_matter_of_configuration(shop: Shop) -> None:
    shop.configure('transport = "sendgrid"\n')
    outcome = send(shop, ok=False)
    assert outcome.exit_code == 2
    assert "SENDGRID_API_KEY" in outcome.err


def test_a_rehearsal_is_never_mailed_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.carts(cart(), when="5m")
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure(f'transport = "sendgrid"\nbase_url = "https://mail.example.com"\n{REAL}')
    outcome = send(shop, ok=False)
    assert outcome.exit_code == 2
    assert "this database is a rehearsal" in outcome.err


def test_test_mode_and_suppressions_hold_here_too(shop: Shop) -> None:
    shop.cli("suppress", "add", "you@example.com")
    outcome = send(shop, ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith("cartctl: --to: y…@example.com is suppressed")
    shop.configure('mode = "test"\ntest_recipients = ["me@example.com"]\n')
    outcome = send(shop, ok=False, to="them@example.com")
    assert outcome.exit_code == 2
    assert 'mode = "test" lets mail go to test_recipients alone' in outcome.err
    assert not Path("outbox").exists()
    send(shop, to="me@example.com")


def test_a_pause_does_not_keep_a_mended_mail_from_being_looked_at(shop: Shop) -> None:
    shop.cli("pause")
    send(shop)


@pytest.mark.parametrize(
    "to",
    [
        "you",
        "you@",
        "@example.com",
        "x@example.com,y@example.com",
        "X <x@example.com>, Y <y@example.com>",
        "a@b@c\nBcc: x@example.com",
    ],
)
def test_what_is_no_address_is_refused(shop: Shop, to: str) -> None:
    outcome = send(shop, ok=False, to=to)
    assert outcome.exit_code == 2
    assert outcome.err == "cartctl: --to: that is no e-mail address (anna@example.com is)\n"


def test_a_template_at_fault_is_one_line(shop: Shop) -> None:
    own = Path("templates/cart-recovery")
    own.mkdir(parents=True)
    (own / "reminder.txt").write_text("{{ cupon }}")
    shop.configure('templates = "templates"\n')
    outcome = send(shop, ok=False)
    assert outcome.exit_code == 1
    assert outcome.err == "cartctl: cart-recovery/reminder.txt, line 1: 'cupon' is undefined\n"

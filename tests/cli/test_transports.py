"""Which transport `cartctl.toml` chooses, what it lacks, and that mail leaves through it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from cartctl import config, wiring
from tests.faults.conftest import provider as provider  # noqa: PLC0414 - a fixture, used by name
from tests.faults.conftest import sqlite_rig as sqlite_rig  # noqa: PLC0414 - another
from tests.faults.rig import CONCURRENCY, Rig
from tests.mail.provider import Authority
from tests.mail.sink import PASSWORD, USERNAME, smtp_server
from tests.shop import Cli, Outcome, Shop, cart, iso

COMMON = 'from = "Shop <shop@example.com>"\npostal_address = "1 Example Street"\n'
PUBLIC = 'base_url = "https://mail.example.com"\n'
ON_THIS_MACHINE = 'transport = "smtp"\n[smtp]\nhost = "localhost"\n'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def resend(authority: Authority) -> Iterator[HTTPServer]:
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        answer = Response(json.dumps({"id": "r-1"}))
        server.expect_request("/emails", method="POST").respond_with_response(answer)
        yield server


def refusal(cli: Cli, text: str) -> str:
    Path("cartctl.toml").write_text(text, encoding="utf-8")
    outcome = cli("run-due", ok=False)
    assert (outcome.exit_code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    return outcome.err


def delivers(text: str) -> bool:
    Path("cartctl.toml").write_text(text, encoding="utf-8")
    return wiring.delivers(config.load(file=None, environment={}, folder=Path()).settings)


def test_mail_leaves_through_smtp(shop: Shop, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", f"{PASSWORD}\n")
    with smtp_server(authority.server_context, security="starttls") as sink:
        section = f'[smtp]\nhost = "localhost"\nport = {sink.port}\nusername = "{USERNAME}"\nsandbox = true\n'
        shop.configure(f'transport = "smtp"\n{COMMON}{section}ca_file = "ca.pem"\n')
        shop.carts(cart(), when="5m")
        assert shop.run("30m")["sent"] == 1
    (mail,) = sink.mails
    assert mail.recipients == ("anna@example.com",)
    assert shop.mails == []


def test_mail_leaves_through_resend_under_a_key_of_this_database(
    shop: Shop, authority: Authority, resend: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESEND_API_KEY", "re_invented")
    host = resend.url_for("").rstrip("/")
    shop.configure(f'transport = "resend"\n{COMMON}[resend]\nhost = "{host}"\nca_file = "ca.pem"\n')
    for database in ("one", "two"):
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{database}.db")
        shop.carts(cart(), when="5m")
        assert shop.run_once("30m")["sent"] == 1
    keys = [request.headers["Idempotency-Key"] for request, _ in resend.log]
    numbers = [request.get_json()["tags"][0]["value"] for request, _ in resend.log]
    assert numbers == ["1", "1"]
    assert len(set(keys)) == 2


@pytest.fixture
def busy(shop: Shop, resend: HTTPServer, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """Eight carts are due over Resend, which each test lets answer as it likes."""
    monkeypatch.setenv("RESEND_API_KEY", "re_invented")
    host = resend.url_for("").rstrip("/")
    shop.configure(f'transport = "resend"\n{COMMON}[resend]\nhost = "{host}"\nca_file = "ca.pem"\n')
    shop.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(8)), when="5m")
    resend.clear()
    return resend


def run_due(shop: Shop, *options: str, ok: bool = True) -> Outcome:
    return shop.cli(*options, "run-due", "--at", "2026-03-02T10:30:00Z", ok=ok)


@pytest.mark.parametrize("options", [(), ("-v",), ("--log-format", "json")])
def test_what_a_provider_puts_off_is_told_to_those_alone_who_ask(
    shop: Shop, busy: HTTPServer, options: tuple[str, ...]
) -> None:
    """Cron hears nothing of a rate limit while mails leave: each waits for its turn, and nobody need act."""
    first = iter([Response(json.dumps({"id": "r"})) for _ in range(3)])
    later = Response(json.dumps({"name": "rate_limit_exceeded"}), status=429, headers={"Retry-After": "60"})
    busy.expect_request("/emails").respond_with_handler(lambda _request: next(first, later))
    outcome = run_due(shop, *options)
    remark = "resend wants fewer at a time (throttled): it put off 2 mails and took 3; what is due stays due"
    if "-v" in options:
        assert (outcome.out.count(remark), outcome.out.count("retried (throttled)"), outcome.err) == (1, 2, "")
    elif options:
        (told,) = [line for line in map(json.loads, outcome.err.splitlines()) if line["event"] == "remark"]
        assert told["text"].startswith(remark)
    else:
        assert (outcome.out, outcome.err) == ("", "")


def test_a_provider_that_puts_everything_off_is_exit_1_in_one_line(shop: Shop, busy: HTTPServer) -> None:
    busy.expect_request("/emails").respond_with_data(status=429, headers={"Retry-After": "60"})
    outcome = run_due(shop, ok=False)
    assert (outcome.exit_code, outcome.err.count("\n")) == (1, 1)
    assert outcome.err.startswith("cartctl: resend wants fewer at a time (throttled): it put off 5 mails and took 0")


def test_a_provider_that_refuses_every_mail_is_exit_1_and_the_rest_stays_due(shop: Shop, busy: HTTPServer) -> None:
    busy.expect_request("/emails").respond_with_json({"name": "missing_required_field"}, status=422)
    outcome = run_due(shop, ok=False)
    assert outcome.exit_code == 1
    assert "cartctl: resend refused 5 mails and took none (last: 422 missing_required_field): this run" in outcome.err
    states = [one["state"] for one in shop.cli("messages", "list", "--json").json]
    assert (states.count("failed"), states.count("scheduled")) == (5, 3 + 5), "the failed ones' next steps among them"


def test_an_outage_is_exit_1_until_the_provider_is_well(shop: Shop, busy: HTTPServer) -> None:
    busy.expect_request("/emails").respond_with_data(status=503)
    busy.expect_request("/domains").respond_with_data(status=503)
    assert "cartctl: resend failed 5 times in a row (last: answer 503): " in run_due(shop, ok=False).err
    outcome = shop.cli("run-due", "--at", "2026-03-02T10:41:00Z", ok=False)
    told = "cartctl: resend failed 5 times in a row and is not well yet (answer 503): "
    assert (outcome.exit_code, outcome.err) == (1, f"{told}nothing is handed over; what is due stays due\n")
    busy.clear()
    busy.expect_request("/domains").respond_with_json({"data": []})
    busy.expect_request("/emails").respond_with_json({"id": "r"})
    assert shop.run_once("45m")["sent"] == 8


def test_a_refused_log_in_is_exit_1_and_nothing_is_lost(
    shop: Shop, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "wrong")
    with smtp_server(authority.server_context, security="starttls") as sink:
        section = f'[smtp]\nhost = "localhost"\nport = {sink.port}\nusername = "{USERNAME}"\nsandbox = true\n'
        shop.configure(f'transport = "smtp"\n{COMMON}{section}ca_file = "ca.pem"\n')
        shop.carts(cart(), when="5m")
        outcome = shop.cli("run-due", "--at", "2026-03-02T10:30:00Z", ok=False)
        assert outcome.exit_code == 1
        assert "cartctl: localhost refuses us: 535" in outcome.err
        assert "wrong" not in outcome.err
        monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
        assert shop.run("35m")["sent"] == 1


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 <anna@example.com>: Relay access denied",
        "454 4.7.1 <anna@example.com>: Relay access denied",
        "554 5.7.1 <anna@example.com>: Recipient address rejected: Access denied",
        "550 5.1.8 <shop@example.com>: Sender address rejected: Domain not found",
        "550 Sender verify failed",
    ],
)
def test_a_server_that_takes_nothing_from_us_loses_no_mail_and_no_address(
    shop: Shop, authority: Authority, reply: str
) -> None:
    """What is refused is sender, client or a missing log-in, though the refusal comes at the recipient."""
    with smtp_server(authority.server_context, security="none") as sink:
        section = f'[smtp]\nhost = "localhost"\nport = {sink.port}\nsecurity = "none"\nsandbox = true\n'
        shop.configure(f'transport = "smtp"\n{COMMON}{section}')
        shop.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(8)), when="5m")
        sink.replies["RCPT"] = reply
        refused = shop.cli("run-due", "--json", "--at", iso("30m"), ok=False)
        assert (refused.exit_code, refused.json["sent"], refused.json["failed"]) == (1, 0, 0)
        assert "The run stops here; nothing was lost" in refused.err
        sink.replies.clear()
        assert shop.run("35m")["sent"] == 8


def test_a_mailbox_that_is_closed_to_us_costs_its_own_mail_alone(shop: Shop, authority: Authority) -> None:
    """The first run takes it for a missing log-in; the second sees the server take the mail of others before."""
    with smtp_server(authority.server_context, security="none") as sink:
        section = f'[smtp]\nhost = "localhost"\nport = {sink.port}\nsecurity = "none"\nsandbox = true\n'
        shop.configure(f'transport = "smtp"\n{COMMON}{section}[sending]\nconcurrency = 1\n')
        shop.carts(cart(), *(cart(f"d-{n}", email=f"s{n}@example.com") for n in range(3)), when="5m")
        sink.replies["RCPT anna@example.com"] = (
            "554 5.7.1 <anna@example.com>: Recipient address rejected: Access denied"
        )
        stopped = shop.cli("run-due", "--at", iso("30m"), ok=False)
        assert stopped.exit_code == 1
        assert "localhost takes no mail from us: 554 5.7.1: check `from`, smtp.username" in stopped.err
        second = shop.run_once("35m", ok=False)
        assert (second["sent"], second["failed"]) == (3, 1)
    (failed,) = shop.cli("messages", "list", "--state", "failed", "--json").json
    assert failed["reason"] == "554 5.7.1"
    assert shop.cli("suppress", "list", "--json").json == []


@pytest.mark.usefixtures("short_mail")
def test_smtp_s_sandbox_is_nothing_but_a_word_of_the_shop_s(shop: Shop, authority: Authority) -> None:
    """The server hears nothing of it, and the mail is one like all others."""
    taken = []
    for sandbox in ("true", "false"):
        with smtp_server(authority.server_context, security="none") as sink:
            section = f'[smtp]\nhost = "localhost"\nport = {sink.port}\nsecurity = "none"\nsandbox = {sandbox}\n'
            shop.configure(f'transport = "smtp"\n{COMMON}{PUBLIC}{section}')
            told = shop.cli("send-test", "note", "--to", "you@example.com").out
            assert ("smtp.sandbox says that the server delivers nothing" in told) == (sandbox == "true")
        taken += [(sink.commands, mail.sender, mail.recipients, mail.options) for mail in sink.mails]
        looked = shop.cli("doctor", ok=False).out
        assert ("smtp.sandbox is only your word: if localhost is no trap" in looked) == (sandbox == "true")
    assert taken[0] == taken[1]


@pytest.mark.parametrize(("sandbox", "status"), [("true", 200), ("false", 202)])
def test_sendgrid_s_sandbox_is_asked_for_in_each_mail(
    shop: Shop, authority: Authority, monkeypatch: pytest.MonkeyPatch, sandbox: str, status: int
) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        server.expect_request("/v3/mail/send", method="POST").respond_with_response(Response(status=status))
        section = f'[sendgrid]\nsandbox = {sandbox}\nhost = "{server.url_for("").rstrip("/")}"\nca_file = "ca.pem"\n'
        shop.configure(f'transport = "sendgrid"\n{COMMON}{section}')
        shop.carts(cart(), when="5m")
        assert shop.run("30m")["sent"] == 1
    ((request, _),) = server.log
    asked = request.get_json().get("mail_settings", {}).get("sandbox_mode", {}).get("enable", False)
    assert asked == (sandbox == "true")


def test_so_many_connections_carry_at_once_as_concurrency_says(sqlite_rig: Rig) -> None:
    """The first request is answered only when another has come, and each when there was time for one too many."""
    lock, two, too_many = threading.Lock(), threading.Event(), threading.Event()
    inside, peak = 0, 0

    def come_and_go(_taken: int) -> None:
        nonlocal inside, peak
        with lock:
            inside += 1
            peak = max(peak, inside)
        if peak > 1:
            two.set()
        if peak > CONCURRENCY:
            too_many.set()
        two.wait(3)
        too_many.wait(0.1)
        with lock:
            inside -= 1

    sqlite_rig.provider.before_answer = come_and_go
    sqlite_rig.fill(12)
    assert sqlite_rig.run_once("30m")["sent"] == 12
    assert 1 < peak <= CONCURRENCY


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (f'transport = "resend"\n{COMMON}{PUBLIC}', "RESEND_API_KEY in the environment (or resend.api_key)"),
        (f'transport = "smtp"\n{COMMON}{PUBLIC}', "smtp.host (the server's name)"),
        (
            f'transport = "smtp"\n{COMMON}{PUBLIC}[smtp]\nhost = "smtp.example.com"\nusername = "shop"\n',
            "SMTP_PASSWORD in the environment (or smtp.password)",
        ),
        (
            f'transport = "smtp"\n{COMMON}{PUBLIC}[smtp]\nhost = "smtp.example.com"\npassword = "s3cret"\n',
            "smtp.username (there is a password)",
        ),
    ],
)
def test_each_transport_names_what_it_lacks(cli: Cli, text: str, missing: str) -> None:
    name = text.partition('"')[2].partition('"')[0]
    assert refusal(cli, text) == f'cartctl: transport = "{name}" needs {missing}\n'


@pytest.mark.parametrize("text", ['transport = "resend"\n', 'transport = "smtp"\n', ON_THIS_MACHINE])
def test_whoever_delivers_needs_a_sender_an_address_and_a_place_for_its_links(cli: Cli, text: str) -> None:
    lacking = refusal(cli, text)
    assert all(word in lacking for word in ("from (", "postal_address (", "base_url ("))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('transport = "resend"\n[resend]\napi_key = "re_s3cret"\nhost = "http://api.example.com"\n', "resend.host: "),
        ('transport = "smtp"\n[smtp]\nhost = "smtp.example.com:25"\n', "smtp.host: "),
        ('transport = "smtp"\n[smtp]\nhost = "smtp example"\n', "smtp.host: "),
        (
            'transport = "smtp"\nsmtp = {host = "a.example", security = "none", username = "b", password = "s3cret"}',
            'smtp.security = "none": the password would travel in the clear',
        ),
        ("[smtp]\nport = 65536\n", "cartctl.toml: smtp.port: 65536 is not between 1 and 65535"),
        ('[smtp]\nsecurity = "ssl"\n', 'cartctl.toml: smtp.security: unknown value "ssl"'),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(cli: Cli, text: str, reason: str) -> None:
    told = refusal(cli, text)
    assert told.startswith(f"cartctl: {reason}")
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('transport = "outbox"\n', False),
        ('transport = "sendgrid"\n', True),
        ('transport = "sendgrid"\n[sendgrid]\nsandbox = true\n', False),
        ('transport = "resend"\n', True),
        ('transport = "resend"\n[resend]\nhost = "https://localhost:4000"\n', False),
        ('transport = "resend"\n[sendgrid]\nsandbox = true\n', True),
        ('transport = "smtp"\n[smtp]\nhost = "smtp.example.com"\n', True),
        (ON_THIS_MACHINE, True),
        (f"{ON_THIS_MACHINE}sandbox = true\n", False),
    ],
)
def test_what_counts_as_delivering(text: str, *, expected: bool) -> None:
    assert delivers(text) == expected


def test_a_key_alone_chooses_no_transport(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in config.COMMON_VARIABLES.keys() - {"DATABASE_URL"}:
        monkeypatch.setenv(name, "s3cret")
    loaded = config.load(file=None, environment={"RESEND_API_KEY": "s3cret", "SMTP_PASSWORD": "s3cret"}, folder=Path())
    assert loaded.settings.transport == "outbox"
    assert "s3cret" not in repr(loaded)
    assert cli("run-due").err == ""

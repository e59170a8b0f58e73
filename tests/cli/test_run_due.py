"""`cartctl run-due` and `cartctl detect` as cron and operators use them."""

import json
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from filelock import FileLock
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.shop import Cli, Shop, cart, iso, order

SENDER = 'from = "Example Shop <shop@example.com>"\npostal_address = "1 Example Street"\n'
DELIVERING = f'transport = "sendgrid"\nbase_url = "https://mail.example.com"\n{SENDER}'


def dump(shop: Shop) -> str:
    connection = sqlite3.connect(shop.folder / "cartctl.db")
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


def test_silent_on_success(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    outcome = shop.cli("run-due", "--at", iso("30m"))
    assert (outcome.out, outcome.err) == ("", "")
    assert len(shop.mails) == 1


def test_verbose_names_what_was_sent_without_the_address(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    text = shop.cli("run-due", "-v", "--at", iso("30m")).out
    assert (
        "message 1, cart-recovery/reminder to a…@example.com, cart c-1 of main: sent (due 2026-03-02 10:30 UTC" in text
    )
    assert "1 carts detected, 1 enrolled, 1 sent" in text
    assert "anna@" not in text


def test_json_has_the_documented_keys(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", seen="1m"), when="5m")
    assert shop.run_once("31m") == {
        "intake": {"applied": 0, "rejected": 0},
        "detected": 2,
        "expired": 0,
        "enrolled": 1,
        "held_out": 0,
        "sent": 1,
        "deferred": 0,
        "retried": 0,
        "failed": 0,
        "unknown": 0,
        "skipped": {},
        "cancelled": {},
        "brakes": [],
    }


def test_dry_run_says_what_a_run_does_and_changes_nothing(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", email="ben@example.com"), cart("c-3", email=""), when="5m")
    before = dump(shop)
    dry = shop.cli("run-due", "--dry-run", "--json", "--at", iso("30m")).json
    assert dump(shop) == before
    assert shop.mails == []
    shown = dry.pop("messages")
    real = shop.cli("run-due", "--json", "--at", iso("30m")).json
    assert dry == real
    times = "(due 2026-03-02 10:30 UTC, left 2026-03-02 10:00 UTC)"
    assert shown == [
        f"message 1, cart-recovery/reminder to a…@example.com, cart c-1 of main: would be sent {times}",
        f"message 2, cart-recovery/reminder to b…@example.com, cart c-2 of main: would be sent {times}",
    ]


def test_dry_run_says_why_a_mail_would_not_go(shop: Shop) -> None:
    shop.configure("[coupons]\n")
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.run("24h")
    lines = shop.cli("run-due", "--dry-run", "--json", "--at", iso("48h")).json["messages"]
    assert lines == ["message 3, cart-recovery/offer to a…@example.com, cart c-1 of main: would be skipped (no-coupon)"]


def test_dry_run_shows_whole_addresses_when_asked(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    assert "to anna@example.com," in shop.cli("run-due", "--dry-run", "--show-addresses", "--at", iso("30m")).out


def test_detect_marks_carts_and_run_due_then_enrolls_them(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    found = shop.cli("detect", "--json", "--at", iso("30m")).json
    assert found == {"detected": 1, "abandoned": 1, "expired": 0}
    assert shop.mails == []
    result = shop.run_once("35m")
    assert (result["detected"], result["enrolled"], result["sent"]) == (0, 1, 1)


def test_another_run_at_work_is_exit_75(shop: Shop) -> None:
    shop.run_once("0m")
    with FileLock(shop.folder / "cartctl.db.lock"):
        outcome = shop.cli("run-due", "--at", iso("1m"), ok=False)
    assert outcome.exit_code == 75
    assert outcome.err.startswith("cartctl: another run is at work")


def test_a_template_at_fault_stops_its_own_mails_and_costs_no_step(shop: Shop) -> None:
    broken = shop.folder / "templates" / "cart-recovery"
    broken.mkdir(parents=True)
    (broken / "urgency.txt").write_text("Hello {{ frist_name }} {{ recovery_link }}")
    shop.configure('templates = "templates"\n')
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.carts(cart("c-2", seen="23h", email="ben@example.com"), when="23h5m")
    outcome = shop.cli("run-due", "--json", "--at", iso("24h"), ok=False)
    assert outcome.exit_code == 1
    assert "cartctl: message 2 (cart-recovery/urgency) waits: " in outcome.err
    assert "urgency.txt" in outcome.err
    assert "frist_name" in outcome.err
    assert outcome.json["sent"] == 1, "Ben's reminder is another template"
    (broken / "urgency.txt").unlink()
    assert shop.run("25h")["sent"] == 1
    assert [step for _, step, _ in shop.sent] == ["reminder", "reminder", "urgency"]


def test_a_template_that_loops_for_ever_holds_up_no_other_mail(shop: Shop) -> None:
    """It was changed after the check. Each run tries it three times, whoever else it is for, and goes on."""
    broken = shop.folder / "templates" / "cart-recovery"
    broken.mkdir(parents=True)
    shop.configure('templates = "templates"\n')
    shop.carts(*(cart(f"c-{number}", email=f"ben{number}@example.com") for number in range(5)), when="5m")
    shop.run("30m")
    shop.carts(cart("c-9", seen="23h"), when="23h5m")
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (broken / "urgency.txt").write_text(loops)
    outcome = shop.cli("run-due", "--json", "--at", iso("24h"), ok=False)
    assert outcome.exit_code == 1
    assert outcome.json["sent"] == 1
    lines = outcome.err.splitlines()
    assert len([line for line in lines if "urgency.txt, line 1: takes longer than 1 s" in line]) == 3
    assert len([line for line in lines if "took too much 3 times: this run tries no more" in line]) == 2
    (broken / "urgency.txt").unlink()
    assert shop.run("24h20m")["sent"] == 5


def test_a_delivering_transport_names_all_it_lacks_at_once(shop: Shop) -> None:
    shop.configure('transport = "sendgrid"\n')
    outcome = shop.cli("run-due", ok=False)
    assert outcome.exit_code == 2
    for word in ("SENDGRID_API_KEY", "from", "postal_address", "base_url"):
        assert word in outcome.err


def test_a_key_alone_changes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    shop.carts(cart(), when="5m")
    shop.run("30m")
    assert len(shop.mails) == 1


def test_a_rehearsal_is_never_mailed_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.carts(cart(), when="5m")
    shop.configure(DELIVERING)
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    outcome = shop.cli("run-due", ok=False)
    assert outcome.exit_code == 2
    assert "this database is a rehearsal" in outcome.err


@pytest.mark.parametrize("command", [("run-due",), ("detect",), ("import", "carts", "x.csv")])
def test_a_shop_that_delivers_cannot_be_made_a_rehearsal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    shop.configure(DELIVERING)
    outcome = shop.cli(*command, "--at", iso("30m"), ok=False)
    assert outcome.exit_code == 2
    assert "--at" in outcome.err


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def provider(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """A provider on this machine, over TLS; the shop is configured to use it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    with HTTPServer(host="localhost", ssl_context=context) as server:
        yield server


def sendgrid(shop: Shop, server: HTTPServer) -> None:
    host = f'host = "{server.url_for("").rstrip("/")}"\nca_file = "{shop.folder / "ca.pem"}"\n'
    shop.configure(f'transport = "sendgrid"\n{SENDER}[sendgrid]\n{host}')


def test_mail_goes_to_the_provider_once(shop: Shop, provider: HTTPServer) -> None:
    taken: list[dict[str, object]] = []

    def take(request: Request) -> Response:
        taken.append(json.loads(request.get_data()))
        return Response(status=202, headers={"X-Message-Id": "r-1"})

    provider.expect_request("/v3/mail/send", method="POST").respond_with_handler(take)
    sendgrid(shop, provider)
    shop.carts(cart(), cart("c-2", email="ben@example.com"), when="5m")
    assert shop.run("30m")["sent"] == 2
    shop.orders(order(placed="1h", cart_id="c-2"), when="1h")
    assert shop.run("24h")["sent"] == 1
    recipients = [mail["personalizations"] for mail in taken]
    assert len(recipients) == 3
    assert shop.mails == []


def test_a_refused_key_is_exit_1_and_nothing_is_lost(shop: Shop, provider: HTTPServer) -> None:
    provider.expect_request("/v3/mail/send").respond_with_data("{}", status=401)
    sendgrid(shop, provider)
    shop.carts(cart(), when="5m")
    outcome = shop.cli("run-due", "--at", iso("30m"), ok=False)
    assert outcome.exit_code == 1
    assert "cartctl: SendGrid refuses the key" in outcome.err
    assert "SG.invented" not in outcome.err
    provider.clear()
    provider.expect_request("/v3/mail/send").respond_with_data("", status=202)
    assert shop.run("35m")["sent"] == 1


def test_a_message_without_an_answer_is_named_and_never_sent_again(shop: Shop, provider: HTTPServer) -> None:
    provider.expect_request("/v3/mail/send").respond_with_data("", status=503)
    sendgrid(shop, provider)
    shop.carts(cart(), when="5m")
    outcome = shop.cli("run-due", "--json", "--at", iso("30m"), ok=False)
    assert (outcome.exit_code, outcome.json["unknown"]) == (1, 1)
    assert "message 1 (cart-recovery/reminder) is unknown: answer 503; it is not sent again" in outcome.err
    assert "anna" not in outcome.err
    shop.run("1h")
    assert len(provider.log) == 1


def test_an_event_of_another_database_on_the_same_account_settles_nothing(shop: Shop, provider: HTTPServer) -> None:
    """Both count their messages from 1, and Anna shops at both."""
    provider.expect_request("/v3/mail/send").respond_with_data("", status=503)
    sendgrid(shop, provider)
    shop.carts(cart(), when="5m")
    shop.cli("run-due", "--at", iso("30m"), ok=False)
    ((request, _),) = provider.log
    ours = request.get_json()["personalizations"][0]["custom_args"]
    event = {"email": "anna@example.com", "timestamp": 1772447500, "event": "delivered"}

    def told(arguments: dict[str, str]) -> tuple[int, int]:
        path = shop.folder / "events.json"
        path.write_text(json.dumps([event | arguments]), encoding="utf-8")
        counts = shop.cli("import", "events", path, "--json", "--at", iso("40m")).json["events"]
        return counts["unmatched"], counts["settled"]

    assert told(ours | {"cc_database": "0123456789abcdef"}) == (1, 0)
    assert told(ours) == (0, 1)


def test_the_program_runs_as_a_module_without_a_configuration(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cartctl", "run-due"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "cartctl.db").exists()


def test_head_may_close_the_pipe(cli: Cli) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m cartctl report | head -1"],
        cwd=cli.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("run-due", "--dry-run"), ("report",)])
def test_looking_at_nothing_makes_no_database(cli: Cli, command: tuple[str, ...]) -> None:
    cli(*command)
    assert list(cli.folder.iterdir()) == []


def test_a_command_that_wrote_nothing_makes_no_rehearsal(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.cli("import", "carts", "no-such-file.csv", "--at", iso("0m"), ok=False)
    shop.cli("run-due", "--dry-run", "--at", iso("0m"))
    shop.configure(DELIVERING)
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    assert shop.cli("run-due").exit_code == 0


@pytest.mark.parametrize("host", ["https://127.evil.example.com", "https://localhost.example.com", "https://[oops"])
def test_a_host_that_only_looks_like_this_machine_delivers(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    shop.configure(f'transport = "sendgrid"\n[sendgrid]\nhost = "{host}"\n')
    outcome = shop.cli("run-due", ok=False)
    assert outcome.exit_code == 2
    assert "postal_address" in outcome.err


def test_a_key_is_never_sent_in_the_clear(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    shop.configure(f'{DELIVERING}[sendgrid]\nhost = "http://api.example.com"\n')
    outcome = shop.cli("run-due", ok=False)
    assert outcome.exit_code == 2
    assert "no https address" in outcome.err


def test_a_dry_run_holds_nobody_up(shop: Shop) -> None:
    """It works on a copy: while another process writes, it neither waits nor sees half of it."""
    shop.carts(cart(), when="5m")
    writer = sqlite3.connect(shop.folder / "cartctl.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert "1 would be sent" in shop.cli("run-due", "--dry-run", "--at", iso("30m")).out
    finally:
        writer.close()


def test_results_are_told_even_when_the_key_is_refused(shop: Shop, provider: HTTPServer) -> None:
    provider.expect_request("/v3/mail/send").respond_with_data("{}", status=403)
    sendgrid(shop, provider)
    shop.carts(cart(), when="5m")
    outcome = shop.cli("run-due", "--json", "--at", iso("30m"), ok=False)
    assert (outcome.exit_code, outcome.json["retried"]) == (1, 1)

"""`report --email`: the page as a file with a mail that says the most of it; once for a period and a recipient."""

import base64
import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cartctl.store.database import open_database
from tests.chromium import launched, look_at, new_page
from tests.cli.ten_weeks import NOW, fill
from tests.mail.provider import Authority
from tests.shop import Outcome, Shop, cart, iso

TO = "mara@example.com"
WEEKS = ("--since", "10w", "--until", "0w", "--include-outbox")
ON_SENDGRID = """
transport = "sendgrid"
from = "Fern & Kettle <shop@example.com>"
postal_address = "1 Example Street"
[sendgrid]
host = "HOST"
ca_file = "ca.pem"
"""


def mail(shop: Shop, *options: str, to: str = TO, ok: bool = True, now: timedelta = timedelta(0)) -> Outcome:
    """Mail the ten weeks, as cron does on Monday. What is said is with -v, and never holds the address."""
    command = ("report", "--email", to, *(options or WEEKS), "--at", (NOW + now).isoformat(), "-v")
    outcome = shop.cli(*command, ok=ok)
    assert to not in outcome.out + outcome.err
    return outcome


@pytest.fixture
def ten_weeks(shop: Shop, sqlite_url: str) -> Shop:
    database = open_database(sqlite_url)
    fill(database)
    database.close()
    shop.configure('from = "Fern & Kettle <shop@example.com>"\n[stores.main]\nbrand = "Fern & Kettle"\n')
    return shop


def test_the_mail_is_short_and_brings_the_page(ten_weeks: Shop) -> None:
    assert mail(ten_weeks).out == "report mailed to m…@example.com\n"
    (got,) = ten_weeks.mails
    assert got.message["From"] == "Fern & Kettle <shop@example.com>"
    assert got.message["To"] == TO
    told = ten_weeks.cli("report", "--json", *WEEKS, "--at", NOW.isoformat()).json
    counts = f"{told['recovered']} of {told['abandoned']} abandoned carts recovered"
    assert got.message["Subject"] == f"Fern & Kettle: {counts} (Carts left 2 March to 10 May 2026)"
    assert got.message["Auto-Submitted"] == "auto-generated"
    (file,) = got.message.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("report-2026-05-11.html", "text/html")
    ten_weeks.cli("report", "--html", "same.html", *WEEKS, "--at", NOW.isoformat())
    assert file.get_content().replace("\r\n", "\n") == Path("same.html").read_text(encoding="utf-8")
    html, text = got.part("html"), got.part("plain")
    assert len(html.encode()) < 102_000, "Gmail clips longer ones"
    assert not re.search(r"<(svg|img|style|script|link)\b", html), "what mail programs strip"
    money = f"{float(told['revenue']['EUR']['recovered_net']):,.2f} EUR"
    for part in (html, text):
        assert money in part
        assert f"{told['recovery_rate']:.1%}" in part
        assert "report-2026-05-11.html" in part
        assert "Too early to tell" in part


def test_the_same_period_is_mailed_to_nobody_twice(ten_weeks: Shop) -> None:
    mail(ten_weeks)
    again = "the report of this period was mailed to m…@example.com before; nothing was sent\n"
    assert mail(ten_weeks).out == again
    assert mail(ten_weeks, now=timedelta(days=2)).out == again, "the same whole weeks"
    assert mail(ten_weeks, to="Mara@Example.com").out == again
    assert len(ten_weeks.mails) == 1
    mail(ten_weeks, to="ben@example.com")
    mail(ten_weeks, now=timedelta(weeks=1))
    assert len(ten_weeks.mails) == 3


def test_a_period_that_ends_now_is_another_one_each_day(ten_weeks: Shop) -> None:
    for options in (("--since", "30d"), ("--include-outbox",)):
        before = len(ten_weeks.mails)
        for minutes in (0, 7):
            mail(ten_weeks, *options, now=timedelta(minutes=minutes))
        assert len(ten_weeks.mails) == before + 1
        mail(ten_weeks, *options, now=timedelta(days=1))
        assert len(ten_weeks.mails) == before + 2


def test_without_v_cron_hears_nothing(ten_weeks: Shop) -> None:
    outcome = ten_weeks.cli("report", "--email", TO, *WEEKS, "--at", NOW.isoformat())
    assert (outcome.out, outcome.err) == ("", "")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def sendgrid(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        yield server


def on_sendgrid(shop: Shop, sendgrid: HTTPServer, more: str = "") -> None:
    shop.configure(more + ON_SENDGRID.replace("HOST", sendgrid.url_for("").rstrip("/")))


def test_on_the_wire_it_is_no_message_of_the_database(ten_weeks: Shop, sendgrid: HTTPServer) -> None:
    sendgrid.expect_request("/v3/mail/send").respond_with_response(Response(status=202))
    on_sendgrid(ten_weeks, sendgrid)
    mail(ten_weeks)
    ((request, _),) = sendgrid.log
    sent = request.get_json()
    (person,) = sent["personalizations"]
    assert person["to"] == [{"email": TO}]
    assert person["custom_args"].keys() == {"cc_database"}, "no event is taken for one of a message"
    (file,) = sent["attachments"]
    assert base64.b64decode(file["content"]).startswith(b"<!doctype html>")


def test_the_mark_stands_before_the_mail_leaves(ten_weeks: Shop, sendgrid: HTTPServer) -> None:
    """So a run that dies while it sends is not repeated by the next one."""
    marks: list[str] = []

    def look(request: Request) -> Response:
        with sqlite3.connect(ten_weeks.folder / "cartctl.db") as connection:
            marks.extend(value for (value,) in connection.execute("SELECT value FROM marks WHERE name LIKE 'report-%'"))
        return Response(status=202)

    sendgrid.expect_request("/v3/mail/send").respond_with_handler(look)
    on_sendgrid(ten_weeks, sendgrid)
    mail(ten_weeks)
    assert marks == ["sending"]


def test_what_may_have_left_is_not_sent_again_and_said_every_time(ten_weeks: Shop, sendgrid: HTTPServer) -> None:
    sendgrid.expect_request("/v3/mail/send").respond_with_response(Response(status=503))
    on_sendgrid(ten_weeks, sendgrid)
    for why in ("answer 503", "an earlier run never heard what became of it"):
        outcome = mail(ten_weeks, ok=False)
        assert outcome.exit_code == 1
        assert f"may or may not have been mailed ({why})" in outcome.err
        assert "report --html FILE" in outcome.err
    assert len(sendgrid.log) == 1


@pytest.mark.parametrize(
    ("status", "why"),
    [(401, "SendGrid refuses the key or the sender: 401"), (400, "400"), (429, "the provider asks to wait")],
)
def test_what_certainly_did_not_leave_is_tried_again(
    ten_weeks: Shop, sendgrid: HTTPServer, status: int, why: str
) -> None:
    sendgrid.expect_ordered_request("/v3/mail/send").respond_with_response(Response("{}", status=status))
    sendgrid.expect_ordered_request("/v3/mail/send").respond_with_response(Response(status=202))
    on_sendgrid(ten_weeks, sendgrid)
    outcome = mail(ten_weeks, ok=False)
    assert (outcome.exit_code, outcome.err) == (
        1,
        f"cartctl: the report was not mailed: {why}. The same command tries again\n",
    )
    assert mail(ten_weeks).out == "report mailed to m…@example.com\n"
    assert mail(ten_weeks).out.startswith("the report of this period was mailed")
    assert len(sendgrid.log) == 2


def test_a_delivering_transport_needs_what_run_due_needs_and_no_rehearsal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.configure('transport = "sendgrid"\n')
    lacking = shop.cli("report", "--email", TO, ok=False)
    assert (lacking.exit_code, "SENDGRID_API_KEY" in lacking.err, "postal_address" in lacking.err) == (2, True, True)
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    at = shop.cli("report", "--email", TO, "--at", iso("0m"), ok=False)
    assert (at.exit_code, "--at: transport" in at.err) == (2, True)
    shop.configure("")
    shop.carts(cart(), when="5m")
    shop.configure(
        'transport = "sendgrid"\nfrom = "Shop <shop@example.com>"\npostal_address = "1 Example Street"\n'
        'base_url = "https://mail.example.com"\n'
    )
    rehearsal = shop.cli("report", "--email", TO, ok=False)
    assert (rehearsal.exit_code, "is a rehearsal" in rehearsal.err) == (2, True)


def test_in_test_mode_only_test_recipients_get_it(ten_weeks: Shop) -> None:
    ten_weeks.configure('mode = "test"\ntest_recipients = ["me@example.com"]\n')
    outcome = mail(ten_weeks, ok=False)
    assert (outcome.exit_code, ten_weeks.mails) == (2, [])
    assert "none of test_recipients" in outcome.err
    mail(ten_weeks, to="me@example.com")
    assert len(ten_weeks.mails) == 1


def test_a_suppressed_address_gets_nothing(ten_weeks: Shop) -> None:
    ten_weeks.cli("suppress", "add", TO, "--at", NOW.isoformat())
    outcome = mail(ten_weeks, ok=False)
    assert (outcome.exit_code, ten_weeks.mails) == (1, [])
    assert "this address is suppressed" in outcome.err


def test_what_is_no_address_is_refused_without_repeating_it(shop: Shop) -> None:
    outcome = shop.cli("report", "--email", "mara(at)example", ok=False)
    assert (outcome.exit_code, outcome.err.startswith("cartctl: --email: ")) == (2, True)
    assert "mara" not in outcome.err


def test_the_report_is_counted_by_no_report_and_no_list(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    before = any_shop.report("1h")
    for _ in range(2):
        any_shop.cli("report", "--email", TO, "--at", iso("1h"))
    assert any_shop.report("1h") == before
    assert len(any_shop.mails) == 2, "the shopper's, and the report"
    listed = any_shop.cli("messages", "list", "--json").json
    assert {row["step"] for row in listed} == {"reminder", "urgency"}


def test_whole_weeks_begin_on_monday_where_the_shop_is(shop: Shop) -> None:
    shop.configure('timezone = "Pacific/Auckland"\n')
    sunday_noon, monday_in_auckland = "2026-05-10T11:59:00Z", "2026-05-10T12:00:00Z"
    for at, since, until in (
        (sunday_noon, "2026-03-02", "2026-05-04"),
        (monday_in_auckland, "2026-03-09", "2026-05-11"),
    ):
        told = shop.cli("report", "--json", "--since", "9w", "--until", "0w", "--at", at).json
        assert (told["since"], told["until"]) == (since, until)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


def test_the_mail_looks_well_in_a_mail_program(browser: Browser, ten_weeks: Shop) -> None:
    mail(ten_weeks)
    (got,) = ten_weeks.mails
    Path("mail.html").write_text(got.part("html"), encoding="utf-8")
    with new_page(browser) as page:
        page.goto(Path("mail.html").absolute().as_uri())
        look_at(page, "report-mail", whole=False)

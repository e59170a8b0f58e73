"""`--log-format json`: one object a line, ids alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.shop import Outcome, Shop, cart, iso, order, write_csv

PEOPLE = ("anna@example.com", "ben@example.com", "cleo@example.com", "dora@example.com", "orders@example.com")


def logged(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.err.splitlines()]


def events(outcome: Outcome) -> list[str]:
    return [record["event"] for record in logged(outcome)]


def test_a_run_logs_each_message_by_its_ids(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", email="ben@example.com"), when="5m")
    outcome = shop.cli("run-due", "--log-format", "json", "--at", iso("30m"))
    assert outcome.out == ""
    first, second, finished = sorted(logged(outcome), key=lambda record: record.get("message", 9))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", first.pop("ts"))
    assert first == {
        "level": "info",
        "event": "message",
        "message": 1,
        "sequence": "cart-recovery",
        "step": "reminder",
        "store": "main",
        "cart": "c-1",
        "outcome": "sent",
        "reason": "due 2026-03-02 10:30 UTC, left 2026-03-02 10:00 UTC",
    }
    assert second["message"] == 2
    assert (finished["event"], finished["sent"], finished["problems"]) == ("run-finished", 2, 0)


def test_it_may_stand_before_the_command_or_in_the_configuration(shop: Shop) -> None:
    assert events(shop.cli("--log-format", "json", "run-due")) == ["run-finished"]
    shop.configure('[log]\nformat = "json"\n')
    assert events(shop.cli("run-due")) == ["run-finished"]
    assert shop.cli("run-due", "--log-format", "text") == Outcome(0, "", "")
    assert events(shop.cli("detect")) == ["detected"]


def test_the_result_stays_on_standard_output(shop: Shop) -> None:
    outcome = shop.cli("run-due", "--json", "--log-format", "json", "-v")
    assert outcome.json["sent"] == 0
    assert events(outcome) == ["run-finished"]


def test_imports_log_their_numbers_and_never_what_stood_in_a_cell(shop: Shop) -> None:
    rows = [cart(), cart("c-2", email="ben@example.com", phone="+49 30 1234567", quantity="Ben Smith")]
    path = write_csv(shop.folder / "carts.csv", *rows)
    outcome = shop.cli("import", "carts", path, "--log-format", "json", "--at", iso("5m"), ok=False)
    assert (outcome.exit_code, outcome.out) == (1, "")
    about, problem = logged(outcome)
    assert (about["event"], about["rows"], about["rejected"], about["carts"]["created"]) == ("import", 2, 1, 1)
    assert (problem["event"], problem["level"]) == ("problem", "warning")
    assert "1 of 2 rows rejected, see carts.rejects.csv" in problem["text"]
    assert "Smith" not in outcome.err
    again = shop.cli("import", "carts", path, "--log-format", "json", "--at", iso("6m"), ok=False)
    assert (again.out, logged(again)[0]["already_imported"]) == ("", True)


def test_an_error_is_an_object_too(shop: Shop) -> None:
    outcome = shop.cli("--log-format", "json", "import", "carts", "no-such.csv", ok=False)
    (record,) = logged(outcome)
    assert (outcome.exit_code, record["level"], record["event"]) == (2, "error", "problem")
    assert record["text"].startswith("no-such.csv: ")
    assert shop.cli("import", "carts", "no-such.csv", ok=False).err.startswith("cartctl: "), "the next is in words"


def test_a_dry_run_logs_nothing_as_nothing_happened(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    outcome = shop.cli("run-due", "--dry-run", "--log-format", "json", "--at", iso("30m"))
    assert outcome.err == ""
    assert "1 would be sent" in outcome.out


@pytest.fixture
def story(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> str:
    """A full story at the most talkative, and all that its commands wrote to standard error."""
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    monkeypatch.setenv("CARTCTL_SECRET_KEYS", "s1gning-key-of-nobody")
    monkeypatch.setenv("CARTCTL_HEALTHCHECK__URL", "http://127.0.0.1:9/p1ng-of-nobody")
    shop.configure('[log]\nformat = "json"\n[sending]\ncap = 2\n')
    folder, told = shop.folder, []

    def do(*arguments: str | Path, when: str) -> None:
        told.append(shop.cli(*arguments, "-v", "--at", iso(when), ok=False).err)

    carts = [
        cart("anna@example.com"),  # shops do use addresses as ids
        cart("c-2", email="ben@example.com", first_name="Ben"),
        cart("c-3", email="cleo@example.com", quantity="cleo@example.com"),
        cart("c-4", email="dora@example.com", consent="refused"),
    ]
    inbox = folder / "inbox"
    inbox.mkdir()
    (inbox / "anna@example.com.csv").write_text("anna@example.com\nben@example.com\n", encoding="utf-8")
    do("import", "carts", write_csv(folder / "orders@example.com.csv", *carts), when="5m")
    do("import", "inbox", inbox, when="6m")
    do("detect", when="30m")
    do("run-due", when="31m")
    do("import", "orders", write_csv(folder / "o.csv", order(email="ben@example.com", placed="1h")), when="2h")
    (folder / "suppressions.csv").write_text("email,reason\nanna@example.com,asked\n", encoding="utf-8")
    do("import", "suppressions", folder / "suppressions.csv", when="3h")
    (folder / "codes.csv").write_text("code\nC0DE-1\n", encoding="utf-8")
    do("import", "coupons", folder / "codes.csv", "--coupon", "recovery10", when="4h")
    broken = folder / "templates" / "cart-recovery"
    broken.mkdir(parents=True)
    (broken / "urgency.txt").write_text("{{ no_such_name }}", encoding="utf-8")
    monkeypatch.setenv("CARTCTL_TEMPLATES", str(folder / "templates"))
    do("run-due", when="24h")
    do("run-due", when="48h")
    return "".join(told)


def test_a_full_story_logs_no_address_and_no_key(story: str) -> None:
    seen = {json.loads(line)["event"] for line in story.splitlines()}
    assert seen == {"import", "problem", "detected", "message", "run-finished"}
    for word in (*PEOPLE, "example.com", "of-nobody", "BACK10", "C0DE", "Ben"):
        assert word not in story, word

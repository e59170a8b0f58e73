"""`cartctl status`, the textfile and the report: one shop, the same numbers."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update

from cartctl.store.database import EngineDatabase, open_database
from cartctl.store.tables import brakes, feeds, messages
from tests.jobs.engine import Engine, Provider
from tests.shop import Outcome, Shop, at, cart, iso, order

TEXTFILE = '\n[metrics]\ntextfile = "cartctl.prom"\n'


def metrics(folder: Path) -> dict[tuple[str, ...], float]:
    """Return {(name, value of each label in the order of their names …): value} of the textfile."""
    text = (folder / "cartctl.prom").read_text(encoding="utf-8")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: dict[tuple[str, ...], float], name: str) -> float:
    return sum(value for key, value in found.items() if key[0] == name)


def status(shop: Shop, when: str) -> Any:
    return shop.cli("status", "--json", "--at", iso(when)).json


def watched(shop: Shop, database_url: str) -> Shop:
    shop.configure(f'database = "{database_url}"\n{TEXTFILE}')
    return shop


def test_status_textfile_and_report_tell_the_same_numbers(any_shop: Shop, database_url: str) -> None:
    shop = watched(any_shop, database_url)
    shop.carts(
        cart("c-1"),
        cart("c-2", email="ben@example.com"),
        cart("c-3", email="cleo@example.com", channel="tiktok"),
        cart("c-4", email="dora@example.com", seen="47h"),
        when="5m",
    )
    shop.orders(order(placed="10m", cart_id="c-3"), when="20m")
    shop.run("30m")
    shop.orders(order("o-2", placed="2h", email="ben@example.com"), when="3h")
    shop.run("24h")
    shop.run("48h")
    database = open_database(database_url)
    with database.write() as connection:  # what became of them is another transport's doing
        connection.execute(update(messages).where(messages.c.id == 2).values(state="unknown"))
        connection.execute(update(messages).where(messages.c.id == 1).values(state="failed"))
    database.close()
    shop.run_once("48h5m")
    shown, told, report = status(shop, "48h5m"), metrics(shop.folder), shop.report("48h5m")
    by_step = {(row["sequence"], row["step"]): row["sent"] for row in report["by_step"]}
    assert shown["sent"]["total"] == total(told, "cartctl_messages_sent_total") == sum(by_step.values()) == 3
    for (sequence, step), sent in by_step.items():
        assert told["cartctl_messages_sent_total", "false", sequence, step] == sent
    assert shown["failed"] == total(told, "cartctl_messages_failed_total") == 1
    assert shown["unknown"] == total(told, "cartctl_messages_unknown") == 1
    assert shown["due"] == told["cartctl_messages_due",] == 0
    assert shown["oldest_due_seconds"] == told["cartctl_oldest_due_age_seconds",] == 0
    started = at("48h5m").timestamp()
    assert told["cartctl_last_run_timestamp_seconds",] == pytest.approx(started, abs=60)
    assert shown["last_run"]["started_at"].startswith("2026-03-04T10:05:")
    assert shown["last_run"]["seconds"] == told["cartctl_last_run_duration_seconds",]
    assert {name: shown["carts"][name] for name in ("carts", "abandoned", "recovered")} == {
        name: report[name] for name in ("carts", "abandoned", "recovered")
    }
    assert shown["carts"] == {"carts": 4, "abandoned": 3, "recovered": 1, "active": 0}


def test_what_is_due_is_counted_with_its_age(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", email="ben@example.com", seen="10m"), when="15m")
    shop.run_once("45m", "--limit", "1")
    shown = status(shop, "1h")
    assert (shown["due"], shown["oldest_due_at"], shown["oldest_due_seconds"]) == (1, iso("45m"), 15 * 60)
    shop.run("1h")
    assert status(shop, "1h")["due"] == 0


def test_a_message_that_waits_to_be_tried_again_is_due(db: EngineDatabase, tmp_path: Path) -> None:
    from cartctl.jobs import status as job
    from cartctl.mail.message import Unavailable

    engine = Engine(db, tmp_path, Provider(lambda _mail: Unavailable("no connection")))
    engine.carts(cart())
    engine.run("30m")
    assert engine.states == [("reminder", "scheduled", "no connection")]
    with db.read() as connection:
        assert job.figures(connection, now=at("30m")).due == 1
        assert job.figures(connection, now=at("30m")).oldest_due_at == at("30m")


def test_what_a_brake_holds_is_due_and_counted_as_held(any_shop: Shop, database_url: str) -> None:
    shop = watched(any_shop, database_url)
    shop.carts(cart(), cart("c-2", email="ben@example.com", seen="2h"), when="2h5m")
    shop.run("31m")
    shop.cli("pause", "--at", iso("2h"))
    assert run_due(shop, "--at", iso("3h")).exit_code == 1
    assert run_due(shop, "--at", iso("3h30m")).exit_code == 1
    shown, told = status(shop, "3h30m"), metrics(shop.folder)
    assert (shown["due"], shown["due_held"], shown["oldest_due_seconds"]) == (1, 1, 30 * 60)
    assert (told["cartctl_messages_due",], told["cartctl_messages_held",]) == (1, 1)
    assert told["cartctl_oldest_due_age_seconds",] == pytest.approx(30 * 60, abs=60)
    assert "due now       1, 1 of them held" in shop.cli("status", "--at", iso("3h")).out
    shop.cli("resume", "--at", iso("3h"))
    shown = status(shop, "3h")
    assert (shown["due"], shown["due_held"], shown["brakes"]) == (1, 0, [])


def test_today_begins_at_midnight_on_the_stores_own_clock(shop: Shop) -> None:
    shop.configure('[stores.main]\ntimezone = "Asia/Tokyo"\n')  # T0 is seven in the evening there
    shop.carts(cart(), when="5m")
    shop.run("30m")
    assert status(shop, "4h59m")["sent"] == {"today": 1, "last_7_days": 1, "total": 1}
    assert status(shop, "5h")["sent"] == {"today": 0, "last_7_days": 1, "total": 1}
    assert status(shop, "8d")["sent"] == {"today": 0, "last_7_days": 0, "total": 1}


def test_mails_of_the_outbox_stop_counting_once_mail_is_delivered(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    assert (status(shop, "1h")["sent"]["total"], status(shop, "1h")["includes_outbox"]) == (1, True)
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.invented")
    shop.configure('transport = "sendgrid"\n')
    assert (status(shop, "1h")["sent"]["total"], status(shop, "1h")["includes_outbox"]) == (0, False)


def test_test_mail_is_no_part_of_the_numbers(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    database = open_database(f"sqlite:///{shop.folder / 'cartctl.db'}")
    with database.write() as connection:
        connection.execute(update(messages).values(is_test=True))
    database.close()
    assert status(shop, "1h")["sent"] == {"today": 0, "last_7_days": 0, "total": 0}


def test_brakes_and_feeds_are_shown(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    database = open_database(f"sqlite:///{shop.folder / 'cartctl.db'}")
    with database.write() as connection:
        begun = {"since": at("1h"), "told_at": at("1h")}
        held = {"kind": "pause", "subject": "cart-recovery", "detail": "paused", "released_at": None, **begun}
        let_go = {"kind": "burst", "subject": "cart-recovery", "detail": "many", "released_at": at("1h"), **begun}
        warning = {"kind": "no-orders", "subject": "main/website", "detail": "none", "released_at": None, **begun}
        connection.execute(insert(brakes), [held, let_go, warning])
        rows = [
            {"store": "main", "channel": "website", "imported_at": at("1h"), "newest_order_at": at("30m")},
            {"store": "main", "channel": "tiktok", "imported_at": at("30m"), "newest_order_at": None},
        ]
        connection.execute(insert(feeds), rows)
    database.close()
    shown = status(shop, "2h")
    assert shown["brakes"] == [{"kind": "pause", "subject": "cart-recovery", "since": iso("1h"), "why": "paused"}]
    assert [(feed["channel"], feed["age_seconds"]) for feed in shown["order_feeds"]] == [
        ("tiktok", 90 * 60),
        ("website", 60 * 60),
    ]
    lines = shop.cli("status", "--at", iso("2h")).out.splitlines()
    assert "held          mail of cart-recovery since 2026-03-02 11:00 UTC (1h ago): paused" in lines
    assert sum(line.startswith("held") for line in lines) == 1
    assert "orders        main, website: 2026-03-02 11:00 UTC (1h ago)" in lines
    shop.configure(TEXTFILE)
    run_due(shop, "--at", iso("2h"))
    assert metrics(shop.folder)["cartctl_order_age_seconds", "website", "main"] == pytest.approx(3600, abs=60)


def test_people_read_lines(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", seen="3h", email="ben@example.com"), when="5m")
    shop.run("30m")
    assert shop.cli("status", "--at", iso("35m")).out.splitlines()[1:] == [
        "due now       0",
        "sent          1 today, 1 in 7 days, 1 in all (the outbox's are counted)",
        "failed        0",
        "unknown       0",
        "held          nothing",
        "orders        none were ever imported",
        "carts         2: 1 active now, 1 abandoned so far, 0 of these recovered",
    ]
    first = shop.cli("status", "--at", iso("35m")).out.splitlines()[0]
    assert first.startswith("last run      2026-03-02 10:30 UTC (")


def test_nothing_yet_is_shown_and_nothing_is_made(shop: Shop) -> None:
    (shop.folder / "cartctl.db").unlink(missing_ok=True)
    assert "run-due never ran" in shop.cli("status").out
    assert status(shop, "1h")["last_run"] is None
    assert not (shop.folder / "cartctl.db").exists()


def test_counters_never_go_back_when_a_message_is_settled(shop: Shop) -> None:
    shop.configure(TEXTFILE)
    shop.carts(cart(), when="5m")
    shop.run("30m")
    database = open_database(f"sqlite:///{shop.folder / 'cartctl.db'}")
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.id == 1).values(state="unknown"))
    database.close()
    shop.run_once("31m")
    before = metrics(shop.folder)
    shop.cli("messages", "resolve", "1", "--accepted", "--at", iso("32m"))
    shop.run_once("33m")
    after = metrics(shop.folder)
    assert (total(before, "cartctl_messages_unknown"), total(after, "cartctl_messages_unknown")) == (1, 0)
    assert (total(before, "cartctl_messages_sent_total"), total(after, "cartctl_messages_sent_total")) == (0, 1)


def run_due(shop: Shop, *options: str) -> Outcome:
    return shop.cli("run-due", *options, ok=False)


def test_the_textfile_is_replaced_in_one_step_and_leaves_nothing_beside_it(shop: Shop) -> None:
    shop.configure(TEXTFILE)
    path = shop.folder / "cartctl.prom"
    path.write_text("old\n", encoding="utf-8")
    held = path.open(encoding="utf-8")  # a reader that opened it before still sees the old one, whole
    with held:
        shop.run_once("1h")
        assert held.read() == "old\n"
    assert metrics(shop.folder)["cartctl_last_run_success",] == 1
    assert [path.name for path in shop.folder.glob("cartctl.prom*")] == ["cartctl.prom"]


def test_a_dry_run_writes_no_textfile(shop: Shop) -> None:
    shop.configure(TEXTFILE)
    assert run_due(shop, "--dry-run", "--at", iso("1h")).exit_code == 0
    assert not (shop.folder / "cartctl.prom").exists()


def test_a_textfile_that_cannot_be_written_is_one_line_and_no_fault_of_the_run(shop: Shop) -> None:
    shop.configure('[metrics]\ntextfile = "no/such/folder/cartctl.prom"\n')
    outcome = run_due(shop, "--at", iso("1h"))
    assert outcome.exit_code == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith("cartctl: metrics.textfile: ")
    assert line.endswith("cannot be written: No such file or directory")


def test_a_failed_run_writes_the_textfile_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.configure(TEXTFILE)
    shop.run_once("1h")
    monkeypatch.setenv("CARTCTL_FROM", "nobody")  # no sender: exit 2, before anything is sent
    assert run_due(shop, "--at", iso("2h")).exit_code == 2
    found = metrics(shop.folder)
    assert found["cartctl_last_run_success",] == 0
    assert found["cartctl_last_run_timestamp_seconds",] == pytest.approx(at("1h").timestamp(), abs=60)

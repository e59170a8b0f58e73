"""`cartctl doctor`: what it says of a shop at work: cron, orders, messages, files, the disk and the clock."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from sqlalchemy import insert, update

from cartctl.store import breakers
from cartctl.store.tables import brakes, coupons, feeds, messages
from tests.cli.doctoring import SENDGRID, look, now, opened, put, ran
from tests.shop import Shop, at, cart, iso, write_csv

pytestmark = pytest.mark.usefixtures("short_mail")


def test_cron_that_never_ran(shop: Shop) -> None:
    assert look(shop)["cron"][0] == "fail"


@pytest.mark.parametrize(
    ("minutes_ago", "level"),
    [((11, 6, 1), "ok"), ((25, 20, 14), "ok"), ((26, 21, 16), "fail"), ((240, 180, 100), "ok"), ((1000, 100), "ok")],
)
def test_a_run_is_late_after_three_times_its_usual_interval_and_a_quarter_of_an_hour(
    shop: Shop, minutes_ago: tuple[float, ...], level: str
) -> None:
    put(shop, ran(*minutes_ago))
    assert look(shop)["cron"][0] == level


def test_a_run_that_did_not_finish_is_named(shop: Shop) -> None:
    put(shop, ran(120, 80), ran(20, finished=False))
    level, told = look(shop)["cron"]
    assert level == "warn"
    assert "has not finished" in told


def test_a_rehearsal_is_no_cron(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run_once("1h")
    assert look(shop)["cron"] == ("ok", "a rehearsal is run by hand")
    assert look(shop)["rehearsal"][0] == "ok"
    assert look(shop, "--at", iso("5h"))["cron"][0] == "fail"
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure(SENDGRID)
    assert look(shop)["rehearsal"][0] == "fail"


def test_order_freshness(shop: Shop) -> None:
    shop.configure('[safety]\norders_max_age = "26h"\n')
    put(shop)
    assert look(shop)["orders"][0] == "warn"
    rows = [
        {"store": "main", "channel": "website", "imported_at": now() - timedelta(hours=30), "newest_order_at": None},
        {"store": "main", "channel": "tiktok", "imported_at": now() - timedelta(hours=1), "newest_order_at": None},
    ]
    put(shop, insert(feeds).values(rows))
    level, told = look(shop)["orders"]
    assert level == "fail"
    assert re.search(r"main \(website\) 1d6h(\d+m)? ago \(limit 1d2h\)", told)
    assert "tiktok" not in told
    for limit, level in (("31h", "ok"), ("29h", "fail"), ("0", "ok")):
        shop.configure(f'[safety]\norders_max_age = "{limit}"\n')
        assert look(shop)["orders"][0] == level
    shop.configure('[safety]\norders_max_age = "26h"\n')
    put(shop, update(feeds).values(newest_order_at=now() + timedelta(hours=2)))
    assert look(shop)["orders"][0] == "fail", "an order that is to come makes nothing fresh"
    put(shop, update(feeds).values(newest_order_at=now() - timedelta(hours=2)))
    assert look(shop)["orders"][0] == "ok"


def a_sent_mail(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")


def test_unknown_messages(shop: Shop) -> None:
    a_sent_mail(shop)
    assert look(shop)["unknown"][0] == "ok"
    put(shop, update(messages).where(messages.c.id == 1).values(state="unknown"))
    level, told = look(shop)["unknown"]
    assert level == "warn"
    assert told.startswith("1 may or may not have been sent: ")
    assert "cartctl messages resolve" in told


def test_expired_leases(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTCTL_TEMPLATES")
    a_sent_mail(shop)
    assert look(shop)["leases"][0] == "ok"
    put(shop, update(messages).where(messages.c.id == 2).values(state="claimed", lease_until=at("1h"), lease_token="t"))
    assert look(shop)["leases"][0] == "warn"
    assert look(shop, "--at", iso("59m"))["leases"][0] == "ok"


def test_messages_that_went_to_the_outbox_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    a_sent_mail(shop)
    assert look(shop)["outbox"][0] == "warn"
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure(SENDGRID)
    level, told = look(shop, "--at", iso("1h"))["outbox"]
    assert level == "warn"
    assert told.startswith("1 messages of the last 7 days only went to the outbox")
    assert look(shop, "--at", iso("8d"))["outbox"][0] == "ok"
    put(shop, update(messages).values(delivers=True))
    assert look(shop, "--at", iso("1h"))["outbox"][0] == "ok"


def test_brakes(shop: Shop) -> None:
    put(shop)
    assert look(shop)["brakes"][0] == "ok"
    begun = {"subject": "cart-recovery", "since": at("1h"), "told_at": at("1h"), "detail": "so it is"}
    put(
        shop,
        insert(brakes).values(kind="low-pool", released_at=None, **begun),
        insert(brakes).values(kind="burst", released_at=at("2h"), **begun),
    )
    assert look(shop)["brakes"] == ("ok", "nothing is held")
    put(shop, insert(brakes).values(kind="pause", **begun))
    assert look(shop)["brakes"] == ("warn", "mail of cart-recovery is held: so it is (since 2026-03-02 11:00 UTC)")


def test_a_failing_provider(shop: Shop) -> None:
    database = opened(shop)
    assert look(shop)["provider"][0] == "ok"
    with database.write() as connection:
        breakers.keep(connection, "outbox", failures=1, at=now())
    database.close()
    assert look(shop)["provider"][0] == "warn"


def test_coupons(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTCTL_TEMPLATES")
    assert look(shop)["coupons"][0] == "ok"
    shop.configure("[coupons]\n[coupon]\nwarn_below = 20\n")
    level, told = look(shop)["coupons"]
    assert level == "warn"
    assert "no code for recovery10" in told
    codes = [{"coupon": "recovery10", "code": f"C{number}", "imported_at": now()} for number in range(20)]
    put(shop, insert(coupons).values(codes))
    assert look(shop)["coupons"][0] == "ok"
    put(shop, update(coupons).where(coupons.c.code == "C1").values(expires_at=now() - timedelta(days=1)))
    level, told = look(shop)["coupons"]
    assert level == "warn"
    assert "recovery10 (19 left)" in told
    shop.configure("[coupons]\n[coupon]\nwarn_below = 19\n")
    assert look(shop)["coupons"][0] == "ok"


def test_rejected_rows_that_lie_about(shop: Shop) -> None:
    path = write_csv(shop.folder / "carts.csv", cart(updated_at="some day"), cart("c-2"))
    assert look(shop)["rejects"][0] == "ok"
    shop.cli("import", "carts", path, ok=False)
    level, told = look(shop)["rejects"]
    assert level == "warn"
    assert told.startswith("carts.rejects.csv: ")
    (shop.folder / "carts.rejects.csv").unlink()
    assert look(shop)["rejects"][0] == "ok"


def test_files_that_failed_in_a_drop_folder(shop: Shop) -> None:
    inbox = shop.folder / "inbox"
    inbox.mkdir()
    drop(inbox / "carts.csv", cart(), cart("c-2", updated_at="some day"))
    drop(inbox / "other.csv", {"no": "such", "export": "here"})
    shop.cli("import", "inbox", "inbox", ok=False)
    level, told = look(shop)["rejects"]
    assert level == "warn"
    assert told.startswith("inbox/done/carts.csv.rejects.csv and 1 more: ")
    for path in [*(inbox / "done").glob("*.rejects.*"), *(inbox / "failed").iterdir()]:
        path.unlink()
    assert look(shop)["rejects"][0] == "ok"


def drop(path: Path, *rows: dict[str, str]) -> None:
    """Drop a file that nobody has written to for a while."""
    write_csv(path, *rows)
    os.utime(path, (now().timestamp() - 600,) * 2)


@pytest.mark.parametrize(("free", "level"), [(50_000_000, "fail"), (500_000_000, "warn"), (50_000_000_000, "ok")])
def test_disk(shop: Shop, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: _Usage(free))
    assert look(shop)["disk"][0] == level


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_a_large_database_needs_more_room(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    put(shop)
    with (shop.folder / "cartctl.db").open("ab") as stream:
        stream.truncate(30_000_000_000)  # a hole: it takes no room
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: _Usage(50_000_000_000))
    assert look(shop)["disk"][0] == "warn"


def test_a_clock_that_shows_a_time_before_this_version_was_made(shop: Shop) -> None:
    with freeze_time("2020-01-01"):
        level, told = look(shop)["clock"]
    assert level == "fail"
    assert "2020-01-01" in told
    assert look(shop)["clock"][0] == "ok"


def test_a_run_that_is_to_come_shows_a_wrong_clock(shop: Shop) -> None:
    put(shop, ran(-60))
    level, told = look(shop)["clock"]
    assert level == "fail"
    assert "which is to come" in told


@pytest.mark.parametrize(("behind", "level"), [(0, "ok"), (2, "warn"), (30, "fail")])
def test_the_clock_is_compared_with_the_database_servers(
    shop: Shop, postgres_url: str, behind: int, level: str
) -> None:
    shop.configure(f'database = "{postgres_url}"\n')
    with freeze_time(datetime.now(UTC) + timedelta(minutes=behind), tick=True):
        found = look(shop)["clock"]
    assert found[0] == level
    assert ("the database server's" in found[1]) is True


def test_on_postgresql_all_lines_can_be_read(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    found = look(any_shop, "--at", iso("31m"))
    assert len(found) == 20
    assert [check for check, (level, _) in found.items() if level == "fail"] == ["store-hosts"]


def test_it_changes_nothing(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    before = (shop.folder / "cartctl.db").read_bytes()
    look(shop)
    assert (shop.folder / "cartctl.db").read_bytes() == before

"""`cartctl import tiktok` over days: webhooks and details in any order, and nobody who bought is written to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cartctl.importers.tiktok_signature import App, webhook_signature
from tests.cli.looking import carts, rows
from tests.importers.tiktok_records import (
    KEY,
    SECRET,
    cart_event,
    detail,
    jsonl,
    posted,
    seconds,
    signed,
    unit,
    webhook,
)
from tests.shop import Outcome, Shop, iso

RELAY = "v4bexample@scs2.tiktok.com"
ORDER = "5766536881"
WRITING = "[channels.tiktok]\nwrite_to_relay = true\n"

UNPAID = detail()
PAID_HOOK = webhook("AWAITING_SHIPMENT", when="2h", notification="7")
PAID = detail("AWAITING_SHIPMENT", updated="2h", paid_time=seconds("2h"))


def bring(shop: Shop, *records: Any, when: str, options: Sequence[str] = (), ok: bool = True) -> Outcome:
    """Import one dump."""
    number = len(list(shop.folder.glob("dump-*.jsonl"))) + 1
    path = shop.folder / f"dump-{number}.jsonl"
    path.write_text(jsonl(*records), encoding="utf-8")
    return shop.cli("import", "tiktok", path, "--json", "--at", iso(when), *options, ok=ok)


def orders(folder: Path) -> list[tuple[Any, ...]]:
    return rows(
        folder / "cartctl.db",
        "SELECT external_id, status, is_purchase, currency, total_minor, net_minor FROM orders ORDER BY external_id",
    )


def days(shop: Shop, *ticks: str) -> None:
    for tick in ticks or ("30m", "3h", "24h", "48h", "72h"):
        shop.run(tick)


# Carts


def test_an_unpaid_order_is_written_to_where_the_operator_says_so(any_shop: Shop) -> None:
    any_shop.configure((any_shop.folder / "cartctl.toml").read_text("utf-8").partition("\n[coupons]")[0] + WRITING)
    bring(any_shop, UNPAID, when="5m")
    days(any_shop)
    assert any_shop.sent == [(RELAY, "reminder", "0:30"), (RELAY, "urgency", "24:00"), (RELAY, "offer", "48:00")]
    assert "Blue mug" in any_shop.mails[0].part("plain")
    assert "£16.49" in any_shop.mails[0].part("plain")


def test_a_relay_address_is_unreachable_unless_the_operator_says_so(shop: Shop) -> None:
    bring(shop, UNPAID, when="5m")
    days(shop)
    assert shop.sent == []
    (channel,) = shop.report("72h")["by_channel"]
    assert (channel["channel"], channel["abandoned"]) == ("tiktok", 1)


def test_the_setting_taken_back_stops_what_is_scheduled(shop: Shop) -> None:
    shop.configure(WRITING)
    bring(shop, UNPAID, when="5m")
    days(shop, "30m")
    shop.configure("")
    assert shop.run("24h")["cancelled"] == {"relay-address": 1}
    days(shop, "48h")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


def test_a_cart_event_is_written_to_at_the_shopper_s_own_address(shop: Shop) -> None:
    bring(shop, cart_event(timestamp=seconds("0m")), when="5m")
    days(shop, "30m")
    assert shop.sent == [("anna@example.com", "reminder", "0:30")]


# Purchases, in any order


@pytest.mark.parametrize("first", ["webhook", "details"])
def test_a_payment_stops_the_mails(shop: Shop, first: str) -> None:
    shop.configure(WRITING)
    bring(shop, UNPAID, when="5m")
    days(shop, "30m")
    bring(shop, PAID_HOOK if first == "webhook" else PAID, when="3h")
    bring(shop, PAID if first == "webhook" else PAID_HOOK, when="4h")
    days(shop, "24h", "48h")
    assert [step for _, step, _ in shop.sent] == ["reminder"]
    assert orders(shop.folder) == [(ORDER, "awaiting_shipment", 1, "GBP", 1649, 1649)]
    assert carts(shop.folder / "cartctl.db")[ORDER] == (RELAY, "GBP", 1649, "recovered", ORDER)


def test_details_that_come_after_the_payment_open_no_cart(any_shop: Shop) -> None:
    any_shop.configure((any_shop.folder / "cartctl.toml").read_text("utf-8").partition("\n[coupons]")[0] + WRITING)
    bring(any_shop, webhook("UNPAID", when="0m"), PAID_HOOK, when="3h")
    result = bring(any_shop, UNPAID, when="4h").json
    assert (result["carts"]["created"], result["orders"]["carts_closed"]) == (1, 1)
    days(any_shop, "5h", "24h", "48h")
    assert any_shop.sent == []
    report = any_shop.report("72h")
    assert (report["abandoned"], report["recovered"]) == (1, 1)
    assert report["revenue"] == {"GBP": {"abandoned": "16.49", "recovered_gross": "16.49", "recovered_net": "16.49"}}


def test_an_order_bought_at_once_was_never_abandoned(shop: Shop) -> None:
    bring(shop, UNPAID, webhook("AWAITING_SHIPMENT", when="10m"), when="3h")
    assert carts(shop.folder / "cartctl.db")[ORDER][3] == "converted"


def test_a_cancelled_order_is_no_purchase(shop: Shop) -> None:
    bring(shop, webhook("CANCEL", when="2h"), webhook("AWAITING_SHIPMENT", order="8", when="1h"), when="3h")
    bring(shop, webhook("CANCEL", order="8", when="5h"), webhook(order="9", type=11), when="6h")
    assert [row[:3] for row in orders(shop.folder)] == [(ORDER, "cancelled", 0), ("8", "cancelled", 1)]
    assert [row[5] for row in orders(shop.folder)] == [0, 0]


def test_an_order_that_was_cancelled_unpaid_does_not_close_its_cart(shop: Shop) -> None:
    bring(shop, UNPAID, when="5m")
    shop.run("30m")
    bring(shop, detail("CANCELLED", updated="48h"), webhook("CANCEL", when="48h"), when="49h")
    assert carts(shop.folder / "cartctl.db")[ORDER][3] == "abandoned"


# Deliveries


def test_what_was_delivered_twice_is_counted(any_shop: Shop) -> None:
    first = bring(any_shop, PAID_HOOK, webhook("UNPAID", notification="6"), PAID_HOOK, when="3h").json
    assert (first["accepted"], first["ignored"], first["orders"]["duplicates"]) == (1, 2, 1)
    again = bring(any_shop, PAID_HOOK, webhook("IN_TRANSIT", when="9h", notification="8"), when="10h").json
    assert (again["orders"]["duplicates"], again["orders"]["updated"]) == (1, 1)
    whole = any_shop.cli("import", "tiktok", any_shop.folder / "dump-1.jsonl", "--again", "--json", "--at", iso("11h"))
    assert (whole.json["orders"]["duplicates"], whole.json["orders"]["updated"]) == (2, 0)


def test_the_same_notification_of_another_shop_is_another_one(shop: Shop) -> None:
    bring(shop, PAID_HOOK, when="3h", options=("--store", "one"))
    second = bring(shop, PAID_HOOK, PAID, when="3h", options=("--store", "two")).json
    assert (second["orders"]["created"], second["orders"]["duplicates"]) == (1, 0)


def test_the_same_file_changes_nothing(shop: Shop) -> None:
    bring(shop, UNPAID, PAID_HOOK, when="3h")
    again = bring(shop, UNPAID, PAID_HOOK, when="4h").json
    assert again["already_imported"]
    assert again["orders"]["duplicates"] == 0


def test_a_dump_for_another_command_is_refused(shop: Shop) -> None:
    bring(shop, UNPAID, when="1h")
    for kind in ("carts", "orders"):
        refused = shop.cli("import", kind, shop.folder / "dump-1.jsonl", ok=False)
        assert refused.exit_code == 2
        assert "`cartctl import tiktok" in refused.err


# Signatures


def signing(shop: Shop, text: str = "") -> None:
    shop.configure(f'[tiktok]\napp_key = "{KEY}"\napp_secret = "{SECRET}"\n{text}')


def test_with_both_credentials_what_is_not_signed_is_refused(shop: Shop) -> None:
    signing(shop)
    mixed = bring(shop, signed(PAID_HOOK), webhook("DELIVERED", order="8"), posted(PAID), when="3h", ok=False)
    assert mixed.exit_code == 1
    assert (mixed.json["accepted"], mixed.json["rejected"]) == (1, 2)
    assert [row[0] for row in orders(shop.folder)] == [ORDER]
    assert SECRET not in mixed.err + mixed.out


def test_no_verify_takes_it_and_reads_the_same_file_anew(shop: Shop) -> None:
    signing(shop)
    assert bring(shop, PAID_HOOK, when="3h", ok=False).exit_code == 1
    taken = shop.cli("import", "tiktok", shop.folder / "dump-1.jsonl", "--no-verify", "--json", "--at", iso("3h")).json
    assert (taken["already_imported"], taken["accepted"]) == (False, 1)


def test_details_are_taken_beside_signed_webhooks(shop: Shop) -> None:
    signing(shop, WRITING)
    bring(shop, UNPAID, when="5m", options=("--verify",))
    days(shop, "30m")
    bring(shop, signed(PAID_HOOK), when="3h")
    days(shop, "24h")
    assert [step for _, step, _ in shop.sent] == ["reminder"]


@pytest.mark.parametrize(
    ("text", "options", "named"),
    [
        ("", ["--verify"], "--verify"),
        (f'[tiktok]\napp_key = "{KEY}"\n', ["--verify"], "--verify"),
        (f'[tiktok]\napp_key = "{KEY}"\n', [], "[tiktok]"),
        (f'[tiktok]\napp_secret = "{SECRET}"\n', [], "[tiktok]"),
    ],
)
def test_signatures_need_both_credentials(shop: Shop, text: str, options: list[str], named: str) -> None:
    shop.configure(text)
    refused = bring(shop, signed(PAID_HOOK), when="3h", options=options, ok=False)
    assert refused.exit_code == 2
    assert refused.err.startswith(f"cartctl: {named}: ")
    assert "tiktok.app_key" in refused.err
    assert "tiktok.app_secret" in refused.err
    assert SECRET not in refused.err


def test_the_secret_may_come_from_the_environment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTCTL_TIKTOK__APP_KEY", "abcdef")
    monkeypatch.setenv("CARTCTL_TIKTOK__APP_SECRET", "123")
    body = jsonl(PAID_HOOK).strip()
    line = posted(body, authorization=webhook_signature(App("abcdef", "123"), body.encode()))
    assert bring(shop, line, when="3h", options=("--verify",)).json["accepted"] == 1


def test_a_rejected_line_can_be_mended_and_imported_as_it_is(shop: Shop) -> None:
    signing(shop)
    bring(shop, signed(webhook(order="")), signed(PAID_HOOK) | {"body": "{}"}, when="3h", ok=False)
    (rejects,) = shop.folder.glob("*.rejects.*")
    taken = shop.cli("import", "tiktok", rejects, "--no-verify", "--json", "--at", iso("3h"), ok=False).json
    assert (taken["rows"], taken["rejected"]) == (2, 2)


def test_many_pieces_are_one_line_of_the_cart(shop: Shop) -> None:
    bring(shop, detail(units=[unit(), unit(), unit("2", name="Tea", price="1.00")]), when="5m")
    assert rows(shop.folder / "cartctl.db", "SELECT sku, quantity, unit_price_minor FROM cart_items ORDER BY 1") == [
        ("1729", 2, 1250),
        ("2", 1, 100),
    ]

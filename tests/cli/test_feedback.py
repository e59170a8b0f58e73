"""`cartctl import events`, `import suppressions` and `import coupons`, and what they do to the mails that follow."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.looking import everything, rows
from tests.shop import Cli, Shop, at, cart, iso

pytestmark = pytest.mark.usefixtures("sqlite_url")

DATABASE = Path("cartctl.db")


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def events(*found: dict[str, Any], name: str = "events.json") -> Path:
    base = {"email": "anna@example.com", "timestamp": int(at("1h").timestamp()), "sg_event_id": "1"}
    return write(name, json.dumps([base | one for one in found]))


def test_a_hard_bounce_stops_the_mails(any_shop: Shop, cli: Cli) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    result = cli("import", "events", events({"event": "bounce", "type": "bounce"}), "--json", "--at", iso("2h")).json
    assert result == {
        "file": "events.json",
        "format": "sendgrid-events",
        "rows": 1,
        "accepted": 1,
        "ignored": 0,
        "rejected": 0,
        "ignored_because": {},
        "rejects_file": None,
        "already_imported": False,
        "events": {"created": 1, "updated": 0, "unchanged": 0, "settled": 0, "suppressed": 1, "unmatched": 1},
    }
    assert any_shop.run("24h")["sent"] == 0


@pytest.mark.parametrize("time", [float(at("1h").timestamp()), "soon"])
def test_a_refusal_stops_the_mails_whatever_its_time_looks_like(any_shop: Shop, cli: Cli, time: Any) -> None:
    any_shop.carts(cart(), when="5m")
    result = cli("import", "events", events({"event": "unsubscribe", "timestamp": time}), "--json", "--at", iso("10m"))
    assert (result.json["rejected"], result.json["events"]["suppressed"]) == (0, 1)
    assert ("timestamp: cannot be read" in result.err) is (time == "soon")
    assert any_shop.run("30m")["sent"] == 0


def test_a_soft_bounce_does_not(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    cli("import", "events", events({"event": "bounce", "type": "blocked"}), "--at", iso("2h"))
    assert shop.run("24h")["sent"] == 1


def test_a_suppressed_address_gets_nothing_for_a_later_cart_either(any_shop: Shop, cli: Cli) -> None:
    cli("import", "suppressions", write("list.csv", "E-Mail\nAnna@Example.com\n"), "--at", iso("0m"))
    any_shop.carts(cart(), cart("c-2", email="bela@example.com"), when="5m")
    result = any_shop.run_once("30m")
    assert (result["sent"], result["cancelled"]) == (1, {"suppressed": 1})
    assert [mail.to for mail in any_shop.mails] == ["bela@example.com"]


def test_an_address_is_not_readable_in_the_database(cli: Cli) -> None:
    cli("import", "suppressions", write("list.csv", "email,reason\nanna@example.com,wrote from bela@example.com\n"))
    cli("import", "events", events({"event": "spamreport"}))
    assert "example.com" not in "\n".join(everything(DATABASE))


@pytest.mark.parametrize(
    ("kind", "name", "text", "options", "counts"),
    [
        ("suppressions", "list.csv", "email\nanna@example.com\nanna@example.com\n", (), (1, 0, 1)),
        ("coupons", "codes.csv", "code\nA\nB\nA\n", ("--coupon", "recovery10"), (2, 0, 1)),
        (
            "events",
            "e.json",
            '[{"email":"a@example.com","timestamp":1772445600,"event":"open"}]',
            (),
            (1, 0, 0),
        ),
    ],
)
def test_the_same_file_again_changes_nothing(
    cli: Cli, kind: str, name: str, text: str, options: tuple[str, ...], counts: tuple[int, int, int]
) -> None:
    path = write(name, text)
    first = cli("import", kind, path, *options, "--json").json
    assert tuple(first[kind][count] for count in ("created", "updated", "unchanged")) == counts
    before = everything(DATABASE)
    assert "already imported" in cli("import", kind, path, *options).out
    second = cli("import", kind, path, *options, "--json").json
    assert (second["already_imported"], second[kind]["unchanged"]) == (True, sum(counts))
    assert everything(DATABASE) == before
    third = cli("import", kind, path, *options, "--again", "--json").json
    assert (third["already_imported"], third[kind]["created"]) == (False, 0)


def test_rejected_rows_are_kept_and_the_others_count(cli: Cli) -> None:
    outcome = cli("import", "suppressions", write("list.csv", "email\nnobody\nanna@example.com\n"), ok=False)
    assert outcome.exit_code == 1
    assert "1 of 2 rows rejected, see list.rejects.csv" in outcome.err
    assert rows(DATABASE, "SELECT count(*) FROM suppressions") == [(1,)]
    outcome = cli("import", "events", events({"event": "open"}, {"event": "open", "timestamp": "x"}), ok=False)
    assert outcome.exit_code == 1
    assert Path("events.rejects.jsonl").exists()


@pytest.mark.parametrize(
    ("kind", "name", "text", "message"),
    [
        ("events", "e.json", '{"id": 1, "line_items": []}', "no events: expected what"),
        ("events", "e.csv", "email\nanna@example.com\n", "no events: expected what"),
        ("suppressions", "s.json", '[{"email": "anna@example.com"}]', "suppressions are read from CSV"),
        ("suppressions", "s.csv", "name,city\nAnna,Berlin\n", "no column of addresses"),
        ("coupons", "c.json", '[{"code": "A"}]', "coupon codes are read from CSV"),
        ("coupons", "c.csv", "code\nA\n", "--coupon recovery10 says so"),
        ("coupons", "c.csv", "coupon\nA\n", 'column "code" is missing'),
    ],
)
def test_another_file_is_refused_and_changes_nothing(cli: Cli, kind: str, name: str, text: str, message: str) -> None:
    cli("db", "upgrade")
    before = everything(DATABASE)
    outcome = cli("import", kind, write(name, text), ok=False)
    assert outcome.exit_code == 2
    assert message in outcome.err
    assert everything(DATABASE) == before


def test_a_code_of_its_own_in_every_offer(any_shop: Shop, cli: Cli) -> None:
    any_shop.configure(f"{(any_shop.folder / 'cartctl.toml').read_text().partition('[coupons]')[0]}[coupons]\n")
    cli("import", "coupons", write("codes.csv", "code\nCODE-1\nCODE-2\n"), "--coupon", "recovery10", "--at", iso("0m"))
    any_shop.carts(cart(), cart("c-2", email="bela@example.com"), cart("c-3", email="cleo@example.com"), when="5m")
    for when in ("30m", "24h"):
        any_shop.run(when)
    outcome = cli("run-due", "--at", iso("48h"), ok=False)
    offers = [mail.part("plain") for mail in any_shop.mails if mail.step == "offer"]
    assert sorted(code for code in ("CODE-1", "CODE-2") for text in offers if code in text) == ["CODE-1", "CODE-2"]
    assert outcome.exit_code == 1
    assert 'coupon "recovery10": every imported code is taken' in outcome.err


def test_codes_that_no_step_asks_for_are_told_of_once(cli: Cli) -> None:
    outcome = cli("import", "coupons", write("codes.csv", "code\nA\nB\n"), "--coupon", "recovry10")
    assert outcome.err == ('cartctl: codes.csv: no step asks for the coupon "recovry10" (did you mean "recovery10"?)\n')


def test_an_expiry_without_offset_is_read_in_the_only_stores_zone(shop: Shop, cli: Cli) -> None:
    shop.configure('[stores.main]\ntimezone = "Europe/Berlin"\n')
    cli("import", "coupons", write("codes.csv", "coupon,code,expires\nrecovery10,A,2026-12-24\n"))
    assert rows(DATABASE, "SELECT datetime(expires_at / 1e6, 'unixepoch') FROM coupons") == [("2026-12-24 23:00:00",)]


def test_a_dry_run_takes_no_code(shop: Shop, cli: Cli) -> None:
    cli("import", "coupons", write("codes.csv", "code\nA\n"), "--coupon", "recovery10", "--at", iso("0m"))
    shop.carts(cart(), when="5m")
    for when in ("30m", "24h"):
        shop.run(when)
    cli("run-due", "--dry-run", "--at", iso("48h"))
    assert rows(DATABASE, "SELECT message_id FROM coupons") == [(None,)]

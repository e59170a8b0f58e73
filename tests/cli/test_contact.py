"""`cartctl contact`: what is held about a person, and that nothing is once they are forgotten."""

import io
import json
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from cartctl.store.database import EngineDatabase
from cartctl.store.tables import (
    alerts,
    brakes,
    coupons,
    events,
    intake,
    message_transitions,
    messages,
    metadata,
    mirrored,
)
from tests.cli.anna import ANNA, PHONE, annas
from tests.cli.looking import as_text, contents
from tests.shop import Shop, at, cart, iso, order

NOT_ABOUT_PEOPLE = {
    "marks": "keys of the database",
    "brakes": "kinds and names of sequences",
    "feeds": "stores and times",
    "imports": "files, not people; the name of one that holds an address is dealt with by `forget`",
    "runs": "counts",
}
"""Tables of which nothing is exported, and why."""
STAYS = {
    "contacts": {"id"},
    "carts": {
        *("id", "store", "external_id", "generation", "channel", "currency", "total_minor", "total_given", "is_empty"),
        *("created_at", "first_activity_at", "last_activity_at", "status", "abandoned_at", "first_abandoned_at"),
        *("detected_at", "awaits_enrollment", "recovered_at", "order_id", "credited", "erased"),
    },
    "cart_items": {
        *("cart_id", "position", "product_id", "sku", "name", "variant", "quantity", "unit_price_minor"),
        *("image_url", "product_url"),  # of these texts the ones that bear the name go
    },
    "cart_aliases": set[str](),
    "orders": {
        *("id", "store", "external_id", "channel", "cart_ref", "status", "is_purchase", "currency", "total_minor"),
        *("net_minor", "total_given", "coupon", "placed_at", "updated_at", "imported_at", "erased"),
    },
    "enrollments": {
        *("id", "sequence", "cart_id", "contact_id", "store", "status", "reason", "is_test", "enrolled_at"),
        *("resumed_at", "ended_at", "began_at", "segment", "arm"),
    },
    "alerts": {"enrollment_id", "segment", "attempts", "attempt_at", "done_at", "reason"},
    "mirrored": {"kind", "subject", "page_id", "fingerprint", "at"},  # until the page is out of Notion
    "messages": {
        *("id", "enrollment_id", "step", "contact_id", "state", "reason", "due_at", "attempt_at", "attempts"),
        *("lease_token", "lease_until", "transport", "delivers", "coupon", "sent_at", "first_sent_at", "is_test"),
    },
    "message_transitions": {"id", "message_id", "at", "from_state", "to_state", "reason"},
    "events": {"id", "content_hash", "source", "kind", "at", "message_id", "store", "subject", "scanner_score"},
    "coupons": {"id", "coupon", "code", "expires_at", "imported_at", "message_id"},
    "suppressions": {"id", "email_hash", "scope", "reason", "at"},
    "forgotten": {"email_hash", "at"},
    "intake": set[str](),
}
"""Of what is about a person: the columns that stay when they are forgotten, for they count or say how often."""
GOES = {
    "contacts": {
        *("email_normalised", "consent", "consent_at", "consent_source"),
        *("first_name", "business_name", "locale", "timezone", "attributes", "listed_at"),
    },
    "carts": {
        *("contact_id", "phone", "checkout_token", "cart_token", "first_name", "last_name", "locale", "timezone"),
        *("cart_url", "fingerprint"),
    },
    "cart_aliases": {"cart_id", "kind", "value"},
    "orders": {"contact_id", "phone", "checkout_token", "cart_token"},
    "messages": {"receipt"},
    "message_transitions": {"facts"},
    "events": {"detail"},
    "intake": {"id", "kind", "store", "body", "received_at"},
}


def live_through(shop: Shop, database: EngineDatabase) -> None:
    """Anna has an abandoned cart, a bought one and mails; so has Joanna, whose address ends like Anna's."""
    shop.carts(
        annas(product_name="Mug for Anna"),
        cart("j-1", email="joanna@example.com", first_name="Joanna", product_name="Mug"),
        cart("n-1", email="", phone=PHONE, product_name="Saucer"),
        when="5m",
    )
    shop.carts(annas(seen="6m", email="anna.old@example.com"), when="7m")
    shop.carts(annas(seen="7m", consent="yes"), annas(cart_id="c-2", cart_token="t-2", seen="1m"), when="8m")
    shop.run("40m")
    shop.orders(order(email=ANNA, phone=PHONE, cart_token="ni-9", coupon="C-9"), when="2h")
    shop.carts(annas(cart_id="c-3", seen="3h", cart_token="tal-3"), when="3h")
    shop.run("4h")
    shop.cli("suppress", "add", "other@example.com")
    with database.write() as connection:
        ids = list(connection.execute(select(messages.c.id).order_by(messages.c.id)).scalars())
        anna = connection.execute(text("SELECT id FROM contacts WHERE email_normalised = :a"), {"a": ANNA}).scalar_one()
        hers = connection.execute(select(messages.c.id).where(messages.c.contact_id == anna)).scalars().first()
        assert hers in ids
        row = {"source": "sendgrid", "at": at("5h"), "kind": "delivered"}
        connection.execute(insert(events).values(content_hash="1", message_id=hers, detail="to Anna's box", **row))
        connection.execute(insert(events).values(content_hash="2", store="main", subject="o-1", **row))
        connection.execute(
            insert(coupons).values(coupon="recovery10", code="U-1", imported_at=at("1h"), message_id=hers)
        )
        enrollment = connection.execute(select(messages.c.enrollment_id).where(messages.c.id == hers)).scalar_one()
        connection.execute(insert(alerts).values(enrollment_id=enrollment, segment="x", attempt_at=at("1h")))
        page = {"page_id": "p", "at": at("1h")}
        connection.execute(insert(mirrored).values(kind="contact", subject=str(enrollment), **page))
        connection.execute(insert(mirrored).values(kind="message", subject=str(hers), **page))
        body = json.dumps({"email": ANNA, "name": "Anna Zwickl"}).replace("@", "\\u0040").encode()
        connection.execute(insert(intake).values(kind="carts", store="main", body=body, received_at=at("4h")))
        theirs = message_transitions.c.message_id.in_(select(messages.c.id).where(messages.c.contact_id == anna))
        connection.execute(update(message_transitions).where(theirs).values(facts='{"zone": "Europe/Vienna"}'))
        connection.execute(
            insert(brakes).values(
                kind="burst", subject="x", since=at("1h"), told_at=at("1h"), detail=f"the last was {ANNA.upper()}"
            )
        )


def test_show_tells_in_short_and_without_the_address(any_shop: Shop, database: EngineDatabase) -> None:
    live_through(any_shop, database)
    shown = any_shop.cli("contact", "show", "Anna@Example.COM").out
    assert shown.splitlines() == [
        "a…@example.com: consent granted (carts:carts-3.csv, 2026-03-02T10:07:00+00:00)",
        "carts: 1 abandoned, 3 recovered",
        "orders: 1",
        "messages: 2 accepted, 1 cancelled, 1 scheduled",
    ]
    short = any_shop.cli("contact", "show", ANNA, "--json").json
    assert (short["email"], short["consent"], short["orders"]) == ("a…@example.com", "granted", 1)
    assert ANNA not in shown


def test_the_export_is_every_row_of_every_table_about_a_person(any_shop: Shop, database: EngineDatabase) -> None:
    live_through(any_shop, database)
    any_shop.cli("suppress", "add", ANNA, "--sequence", "cart-recovery", "--reason", "asked by telephone")
    export = any_shop.cli("contact", "export", ANNA).json
    assert export.pop("email") == ANNA
    assert "carts-1.csv" in export.pop("files")
    assert export.keys() | NOT_ABOUT_PEOPLE.keys() == metadata.tables.keys(), "a table is missing: export or excuse it"
    for name, rows in export.items():
        assert rows or name == "forgotten", f"nothing of {name} was looked at"
        assert all(set(row) == set(metadata.tables[name].c.keys()) for row in rows)
    assert {row["external_id"] for row in export["carts"]} == {"c-1", "c-2", "c-3", "n-1"}
    assert {alias["value"] for alias in export["cart_aliases"]} >= {"kao-1"} or export["cart_aliases"]
    assert "Joanna" not in str(export)
    assert [row["content_hash"] for row in export["events"]] == ["1", "2"]
    assert [row["kind"] for row in export["mirrored"]] == ["contact", "message"]


def test_every_column_about_a_person_is_known_to_go_or_to_stay() -> None:
    for name in metadata.tables.keys() - NOT_ABOUT_PEOPLE.keys():
        known = STAYS[name] | GOES.get(name, set())
        assert set(metadata.tables[name].c.keys()) == known, name


def test_forgetting_takes_what_is_personal_and_leaves_the_report(any_shop: Shop, database: EngineDatabase) -> None:
    live_through(any_shop, database)
    any_shop.cli("suppress", "add", ANNA)
    report = any_shop.report("5h")
    before = contents(database)
    export = any_shop.cli("contact", "export", ANNA).json
    outcome = any_shop.cli("contact", "forget", ANNA, "--yes", "--json", "--at", iso("5h"))
    assert outcome.json["already_forgotten"] is False
    assert (outcome.json["carts"], outcome.json["orders"], outcome.json["cancelled"]) == (4, 1, 0)
    assert any_shop.report("5h") == report
    after = contents(database)
    found = as_text(database).lower().replace("joanna@example.com", "joanna@")
    for word in (
        ANNA,
        "anna\\u0040",
        "zwickl",
        PHONE,
        "tal-3",
        "kao-1",
        "ni-9",
        "de_at",
        "vienna",
        "for anna",
        "anna's",
    ):
        assert word not in found, word
    assert "joanna@" in found
    for name in GOES.keys() - {"cart_aliases", "intake", "contacts"}:
        ids = {row["id"] for row in export[name]}
        rows = [row for row in after[name] if row["id"] in ids]
        assert len(rows) == len(ids)
        assert all(row[column] in (None, "") for row in rows for column in GOES[name])
    kept = [(name, row) for name, rows in before.items() for row in rows if name not in ("contacts", "brakes")]
    joannas = [row for name, row in kept if "joanna" in str(row).lower() or "j-1" in str(row)]
    assert all(any(row in rows for rows in after.values()) for row in joannas)
    assert len(after["suppressions"]) == len(before["suppressions"]), "their suppression stays"


def test_what_was_scheduled_is_called_off_and_nothing_is_sent_any_more(shop: Shop) -> None:
    shop.carts(annas(), when="5m")
    shop.run("30m")
    result = shop.cli("contact", "forget", ANNA, "--json", "--at", iso("1h")).json
    assert result["cancelled"] == 1
    story = shop.cli("messages", "show", "2", "--json").json
    assert (story["state"], story["reason"]) == ("cancelled", "forgotten")
    shop.run("24h")
    shop.run("48h")
    assert len(shop.sent) == 1


@pytest.mark.parametrize("rows", ["plain", "two sightings"])
def test_an_import_brings_nobody_back(any_shop: Shop, database: EngineDatabase, rows: str) -> None:
    more = {} if rows == "plain" else {"updated_at": iso("-1h"), "phone": "+4930999"}
    known = [annas(), *([annas(**more)] if more else [])]
    any_shop.carts(*known, when="5m")
    any_shop.orders(order(email=ANNA, phone=PHONE, checkout_token="kao-1"), when="2h")
    any_shop.run("3h")
    report = any_shop.report("3h")
    any_shop.cli("contact", "forget", ANNA, "--at", iso("4h"))
    erased = contents(database)
    for kind in ("carts", "orders"):
        again = any_shop.cli("import", kind, *Path().glob(f"{kind}-*.csv"), "--again", "--json", "--at", iso("5h")).json
        assert (again[kind]["created"], again[kind]["updated"]) == (0, 0)
    for name in ("contacts", "carts", "cart_items", "cart_aliases", "orders"):
        assert contents(database)[name] == erased[name]
    assert any_shop.report("5h") == report


@pytest.mark.parametrize("rows", ["plain", "two sightings"])
def test_what_they_do_later_counts_as_nobodys(any_shop: Shop, database: EngineDatabase, rows: str) -> None:
    any_shop.carts(annas(), cart("b-1", email="ben@example.com"), when="5m")
    any_shop.cli("contact", "forget", ANNA, "--at", iso("10m"))
    new = annas(cart_id="c-9", seen="1h", product_name="Cup for Anna", unit_price="10.00", email="ANNA@example.com")
    older, nameless = new | {"updated_at": iso("50m"), "phone": "+4930999", "consent": "yes"}, new | {"email": ""}
    any_shop.carts(
        new,
        *([older, nameless] if rows == "two sightings" else []),
        cart("b-2", seen="1h", email="ben@example.com"),
        when="1h",
    )
    any_shop.carts(annas(seen="1h", cart_id="c-1", unit_price="20.00"), when="1h10m")
    any_shop.orders(
        order("o-9", email=ANNA, phone=PHONE, cart_id="c-9", placed="2h", total="10.00"),
        order("o-8", email=ANNA, phone=PHONE, placed="2h", total="5.00"),
        when="2h",
    )
    found = as_text(database).lower()
    for word in (ANNA, "zwickl", PHONE, "+4930999", "kao-1", "tal-1", "for anna", "vienna"):
        assert word not in found, word
    hers = [row for row in contents(database)["carts"] if row["external_id"] in ("c-1", "c-9")]
    assert [(row["erased"], row["fingerprint"]) for row in hers] == [(True, "")] * 2
    assert any_shop.run("3h")["sent"] == 1
    assert [to for to, _, _ in any_shop.sent] == ["ben@example.com"]
    report = any_shop.report("4h")
    assert (report["carts"], report["abandoned"], report["recovered"]) == (4, 4, 1), "c-1, c-9, b-1, b-2; c-9 was named"
    assert report["revenue"]["EUR"]["recovered_gross"] == "10.00"
    assert report["revenue"]["EUR"]["abandoned"] == ("129.80" if rows == "plain" else "139.80")
    before = contents(database)
    for kind in ("carts", "orders"):
        for path in sorted(Path().glob(f"{kind}-*.csv")):
            any_shop.cli("import", kind, path, "--again", "--at", iso("5h"))
    after = contents(database)
    assert {name: after[name] for name in ("contacts", "carts", "orders", "cart_aliases")} == {
        name: before[name] for name in ("contacts", "carts", "orders", "cart_aliases")
    }
    assert any_shop.report("5h") == report


def test_ids_that_are_addresses_stay_the_same_carts(any_shop: Shop, database: EngineDatabase) -> None:
    row = annas(cart_id=f"{ANNA}-1")
    any_shop.carts(row, cart("j-1", email="joanna@example.com"), when="5m")
    any_shop.run("30m")
    any_shop.cli("contact", "forget", ANNA, "--at", iso("1h"))
    assert ANNA not in as_text(database).replace("joanna", "")
    again = any_shop.carts(row, annas(cart_id=f"{ANNA}-2"), when="2h").json["carts"]
    assert again == {"created": 1, "updated": 0, "unchanged": 1}
    assert ANNA not in as_text(database).replace("joanna", "")
    any_shop.orders(order(email=ANNA, cart_id=f"{ANNA}-2"), when="3h")
    assert any_shop.report("3h")["recovered"] == 1


@pytest.mark.parametrize("command", ["show", "export", "forget"])
def test_an_unknown_address_is_refused_with_the_nearest(shop: Shop, command: str) -> None:
    shop.carts(cart(), cart("c-2", email="ben@shop.example"), when="5m")
    outcome = shop.cli("contact", command, "ana@example.com", ok=False)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert outcome.err == "cartctl: no address a…@example.com: the nearest: a…@example.com (cart c-1)\n"


@pytest.mark.parametrize("text_", ["anna", "", "anna @example.com"])
def test_what_is_no_address_is_refused(shop: Shop, text_: str) -> None:
    outcome = shop.cli("contact", "show", text_, ok=False)
    assert (outcome.exit_code, outcome.err.startswith("cartctl: EMAIL: is ")) == (2, True)
    assert "example" not in outcome.err


class Terminal(io.StringIO):
    """A person at the keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "gone"), [("n\n", False), ("y\n", True)])
def test_on_a_terminal_it_asks_first(shop: Shop, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool) -> None:
    shop.carts(cart(), when="5m")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    outcome = shop.cli("contact", "forget", ANNA, ok=False)
    assert outcome.exit_code == (0 if gone else 1)
    assert ("forgotten since" in shop.cli("contact", "show", ANNA).out) is gone
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert shop.cli("contact", "forget", ANNA, "--yes").exit_code == 0


def test_a_telephone_that_two_share_stays_with_the_other(any_shop: Shop, database: EngineDatabase) -> None:
    bens, nobodys = cart("b-1", email="ben@example.com", phone=PHONE), cart("n-1", email="", phone=PHONE)
    any_shop.carts(annas(), bens, nobodys, when="5m")
    any_shop.cli("contact", "forget", ANNA)
    phones = {row["external_id"]: row["phone"] for row in contents(database)["carts"]}
    assert phones == {"c-1": None, "b-1": PHONE, "n-1": PHONE}
    any_shop.orders(order(phone=PHONE), when="2h")
    assert {row["status"] for row in contents(database)["carts"] if row["external_id"] == "b-1"} == {"recovered"}


def test_a_refund_after_forgetting_still_lowers_what_is_left(shop: Shop) -> None:
    shop.carts(annas(), when="5m")
    shop.run("30m")
    shop.orders(order(email=ANNA), when="2h")
    shop.cli("contact", "forget", ANNA, "--at", iso("3h"))
    shop.orders(order(email=ANNA, refunded="9.90"), when="4h")
    assert shop.report("5h")["revenue"]["EUR"] == {
        "abandoned": "49.90",
        "recovered_gross": "49.90",
        "recovered_net": "40.00",
    }

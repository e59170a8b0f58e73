"""What shops and providers post: who may, what becomes of it, and that a repetition changes nothing."""

import json
from typing import Any

import pytest

from cartctl.store import tables
from tests.importers.tiktok_records import webhook
from tests.shop import Shop, iso
from tests.web.posting import (
    API_KEY,
    OTHER_KEY,
    SETTINGS,
    a_cart,
    a_checkout,
    an_order,
    by_middleware,
    by_resend,
    by_sendgrid,
    by_shopify,
    by_tiktok,
    raw,
    resend_event,
    with_key,
)
from tests.web.site import Site, mailed, open_site

TRACK, TIKTOK = "/api/cart/track", "/api/cart/webhook/tiktok"
SHOPIFY, SENDGRID, RESEND = "/api/webhook/shopify", "/api/webhook/sendgrid", "/api/webhook/resend"
WAITS, APPLIED, NOTHING = ({"outcome": outcome} for outcome in ("waits", "applied", "nothing"))
REFUSAL = {"email": "anna@example.com", "event": "unsubscribe", "timestamp": 1772445600, "sg_event_id": "x"}


def post(site: Site, path: str, body: Any, headers: Any) -> Any:
    return site.client.post(path, content=raw(body), headers=headers)


@pytest.fixture
def open_shop(any_shop: Shop) -> Any:
    """A shop whose shopper Anna has her first mail, and which takes posts, at T0 + 1 h."""
    mailed(any_shop)
    with open_site(any_shop, SETTINGS) as site:
        site.now = "1h"
        yield site


@pytest.fixture
def small_shop(shop: Shop) -> Any:
    """The same on SQLite alone."""
    mailed(shop)
    with open_site(shop, SETTINGS) as site:
        site.now = "1h"
        yield site


def carts(site: Site) -> list[tuple[Any, ...]]:
    """(store, id, status) of every cart."""
    places = [list(tables.carts.c.keys()).index(name) for name in ("store", "external_id", "status")]
    return [tuple(row[place] for place in places) for row in site.tables["carts"]]


def test_a_tracked_cart_waits_for_the_next_run_which_sees_it(open_shop: Site) -> None:
    answer = post(open_shop, TRACK, a_cart(), with_key())
    assert (answer.status_code, answer.json()) == (200, WAITS)
    assert carts(open_shop) == [("main", "c-1", "abandoned")]
    ran = open_shop.shop.run("1h")
    assert ran["intake"] == {"applied": 1, "rejected": 0}
    assert (ran["detected"], ran["sent"]) == (1, 1)
    assert carts(open_shop) == [("main", "c-1", "abandoned"), ("main", "w-1", "abandoned")]
    assert open_shop.tables["intake"] == []
    assert ("bela@example.com", "reminder", "1:00") in open_shop.shop.sent


def test_a_cart_without_a_currency_is_in_the_stores(shop: Shop) -> None:
    mailed(shop)
    settings = SETTINGS.replace("[stores.main]\n", '[stores.main]\ncurrency = "EUR"\n')
    with open_site(shop, settings) as site:
        site.now = "1h"
        body = {key: value for key, value in a_cart().items() if key != "currency"}
        assert post(site, TRACK, body, with_key()).json() == WAITS
        assert site.shop.run("1h")["intake"] == {"applied": 1, "rejected": 0}
        assert ("main", "w-1", "abandoned") in carts(site)


def test_the_same_cart_again_changes_nothing(open_shop: Site) -> None:
    for _ in range(2):
        assert post(open_shop, TRACK, a_cart(), with_key()).status_code == 200
    open_shop.shop.run("1h")
    before = open_shop.tables
    assert post(open_shop, TRACK, a_cart(), with_key()).status_code == 200
    after = open_shop.shop.run_once("2h")
    assert (after["intake"], after["sent"]) == ({"applied": 1, "rejected": 0}, 0)
    assert {name: rows for name, rows in open_shop.tables.items() if name != "runs"} == {
        name: rows for name, rows in before.items() if name != "runs"
    }


def test_a_cart_without_a_time_is_as_it_was_when_it_came(small_shop: Site) -> None:
    untimed = {name: value for name, value in a_cart().items() if name != "updated_at"}
    assert post(small_shop, TRACK, [untimed], with_key()).json() == WAITS
    assert small_shop.shop.run_once("89m")["detected"] == 0
    assert small_shop.shop.run_once("90m")["detected"] == 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (a_cart(email="no address"), "email: "),
        (a_cart(items=[{"product_name": "Mug", "quantity": "many"}]), "quantity: "),
        (a_cart(items="mug"), "items: is no list"),
        (a_cart(items=[{"name": "Mug", "quantity": 1}]), "the body has an item with none of product_name, "),
        (a_cart(updated_at=iso("2h")), "updated_at: it lies in the future"),
        (a_cart(cart_id=""), "cart_id: "),
        (a_cart(currency="EURO"), "currency: "),
        (b"{", "the body is no JSON"),
        (b"[]", None),
        (b"5", "the body is no JSON object"),
        (b"", "the body is empty"),
        (b"\xff\xfe{}", "the body "),
        (b'{"cart_id": "a\\u0000"}', "the body holds a NUL"),
        (b"[" * 1000 + b"]" * 1000, "the body is nested deeper"),
    ],
)
def test_a_cart_that_cannot_be_read_is_refused_at_once(small_shop: Site, body: Any, error: str | None) -> None:
    answer = post(small_shop, TRACK, body, with_key())
    if error is None:
        assert (answer.status_code, answer.json()) == (200, NOTHING)
    else:
        assert answer.status_code == 422
        assert answer.json()["error"].startswith(error), answer.text
    assert small_shop.tables["intake"] == []


def test_a_key_names_its_store_and_touches_no_other(open_shop: Site) -> None:
    stolen = a_cart(cart_id="c-1", store="main", email="eve@example.com", items=[])
    assert post(open_shop, TRACK, stolen, with_key(OTHER_KEY)).status_code == 200
    before = [row for row in open_shop.tables["carts"] if row[1] == "main"]
    open_shop.shop.run_once("61m")
    assert [row for row in open_shop.tables["carts"] if row[1] == "main"] == before
    assert ("other", "c-1", "active") in carts(open_shop)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (with_key(), 200),
        (with_key(f"{API_KEY} of last year"), 200),
        ({"Authorization": f"bearer {API_KEY}"}, 200),
        ({}, 401),
        (with_key(""), 401),
        (with_key(API_KEY[:-1]), 401),
        (with_key(f"{API_KEY} "[1:]), 401),
        ({"Authorization": f"Basic {API_KEY}"}, 401),
        (with_key("ключ".encode().decode("latin-1")), 401),
        ({"Authorization": "Bearer"}, 401),
    ],
)
def test_only_a_stores_key_opens(small_shop: Site, headers: dict[str, str], status: int) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = post(small_shop, TRACK, a_cart(), encoded)
    assert answer.status_code == status
    assert API_KEY not in answer.text
    assert "access-control-allow-origin" not in answer.headers, "a key is for the shop's server, not for browsers"


@pytest.mark.parametrize("path", [TRACK, TIKTOK, SHOPIFY, SENDGRID, RESEND])
def test_what_is_not_set_up_takes_nothing(shop: Shop, path: str) -> None:
    mailed(shop)
    with open_site(shop) as site:
        answer = post(site, path, a_cart(), with_key())
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("not set up here: ")


def test_an_order_of_shopifys_stops_the_mails_at_once(open_shop: Site) -> None:
    body = an_order()
    answer = post(open_shop, SHOPIFY, body, by_shopify(body, "orders/create"))
    assert (answer.status_code, answer.json()) == (200, APPLIED)
    assert carts(open_shop) == [("main", "c-1", "recovered")]
    before = open_shop.tables
    assert post(open_shop, SHOPIFY, body, by_shopify(body, "orders/create")).json() == APPLIED
    assert open_shop.tables == before
    assert open_shop.shop.run_once("24h")["sent"] == 0


def test_a_checkout_of_shopifys_becomes_a_cart_and_its_completion_closes_it(open_shop: Site) -> None:
    body = a_checkout()
    assert post(open_shop, SHOPIFY, body, by_shopify(body, "checkouts/update")).json() == WAITS
    assert open_shop.shop.run_once("1h")["sent"] == 1
    done = a_checkout(completed_at=iso("61m"), updated_at=iso("61m"))
    assert post(open_shop, SHOPIFY, done, by_shopify(done, "checkouts/update")).json() == APPLIED
    assert ("main", "37107488451315", "recovered") in carts(open_shop)


def test_shopifys_posts_equal_an_import_of_the_same_documents(shop: Shop) -> None:
    """The endpoint reads with the importers of files: what it leaves behind is what a file would have left."""
    documents = [
        a_checkout(id=number, email=f"s{number}@example.com", token=f"t{number}", cart_token="")
        for number in range(1, 6)
    ]
    orders = [an_order(email="s3@example.com", checkout_id=3), an_order(id=7, email="s4@example.com", checkout_id=None)]
    found = []
    for by_post in (True, False):
        (shop.folder / "cartctl.db").unlink(missing_ok=True)
        shop.configure(SETTINGS)
        if by_post:
            with open_site(shop, SETTINGS) as site:
                for body in documents:
                    assert post(site, SHOPIFY, body, by_shopify(body, "checkouts/create")).json() == WAITS
                shop.run_once("2h")
                for body in orders:
                    assert post(site, SHOPIFY, body, by_shopify(body, "orders/paid")).json() == APPLIED
                everything = site.tables
        else:
            for kind, records in (("carts", documents), ("orders", orders)):
                path = shop.folder / f"{kind}.json"
                path.write_text(json.dumps(records))
                shop.cli("import", kind, path, "--store", "main", "--at", iso("2h"))
                if kind == "carts":
                    shop.run_once("2h")
            with open_site(shop, SETTINGS) as site:
                everything = site.tables
        # A position is a place in a file, or in a body; an id, when it came; detection reads the clock.
        items = [row[:1] + row[2:] for row in everything["cart_items"]]
        leave = ("contact_id", "order_id", "detected_at")
        names = list(tables.carts.c.keys())
        saved = [
            {name: value for name, value in zip(names, row, strict=True) if name not in leave}
            for row in everything["carts"]
        ]
        found.append((saved, items, everything["cart_aliases"], sorted(row[4:6] for row in everything["enrollments"])))
    for posted, imported in zip(*found, strict=True):
        assert posted == imported
    assert len(found[0][0]) == 5


@pytest.mark.parametrize(
    ("topic", "domain", "status"),
    [
        ("orders/create", "mugs.myshopify.com", 200),
        ("orders/create", "MUGS.myshopify.com", 200),
        ("orders/create", "other.myshopify.com", 200),
        ("orders/create", "third.myshopify.com", 401),
        ("orders/create", "", 401),
        ("orders/delete", "mugs.myshopify.com", 200),
        ("customers/redact", "mugs.myshopify.com", 200),
    ],
)
def test_a_shops_own_address_tells_whose_order_it_is(small_shop: Site, topic: str, domain: str, status: int) -> None:
    body = an_order()
    assert post(small_shop, SHOPIFY, body, by_shopify(body, topic, shop=domain)).status_code == status
    taken = topic == "orders/create" and status == 200
    assert [row[1] for row in small_shop.tables["orders"]] == (["other" if "other" in domain else "main"] * taken)


@pytest.mark.parametrize("path", [TIKTOK, SHOPIFY, SENDGRID, RESEND])
def test_what_is_unsigned_altered_or_signed_for_another_is_refused(small_shop: Site, path: str) -> None:
    body: Any = {TIKTOK: webhook(), SHOPIFY: an_order(), SENDGRID: [REFUSAL], RESEND: resend_event()}[path]
    headers = {
        TIKTOK: by_tiktok(body),
        SHOPIFY: by_shopify(body, "orders/create"),
        SENDGRID: by_sendgrid(body, when="1h"),
        RESEND: by_resend(body, when="1h"),
    }
    before = small_shop.tables
    answers = [post(small_shop, path, body, {})]
    answers += [post(small_shop, path, raw(body) + b" ", headers[path])]
    answers += [post(small_shop, path, body, {**theirs}) for name, theirs in headers.items() if name != path]
    for header in headers[path]:
        if "topic" in header.lower() or "domain" in header.lower():
            continue
        for wrong in ("", "x", "v1,", "=" * 400, "0"):
            answers.append(post(small_shop, path, body, headers[path] | {header: wrong}))
    assert {answer.status_code for answer in answers} == {401}
    assert small_shop.tables == before
    assert post(small_shop, path, body, headers[path]).status_code == 200


@pytest.mark.parametrize(
    ("path", "late", "early"), [(SENDGRID, "71m", "49m"), (RESEND, "66m", "54m"), (TIKTOK, "66m", "54m")]
)
def test_a_signature_that_is_too_old_is_refused(small_shop: Site, path: str, late: str, early: str) -> None:
    event = {"event_type": "cart_updated", "cart_data": {"cart_id": "t-1", "email": "b@example.com", "items": []}}
    body, headers = {
        SENDGRID: ([REFUSAL], by_sendgrid([REFUSAL], when="1h")),
        RESEND: (resend_event(), by_resend(resend_event(), when="1h")),
        TIKTOK: (event, by_middleware(event, when="1h")),
    }[path]
    for now, status in ((late, 401), (early, 401), ("1h", 200), ("64m", 200)):
        small_shop.now = now
        assert post(small_shop, path, body, headers).status_code == status, now


def test_tiktoks_order_closes_its_cart_and_a_cart_event_waits(open_shop: Site) -> None:
    body = webhook(when="1h", notification="n-1")
    assert post(open_shop, TIKTOK, body, by_tiktok(body)).json() == APPLIED
    before = open_shop.tables
    assert post(open_shop, TIKTOK, body, by_tiktok(body)).json() == APPLIED
    assert open_shop.tables == before
    event = {"event_type": "cart_updated", "cart_data": {"cart_id": "t-1", "email": "b@example.com", "items": []}}
    assert post(open_shop, TIKTOK, event, by_middleware(event, when="1h")).json() == WAITS
    assert open_shop.shop.run_once("61m")["intake"] == {"applied": 1, "rejected": 0}
    assert ("main", "t-1", "active") in carts(open_shop)
    for none_of_ours in (webhook(type=5), webhook() | {"shop_id": "1"}):
        answer = post(open_shop, TIKTOK, none_of_ours, by_tiktok(none_of_ours))
        assert answer.status_code == (422 if none_of_ours["shop_id"] == "1" else 200)


def test_an_unsubscription_at_sendgrids_counts_at_once(open_shop: Site) -> None:
    body = [REFUSAL, {**REFUSAL, "event": "open"}, {"event": "bounce", "timestamp": 5}]
    assert post(open_shop, SENDGRID, body, by_sendgrid(body, when="1h")).json() == APPLIED
    assert [row[3] for row in open_shop.tables["suppressions"]] == ["unsubscribed"]
    assert open_shop.shop.cli("run-due", "--at", iso("24h"), ok=False).exit_code == 1, "one event was rejected"
    assert [to for to, _, _ in open_shop.shop.sent] == ["anna@example.com"]
    (rejects,) = open_shop.shop.folder.glob("intake-*.rejects.jsonl")
    assert json.loads(rejects.read_text())["rejected_column"] == "email"


@pytest.mark.parametrize("text", [b"half \\ud800 a pair", b"a \\u0000 byte", b"1e999999999999999999999"])
def test_one_record_with_a_text_that_is_none_costs_no_other(open_shop: Site, text: bytes) -> None:
    """Providers repeat what shoppers have typed. The batch was signed: the one record is rejected, and named."""
    bad = b'{"email": "eve@example.com", "event": "unsubscribe", "timestamp": 1772445600, "url": %s}'
    bad = bad % (text if text.startswith(b"1e") else b'"%s"' % text)
    body = b"[%s, %s, %s]" % (bad, raw(REFUSAL), bad)
    assert post(open_shop, SENDGRID, body, by_sendgrid(body, when="1h")).json() == APPLIED
    assert [row[3] for row in open_shop.tables["suppressions"]] == ["unsubscribed"]
    ran = open_shop.shop.cli("run-due", "--at", iso("61m"), ok=False)
    assert ran.exit_code == 1
    assert "2 posted bodies rejected" in ran.err
    (rejects,) = open_shop.shop.folder.glob("intake-*.rejects.jsonl")
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert "eve@example.com" in json.dumps(line)
        assert any(word in line["rejected_reason"] for word in ("half a character", "NUL", "beyond measure"))


def test_a_signed_body_with_a_text_that_is_none_is_taken_and_rejected_by_the_next_run(small_shop: Site) -> None:
    """Shopify posts an order alone, and gives a webhook up that is refused again and again."""
    body = raw(an_order()).replace(b'"paid"', b'"paid", "note": "\\ud83d"')
    assert post(small_shop, SHOPIFY, body, by_shopify(body, "orders/create")).json() == WAITS
    hook = webhook(when="1h", notification="n\x00-1")
    assert post(small_shop, TIKTOK, hook, by_tiktok(hook)).json() == WAITS
    good = an_order(id=7)
    assert post(small_shop, SHOPIFY, good, by_shopify(good, "orders/create")).json() == APPLIED
    assert small_shop.shop.cli("run-due", "--at", iso("61m"), ok=False).exit_code == 1
    rejected = "".join(path.read_text() for path in small_shop.shop.folder.glob("intake-*.rejects.jsonl"))
    assert rejected.count('"rejected_reason"') == 2
    assert "half a character" in rejected


def test_a_cart_that_refuses_mail_counts_at_once(open_shop: Site) -> None:
    """Anna's next mail would be due before the next run has looked into the intake."""
    body = a_cart(cart_id="w-9", email="anna@example.com", consent="refused", updated_at=iso("59m"))
    for _ in range(2):
        assert post(open_shop, TRACK, body, with_key()).json() == APPLIED
        place = list(tables.contacts.c.keys()).index("consent")
        assert [row[place] for row in open_shop.tables["contacts"]] == ["refused"]
    assert open_shop.tables["intake"] == []
    assert open_shop.shop.run_once("24h")["sent"] == 0


def test_a_complaint_at_resends_counts_at_once(open_shop: Site) -> None:
    body = resend_event("email.complained")
    for _ in range(2):
        assert post(open_shop, RESEND, body, by_resend(body, when="1h")).json() == APPLIED
        assert [row[3] for row in open_shop.tables["suppressions"]] == ["spam-report"]
    assert open_shop.shop.run_once("24h")["sent"] == 0


def test_each_key_has_an_allowance_and_so_has_whoever_guesses(shop: Shop) -> None:
    settings = SETTINGS.replace("[web]", "[web]\nrate_limit = 3\nrate_limit_per_key = 5")
    mailed(shop)
    with open_site(shop, settings) as site:
        guesses = [post(site, TRACK, a_cart(), with_key(f"guess {n}")).status_code for n in range(5)]
        assert guesses == [401, 401, 401, 429, 429]
        taken = [post(site, TRACK, a_cart(), with_key()) for _ in range(6)]
        assert [answer.status_code for answer in taken] == [200] * 5 + [429]
        assert taken[-1].headers["retry-after"] == "13"
        assert post(site, TRACK, a_cart(), with_key(OTHER_KEY)).status_code == 200


def test_a_large_batch_of_events_is_taken_and_a_larger_cart_is_not(small_shop: Site) -> None:
    events = [{**REFUSAL, "sg_event_id": "x" * 700, "n": n} for n in range(900)]
    assert 700_000 < len(raw(events)) < 790_000
    assert post(small_shop, SENDGRID, events, by_sendgrid(events, when="1h")).status_code == 200
    assert post(small_shop, TRACK, a_cart(note="x" * 300_000), with_key()).status_code == 413
    assert post(small_shop, SENDGRID, b"x" * 1_100_000, by_sendgrid([], when="1h")).status_code == 413


def test_who_was_forgotten_does_not_come_back_by_a_post(open_shop: Site) -> None:
    body = an_order(checkout_id="c-9")
    assert post(open_shop, TRACK, a_cart(cart_id="c-9", email="anna@example.com"), with_key()).json() == WAITS
    open_shop.shop.cli("contact", "forget", "anna@example.com", "--yes", "--at", iso("61m"))
    assert open_shop.tables["intake"] == [], "what waits of her is gone, too"
    people = open_shop.tables["contacts"]
    assert post(open_shop, TRACK, a_cart(cart_id="c-9", email="anna@example.com"), with_key()).json() == WAITS
    assert post(open_shop, TRACK, a_cart(cart_id="c-1", email="anna@example.com"), with_key()).json() == WAITS
    assert post(open_shop, SHOPIFY, body, by_shopify(body, "orders/create")).json() == APPLIED
    open_shop.shop.run_once("62m")
    assert open_shop.tables["contacts"] == people
    assert "anna@example.com" not in str(open_shop.tables)


def test_orders_that_are_posted_make_their_feed_fresh(open_shop: Site) -> None:
    body = an_order()
    post(open_shop, SHOPIFY, body, by_shopify(body, "orders/create"))
    assert [row[:2] for row in open_shop.tables["feeds"]] == [("main", "website")]

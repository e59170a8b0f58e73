"""What was tried against the endpoint, and what it answered. The README's table "Attacked" names these tests."""

import asyncio
import base64
import json
import random
import re
import secrets
import string
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from cartctl.domain.destinations import Host, destination
from cartctl.mail.links import BadTokenError
from cartctl.web.limits import SlowBody
from tests.shop import Shop, iso
from tests.web.posting import (
    OTHER_KEY,
    SETTINGS,
    a_cart,
    an_order,
    by_resend,
    by_sendgrid,
    by_shopify,
    by_tiktok,
    raw,
    resend_event,
    with_key,
)
from tests.web.site import PHONE, Site, mailed, open_site

UNLIMITED = SETTINGS.replace("[web]", "[web]\nrate_limit = 0")
INJECTIONS = (
    "'; DROP TABLE carts; --",
    '" OR 1=1 --',
    "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "=cmd|'/c calc'!A1",
    "%s%n%x\r\nX-Injected: yes\r\n\r\n",
    "\u202e\u0007 a\u2028b",
)


@pytest.fixture
def target(shop: Shop) -> Any:
    """A shop whose shopper has a mail, with every endpoint set up."""
    mailed(shop)
    with open_site(shop, UNLIMITED) as site:
        yield site


def facts(site: Site) -> dict[str, Any]:
    return {name: rows for name, rows in site.tables.items() if name != "runs"}


def test_no_request_of_the_schema_makes_a_fault(target: Site) -> None:
    """Schemathesis makes requests from the description, right ones and wrong ones; none is answered with 5xx."""
    app: Any = target.client.app
    schema = schemathesis.openapi.from_dict(app.openapi())
    before = facts(target)
    statuses: set[int] = set()
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr] # or it fails
    assert len(operations) > 10
    for operation in operations:

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            request = case.as_transport_kwargs(base_url="http://testserver")
            body = request.get("data") or (json.dumps(request["json"]) if "json" in request else None)
            answer = target.client.request(
                request["method"],
                request["url"],
                headers={**dict(request.get("headers") or {}), **with_key()},
                params=request.get("params"),
                content=body if isinstance(body, str | bytes) else None,
            )
            statuses.add(answer.status_code)
            assert answer.status_code < 500, (request["method"], request["url"], answer.text)

        ask()
    assert statuses >= {200, 401, 404}
    assert {name: rows for name, rows in facts(target).items() if name != "intake"} == {
        name: rows for name, rows in before.items() if name != "intake"
    }


def test_ten_thousand_invented_tokens_lead_nowhere(target: Site) -> None:
    recover, _ = target.links()
    alphabet = string.ascii_letters + string.digits + "-_."
    chance = random.Random(5)
    before = facts(target)
    service: Any = target.client.app.state.service  # type: ignore[attr-defined] # Starlette's type knows no state
    now = service.clock()
    found = 0
    for _ in range(10_000):
        token = "".join(chance.choices(alphabet, k=len(recover) - 3))
        try:
            service.links.read("recover", token, now=now)
        except BadTokenError:
            continue
        found += 1
    for _ in range(200):
        assert target.client.get(f"/r/{secrets.token_urlsafe(30)}").status_code == 404
    assert found == 0
    assert facts(target) == before
    assert target.visits == []


def test_a_token_that_was_altered_anywhere_leads_nowhere(target: Site) -> None:
    recover, unsubscribe = target.links()
    before = facts(target)
    for link in (recover, unsubscribe):
        stem, token = link[:3], link[3:]
        for place in range(len(token)):
            for other in ("A", "b", "-", "~"):
                changed = f"{token[:place]}{other}{token[place + 1 :]}"
                # The last letter of base64 holds spare bits: another letter may be the same signature.
                if changed != token and place != len(token) - 1:
                    assert target.client.get(f"{stem}{changed}").status_code == 404, (place, other)
        for changed in (token[:-1], f"{token}.", f"{token}A", f".{token}", token.swapcase(), token[::-1]):
            assert target.client.post(f"/u/{changed}").status_code in (404, 405)
    assert facts(target) == before


def test_a_token_of_another_purpose_key_or_salt_leads_nowhere(target: Site) -> None:
    recover, unsubscribe = target.links()
    before = facts(target)
    assert target.client.get(f"/u/{recover[3:]}").status_code == 404
    assert target.client.post(f"/u/{recover[3:]}").status_code == 404
    assert target.client.get(f"/r/{unsubscribe[3:]}").status_code == 404
    for key in ("", "key", "secret", "changeme"):
        for salt in ("recover", "cartctl.recover", "itsdangerous"):
            forged = URLSafeTimedSerializer(key or "none", salt=salt).dumps(1)
            assert target.client.get(f"/r/{forged}").status_code == 404
    unsigned = base64.urlsafe_b64encode(b"1").decode().rstrip("=")
    for forged in (unsigned, f"{unsigned}..", f"{unsigned}.AAAA.AAAA", "1", "null", "0", "-1"):
        assert target.client.get(f"/r/{forged}").status_code == 404
    assert facts(target) == before


@pytest.mark.parametrize(
    "url",
    [
        "//evil.example/cart",
        "///evil.example",
        r"https:\\evil.example",
        r"https://shop.example.com\@evil.example",
        r"https://evil.example\shop.example.com",
        "https://shop.example.com@evil.example/",
        "https://shop.example.com:443@evil.example/",
        "https://evil.example#@shop.example.com",
        "https://evil.example?shop.example.com",
        "https://shop.example.com.evil.example/",
        "https://evilshop.example.com/",
        "https://ѕhop.example.com/",
        "https://shop。example。com.evil.example/",
        "https://shop.example.com\r\nLocation: https://evil.example",
        "https://shop.example.com%0d%0aLocation:evil",
        "https://shop.example.com:8443/",
        "http://shop.example.com/",
        "javascript:alert(1)//shop.example.com",
        "data:text/html,<script>alert(1)</script>",
        "https://[::ffff:1.2.3.4]/",
        "https://shop.example.com\t@evil.example/",
        "https:evil.example",
        "/\\evil.example",
    ],
)
def test_no_cart_leads_to_a_foreign_host(target: Site, url: str) -> None:
    """The address comes from an export or a post: whatever it holds, a browser stays at the shop or here."""
    body = a_cart(cart_url=url)
    answer = target.client.post("/api/cart/track", content=raw(body), headers=with_key())
    assert answer.status_code in (200, 422)
    found = destination(url, [Host.parse("shop.example.com")])
    if found is not None:
        assert found.startswith("https://shop.example.com/"), found
        assert not {"\r", "\n", "\t", "\\"} & set(found)
        assert "@" not in found.removeprefix("https://shop.example.com").partition("/")[0]


@given(st.text(max_size=60), st.sampled_from(["https://", "//", "https:\\", "https://shop.example.com", "javascript:"]))
@settings(max_examples=200, deadline=None)
def test_wherever_an_address_leads_it_is_the_shops(text: str, start: str) -> None:
    found = destination(start + text, [Host.parse("shop.example.com")])
    if found is not None:
        rest = found.removeprefix("https://shop.example.com")
        assert rest != found
        assert rest[:1] in ("", "/", "?", "#")
        assert found.isprintable()


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_injected_into_names_and_items_stays_a_text(shop: Shop, text: str) -> None:
    mailed(shop)
    with open_site(shop, UNLIMITED) as site:
        site.now = "1h"
        items = [{"product_name": f"Mug {text}", "sku": text, "variant": text, "unit_price": "5"}]
        body = a_cart(cart_id=f"w {text}", first_name=text, last_name=text, locale=text[:20], items=items, cart_url="")
        answer = site.client.post("/api/cart/track", content=raw(body), headers=with_key())
        assert answer.status_code in (200, 422), answer.text
        assert "x-injected" not in answer.headers
        ran = shop.cli("run-due", "--json", "--at", iso("1h"), ok=False)
        assert ran.exit_code in (0, 1), ran
        assert len(site.tables["carts"]) == 1 + ran.json["intake"]["applied"]
        for mail in shop.mails:
            html, plain = mail.part("html"), mail.part("plain")
            said = re.sub(r"https?://\S+", "", plain)  # a link's token may hold any digits
            assert "49" not in said.replace("49.90", "")
            assert "<script" not in html
            assert "onerror=" not in html.replace("onerror=alert(1)&gt;", "")
            if mail.to == "bela@example.com":
                page = site.client.get(site.links(to=mail.to)[0]).text
                assert "<script" not in page
                assert "<img src=x" not in page


def test_a_replayed_webhook_changes_nothing(target: Site) -> None:
    target.now = "1h"
    posts = [
        ("/api/webhook/shopify", an_order(), by_shopify(an_order(), "orders/create")),
        ("/api/webhook/resend", resend_event("email.complained"), None),
        ("/api/webhook/sendgrid", [{"email": "x@example.com", "event": "spamreport", "timestamp": 1772445600}], None),
    ]
    for path, body, headers in posts:
        signed = headers or (by_resend if "resend" in path else by_sendgrid)(body, when="1h")
        first = target.client.post(path, content=raw(body), headers=signed)
        after = target.tables
        for _ in range(3):
            again = target.client.post(path, content=raw(body), headers=signed)
            assert (
                (again.status_code, again.json()) == (first.status_code, first.json()) == (200, {"outcome": "applied"})
            )
        assert target.tables == after
    newer = an_order(updated_at=iso("3h"), cancelled_at=iso("3h"))
    target.client.post(posts[0][0], content=raw(newer), headers=by_shopify(newer, "orders/cancelled"))
    cancelled = target.tables["orders"]
    target.client.post(posts[0][0], content=raw(posts[0][1]), headers=posts[0][2])
    assert target.tables["orders"] == cancelled, "an older state does not return"


def test_a_signature_is_good_for_no_other_endpoint_store_or_shape(target: Site) -> None:
    target.now = "1h"
    order = an_order()
    before = facts(target)
    for body, headers, path in (
        (order, by_shopify(order, "orders/create"), "/api/cart/webhook/tiktok"),
        (order, by_tiktok(order), "/api/webhook/shopify"),
        (order, by_shopify(order, "orders/create", secret=OTHER_KEY), "/api/webhook/shopify"),
        (order, with_key(), "/api/webhook/shopify"),
        (order, with_key(), "/api/cart/analytics"),
        (order, by_shopify(order, "orders/create"), "/api/cart/track"),
    ):
        method = "GET" if path.endswith("analytics") else "POST"
        assert target.client.request(method, path, content=raw(body), headers=headers).status_code == 401
    assert facts(target) == before


def test_bodies_too_large_too_deep_or_that_lie_are_refused(target: Site) -> None:
    huge, deep = b"x" * 300_000, b'{"a":' * 5000 + b"1" + b"}" * 5000
    numbers = b'{"cart_id": 1, "updated_at": "2026-03-02T10:00:00Z", "total": 1e99999999}'
    for body, status in ((huge, 413), (deep, 422), (numbers, 422), (b'{"cart_id":"\xed\xa0\x80"}', 422)):
        answer = target.client.post("/api/cart/track", content=body, headers=with_key())
        assert answer.status_code == status, (body[:20], answer.text)
        assert len(answer.text) < 5000

    def pieces() -> Any:
        for _ in range(300):
            yield b"x" * 1024

    assert target.client.post("/api/cart/track", content=pieces(), headers=with_key()).status_code == 413
    assert target.tables["intake"] == []


def test_a_body_that_drips_is_given_up() -> None:
    answered: list[int] = []

    async def reads_all(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        answered.append(408)

    async def drips() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"{", "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/api/cart/track", "headers": PHONE}
    asyncio.run(SlowBody(reads_all, refuse=refuses, seconds=0.05)(scope, drips, None))  # type: ignore[arg-type] # nothing is sent
    assert answered == [408]

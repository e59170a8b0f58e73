"""Signing up over the endpoint: a form posts one contact, and is told what became of it."""

import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.nurture import ANNA, SEQUENCE, set_up
from tests.shop import Shop
from tests.web.posting import API_KEY, OTHER_KEY, SETTINGS
from tests.web.site import Site, open_site

PATH = "/api/enroll/check-up"
KEY = {"Authorization": f"Bearer {API_KEY}"}
SIGN_UP = {"email": ANNA, "first_name": "Anna", "business_name": "Mugs", "attributes": {"red": 2, "orange": "1"}}


@pytest.fixture
def site(any_shop: Shop) -> Iterator[Site]:
    set_up(any_shop, settings=SETTINGS)
    with open_site(any_shop, f'templates = "templates"\n{SETTINGS}') as opened:
        opened.now = "0m"
        yield opened


def post(site: Site, body: Any, path: str = PATH, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = site.client.post(path, content=content, headers=KEY if headers is None else headers)
    return answer.status_code, answer.json()


def test_a_sign_up_is_enrolled_once_and_written_to(site: Site) -> None:
    assert post(site, SIGN_UP) == (200, {"outcome": "enrolled", "segment": "critical"})
    assert post(site, SIGN_UP) == (200, {"outcome": "already", "segment": "critical"})
    assert site.shop.run_once("0m")["sent"] == 1
    assert site.shop.mails[0].to == ANNA


@pytest.mark.parametrize(
    ("change", "reason"), [({"consent": "no"}, "consent-refused"), ({"booking": "2026-12-01"}, "booked")]
)
def test_a_refusal_or_a_booking_that_is_posted_ends_it_at_once(site: Site, change: dict[str, str], reason: str) -> None:
    post(site, SIGN_UP)
    assert site.shop.run_once("0m")["sent"] == 1
    assert post(site, SIGN_UP | change) == (200, {"outcome": "already", "segment": "critical"})
    assert site.shop.cli("messages", "list", "--state", "cancelled", "--json").json[0]["reason"] == reason
    assert site.shop.run_once("300h")["sent"] == 0


def test_what_does_not_fit_is_answered_with_its_reason(site: Site) -> None:
    status, told = post(site, {"email": ANNA, "red": 9})
    assert (status, told["outcome"], told["error"]) == (422, "rejected", "red: 9 is more than 8")
    assert post(site, {"red": 1})[0] == 422
    assert post(site, [SIGN_UP])[0] == 422
    assert post(site, b"no json")[0] == 422
    assert post(site, SIGN_UP, "/api/enroll/cart-recovery")[0] == 404
    assert post(site, SIGN_UP, "/api/enroll/nothing")[0] == 404
    assert site.tables["enrollments"] == []


def test_a_key_or_a_signature_of_a_store_opens_and_nothing_else(site: Site) -> None:
    body = json.dumps(SIGN_UP).encode()
    signed = {"X-Cartctl-Signature": f"sha256={hmac.digest(OTHER_KEY.encode(), body, 'sha256').hex()}"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-Cartctl-Signature": "sha256=00"}):
        assert post(site, body, headers=headers)[0] == 401
    assert post(site, body + b" ", headers=signed)[0] == 401
    assert post(site, body, headers=signed) == (200, {"outcome": "enrolled", "segment": "critical"})


def test_without_a_key_nobody_signs_up(shop: Shop) -> None:
    set_up(shop, SEQUENCE)
    with open_site(shop, 'templates = "templates"\n') as opened:
        assert post(opened, SIGN_UP)[0] == 404


def test_the_links_of_a_mail_without_a_cart_lead_somewhere(site: Site) -> None:
    post(site, SIGN_UP)
    site.shop.run_once("0m")
    text = site.shop.mails[0].part("plain")
    unsubscribe = text[text.index("/u/") :].split()[0]
    page = site.client.get(unsubscribe)
    assert (page.status_code, "a…@example.com" in page.text) == (200, True)
    assert site.client.post(unsubscribe).status_code == 200
    assert post(site, SIGN_UP) == (200, {"outcome": "already", "segment": "critical"})
    assert site.shop.cli("messages", "list", "--state", "cancelled", "--json").json[0]["reason"] == "suppressed"
    recover = site.client.get(unsubscribe.replace("/u/", "/r/"), follow_redirects=False)
    assert recover.status_code == 404  # a token of another kind

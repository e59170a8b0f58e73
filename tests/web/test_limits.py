"""How much anybody may ask, and who that is behind proxies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.web.limits import Allowance, Clients, allowance_key
from tests.shop import Shop
from tests.web.site import STORE, mailed, open_site


def test_an_address_has_its_requests_a_minute(shop: Shop) -> None:
    mailed(shop)
    with open_site(shop, "[web]\nrate_limit = 3\n" + STORE) as site:
        statuses = [site.client.get("/healthz").status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        refused = site.client.get("/r/x")
        assert refused.headers["retry-after"] == "20"
        assert "minute" in refused.text
        site.seconds = 20.0
        assert site.client.get("/healthz").status_code == 200
        assert site.client.get("/healthz").status_code == 429


GARBAGE = ["/u/altered", "/u/", "/u/a/b", "/api/webhook/nobody", "/api/cart/webhook/nobody", "/api/webhook/resend"]


@pytest.mark.parametrize("path", GARBAGE)
def test_posts_that_are_nobodys_are_counted_as_any_request(shop: Shop, path: str) -> None:
    mailed(shop)
    with open_site(shop, "[web]\nrate_limit = 3\n" + STORE) as site:
        answers = [site.client.post(path, data={"a": "b"}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429, 429]
        assert answers[-1].headers["retry-after"] in ("20", "21")
        assert site.client.get("/healthz").status_code == 429, "it is one allowance"
        assert site.client.post(site.links()[1]).status_code == 200, "whoever has a right link is let through"


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 20))
def test_nobody_gets_more_than_the_allowance_and_a_minutes_share(pauses: list[float], per_minute: int) -> None:
    now = 0.0
    allowance = Allowance(per_minute, lambda: now)
    granted = 0
    for pause in pauses:
        now += pause
        granted += allowance.wait("somebody") == 0
    assert granted <= per_minute + now * per_minute / 60 + 1e-6


def test_waiting_as_long_as_one_is_told_is_enough() -> None:
    now = 0.0
    allowance = Allowance(2, lambda: now)
    assert [allowance.wait("a") for _ in range(2)] == [0, 0]
    wait = allowance.wait("a")
    assert wait == pytest.approx(30)
    assert allowance.wait("b") == 0, "everybody has an allowance of their own"
    now += wait + 0.001
    assert allowance.wait("a") == 0


def test_what_is_remembered_is_bounded() -> None:
    allowance = Allowance(1, lambda: 0.0)
    for number in range(60_000):
        allowance.wait(number)
    assert len(allowance._buckets) == 50_000


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # nobody's proxy: what it says counts for nothing
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.7, 198.51.100.1", "198.51.100.1"),  # the first is what the client itself has written
        ("10.0.0.1", "198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.8, 10.0.0.7", "10.0.0.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        (None, "198.51.100.1", ""),
    ],
)
def test_whose_request_it_is(peer: str | None, forwarded: str | None, client: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope: dict[str, Any] = {"type": "http", "client": (peer, 1) if peer else None, "headers": headers}
    assert Clients(["10.0.0.0/8"], []).address(scope) == client


def test_an_ipv6_network_shares_one_allowance() -> None:
    assert allowance_key("2001:db8:1:2:3:4:5:6") == allowance_key("2001:db8:1:2::9")
    assert allowance_key("2001:db8:1:2::9") != allowance_key("2001:db8:1:3::9")
    assert allowance_key("::ffff:192.0.2.1") == allowance_key("192.0.2.1") == "192.0.2.1"
    assert allowance_key("") == ""

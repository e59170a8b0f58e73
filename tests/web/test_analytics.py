"""The report over the network."""

import pytest

from tests.shop import Shop
from tests.web.posting import API_KEY, REPORT_KEY, SETTINGS, with_key
from tests.web.site import Site, mailed, open_site


def test_the_report_is_the_one_of_the_command(shop: Shop) -> None:
    mailed(shop)
    with open_site(shop, SETTINGS) as site:
        answer = site.client.get("/api/cart/analytics", headers=with_key(REPORT_KEY))
        assert answer.status_code == 200
        assert answer.json() == shop.report("1d")
        since = site.client.get("/api/cart/analytics?since=2026-03-03&until=2026-04-01", headers=with_key(REPORT_KEY))
        assert since.json() == shop.report("1d", "--since", "2026-03-03", "--until", "2026-04-01")
        stats = site.client.get("/api/cart/stats", headers=with_key(REPORT_KEY)).json()
        assert (stats["carts"], stats["abandoned"], stats["recovered"]) == (1, 1, 0)
        assert stats["since"] == "2026-02-01T10:00:00+00:00"
        assert "by_step" not in stats


def test_a_report_is_kept_for_a_few_seconds(shop: Shop) -> None:
    mailed(shop)
    with open_site(shop, SETTINGS) as site:

        def carts() -> int:
            found: int = site.client.get("/api/cart/stats", headers=with_key(REPORT_KEY)).json()["carts"]
            return found

        assert carts() == 1
        (shop.folder / "more.csv").write_text("cart_id,updated_at,email\nc-9,2026-03-02T10:00:00Z,z@example.com\n")
        shop.cli("import", "carts", shop.folder / "more.csv", "--store", "main", "--at", "2026-03-03T10:00:00Z")
        assert carts() == 1
        site.seconds = 11.0
        assert carts() == 1, "a cart without anything in it does not count"


@pytest.mark.parametrize("path", ["/api/cart/analytics", "/api/cart/stats"])
def test_the_report_needs_its_key(site: Site, shop: Shop, path: str) -> None:
    assert site.client.get(path, headers=with_key(REPORT_KEY)).status_code == 404, "no key is set up"
    with open_site(shop, SETTINGS) as other:
        for headers in ({}, with_key("x"), with_key(API_KEY), {"Authorization": REPORT_KEY}):
            assert other.client.get(path, headers=headers).status_code == 401
        for query in (
            "since=soon",
            "until=2026-13-45",
            "since=1",
            "since=0001-01-01",
            "until=9999-12-31",
            "since=2026-03-01T10:00:00",
        ):
            assert other.client.get(f"{path}?{query}", headers=with_key(REPORT_KEY)).status_code == 422


def test_weeks_are_those_of_the_shop(shop: Shop) -> None:
    shop.configure('timezone = "Pacific/Auckland"\n')
    mailed(shop)
    with open_site(shop, f'timezone = "Pacific/Auckland"\n{SETTINGS}') as site:
        site.now = "145h"  # a Monday there, and a Sunday in Greenwich
        answer = site.client.get("/api/cart/stats?since=1w&until=0w", headers=with_key(REPORT_KEY)).json()
        assert (answer["since"], answer["until"]) == ("2026-03-02", "2026-03-09")

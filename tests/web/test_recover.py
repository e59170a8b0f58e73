"""The recovery link: where it leads, what it leaves behind, and all that it does not do."""

import secrets

import pytest

from tests.shop import Shop, cart, order
from tests.web.site import CART_URL, STORE, Site, mailed, open_site

UTM = "utm_source=cartctl&utm_medium=email&utm_campaign=cart-recovery&utm_content"


def test_a_click_leads_to_the_shops_own_cart(any_site: Site) -> None:
    recover, _ = any_site.links()
    answer = any_site.client.get(recover)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{CART_URL}&{UTM}=reminder"
    assert any_site.visits == [("click", 0)]


def test_the_other_address_is_the_same_link(site: Site) -> None:
    recover, _ = site.links()
    answer = site.client.get(recover.replace("/r/", "/api/cart/recover/"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{CART_URL}&{UTM}=reminder")
    assert site.visits == [("click", 0)]


@pytest.mark.parametrize(
    ("discount", "shown"),
    [("shopify", "&discount=BACK10"), ("woocommerce", "&coupon_code=BACK10"), ("voucher", "&voucher=BACK10"), ("", "")],
)
def test_the_offers_code_goes_along_in_the_shops_form(shop: Shop, discount: str, shown: str) -> None:
    mailed(shop, step="offer")
    settings = f'{STORE}discount = "{discount}"\n' if discount else STORE
    with open_site(shop, settings) as site:
        site.now = "49h"
        assert site.client.get(site.links("offer")[0]).headers["location"] == f"{CART_URL}&{UTM}=offer{shown}"
        assert site.client.get(site.links("urgency")[0]).headers["location"] == f"{CART_URL}&{UTM}=urgency"


def test_the_promised_code_wins_over_one_in_the_carts_address(shop: Shop) -> None:
    mailed(shop, step="offer", cart_url="https://shop.example.com/?discount=OLD&key=a%2Fb#cart")
    with open_site(shop, f'{STORE}discount = "shopify"\n') as site:
        site.now = "49h"
        location = site.client.get(site.links("offer")[0]).headers["location"]
    assert location == f"https://shop.example.com/?key=a%2Fb&{UTM}=offer&discount=BACK10#cart"


@pytest.mark.parametrize(
    "url", ["", "https://evil.example/cart", "https://evil.example/shop.example.com", "http://shop.example.com/cart"]
)
def test_without_an_address_of_the_shop_the_cart_is_shown_here(shop: Shop, url: str) -> None:
    mailed(
        shop,
        cart_url=url,
        product_name="Blue mug",
        variant="large",
        quantity="2",
        image_url="https://shop.example.com/mug.jpg",
        product_url="https://evil.example/mug",
    )
    with open_site(shop) as site:
        answer = site.client.get(site.links()[0])
        assert answer.status_code == 200
        for text in ("Blue mug", "large", "2 × €49.90", "€99.80", 'src="https://shop.example.com/mug.jpg"'):
            assert text in answer.text
        assert f'href="https://shop.example.com?{UTM.replace("&", "&amp;")}=reminder"' in answer.text
        assert "evil.example" not in answer.text
        assert "anna" not in answer.text.lower()
        assert site.visits == [("click", 0)]


def test_pictures_of_other_hosts_are_left_out(shop: Shop) -> None:
    mailed(shop, cart_url="", image_url="https://pictures.example.net/mug.jpg")
    with open_site(shop) as site:
        answer = site.client.get(site.links()[0])
    assert "pictures.example.net" not in answer.text + answer.headers["content-security-policy"]
    assert "img-src https://shop.example.com;" in answer.headers["content-security-policy"]


def test_the_code_is_shown_where_the_cart_is(shop: Shop) -> None:
    mailed(shop, step="offer", cart_url="")
    with open_site(shop, f'{STORE}discount = "shopify"\n') as site:
        site.now = "49h"
        page = site.client.get(site.links("offer")[0]).text
    assert '<strong class="code">BACK10</strong>' in page
    assert "discount=BACK10" in page


def test_who_has_bought_is_told_so(any_shop: Shop) -> None:
    mailed(any_shop)
    any_shop.orders(order(email="anna@example.com", placed="2h"), when="3h")
    with open_site(any_shop) as site:
        answer = site.client.get(site.links()[0])
        assert answer.status_code == 200
        assert "you have bought this" in answer.text
        assert 'href="https://shop.example.com"' in answer.text
        assert site.visits == [("click", 0)]


def test_a_link_works_for_thirty_days_and_again_and_again(site: Site) -> None:
    recover, _ = site.links()
    for when in ("1h", "2h", "29d", "30d"):
        site.now = when
        assert site.client.get(recover).status_code == 303
    assert [kind for kind, _ in site.visits] == ["click"] * 4


def test_an_expired_link_is_gone_and_helps(site: Site) -> None:
    recover, _ = site.links()
    site.now = "31d"
    answer = site.client.get(recover)
    assert answer.status_code == 410
    assert "expired" in answer.text
    assert 'href="https://shop.example.com"' in answer.text
    assert "mug" not in answer.text.lower().replace("mugs &amp; more", "")
    assert site.visits == []


def test_what_is_no_link_of_ours_all_looks_the_same(site: Site) -> None:
    recover, unsubscribe = site.links()
    token = recover.removeprefix("/r/")
    message_id, signed_at, signature = token.split(".")
    tried = [
        "x",
        "0",
        f"{message_id}.{signed_at}",
        f"{int(message_id) + 1}.{signed_at}.{signature}",
        f"{message_id}.{signed_at}.{signature[:-4]}AAAA",
        unsubscribe.removeprefix("/u/"),
        "%00",
        "%F0%9F%98%80",
        "a" * 4000,
    ]
    answers = {(answer.status_code, answer.text) for answer in (site.client.get(f"/r/{each}") for each in tried)}
    assert len(answers) == 1
    ((status, page),) = answers
    assert status == 404
    assert "leads nowhere" in page
    assert site.visits == []


def test_ten_thousand_random_tokens_find_nothing(shop: Shop) -> None:
    mailed(shop)
    with open_site(shop, "[web]\nrate_limit = 0\n" + STORE) as site:
        service = site.client.app.state.service  # type: ignore[attr-defined] # FastAPI's own place for it
        read = service.links.read
        for number in range(10_000):
            token = f"{number % 50}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(32)}"
            with pytest.raises(ValueError, match="no such link"):
                read("recover", token, now=service.clock())
        statuses = {site.client.get(f"/r/{secrets.token_urlsafe(40)}").status_code for _ in range(200)}
    assert statuses == {404}


def test_a_message_that_is_gone_is_no_link_either(site: Site) -> None:
    service = site.client.app.state.service  # type: ignore[attr-defined]
    token = service.links.token("recover", 999, now=service.clock())
    assert site.client.get(f"/r/{token}").status_code == 404
    assert site.visits == []


def test_head_answers_and_leaves_no_click(site: Site) -> None:
    recover, unsubscribe = site.links()
    answer = site.client.head(recover)
    assert (answer.status_code, answer.text) == (303, "")
    assert answer.headers["location"].startswith(CART_URL)
    site.now = "25h"
    assert site.client.head(unsubscribe).status_code == 200
    assert site.visits == [("probe", 100), ("probe", 100)]


def test_no_get_changes_anything_but_events(any_shop: Shop) -> None:
    """A cart, an enrollment, a subscription: whatever is followed, by whomever, all of it stays as it is."""
    mailed(any_shop)
    any_shop.carts(cart("c-2", email="bela@example.com", seen="1d"), when="24h")
    with open_site(any_shop) as site:
        recover, unsubscribe = site.links()
        before = site.tables
        for path in (recover, unsubscribe, recover.replace("/r/", "/u/"), "/healthz", "/readyz", "/", "/r/x"):
            for method in ("GET", "HEAD"):
                for query in ("", "?List-Unsubscribe=One-Click", "?action=undo&extent=all"):
                    site.client.request(method, path + query, headers={"X-HTTP-Method-Override": "POST"})
            assert site.tables == before, path
        site.now = "40d"
        site.client.get(recover)
        site.client.get(unsubscribe)
        assert site.tables == before
        assert len(site.visits) == 13


@pytest.mark.parametrize(
    ("headers", "when", "score"),
    [
        ({}, "1d", 0),
        ({"User-Agent": "Mozilla/5.0 Barracuda"}, "1d", 100),
        ({"Sec-Purpose": "prefetch"}, "1d", 60),
        ({"X-Moz": "prefetch"}, "1d", 60),
        ({"Accept-Language": ""}, "1d", 30),
        ({}, "30m8s", 50),
        ({}, "31m", 25),
    ],
)
def test_a_click_bears_its_score(shop: Shop, headers: dict[str, str], when: str, score: int) -> None:
    mailed(shop)
    with open_site(shop) as site:
        site.now = when
        site.client.get(site.links()[0], headers=headers)
        assert site.visits == [("click", score)]


def test_a_scanner_that_the_shop_knows_is_one(shop: Shop) -> None:
    mailed(shop)
    web = '[web]\ntrusted_proxies = ["10.0.0.0/8"]\nscanners = ["203.0.113.0/24"]\n'
    with open_site(shop, web + STORE) as site:
        client = site.client
        client._transport.client = ("10.0.0.1", 1)  # type: ignore[attr-defined]
        for address in ("203.0.113.9", "198.51.100.1"):
            site.now = {"203.0.113.9": "1d", "198.51.100.1": "2d"}[address]
            client.get(site.links()[0], headers={"X-Forwarded-For": address})
        assert site.visits == [("click", 100), ("click", 0)]


def test_whoever_follows_all_links_at_once_is_a_machine(any_site: Site) -> None:
    recover, unsubscribe = any_site.links()
    any_site.client.get(recover)
    any_site.now = "24h1s"
    any_site.client.get(unsubscribe)
    assert any_site.visits == [("click", 80), ("view", 80)], "the earlier one is seen for what it was"


def test_a_shopper_who_reads_on_is_none(site: Site) -> None:
    recover, unsubscribe = site.links()
    for when, path in (("24h", recover), ("24h3s", unsubscribe), ("24h6s", recover), ("24h7s", recover)):
        site.now = when
        site.client.get(path)
    assert site.visits == [("click", 0), ("view", 0), ("click", 0), ("click", 0)]


def test_links_of_two_mails_are_not_all_links_of_one(shop: Shop) -> None:
    mailed(shop, step="urgency")
    with open_site(shop) as site:
        site.now = "26h"
        site.client.get(site.links("reminder")[0])
        site.client.get(site.links("urgency")[1])
        assert site.visits == [("click", 0), ("view", 0)]


def test_every_click_counts_and_a_flood_is_held_back(site: Site) -> None:
    recover, _ = site.links()
    statuses = [site.client.get(recover).status_code for _ in range(35)]
    assert statuses == [303] * 30 + [429] * 5
    assert site.visits == [("click", 0)] * 30
    site.seconds += 2
    assert site.client.get(recover).status_code == 303


def test_a_store_that_is_not_configured_shows_the_cart(shop: Shop) -> None:
    mailed(shop)
    with open_site(shop, 'from = "Fern <fern@example.com>"\n') as site:
        answer = site.client.get(site.links()[0])
    assert answer.status_code == 200
    assert "Blue mug" in answer.text
    assert "Fern" in answer.text


@pytest.mark.parametrize(("keys", "status"), [("new,old", 303), ("new", 404)])
def test_keys_can_be_rotated(shop: Shop, monkeypatch: pytest.MonkeyPatch, keys: str, status: int) -> None:
    monkeypatch.setenv("CARTCTL_SECRET_KEYS", "old")
    mailed(shop)
    with open_site(shop, environment={"CARTCTL_SECRET_KEYS": keys}) as site:
        assert site.client.get(site.links()[0]).status_code == status

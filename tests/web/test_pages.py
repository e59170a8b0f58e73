"""What the pages say, in which language, and what every answer bears."""

import asyncio
import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cartctl.errors import ConfigurationError
from cartctl.mail.languages import PAGES, Languages
from cartctl.resources import shipped_templates
from cartctl.web.limits import SlowBody
from tests.shop import Shop, order
from tests.web.site import STORE, Site, mailed, open_site

LOCALES = shipped_templates() / "pages" / "locales"


def test_english_and_german_say_the_same_things() -> None:
    english, german = (tomllib.loads((LOCALES / f"{name}.toml").read_text(encoding="utf-8")) for name in ("en", "de"))
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", german[key]), key


@pytest.mark.parametrize(
    ("locale", "accepts", "language", "says"),
    [
        ("de_DE", "en", "de", "Ihr Warenkorb"),
        ("de_AT", "en", "de", "Ihr Warenkorb"),
        ("en_US", "de", "en", "Your cart"),
        ("ja_JP", "de", "en", "Your cart"),
        ("", "de-CH,de;q=0.9", "de", "Ihr Warenkorb"),
        ("", "fr, de;q=0.5", "de", "Ihr Warenkorb"),
        ("", "", "en", "Your cart"),
    ],
)
def test_the_cart_decides_on_the_language(shop: Shop, locale: str, accepts: str, language: str, says: str) -> None:
    mailed(shop, cart_url="", locale=locale)
    with open_site(shop) as site:
        page = site.client.get(site.links()[0], headers={"Accept-Language": accepts}).text
    assert f'<html lang="{language}" dir="ltr">' in page
    assert says in page


def test_prices_are_written_as_the_cart_is(shop: Shop) -> None:
    mailed(shop, cart_url="", locale="de_DE")
    with open_site(shop) as site:
        assert "49,90\N{NO-BREAK SPACE}€" in site.client.get(site.links()[0]).text


def test_a_cart_without_a_locale_has_that_of_its_store(shop: Shop) -> None:
    mailed(shop, cart_url="")
    with open_site(shop, f'{STORE}locale = "de"\n') as site:
        for link in site.links():
            assert '<html lang="de"' in site.client.get(link, headers={"Accept-Language": "en"}).text
        assert "49,90\N{NO-BREAK SPACE}€" in site.client.get(site.links()[0]).text


def test_without_a_cart_the_browser_decides(site: Site) -> None:
    assert "Dieser Link führt nirgendwohin" in site.client.get("/r/x", headers={"Accept-Language": "de"}).text


def test_a_file_more_is_a_language_more(shop: Shop) -> None:
    folder = shop.folder / "templates" / "pages" / "locales"
    folder.mkdir(parents=True)
    (folder / "ar.toml").write_text('cart_title = "سلتك"\n', encoding="utf-8")
    settings = f'templates = "templates"\n{STORE}'
    mailed(shop, settings=settings, cart_url="", locale="ar_EG")
    with open_site(shop, settings) as site:
        page = site.client.get(site.links()[0]).text
    assert '<html lang="ar" dir="rtl">' in page
    assert "<h1>سلتك</h1>" in page
    assert "This is what you left behind" in page, "what the file lacks is said in English"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('cart_titel = "x"', 'unknown key "cart_titel" (did you mean "cart_title"?)'),
        ('cart_title = "{brand.__class__}"', "there is no {brand.__class__} to fill in"),
        ('cart_title = "{"', "cart_title"),
        ("cart_title = 3", "expected a text"),
        ("cart_title", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_language_is_refused_at_once(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "pages" / "locales").mkdir(parents=True)
    (tmp_path / "pages" / "locales" / "nl.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        Languages([tmp_path, shipped_templates()], PAGES)


def test_the_pages_bear_the_stores_name_logo_and_colour(shop: Shop) -> None:
    look = f'{STORE}logo = "https://shop.example.com/logo.png"\ncolour = "#ffcc00"\n'
    mailed(shop, cart_url="")
    with open_site(shop, look) as site:
        page = site.client.get(site.links()[0]).text
    assert '<img src="https://shop.example.com/logo.png" alt="Mugs &amp; More">' in page
    assert "--button: #ffcc00; --on-button: #000000;" in page
    assert "<title>Your cart · Mugs &amp; More</title>" in page


MUG = "https://cdn.shopify.com/s/files/1/mug.png?v=1"


@pytest.mark.parametrize(
    ("settings", "picture", "hosts"),
    [
        ("", MUG, "https://shop.example.com"),
        ('discount = "shopify"', MUG, "https://shop.example.com https://cdn.shopify.com"),
        ('shopify_secret = "a secret of Shopify\'s"', MUG, "https://shop.example.com https://cdn.shopify.com"),
        ('discount = "shopify"\nimage_hosts = []', MUG, "https://shop.example.com"),
        ('image_hosts = ["i0.wp.com"]', "https://i0.wp.com/mug.png", "https://shop.example.com https://i0.wp.com"),
        ('image_hosts = ["i0.wp.com"]', "https://evil.example/mug.png", "https://shop.example.com https://i0.wp.com"),
        ("", "https://shop.example.com/mug.png", "https://shop.example.com"),
    ],
)
def test_pictures_come_from_the_shop_and_where_it_keeps_them(
    shop: Shop, settings: str, picture: str, hosts: str
) -> None:
    """The policy lets the browser load what the page shows, and nothing else; no link leads to a host of pictures."""
    mailed(shop, cart_url=picture.replace("mug.png", "cart"), image_url=picture)
    with open_site(shop, f"{STORE}{settings}\n") as site:
        answer = site.client.get(site.links()[0])
        if "shop.example.com" in picture:
            assert answer.status_code == 303
            return
        assert answer.status_code == 200, "it is no address of the shop"
        assert f" img-src {hosts};" in answer.headers["content-security-policy"]
        assert (picture in answer.text) == (picture.split("/")[2] in hosts)


def test_a_shop_at_shopify_is_known_by_its_own_address_and_may_have_its_logo_there(shop: Shop) -> None:
    look = '[stores.main]\nhosts = ["mugs.myshopify.com"]\nlogo = "https://cdn.shopify.com/logo.png"\n'
    mailed(shop, settings=look, cart_url="")
    with open_site(shop, look) as site:
        answer = site.client.get(site.links()[0])
    assert "img-src https://mugs.myshopify.com https://cdn.shopify.com;" in answer.headers["content-security-policy"]
    assert 'src="https://cdn.shopify.com/logo.png"' in answer.text


def every_page(site: Site) -> dict[str, Any]:
    """One answer of each kind, by its name."""
    recover, unsubscribe = site.links()
    found = {
        "redirect": site.client.get(recover),
        "unsubscribe": site.client.get(unsubscribe),
        "unsubscribed": site.client.post(unsubscribe),
        "undone": site.client.post(unsubscribe, data={"action": "undo"}),
        "not found": site.client.get("/r/x"),
        "no page": site.client.get("/favicon.ico"),
        "health": site.client.get("/healthz"),
        "ready": site.client.get("/readyz"),
        "method": site.client.put(recover),
        "too large": site.client.post(unsubscribe, content=b"x" * 300_000),
    }
    site.shop.orders(order(email="anna@example.com", placed="2h"), when="3h")
    found["bought"] = site.client.get(recover)
    site.now = "40d"
    found["expired"] = site.client.get(recover)
    return found


def test_every_answer_keeps_to_itself(shop: Shop) -> None:
    mailed(shop)
    with open_site(shop, f'base_url = "https://mail.example.com"\n{STORE}') as site:
        answers = every_page(site)
    for name, answer in answers.items():
        headers = answer.headers
        assert headers["referrer-policy"] == "no-referrer", name
        assert headers["x-robots-tag"] == "noindex, nofollow", name
        assert headers["cache-control"] == "no-store", name
        assert headers["x-content-type-options"] == "nosniff", name
        assert headers["strict-transport-security"] == "max-age=31536000", name
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'", name
        assert policy["frame-ancestors"] == "'none'", name
        assert policy["base-uri"] == "'none'", name
        assert "unsafe" not in headers["content-security-policy"], name
        assert "set-cookie" not in headers, name
        assert "server" not in headers, name
        assert "<script" not in answer.text, name
        assert not re.search(r' style="| on\w+="', answer.text), name
    assert {name: answer.status_code for name, answer in answers.items()} == {
        **dict.fromkeys(("unsubscribe", "unsubscribed", "undone", "health", "ready", "bought"), 200),
        "redirect": 303,
        "not found": 404,
        "no page": 404,
        "method": 405,
        "too large": 413,
        "expired": 410,
    }


def test_without_tls_browsers_are_not_told_to_insist_on_it(site: Site) -> None:
    assert "strict-transport-security" not in site.client.get("/healthz").headers


def test_names_from_an_export_are_words_and_nothing_else(shop: Shop) -> None:
    nasty = "<script>alert(1)</script>{{ 7 * 7 }}{% raw %}'\"&"
    mailed(shop, cart_url="", product_name=nasty, variant="</style><b>")
    with closing(sqlite3.connect(shop.folder / "cartctl.db")) as connection, connection:
        # No import takes such an address; a page must not rely on that.
        connection.execute("UPDATE cart_items SET image_url = 'https://shop.example.com/\"onerror=x'")
    with open_site(shop) as site:
        page = site.client.get(site.links()[0]).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}{% raw %}&#39;&#34;&amp;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert '"onerror' not in page


def test_a_fault_shows_nothing_of_itself(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A template of the shop's own is broken: the answer is a plain page, the log names the place and no token."""
    folder = shop.folder / "templates" / "pages"
    folder.mkdir(parents=True)
    (folder / "cart.html").write_text("{{ nobody_knows_this }}")
    settings = f'templates = "templates"\n{STORE}'
    mailed(shop, settings=settings, cart_url="")
    with open_site(shop, settings) as site:
        recover, _ = site.links()
        answer = site.client.get(recover)
    assert answer.status_code == 500
    assert "Back in a moment" in answer.text
    assert "nobody_knows_this" not in answer.text
    assert answer.headers["retry-after"] == "60"
    assert "UndefinedError at" in caplog.text
    assert recover not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_database_that_is_away_is_no_fault_of_the_shopper(site: Site) -> None:
    recover, unsubscribe = site.links()
    service = site.client.app.state.service  # type: ignore[attr-defined] # Starlette's type knows no state
    service.at_once.close()
    service.database.close()
    (site.shop.folder / "cartctl.db").rename(site.shop.folder / "gone.db")
    (site.shop.folder / "cartctl.db").mkdir()
    for answer in (site.client.get(recover), site.client.get(unsubscribe), site.client.post(unsubscribe)):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "60"
        assert "Nothing is lost" in answer.text
    assert site.client.get("/readyz").json() == {"ready": False, "problem": "database"}
    assert site.client.get("/healthz").status_code == 200


def test_monitors_may_use_head(site: Site) -> None:
    assert [site.client.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_an_older_schema_is_not_ready(site: Site) -> None:
    with closing(sqlite3.connect(site.shop.folder / "cartctl.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    answer = site.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "problem": "schema"})


def test_a_body_that_never_comes_is_given_up() -> None:
    """One byte now and then."""
    answered: list[Any] = []

    async def reads_all(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        answered.append("read")

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        answered.append("refused")

    async def drips() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    app = SlowBody(reads_all, refuse=refuses, seconds=0.05)
    asyncio.run(app({"type": "http", "method": "POST"}, drips, None))  # type: ignore[arg-type]
    assert answered == ["refused"]


def test_a_body_in_pieces_is_counted_too(site: Site) -> None:
    def pieces() -> Any:
        for _ in range(300):
            yield b"x" * 1024

    answer = site.client.post(
        site.links()[1], content=pieces(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413
    assert site.tables["suppressions"] == []

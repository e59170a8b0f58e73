"""The shopper's way in a real browser: from a mail in the outbox to the shop, and out of the list.

Screenshots of every page go into tests/screenshots/: see `tests.chromium`.
"""

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import launched, look_at, new_page
from tests.shop import Cli, Shop, cart, order
from tests.web.browser import Clock, StandIn, free_port, served, stand_in_shop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


class Scene:
    """A shop with its mails sent, its endpoint and its own pages, all on this machine."""

    def __init__(self, shop: Shop, stand_in: StandIn, port: int, clock: Clock) -> None:
        self.shop, self.stand_in, self.port, self.clock = shop, stand_in, port, clock

    def link(self, kind: str, step: str, to: str) -> str:
        (mail,) = (mail for mail in self.shop.mails if (mail.step, mail.to) == (step, to))
        found = re.search(rf"http://[^/]+/{kind}/\S+", mail.part("plain"))
        assert found
        return found[0]

    def open_mail(self, page: Page, step: str, to: str) -> None:
        """Show the HTML part of a mail, as a mail program would."""
        (mail,) = (mail for mail in self.shop.mails if (mail.step, mail.to) == (step, to))
        path = self.shop.folder / "mail.html"
        path.write_text(mail.part("html"), encoding="utf-8")
        page.goto(path.as_uri())


@contextlib.contextmanager
def open_scene(shop: Shop, *carts: dict[str, str], until: str = "48h") -> Iterator[Scene]:
    port = free_port()
    with stand_in_shop() as stand_in:
        shop.configure(
            f"""
            base_url = "http://127.0.0.1:{port}"
            [web]
            rate_limit = 0
            [coupons]
            recovery10 = "BACK10"
            [stores.main]
            brand = "Mugs & More"
            url = "http://{stand_in.host}/"
            hosts = ["{stand_in.host}"]
            discount = "shopify"
            logo = "http://{stand_in.host}/logo.svg"
            colour = "#0b5d3b"
            """
        )
        host = f"http://{stand_in.host}"
        rows = [{name: text.replace("SHOP", host) for name, text in row.items()} for row in carts]
        shop.carts(*rows, when="5m")
        for when in ("30m", "24h", "48h"):
            shop.run_once(when)
            if when == until:
                break
        with served(shop, port) as clock:
            clock.now = {"30m": "2h", "24h": "25h", "48h": "49h"}[until]
            yield Scene(shop, stand_in, port, clock)


def test_from_the_mail_to_the_shop_with_the_code(browser: Browser, shop: Shop) -> None:
    with (
        open_scene(shop, cart(cart_url="SHOP/cart?id=c-1")) as scene,
        new_page(browser, java_script_enabled=False) as page,
    ):
        scene.open_mail(page, "offer", "anna@example.com")
        with page.expect_popup() as opened:  # mails open a window of their own
            page.get_by_role("link", name="Back to my cart").click()
        assert opened.value.get_by_role("heading").inner_text() == "The shop's own cart"
    (asked,) = (path for path in scene.stand_in.asked if path.startswith("/cart"))
    assert asked == (
        "/cart?id=c-1&utm_source=cartctl&utm_medium=email&utm_campaign=cart-recovery&utm_content=offer&discount=BACK10"
    )


def test_out_of_the_list_and_back_with_the_keyboard_alone(browser: Browser, shop: Shop) -> None:
    with (
        open_scene(shop, cart(cart_url="SHOP/cart"), until="30m") as scene,
        new_page(browser, java_script_enabled=False) as page,
    ):
        scene.open_mail(page, "reminder", "anna@example.com")
        page.get_by_role("link", name="Unsubscribe").click()
        assert "a…@example.com" in page.get_by_role("main").inner_text()
        for _ in range(3):  # the shop's name, the choice, the button
            page.keyboard.press("Tab")
        assert page.get_by_role("button", name="Unsubscribe").evaluate("it => it === document.activeElement")
        page.keyboard.press("Enter")
        assert page.get_by_role("heading").inner_text() == "You are unsubscribed"
        assert scene.shop.run_once("25h")["sent"] == 0
        page.get_by_role("button", name="undo").click()
        assert page.get_by_role("heading").inner_text() == "Undone"
        page.goto(scene.link("u", "reminder", "anna@example.com"))
        page.get_by_role("radio", name="Only these reminders").check()
        page.get_by_role("button", name="Unsubscribe").click()
        assert "no more of these reminders" in page.get_by_role("main").inner_text()
        assert page.context.cookies() == []


CARTS = [
    cart("c-1", email="anna@example.com", locale="en_GB", image_url="SHOP/mug.svg", variant="large", quantity="2"),
    cart("c-1", email="anna@example.com", locale="en_GB", product_name="Tea, 250 g", unit_price="8.90"),
    cart("c-2", email="bela@example.com", locale="de_DE", product_url="SHOP/kanne", image_url="SHOP/mug.svg",
         product_name="Donaudampfschifffahrtsgesellschaftskapitänsteekanne", unit_price="1249.00"),
    cart("c-3", email="carla@example.com", locale="de_DE"),
]  # fmt: skip
PAGES = {
    "cart-en": ("r", "offer", "anna@example.com"),
    "cart-de": ("r", "reminder", "bela@example.com"),
    "unsubscribe-en": ("u", "reminder", "anna@example.com"),
    "unsubscribe-de": ("u", "reminder", "bela@example.com"),
    "bought-de": ("r", "reminder", "carla@example.com"),
    "unsubscribed-de": ("u", "reminder", "carla@example.com"),
    "undone-en": ("u", "offer", "anna@example.com"),
    "expired-en": ("r", "urgency", "anna@example.com"),
    "not-found": ("r", "", ""),
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("shop")
    with contextlib.chdir(folder), open_scene(Shop(Cli(folder), folder), *CARTS) as opened:
        opened.shop.orders(order(email="carla@example.com", placed="50h"), when="50h")
        yield opened


@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_and_keeps_nobody_out(browser: Browser, scene: Scene, name: str) -> None:
    """No sideways scrolling, nothing from elsewhere, and nothing that axe-core finds fault with."""
    kind, step, to = PAGES[name]
    scene.clock.now = "40d" if name.startswith("expired") else "51h"
    asked: list[str] = []
    said: list[str] = []
    with new_page(browser) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(scene.link(kind, step, to) if step else f"http://127.0.0.1:{scene.port}/r/altered")
        for _ in range({"unsubscribed": 1, "undone": 2}.get(name.partition("-")[0], 0)):
            page.get_by_role("button").click()
        look_at(page, name)
        assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
    assert {each.split("/")[2] for each in asked} <= {f"127.0.0.1:{scene.port}", scene.stand_in.host}
    # Chromium says of every answer that is no 200 that it is none.
    assert [text for text in said if "the server responded with a status of" not in text] == []

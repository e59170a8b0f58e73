"""The report as people see it, in a real browser: on a telephone and a desk, light and dark, and on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from cartctl.store.database import open_database
from tests.chromium import SCREENSHOTS, launched, look_at, new_page
from tests.cli.ten_weeks import fill
from tests.cli.test_report_html import PERIOD
from tests.shop import Shop

SHOPS = {
    "ten-weeks": {},
    "three-currencies": {"currencies": ("EUR", "JPY", "USD"), "holdout": False},
    "empty": {"count": 0},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


def open_report(page: Page, shop: Shop, url: str, name: str) -> None:
    database = open_database(url)
    fill(database, **SHOPS[name])  # type: ignore[arg-type] # each key is a parameter of its own type
    database.close()
    shop.configure('[stores.main]\nbrand = "Fern & Kettle"\nurl = "https://shop.example.com"\n')
    shop.cli("report", "--html", "report.html", *PERIOD)
    page.goto(Path("report.html").absolute().as_uri())


@pytest.mark.parametrize("name", SHOPS)
def test_the_page_fits_and_keeps_nobody_out(browser: Browser, shop: Shop, sqlite_url: str, name: str) -> None:
    said: list[str] = []
    with new_page(browser) as page:
        page.on("console", lambda message: said.append(message.text))
        open_report(page, shop, sqlite_url, name)
        look_at(page, f"report-{name}")
    assert said == [], "the page's own policy is kept"


def test_charts_follow_the_page_into_the_dark_and_onto_paper(browser: Browser, shop: Shop, sqlite_url: str) -> None:
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    bar = """getComputedStyle(document.querySelector('svg path[style*="--bar)"]')).fill"""
    with new_page(browser, viewport={"width": 700, "height": 900}) as page:
        open_report(page, shop, sqlite_url, "ten-weeks")
        looks = {}
        for look, scheme, media in (
            ("light", "light", "screen"),
            ("dark", "dark", "screen"),
            ("paper", "dark", "print"),
        ):
            page.emulate_media(color_scheme=scheme, media=media)  # type: ignore[arg-type] # literals, as told above
            looks[look] = (page.evaluate(ink), page.evaluate("getComputedStyle(document.body).backgroundColor"))
            looks[f"{look} bar"] = page.evaluate(bar)
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "report-ten-weeks-print.png", full_page=True)
    assert looks["light"] == ("rgb(31, 41, 51)", "rgb(243, 245, 248)")
    assert looks["dark"] == ("rgb(230, 234, 240)", "rgb(18, 22, 28)")
    assert looks["paper"] == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    assert looks["light bar"] == looks["paper bar"] != looks["dark bar"]

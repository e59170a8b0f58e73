"""A real browser, and the looks that are taken with it. Skipped where there is no Chromium.

Screenshots go into tests/screenshots/, which git ignores, for people to look at.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

SCREENSHOTS = Path(__file__).parent / "screenshots"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
SIZES = {"phone": (360, 740), "desktop": (1280, 900)}


def chromium() -> str | None:
    """Return the browser's path, if there is one on this machine."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Start the browser, or skip the test."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium`, and these tests run")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])  # CI runs as root
        yield browser
        browser.close()


@contextlib.contextmanager
def new_page(browser: Browser, **options: Any) -> Iterator[Page]:
    with browser.new_context(locale="en-GB", **options) as context:
        yield context.new_page()


def look_at(page: Page, name: str, *, whole: bool = True) -> None:
    """Photograph a page in every size, light and dark: it fits, and axe-core finds no fault with it.

    A mail is no `whole` page: WCAG holds for it, what is good practice for landmarks does not.
    """
    rules = "{}" if whole else "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}"
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            SCREENSHOTS.mkdir(exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), size
            found = page.evaluate(f"axe.run({rules}).then(found => found.violations)")
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], scheme

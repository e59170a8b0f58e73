"""`cartctl preview`: what a mail will look like, in files and as a page, without a database and without a sending."""

import re
import sqlite3
import webbrowser
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.chromium import SCREENSHOTS, launched, new_page
from tests.shop import Cli, Shop, cart

OUT = Path("preview")
LINK = re.compile(r"https?://[^\s\"'<>]+")


def files() -> list[str]:
    return sorted(path.relative_to(OUT).as_posix() for path in OUT.rglob("*") if path.is_file())


def own(name: str, text: str) -> None:
    path = Path("templates/cart-recovery") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_step_alone_is_enough_in_an_empty_folder(cli: Cli) -> None:
    outcome = cli("preview", "reminder")
    assert outcome.out == (
        "preview/cart-recovery/reminder.en.html, .txt and .headers.txt: You left something at our shop\n"
    )
    assert files() == [f"cart-recovery/reminder.en.{ending}" for ending in ("headers.txt", "html", "txt")]
    headers = (OUT / "cart-recovery/reminder.en.headers.txt").read_text()
    assert headers.startswith(
        "From: Example Shop <shop@example.com>\nTo: anna@example.com\nSubject: You left something"
    )
    assert "\nList-Unsubscribe: <http://localhost:8000/u/sample-this-link-leads-nowhere>\n" in headers
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in headers
    for ending in ("html", "txt"):
        text = unescape((OUT / f"cart-recovery/reminder.en.{ending}").read_text(encoding="utf-8"))
        assert "Blue mug" in text
        assert "http://localhost:8000/r/sample-this-link-leads-nowhere" in text
    assert list(Path().iterdir()) == [OUT], "no database, nothing else"


def test_json_and_another_folder(cli: Cli) -> None:
    (mail,) = cli("preview", "cart-recovery/offer", "--out", "elsewhere", "--json").json["mails"]
    assert (mail["sequence"], mail["step"], mail["locale"], mail["segment"]) == ("cart-recovery", "offer", "en", "")
    assert mail["headers"]["Subject"] == mail["subject"] == "A code for your cart at our shop"
    assert "SAMPLE10" in Path(mail["files"][1]).read_text(encoding="utf-8")
    assert mail["bytes"] == Path(mail["files"][0]).stat().st_size


def test_a_cart_of_the_shop_is_shown_with_links_that_lead_nowhere_and_nothing_is_written(shop: Shop) -> None:
    shop.configure('[stores.main]\nbrand = "Fern & Kettle"\nhosts = ["shop.example.com"]\n')
    shop.carts(
        cart("c-1", first_name="Bela", product_name="Moss ball", locale="de_DE", unit_price="1234.50"), when="5m"
    )
    shop.run("30m")
    before = "\n".join(sqlite3.connect("cartctl.db").iterdump())
    shop.cli("preview", "reminder", "--cart", "c-1")
    (name,) = [path for path in files() if path.endswith(".txt") and "headers" not in path]
    text = (OUT / name).read_text(encoding="utf-8")
    assert "Bela" in text
    assert "Moss ball" in text
    assert "1.234,50\N{NO-BREAK SPACE}€" in text
    assert "Fern & Kettle" in text
    (sent,) = shop.mails
    real = set(LINK.findall(sent.part("plain"))) & set(LINK.findall(text))
    assert not [link for link in real if "/r/" in link or "/u/" in link], "no link of a real message"
    assert "\n".join(sqlite3.connect("cartctl.db").iterdump()) == before


def test_a_locale_decides_as_it_does_for_a_shopper(cli: Cli) -> None:
    Path("cartctl.toml").write_text('templates = "templates"\n')
    text = (Path(__file__).parents[2] / "templates/cart-recovery/reminder.txt").read_text(encoding="utf-8")
    own("reminder.nl.txt", f"Subject: Uw winkelwagen\n\n{text}")
    own("reminder.nl.mjml", (Path(__file__).parents[2] / "templates/cart-recovery/reminder.mjml").read_text("utf-8"))
    (mail,) = cli("preview", "reminder", "--locale", "nl_BE", "--json").json["mails"]
    assert (mail["subject"], mail["locale"]) == ("Uw winkelwagen", "nl_BE")
    shown = cli("preview", "--all", "--json").json["mails"]
    assert {"en", "nl"} <= {one["locale"] for one in shown if one["step"] == "reminder"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("remindr",), 'no step "remindr"'),
        ((), "say which mail, or --all (not both): cart-recovery/reminder, "),
        (("reminder", "--all"), "say which mail, or --all (not both): "),
        (("reminder", "--locale", "../x"), '--locale: "../x" is no locale (de and pt_BR are)'),
        (("reminder", "--segment", "big"), '--segment: no segment "big": cart-recovery has none'),
        (("reminder", "--cart", "c-9"), "no cart c-9: nothing is near it either"),
    ],
)
def test_what_does_not_exist_is_refused(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    outcome = cli("preview", *arguments, ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith(f"cartctl: {told}")
    assert not Path("cartctl.db").exists()


def test_a_step_that_several_sequences_have_must_be_named_in_full(shop: Shop) -> None:
    folder = Path("templates/second")
    folder.mkdir(parents=True)
    (folder / "sequence.toml").write_text(
        'trigger = "cart-abandoned"\n[[step]]\nkey = "reminder"\nafter = "1h"\nsubject = "x"\n'
    )
    shop.configure('templates = "templates"\n')
    outcome = shop.cli("preview", "reminder", ok=False)
    assert outcome.exit_code == 2
    assert "several sequences have a step" in outcome.err
    assert "second/reminder" in outcome.err


def test_all_writes_a_page_of_every_mail_and_shows_what_is_at_fault(shop: Shop) -> None:
    own("urgency.txt", "{{ cupon }}")
    shop.configure('templates = "templates"\n')
    outcome = shop.cli("preview", "--all", ok=False)
    assert outcome.exit_code == 1
    fault = "cart-recovery/urgency.txt, line 1: 'cupon' is undefined"
    assert f"cartctl: {fault}\n" in outcome.err
    assert outcome.err.count("\n") == len(set(outcome.err.splitlines()))
    page = (OUT / "index.html").read_text(encoding="utf-8")
    assert fault in unescape(page)
    assert "<script" not in page
    assert "http" not in page.partition("</style>")[2], "nothing from elsewhere"
    linked = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert {f"cart-recovery/{step}.en.{kind}" for step in ("reminder", "offer") for kind in ("html", "txt")} <= set(
        linked
    )
    assert all((OUT / link).is_file() for link in linked)
    assert re.search(r"You left something at our shop</span>\s*<span class=\"quiet size\">\d+\.\d kB", page)


def test_a_template_that_loops_is_one_line_here_too(shop: Shop) -> None:
    own("reminder.txt", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    shop.configure('templates = "templates"\n')
    outcome = shop.cli("preview", "reminder", ok=False)
    assert outcome.exit_code == 1
    assert outcome.err.startswith("cartctl: cart-recovery/reminder.txt, line 1: takes longer than 1 s")
    assert outcome.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_named(cli: Cli) -> None:
    OUT.write_text("a file")
    outcome = cli("preview", "reminder", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith("cartctl: preview/cart-recovery/reminder.en.html: cannot be written")


class Viewer(webbrowser.BaseBrowser):
    """Stands in for the person's browser."""

    def __init__(self) -> None:
        super().__init__("viewer")
        self.shown: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.shown.append(url)
        return True


def test_open_shows_it_in_the_browser(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer()
    webbrowser.register("viewer", None, viewer, preferred=True)
    cli("preview", "reminder", "--open")
    cli("preview", "--all", "--open")
    assert viewer.shown == [
        (OUT / name).resolve().as_uri() for name in ("cart-recovery/reminder.en.html", "index.html")
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def test_the_page_in_a_browser(shop: Shop, browser: Browser) -> None:
    own("urgency.txt", "{{ cupon }}")
    shop.configure('templates = "templates"\n')
    shop.cli("preview", "--all", ok=False)
    SCREENSHOTS.mkdir(exist_ok=True)
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            with new_page(browser, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
                page.goto((OUT / "index.html").resolve().as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing sticks out"
                page.locator("details", has_text="You left something").locator("summary").click()
                page.frame_locator("details[open] iframe").get_by_text("Blue mug").wait_for()
                page.screenshot(path=SCREENSHOTS / f"previews-{width}-{scheme}.png")

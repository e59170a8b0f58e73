"""`report --html`: one page that needs nothing but itself, and says what the other reports say."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cartctl.jobs.report.definitions import DEFINITIONS
from cartctl.store.database import open_database
from tests.cli.ten_weeks import NOW, fill
from tests.shop import Cli, Shop, cart, iso, order

PERIOD = ("--since", "2026-03-02", "--until", "2026-05-11", "--at", NOW.isoformat(), "--include-outbox")
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page as strictly as a validator: everything that is opened is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[str]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, *head: str) -> list[list[str]]:
        """Return the rows of the table whose first columns are called like this."""
        (found,) = (rows for rows in self.tables if tuple(rows[0][: len(head)]) == head)
        return found[1:]


def page_of(cli: Cli, *more: str) -> tuple[str, Page]:
    cli("report", "--html", "report.html", *(more or PERIOD))
    text = Path("report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture
def ten_weeks(shop: Shop, sqlite_url: str) -> Shop:
    database = open_database(sqlite_url)
    fill(database)
    database.close()
    shop.configure('[stores.main]\nbrand = "Fern & Kettle"\nurl = "https://shop.example.com"\n')
    return shop


def test_the_page_needs_nothing_but_itself(ten_weeks: Shop) -> None:
    text, page = page_of(ten_weeks.cli)
    (policy,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "base",
        "use",
        "image",
    } == set()
    named = {name for _, attributes in page.tags for name in attributes}
    assert named & {"href", "src", "srcset", "xlink:href"} == set()
    assert [name for name in named if name.startswith("on")] == []
    assert not re.search(r"https?://|url\(|@import|@font-face", text)
    assert "<title>Carts left 2 March to 10 May 2026 · Fern &amp; Kettle</title>" in text
    assert page.all("html") == [{"lang": "en"}]
    assert len(text.encode()) < 100_000


def test_the_same_data_give_the_same_bytes(ten_weeks: Shop) -> None:
    """No number drawn by lot, no clock but --at, and nothing of how this machine's matplotlib is set up."""
    first, _ = page_of(ten_weeks.cli)
    import matplotlib as mpl

    mpl.rcParams.update({"font.size": 30, "svg.fonttype": "path", "axes.spines.bottom": False, "xtick.color": "red"})
    second, _ = page_of(ten_weeks.cli)
    assert first == second
    assert "11 May 2026, 05:00 UTC" in first
    ids = re.findall(r' id="([^"]*)"', first)
    assert len(ids) == len(set(ids))


def test_charts_are_in_the_pages_colours_and_letters_and_have_their_table(ten_weeks: Shop) -> None:
    text, page = page_of(ten_weeks.cli)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 8
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r'aria-label="[^"]+: [^"]+"', drawing)
        assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", drawing)) <= {
            *("none", "currentColor"),
            *(f"var(--{name})" for name in ("quiet", "line", "bar", "bar-soft", "alarm")),
        }
        assert "font-family" not in drawing
        assert "<text" in drawing, "text is text"
    cells = {cell.replace(" not final", "") for table in page.tables for row in table for cell in row}
    labels = re.findall(r'aria-label="[^"]*?\. ([^"]*)"', "".join(drawings))
    shown = {pair.rpartition(": ")[2] for label in labels for pair in label.split("; ")}
    assert {number for number in shown if "%" not in number} <= cells
    assert {number for number in shown if re.fullmatch(r"\d\.\d\d%", number)} <= cells


def test_the_page_says_what_the_json_says(ten_weeks: Shop) -> None:
    _, page = page_of(ten_weeks.cli)
    told = ten_weeks.cli("report", "--json", *PERIOD).json
    stages = {row[0]: row[1:] for row in page.table("stage")}
    assert stages["Abandoned"][0] == str(told["abandoned"])
    assert stages["Recovered"] == [str(told["recovered"]), f"{told['recovery_rate']:.1%}"]
    weeks = page.table("week of")
    assert len(weeks) == 10
    assert sum(int(row[1]) for row in weeks) == told["abandoned"]
    assert sum(int(row[2]) for row in weeks) == told["recovered"]
    steps = {row[0]: (int(row[1]), int(row[2])) for row in page.table("step", "sent")}
    assert steps == {row["step"]: (row["sent"], row["recovered"]) for row in told["by_step"]}
    credited = {row[0]: row[1:] for row in page.table("counted as")}
    assert credited["Bought at all"][1].replace(",", "") == told["revenue"]["EUR"]["recovered_net"]
    assert credited["Clicked, then bought"][0] == str(told["attribution"]["clicked"]["orders"])
    (lift,) = told["attribution"]["incremental"]
    lots = {row[0]: row[1:] for row in page.table("contacts")}
    assert lots["Never written to"][:2] == [str(lift["holdout"]["contacts"]), str(lift["holdout"]["converted"])]
    assert lift["sentence"][1:] in "".join(page.words)


def test_the_funnel_counts_carts_and_not_messages(shop: Shop) -> None:
    shop.carts(cart("c-1"), cart("c-2", email="ben@example.com"), cart("c-3", email=""), when="5m")
    for tick in ("30m", "24h", "48h"):
        shop.run(tick)
    _, page = page_of(shop.cli, "--at", iso("50h"))
    stages = {row[0]: row[1] for row in page.table("stage")}
    assert stages == {"Carts": "3", "Abandoned": "3", "Written to": "2", "Clicked": "0", "Recovered": "0"}


def test_only_weeks_that_may_still_change_are_marked(ten_weeks: Shop) -> None:
    text, page = page_of(ten_weeks.cli)
    weeks = [row[0] for row in page.table("week of")]
    assert [week for week in weeks if "not final" in week] == ["27 Apr not final", "4 May not final"]
    assert len(re.findall(r"fill: var\(--bar-soft\)[^>]*; stroke: var\(--bar\)", text)) == 2


def test_every_number_is_defined_in_the_words_of_the_other_reports(ten_weeks: Shop) -> None:
    text, _ = page_of(ten_weeks.cli)
    words = re.findall(r"<dt>(.*?)</dt> <dd>(.*?)</dd>", text)
    assert {word for word, _ in words} >= {"carts", "abandoned", "written to", "recovered", "immature", "revenue"}
    assert {word for word, _ in words} <= DEFINITIONS.keys()
    assert "bought within 14d of their abandonment" in dict(words)["recovered"]


def test_currencies_stand_in_charts_of_their_own(shop: Shop, sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    fill(database, currencies=("EUR", "JPY", "USD"), holdout=False, count=120)
    database.close()
    text, page = page_of(shop.cli)
    for currency in ("EUR", "JPY", "USD"):
        assert f'aria-label="Net revenue by step, {currency}.' in text
        assert f"Revenue by step, {currency}" in page.words
    assert "No holdout is set, so nobody knows." in page.words


def test_an_empty_shop_has_a_page_too(shop: Shop) -> None:
    _, page = page_of(shop.cli, "--at", NOW.isoformat())
    said = "".join(page.words)
    for sentence in ("No cart was abandoned", "No cart was recovered", "Nothing was sent", "No holdout is set"):
        assert sentence in said


def test_a_small_page_by_heart(any_shop: Shop, golden: Callable[[str, str], None]) -> None:
    """Reviewed as a file; of the drawings only their texts, which do not depend on matplotlib's version."""
    any_shop.configure('[stores.main]\nbrand = "Mugs <& More>"\nurl = "https://shop.example.com"\n')
    any_shop.carts(cart("c-1"), cart("c-2", email="ben@example.com", unit_price="20.00"), when="5m")
    any_shop.run("30m")
    any_shop.orders(order(placed="2h", cart_id="c-1", total="49.90", refunded="9.90"), when="3h")
    any_shop.run("24h")
    text, _ = page_of(any_shop.cli, "--at", iso("30h"))
    text = re.sub(r"<style>.*?</style>", "<style></style>", text, flags=re.DOTALL)
    text = re.sub(r"<path [^>]*/>\s*", "", text)
    golden("reports/small.html", re.sub(r"<text [^>]*>", "<text>", text))


def test_a_file_that_cannot_be_written_is_named(shop: Shop) -> None:
    outcome = shop.cli("report", "--html", "nowhere/report.html", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith("cartctl: --html: nowhere/report.html cannot be written: No such file or directory")
    outcome = shop.cli("report", "--html", "report.html", "--json", ok=False)
    assert (outcome.exit_code, Path("report.html").exists()) == (2, False)


def test_nothing_is_printed_unless_asked_for(shop: Shop) -> None:
    assert shop.cli("report", "--html", "report.html", "--at", NOW.isoformat()).out == ""
    assert shop.cli("report", "--html", "report.html", "-v", "--at", NOW.isoformat()).out == "report.html written\n"


def test_no_other_report_pays_for_the_drawing(shop: Shop) -> None:
    program = (
        "import sys\nfrom cartctl.cli import main\ntry:\n    main(['report', 'steps'])\nexcept SystemExit as end:\n"
        "    assert not end.code\nassert 'pandas' in sys.modules\nassert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=shop.folder, check=True, capture_output=True)

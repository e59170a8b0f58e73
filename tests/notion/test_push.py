"""`cartctl templates push`: Notion shows the folder's copy, whole, once, and only what differs is written."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.notion.mirror import Mirror
from tests.notion.standin import Page, RefusedError
from tests.process import Process

TEMPLATES = {"Name": "title", "Subject": "rich_text"}
LONG = "\n\n".join(["A long paragraph about carols. 🎄 " * 150, *(f"Paragraph {n}." for n in range(150))])
TEXTS = {
    "welcome.txt": "Hello {{ first_name }},\n\nwelcome.\n",
    "welcome.de.txt": "Subject: Willkommen\n\nGuten Tag!\n",
    "advice@critical.txt": "Call us.\n",
    "advice@calm.txt": "Relax.\n",
    "farewell.txt": LONG,
}


@pytest.fixture
def copy(mirror: Mirror) -> str:
    """The database for the copy; the sequence has its texts."""
    database = mirror.standin.database(TEMPLATES)
    mirror.configure(f'[notion.templates]\ndatabase = "{database}"\n')
    folder = mirror.folder / "templates" / "course"
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).with_suffix(".mjml").write_text("<mjml></mjml>", encoding="utf-8")
    return database


def push(mirror: Mirror) -> dict[str, Any]:
    result: dict[str, Any] = mirror.cli("templates", "push", "course", "--json").json
    return result


def text(page: Page) -> str:
    pieces = [[one["text"]["content"] for one in block["paragraph"]["rich_text"]] for block in page.blocks]
    return "\n\n".join("".join(one) for one in pieces)


def shown(mirror: Mirror, database: str) -> dict[str, tuple[str, str]]:
    """Subject and text of every page, by name."""
    source = mirror.standin.source(database)
    pages = [page for page in mirror.standin.pages.values() if page.source == source and not page.in_trash]
    rows = mirror.standin.rows(database)
    return {row["Name"]: (row["Subject"], text(page)) for row, page in zip(rows, pages, strict=True)}


def test_every_text_has_a_page_with_its_subject(mirror: Mirror, copy: str) -> None:
    assert push(mirror)["problems"] == []
    assert shown(mirror, copy) == {
        "course/welcome": ("Welcome", "Hello {{ first_name }},\n\nwelcome."),
        "course/welcome.de": ("Willkommen", "Guten Tag!"),
        "course/advice@critical": ("Some advice", "Call us."),
        "course/advice@calm": ("Some advice", "Relax."),
        "course/farewell": ("Farewell", LONG),
    }
    mirror.standin.assert_no_duplicates(copy, "Name")


def test_only_what_differs_is_written(mirror: Mirror, copy: str) -> None:
    push(mirror)
    mirror.standin.requests.clear()
    assert push(mirror) == {"written": [], "unchanged": 5, "problems": []}
    assert mirror.standin.count("PATCH") == mirror.standin.count("POST") == 0
    (mirror.folder / "templates" / "course" / "advice@calm.txt").write_text("Rest.\n", encoding="utf-8")
    assert push(mirror) == {"written": ["course/advice@calm"], "unchanged": 4, "problems": []}
    assert shown(mirror, copy)["course/advice@calm"] == ("Some advice", "Rest.")


def test_what_somebody_changed_in_notion_is_the_folders_again(mirror: Mirror, copy: str) -> None:
    push(mirror)
    pages = list(mirror.standin.pages.values())
    pages[0].blocks = pages[0].blocks[:1]
    pages[1].in_trash = True
    assert sorted(push(mirror)["written"]) == ["course/welcome", "course/welcome.de"]
    assert shown(mirror, copy)["course/welcome"][1] == "Hello {{ first_name }},\n\nwelcome."
    assert len(shown(mirror, copy)) == 5


def test_what_does_not_come_back_as_it_was_written_is_said(mirror: Mirror, copy: str) -> None:
    def lose_a_block(request: str) -> None:
        if request.startswith("PATCH /v1/blocks"):
            mirror.standin.pages[request.split("/")[3]].blocks.pop()

    mirror.standin.before_answer = lose_a_block
    outcome = mirror.cli("templates", "push", "course", ok=False)
    assert outcome.exit_code == 1
    assert "course/farewell: Notion holds something else than what was written there" in outcome.err


def test_killed_in_the_middle_of_a_page_the_next_run_makes_it_good(mirror: Mirror, copy: str) -> None:
    for point in ("POST /v1/pages", "PATCH /v1/blocks"):
        process = Process("templates", "push", "course", folder=mirror.folder)

        def kill(request: str, process: Process = process, point: str = point) -> None:
            if request.startswith(point) and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()

        mirror.standin.before_answer = kill
        process.wait(timeout=60)
        assert process.returncode == -signal.SIGKILL
    mirror.standin.before_answer = lambda _request: None
    assert push(mirror)["problems"] == []
    assert len(shown(mirror, copy)) == 5
    assert shown(mirror, copy)["course/farewell"][1] == LONG
    mirror.standin.assert_no_duplicates(copy, "Name")


def test_one_text_that_notion_refuses_stops_no_other(mirror: Mirror, copy: str) -> None:
    refusals = [RefusedError(400, "validation_error", "no good")]
    mirror.standin.refuse = lambda request: refusals.pop() if request == "POST /v1/pages" and refusals else None
    outcome = mirror.cli("templates", "push", "course", "--json", ok=False)
    assert (outcome.exit_code, len(outcome.json["written"])) == (1, 4)
    assert "course/welcome: Notion refuses: 400" in outcome.err


def test_the_shipped_sequences_are_pushed_too(mirror: Mirror, copy: str) -> None:
    written = mirror.cli("templates", "push", "--json").json["written"]
    assert {"cart-recovery/offer", "course/welcome"} <= set(written)


def test_without_a_database_or_with_an_unknown_sequence_it_says_so(mirror: Mirror, copy: str) -> None:
    outcome = mirror.cli("templates", "push", "cours", ok=False)
    assert (outcome.exit_code, 'did you mean "course"' in outcome.err) == (2, True)
    mirror.configure()
    outcome = mirror.cli("templates", "push", ok=False)
    assert (outcome.exit_code, "[notion.templates]" in outcome.err) == (2, True)


def test_a_text_that_cannot_be_read_is_named(mirror: Mirror, copy: str) -> None:
    path = Path("templates") / "course" / "welcome.txt"
    (mirror.folder / path).write_bytes(b"\xff\xfe\xfd")
    outcome = mirror.cli("templates", "push", "course", ok=False)
    assert (outcome.exit_code, str(path) in outcome.err) == (1, True)

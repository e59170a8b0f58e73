"""`cartctl notion sync`: Notion shows what the database holds, once, whatever happens on the way."""

import json
import os
import signal
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cartctl.domain.sequences import parse_sequence
from cartctl.jobs import notion_sync
from cartctl.jobs.notion_pages import Names
from cartctl.notion.client import Notion
from cartctl.store.tables import mirrored
from tests.notion.conftest import Watch
from tests.notion.mirror import CONTACTS, MESSAGES, SEQUENCE, Mirror
from tests.notion.standin import RefusedError
from tests.shop import at, iso

POINTS = ("after-announce:1", "after-page:1", "after-page:5")


def fill(mirror: Mirror, count: int = 3) -> list[int]:
    """Enroll so many, each of whom has had the first mail and waits for the second."""
    ids = [mirror.enroll(f"person{n}@example.com", first_name=f"Person {n}") for n in range(count)]
    for id_ in ids:
        mirror.message(id_, "welcome")
        mirror.message(id_, "advice", "scheduled", when="48h")
    return ids


def test_contacts_and_their_mails_are_shown(any_mirror: Mirror) -> None:
    anna = any_mirror.enroll(
        "anna@example.com", first_name="Anna", business_name="Anna's Bakery, Exampletown", segment="critical", red=3
    )
    any_mirror.message(anna, "welcome", when="1h")
    any_mirror.message(anna, "advice", "failed", when="49h", reason="550")
    any_mirror.message(anna, "farewell", "scheduled", when="97h")
    assert any_mirror.sync() == {"created": 3, "updated": 0, "discarded": 0, "unchanged": 0, "problems": []}
    [person] = any_mirror.people
    database_id, _, number = person.pop("cartctl ID").partition("/")
    assert (len(database_id), number) == (16, str(anna))
    assert person == {
        "Name": "Anna",
        "Email": "anna@example.com",
        "Business": "Anna's Bakery, Exampletown",
        "Sequence": "course",
        "Segment": "critical",
        "Phase": "after mail 1",
        "Test": False,
        "Red": 3,
        "Trade": "",
        "Mail 1 sent": iso("1h"),
        "Mail 2 sent": None,
        "Mail 3 sent": None,
    }
    first, second = any_mirror.log
    assert first.pop("cartctl ID").startswith(database_id)
    assert first == {
        "Name": "welcome to anna@example.com",
        "Contact": "anna@example.com",
        "Sequence": "course",
        "Step": "welcome",
        "State": "accepted",
        "When": iso("1h"),
        "Receipt": "receipt-welcome",
        "Test": False,
    }
    assert (second["State"], second["When"]) == ("failed: 550", iso("49h"))


@pytest.mark.parametrize(
    ("status", "reason", "phase"),
    [
        ("live", "", "after mail 1"),
        ("finished", "", "finished"),
        ("cancelled", "unsubscribed", "stopped: unsubscribed"),
        ("holdout", "", "holdout"),
    ],
)
def test_the_phase_says_where_a_contact_is(status: str, reason: str, phase: str, mirror: Mirror) -> None:
    [id_] = fill(mirror, 1)
    mirror.change(id_, status=status, reason=reason)
    mirror.sync()
    assert mirror.people[0]["Phase"] == phase


def test_only_what_changed_is_written(any_mirror: Mirror) -> None:
    ids = fill(any_mirror)
    any_mirror.sync()
    any_mirror.standin.requests.clear()
    any_mirror.change(ids[1], status="cancelled", reason="unsubscribed")
    assert any_mirror.sync_once().json == {"created": 0, "updated": 1, "discarded": 0, "unchanged": 5, "problems": []}
    assert any_mirror.standin.count("PATCH") == 1
    assert any_mirror.standin.count("POST") == 0
    assert [person["Phase"] for person in any_mirror.people] == [
        "after mail 1",
        "stopped: unsubscribed",
        "after mail 1",
    ]


def test_properties_of_ones_own_are_left_alone(mirror: Mirror) -> None:
    [id_] = fill(mirror, 1)
    mirror.sync()
    page = next(iter(mirror.standin.pages.values()))
    note = {"rich_text": [{"type": "text", "text": {"content": "call her"}}]}
    page.properties["Notes of our own"] = note
    mirror.change(id_, status="finished")
    mirror.sync()
    assert page.properties["Notes of our own"] == note


def test_properties_have_the_names_they_are_given(mirror: Mirror) -> None:
    schema = mirror.standin.schemas[mirror.standin.source(mirror.contacts)]
    for ours, theirs in {"Email": "E-Mail", "Red": "Rot", "Mail 1 sent": "1. Brief", "Business": ""}.items():
        kind = schema.pop(ours)
        schema |= {theirs: kind} if theirs else {}
    schema |= {"2. Brief": "date", "3. Brief": "rich_text"}
    mirror.configure(
        contacts='email = "E-Mail"\nbusiness = ""\nmail = "{n}. Brief"\nattributes = { red = "Rot", trade = "" }'
    )
    fill(mirror, 1)
    mirror.sync()
    [person] = mirror.people
    assert (person["E-Mail"], person["Rot"], person["1. Brief"]) == ("person0@example.com", 0, iso("1h"))
    assert not {"Business", "Trade", "Red"} & person.keys()


def test_a_renamed_property_is_named_before_anything_is_written(mirror: Mirror) -> None:
    fill(mirror, 1)
    schema = mirror.standin.schemas[mirror.standin.source(mirror.messages)]
    schema["Receipts"] = schema.pop("Receipt")
    outcome = mirror.sync_once(ok=False)
    assert outcome.exit_code == 2
    assert 'notion.messages: Notion\'s database has no property "Receipt" (did you mean "Receipts"?)' in outcome.err
    assert mirror.standin.pages == {}


def only(mirror: Mirror, sequence: str) -> None:
    path = mirror.folder / "cartctl.toml"
    text = path.read_text(encoding="utf-8").replace("[notion]\n", f'[notion]\nsequences = ["{sequence}"]\n')
    path.write_text(text, encoding="utf-8")


def test_check_says_what_is_missing_and_adds_it(mirror: Mirror) -> None:
    only(mirror, "course")
    for database in (mirror.contacts, mirror.messages):
        mirror.standin.schemas[mirror.standin.source(database)] = {"Name": "title"}
    outcome = mirror.cli("notion", "check", ok=False)
    assert outcome.exit_code == 1
    assert '[notion.contacts] without "cartctl ID", "Email"' in outcome.out
    assert '[notion.messages] without "cartctl ID", "Contact"' in outcome.out
    mirror.cli("notion", "check", "--add")
    assert mirror.cli("notion", "check", "--json").json == {
        "ok": True,
        "tables": [
            {"table": "notion.contacts", "properties": len(CONTACTS) - 1, "missing": [], "added": False},
            {"table": "notion.messages", "properties": len(MESSAGES), "missing": [], "added": False},
        ],
    }
    fill(mirror, 1)
    mirror.sync()
    assert mirror.people[0]["Segment"] == "calm"


def test_tests_are_marked_as_tests(mirror: Mirror) -> None:
    mirror.message(mirror.enroll("me@example.com", is_test=True), "welcome", is_test=True)
    mirror.sync()
    assert [row["Test"] for row in (*mirror.people, *mirror.log)] == [True, True]


def test_carts_and_other_sequences_are_not_mirrored(any_mirror: Mirror) -> None:
    any_mirror.enroll("other@example.com", sequence="cart-recovery")
    any_mirror.configure()
    assert any_mirror.sync()["created"] == 0
    text = (any_mirror.folder / "cartctl.toml").read_text(encoding="utf-8")
    (any_mirror.folder / "cartctl.toml").write_text(
        text.replace("[notion]\n", '[notion]\nsequences = ["cours"]\n'), encoding="utf-8"
    )
    outcome = any_mirror.sync_once(ok=False)
    assert (outcome.exit_code, 'did you mean "course"' in outcome.err) == (2, True)


def test_whoever_is_forgotten_is_taken_out_of_notion(any_mirror: Mirror) -> None:
    fill(any_mirror, 2)
    any_mirror.sync()
    any_mirror.cli("contact", "forget", "person0@example.com", "--yes")
    assert any_mirror.sync()["discarded"] == 2
    assert "person0" not in json.dumps([page.properties for page in any_mirror.standin.pages.values()])
    assert [row["Email"] for row in any_mirror.people] == ["person1@example.com"]
    assert [row["Contact"] for row in any_mirror.log] == ["person1@example.com"]
    with any_mirror.database.read() as connection:
        assert len(connection.execute(select(mirrored)).all()) == 2


def test_whoever_is_forgotten_after_a_run_that_died_is_taken_out_too(any_mirror: Mirror) -> None:
    """Their page was made, and nobody lived to keep its id."""
    fill(any_mirror, 1)
    process = any_mirror.start("after-page:1")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "person0" in json.dumps([page.properties for page in any_mirror.standin.pages.values()])
    any_mirror.cli("contact", "forget", "person0@example.com", "--yes")
    any_mirror.sync()
    assert "person0" not in json.dumps([page.properties for page in any_mirror.standin.pages.values()])


def test_a_page_that_somebody_deleted_is_made_anew_when_there_is_something_to_write(mirror: Mirror) -> None:
    ids = fill(mirror, 2)
    mirror.sync()
    pages = list(mirror.standin.pages.values())
    pages[0].in_trash = True
    del mirror.standin.pages[pages[1].id]
    for id_ in ids:
        mirror.change(id_, status="finished")
    assert mirror.sync()["created"] == 2
    assert [row["Phase"] for row in mirror.people] == ["finished", "finished"]


@pytest.mark.parametrize("failpoint", POINTS)
def test_killed_at(failpoint: str, mirror: Mirror) -> None:
    fill(mirror)
    process = mirror.start(failpoint)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    mirror.sync()
    assert (len(mirror.people), len(mirror.log)) == (3, 3)
    mirror.assert_no_duplicates()


def test_killed_while_notion_makes_the_page(mirror: Mirror) -> None:
    fill(mirror)
    process = mirror.start()
    made: list[str] = []

    def kill(request: str) -> None:
        made.extend([request] if request == "POST /v1/pages" else [])
        if len(made) == 2 and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    mirror.standin.before_answer = kill
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    mirror.sync()
    assert (len(mirror.people), len(mirror.log)) == (3, 3)
    mirror.assert_no_duplicates()


def test_a_database_that_knows_no_pages_finds_those_that_are_there(any_mirror: Mirror) -> None:
    """Restored from a backup, it was made before the any_mirror was."""
    fill(any_mirror)
    any_mirror.sync()
    any_mirror.lose_page_ids()
    assert any_mirror.sync()["created"] == 0
    any_mirror.assert_no_duplicates()


def test_more_than_a_hundred_of_each_are_mirrored(any_mirror: Mirror) -> None:
    fill(any_mirror, 101)
    assert any_mirror.sync()["created"] == 202
    any_mirror.lose_page_ids()
    assert any_mirror.sync()["created"] == 0
    assert len(any_mirror.people) == 101


def test_what_notion_refuses_is_named_by_id_and_stops_nothing_else(mirror: Mirror) -> None:
    ids = fill(mirror)
    refusals = [RefusedError(400, "validation_error", "person0@example.com is no good")]
    mirror.standin.refuse = lambda request: refusals.pop() if request == "POST /v1/pages" and refusals else None
    outcome = mirror.sync_once(ok=False)
    assert outcome.exit_code == 1
    assert f"notion: contact {ids[0]}: Notion refuses: 400" in outcome.err
    assert "person0" not in outcome.err + outcome.out
    assert outcome.json["created"] == 5
    mirror.sync()
    assert len(mirror.people) == 3


def test_a_page_that_notion_does_not_let_be_emptied_is_named_and_stops_nothing_else(mirror: Mirror) -> None:
    ids = fill(mirror, 2)
    mirror.sync()
    mirror.cli("contact", "forget", "person0@example.com", "--yes")
    mirror.change(ids[1], status="finished")
    refusals = [RefusedError(400, "validation_error", "this page is locked")]
    mirror.standin.refuse = lambda request: refusals.pop() if request.startswith("PATCH") and refusals else None
    outcome = mirror.sync_once(ok=False)
    assert (outcome.exit_code, outcome.json["discarded"], outcome.json["updated"]) == (1, 1, 1)
    assert f"notion: contact {ids[0]}: Notion refuses: 400" in outcome.err
    mirror.sync()
    assert "person0" not in json.dumps([page.properties for page in mirror.standin.pages.values()])


def test_a_notion_that_is_not_there_ends_in_one_line(mirror: Mirror) -> None:
    fill(mirror, 1)
    mirror.standin.refuse = lambda _request: RefusedError(401, "unauthorized", "API token is invalid.")
    outcome = mirror.sync_once(ok=False)
    assert (outcome.exit_code, outcome.err) == (2, "cartctl: Notion refuses the key: check NOTION_API_KEY\n")


def test_while_notion_throttles_the_mirror_gets_there(mirror: Mirror, ask: Callable[..., Notion], watch: Watch) -> None:
    """It takes three requests a second, sometimes fewer, and remembers who came too soon."""
    fill(mirror)
    free_at, asked = 0.0, 0

    def refuse(_request: str) -> RefusedError | None:
        nonlocal free_at, asked
        asked += 1
        if watch.seconds < free_at - 1e-9:
            free_at += 60
            return RefusedError(429, "rate_limited", "too soon", 60)
        free_at = watch.seconds + (1 / 3 if asked % 5 else 7)
        return None if asked % 5 else RefusedError(429 if asked % 2 else 529, "rate_limited", "slow down", 7)

    mirror.standin.refuse = refuse
    result = notion_sync.run(job(mirror, ask()))
    assert (result.created, result.problems) == (6, [])
    assert 60 not in watch.waits
    mirror.assert_no_duplicates()


def test_no_transaction_is_open_while_notion_is_asked(any_mirror: Mirror, ask: Callable[..., Notion]) -> None:
    """Or mail would wait for it: somebody else writes while each request is on its way."""
    fill(any_mirror)
    written: list[str] = []

    def write(request: str) -> None:
        with any_mirror.database.write() as connection:
            connection.execute(select(mirrored)).all()
        written.append(request)

    any_mirror.standin.before_answer = write
    notion_sync.run(job(any_mirror, ask()))
    assert len(written) == len(any_mirror.standin.requests) > 6


def job(mirror: Mirror, notion: Notion) -> notion_sync.SyncJob:
    """Return the job as the command line would build it, with a client of the test's own."""
    import tomllib

    return notion_sync.SyncJob(
        database=mirror.database,
        notion=notion,
        names=[
            Names(
                kind="contact",
                setting="notion.contacts",
                database=mirror.contacts,
                properties={"id": "cartctl ID", "name": "Name", "email": "Email", "phase": "Phase"},
                mail="Mail {n} sent",
            ),
            Names(
                kind="message",
                setting="notion.messages",
                database=mirror.messages,
                properties={"id": "cartctl ID", "name": "Name", "state": "State"},
            ),
        ],
        sequences={"course": parse_sequence("course", tomllib.loads(SEQUENCE), where="course")},
        clock=lambda: at("1h"),
    )


def test_without_the_extra_one_line_says_what_to_install(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("cartctl.notion.client", "cartctl.jobs.notion_sync"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "notion_client", None)
    outcome = mirror.sync_once(ok=False)
    assert outcome.exit_code == 2
    assert outcome.err == 'cartctl: Notion needs an extra that is not installed: pip install "cartctl[notion]"\n'


def test_without_a_key_or_a_database_it_says_what_to_set(mirror: Mirror) -> None:
    text = (mirror.folder / "cartctl.toml").read_text(encoding="utf-8")
    (mirror.folder / "cartctl.toml").write_text("", encoding="utf-8")
    outcome = mirror.sync_once(ok=False)
    assert (outcome.exit_code, "[notion.contacts]" in outcome.err) == (2, True)
    without = "\n".join(line for line in text.splitlines() if "api_key" not in line)
    (mirror.folder / "cartctl.toml").write_text(without, encoding="utf-8")
    outcome = mirror.sync_once(ok=False)
    assert (outcome.exit_code, "NOTION_API_KEY" in outcome.err) == (2, True)


def test_another_sync_at_work_is_left_alone(mirror: Mirror) -> None:
    from filelock import FileLock

    from cartctl import config

    loaded = config.load(file=mirror.folder / "cartctl.toml", environment={}, folder=mirror.folder)
    path = loaded.lock_file.with_name(f"{loaded.lock_file.name}.notion")
    with FileLock(path):
        assert mirror.sync_once(ok=False).exit_code == 75
    with FileLock(loaded.lock_file):  # the sending loop's: neither waits for the other
        mirror.sync_once()

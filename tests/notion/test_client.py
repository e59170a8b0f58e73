"""What is asked of Notion, how often and how patiently, and what is said where it fails."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.errors import ConfigurationError, NotionError
from cartctl.notion import client as notion_client
from cartctl.notion.client import DataSource, GoneError, Notion
from cartctl.notion.properties import Field, encode
from cartctl.notion.texts import LONGEST_TEXT, blocks, rich_text, text_of, units
from tests.mail.provider import closed_port
from tests.notion.conftest import Watch
from tests.notion.standin import RefusedError, Standin

SCHEMA = {"cartctl ID": "rich_text", "Name": "title", "Note": "rich_text", "Segment": "select"}
Ask = Callable[..., Notion]


def key(number: int) -> dict[str, object]:
    return {"cartctl ID": encode(f"k/{number}", "rich_text")}


def source_of(notion: Notion, standin: Standin, schema: dict[str, str] = SCHEMA) -> DataSource:
    return notion.source(standin.database(schema), None, setting="notion.contacts")


def make(notion: Notion, source: DataSource, number: int = 1) -> str:
    return notion.create(source, key(number), key="cartctl ID", value=f"k/{number}")


def test_a_database_leads_to_its_data_source_and_pages_are_made_in_that(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    page = make(notion, source)
    assert standin.pages[page].source == source.id
    assert source.types == SCHEMA


def test_a_database_may_be_named_by_its_address(standin: Standin, ask: Ask) -> None:
    database = standin.database(SCHEMA)
    hexadecimal = database.replace("-", "")
    address = f"https://www.notion.so/example/Contacts-{hexadecimal}?v={'0' * 32}"
    assert ask().source(address, None, setting="notion.contacts").id == standin.source(database)


def test_of_several_data_sources_one_must_be_named(standin: Standin, ask: Ask) -> None:
    database = standin.database(SCHEMA, names=("People", "Old people"))
    with pytest.raises(ConfigurationError, match=r'notion.contacts.data_source: name one of "People", "Old people"'):
        ask().source(database, None, setting="notion.contacts")
    with pytest.raises(ConfigurationError, match=r'has none called "Folk" \(it has "People", "Old people"\)'):
        ask().source(database, "Folk", setting="notion.contacts")
    found = ask().source(database, "Old people", setting="notion.contacts")
    assert found.id == standin.databases[database]["Old people"]


def test_requests_keep_to_three_a_second(standin: Standin, ask: Ask, watch: Watch) -> None:
    notion = ask()
    source = source_of(notion, standin)
    for number in range(28):
        make(notion, source, number)
    assert len(standin.requests) == 30
    assert watch.seconds == pytest.approx(29 / 3)


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (529, "service_overload")])
def test_retry_after_is_obeyed(status: int, code: str, standin: Standin, ask: Ask, watch: Watch) -> None:
    """Whoever asks before the time is up is refused once more."""
    notion = ask()
    source = source_of(notion, standin)
    free_at = watch.seconds + 1 / 3 + 42
    asked: list[float] = []

    def refuse(_request: str) -> RefusedError | None:
        asked.append(watch.seconds)
        return RefusedError(status, code, "slow down", 42) if watch.seconds < free_at else None

    standin.refuse = refuse
    page = make(notion, source)
    assert page in standin.pages
    assert len(asked) == 2
    assert 42 in watch.waits


def test_asked_to_wait_for_long_the_run_ends(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    standin.refuse = lambda _request: RefusedError(429, "rate_limited", "slow down", 3600)
    with pytest.raises(NotionError, match="3600 seconds: the next run goes on"):
        make(notion, source)


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503, 504, 529])
def test_what_passes_is_tried_again(status: int, standin: Standin, ask: Ask, watch: Watch) -> None:
    notion = ask()
    source = source_of(notion, standin)
    left = [RefusedError(status, "conflict_error", "not now")] * 3
    standin.refuse = lambda request: left.pop() if left and "query" not in request else None
    make(notion, source)
    assert len(standin.pages) == 1
    assert max(watch.waits) >= 4


@pytest.mark.parametrize("status", [429, 500])
def test_what_does_not_pass_ends_in_words(status: int, standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    standin.refuse = lambda _request: RefusedError(status, "rate_limited", "not now")
    with pytest.raises(NotionError, match="the next run goes on from here"):
        make(notion, source)


def test_a_lost_answer_makes_no_second_page(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    lost = [True]
    standin.lose = lambda request: request == "POST /v1/pages" and bool(lost) and lost.pop()
    page = make(notion, source)
    assert list(standin.pages) == [page]


def test_pages_are_found_by_their_key_the_older_of_two(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    pages = [make(notion, source, number) for number in (1, 2, 2)]
    found = notion.find(source, "cartctl ID", ["k/1", "k/2", "k/3"])
    assert found == {"k/1": pages[0], "k/2": pages[1]}


def test_more_pages_than_one_answer_holds_are_all_found(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    for _ in range(100):
        make(notion, source, 1)
    last = make(notion, source, 2)
    assert notion.find(source, "cartctl ID", ["k/1", "k/2"])["k/2"] == last


def test_a_page_in_the_trash_or_deleted_is_gone(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    page = make(notion, source)
    standin.pages[page].in_trash = True
    with pytest.raises(GoneError):
        notion.update(page, key(1))
    del standin.pages[page]
    with pytest.raises(GoneError):
        notion.update(page, key(1))
    notion.discard(page, {})


def test_a_discarded_page_holds_nothing_any_more(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    page = make(notion, source)
    notion.discard(page, {"cartctl ID": encode("", "rich_text")})
    assert standin.pages[page].in_trash
    assert "k/1" not in json.dumps(standin.pages[page].properties)


def test_a_refusal_is_told_without_addresses(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    standin.refuse = lambda _request: RefusedError(400, "validation_error", "anna@example.com is too long")
    with pytest.raises(NotionError) as told:
        make(notion, source)
    assert "400" in str(told.value)
    assert "anna" not in str(told.value)


def test_a_wrong_key_and_a_database_that_is_not_shared_are_said_to_be_so(standin: Standin, ask: Ask) -> None:
    with pytest.raises(ConfigurationError, match="NOTION_API_KEY"):
        source_of(ask("wrong"), standin)
    with pytest.raises(ConfigurationError, match="Connections"):
        ask().source("0" * 32, None, setting="notion.contacts")
    with pytest.raises(ConfigurationError, match='"Contacts" is no database'):
        ask().source("Contacts", None, setting="notion.contacts")
    standin.refuse = lambda _request: RefusedError(403, "restricted_resource", "no")
    with pytest.raises(ConfigurationError, match="content capabilities"):
        source_of(ask(), standin)


def test_nobody_there(ask: Ask, standin: Standin) -> None:
    with pytest.raises(NotionError, match=r"does not answer .*no connection"):
        source_of(ask(host=f"https://localhost:{closed_port()}"), standin)


def test_a_missing_property_is_named_with_what_was_meant_and_can_be_added(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    with pytest.raises(ConfigurationError, match=r'"Segmant" \(did you mean "Segment"\?\).*\[notion.contacts\]'):
        notion_client.check(source, [Field("Segmant", "text"), Field("Name", "text")])
    notion.add_properties(source, [Field("Segmant", "text"), Field("When", "date")])
    assert standin.schemas[source.id] == SCHEMA | {"Segmant": "rich_text", "When": "date"}


def test_a_property_of_a_type_that_cannot_hold_its_values_is_named(standin: Standin, ask: Ask) -> None:
    source = source_of(ask(), standin, {"When": "people"})
    with pytest.raises(ConfigurationError, match='"When" is of the type people in Notion: make it date or rich_text'):
        notion_client.check(source, [Field("When", "date")])


def test_long_texts_are_written_and_read_back_whole(standin: Standin, ask: Ask) -> None:
    notion = ask()
    source = source_of(notion, standin)
    page = make(notion, source)
    text = "\n\n".join(["🎄" * 3000, *(f"Paragraph {n}\nof two lines" for n in range(240))])
    notion.write_text(page, "old")
    notion.write_text(page, text)
    assert notion.text(page) == text
    notion.update(page, {"Note": encode(text, "rich_text")})


def test_a_lost_answer_writes_no_paragraph_twice(standin: Standin, ask: Ask) -> None:
    notion = ask()
    page = make(notion, source_of(notion, standin))
    lost = [True]
    standin.lose = lambda request: request.startswith("PATCH /v1/blocks") and bool(lost) and lost.pop()
    notion.write_text(page, "one\n\ntwo")
    assert notion.text(page) == "one\n\ntwo"


@given(st.text(st.sampled_from("a\n🎄é"), max_size=5000))
def test_no_text_is_changed_by_being_cut(text: str) -> None:
    pieces = rich_text(text)
    assert all(0 < units(piece["text"]["content"]) <= LONGEST_TEXT for piece in pieces)
    assert "".join(piece["text"]["content"] for piece in pieces) == text
    answered = [
        {"type": "paragraph", "paragraph": {"rich_text": [{"plain_text": p["text"]["content"]} for p in found]}}
        for found in (block["paragraph"]["rich_text"] for block in blocks(text))
    ]
    assert text_of(answered) == text

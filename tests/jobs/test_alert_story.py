"""Contacts enter segments by being enrolled, and by what becomes known of them; whoever is to be told is, once."""

from pytest_httpserver import HTTPServer

from tests.jobs.test_alerts import Chat
from tests.nurture import ANNA, BO, people, person, set_up
from tests.shop import Shop, iso


def set_up_with_alert(shop: Shop, chat: Chat) -> None:
    set_up(shop)
    path = shop.folder / "templates" / "check-up" / "sequence.toml"
    text = path.read_text(encoding="utf-8")
    head, key, rest = text.partition('key = "critical"\n')
    assert key
    path.write_text(f'{head}{key}alert = "webhook:{chat.url}"\n{rest}', encoding="utf-8")


def test_an_alert_leaves_when_a_contact_enters_the_segment_and_never_again(
    any_shop: Shop, httpserver: HTTPServer
) -> None:
    shop, chat = any_shop, Chat(httpserver)
    set_up_with_alert(shop, chat)
    shop.cli("enroll", "check-up", people(shop, person(), person(BO, first_name="Bo", red="0")), "--at", iso("0m"))
    assert chat.told == []  # a sign-up waits for nobody
    for when in ("1m", "2m", "24h"):
        shop.run(when)
    assert [text.partition("(")[0] for text in chat.texts] == ["critical: Anna, Anna's Mugs "]
    shop.cli("contact", "set", BO, "red=5", "--at", iso("25h"))
    shop.cli("contact", "set", ANNA, "red=0", "--at", iso("25h"))
    shop.cli("contact", "set", ANNA, "red=5", "--at", iso("26h"))
    for when in ("27h", "28h"):
        shop.run(when)
    assert len(chat.texts) == 2
    assert chat.texts[1].startswith("critical: Bo")


def test_who_stands_twice_in_a_list_is_told_of_by_the_last_row_alone(any_shop: Shop, httpserver: HTTPServer) -> None:
    shop, chat = any_shop, Chat(httpserver)
    set_up_with_alert(shop, chat)
    rows = (person(red="5"), person(red="0"), person(BO, red="0"), person(BO, first_name="Bo", red="3"))
    shop.cli("enroll", "check-up", people(shop, *rows), "--at", iso("0m"))
    for when in ("1m", "2m"):
        shop.run(when)
    assert [text.partition("(")[0] for text in chat.texts] == ["critical: Bo, Anna's Mugs "]
    for who, segment in ((ANNA, "optimize"), (BO, "critical")):
        (explained,) = shop.cli("segments", "explain", who, "--json").json
        assert explained["stored"] == segment

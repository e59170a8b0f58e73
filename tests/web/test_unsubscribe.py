"""The unsubscribe link: a GET asks, a POST does it, and nothing that was claimed meanwhile goes out."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cartctl.jobs import unsubscribe
from cartctl.jobs.unsubscribe import Extent
from cartctl.resources import shipped_templates
from cartctl.store.database import EngineDatabase
from tests.jobs.engine import HASHING_KEY, Engine
from tests.shop import Shop, at, cart
from tests.web.site import STORE, Site, mailed, open_site

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def suppressed(site: Site) -> list[tuple[str, str]]:
    """(scope, reason) of all suppressions."""
    return [(row[2], row[3]) for row in site.tables["suppressions"]]


def enrolled(site: Site) -> list[str]:
    return [
        next(value for value in row if value in ("live", "cancelled", "finished", "suspended"))
        for row in site.tables["enrollments"]
    ]


def test_the_page_shows_the_address_masked_and_one_button(site: Site) -> None:
    answer = site.client.get(site.links()[1])
    assert answer.status_code == 200
    assert "a…@example.com" in answer.text
    assert "anna" not in answer.text
    assert answer.text.count("<button") == 1
    assert '<form method="post">' in answer.text
    assert suppressed(site) == []


BODIES = {
    "urlencoded": {"data": ONE_CLICK},
    "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
    "the page's own form": {"data": {"extent": "all"}},
    "nothing": {},
    "something else": {"content": b"\xff\xfe", "headers": {"Content-Type": "application/octet-stream"}},
    "json": {"json": {"action": "undo"}},
    "broken multipart": {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    "multipart without a boundary": {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    "a file": {"files": {"action": ("undo.txt", b"undo")}},
}


@pytest.mark.parametrize("body", BODIES)
def test_a_post_unsubscribes_whatever_the_body_is(site: Site, body: str) -> None:
    _, link = site.links()
    answer = site.client.post(link, **BODIES[body])  # type: ignore[arg-type] # the table's cells are keyword arguments
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.text
    assert "set-cookie" not in answer.headers
    assert suppressed(site) == [("all", "unsubscribe-link")]
    assert enrolled(site) == ["cancelled"]


def test_no_further_mail_goes_out(any_site: Site) -> None:
    any_site.client.post(any_site.links()[1], data=ONE_CLICK)
    result = any_site.shop.run_once("25h")
    assert (result["sent"], result["detected"]) == (0, 0)
    any_site.shop.carts(cart("c-2", seen="26h"), when="26h")
    result = any_site.shop.run_once("27h")
    assert (result["enrolled"], result["sent"]) == (1, 0), result
    assert result["cancelled"] == {"suppressed": 1}
    assert len(any_site.shop.mails) == 1


def test_a_message_that_is_claimed_already_does_not_leave(db: EngineDatabase, tmp_path: Path) -> None:
    """The press of the button falls between claim and gate, while the mail is rendered."""
    engine = Engine(db, tmp_path)
    engine.carts(cart())

    def press() -> None:
        with db.read() as connection:
            person = unsubscribe.find(connection, 1)
        assert person is not None
        unsubscribe.unsubscribe(db, person, Extent.EVERYTHING, hashing_key=HASHING_KEY, now=at("30m"))

    engine.while_rendering = press
    engine.run("30m")
    assert engine.provider.given == []
    assert engine.states == [("reminder", "cancelled", "suppressed")]
    assert engine.live == ["cancelled"]


def test_it_is_the_same_twice(any_site: Site) -> None:
    _, link = any_site.links()
    first = any_site.client.post(link, data=ONE_CLICK)
    before = any_site.tables
    any_site.now = "2d"
    again = any_site.client.post(link, data=ONE_CLICK)
    assert (again.status_code, again.text) == (200, first.text)
    assert any_site.tables == before
    assert any_site.visits == [("unsubscribe", None)]
    assert "You are unsubscribed" in any_site.client.get(link).text


def test_only_these_reminders(any_site: Site) -> None:
    answer = any_site.client.post(any_site.links()[1], data={"extent": "sequence"})
    assert "no more of these reminders" in answer.text
    assert suppressed(any_site) == [("cart-recovery", "unsubscribe-link")]
    assert enrolled(any_site) == ["cancelled"]
    assert any_site.shop.run_once("25h")["sent"] == 0


def test_only_these_reminders_leaves_other_sequences_alone(shop: Shop) -> None:
    folder = shop.folder / "templates" / "thanks"
    folder.mkdir(parents=True)
    (folder / "sequence.toml").write_text(
        'trigger = "cart-abandoned"\nstop_when = ["purchased", "unsubscribed"]\n'
        '[[step]]\nkey = "hello"\nafter = "3h"\nmin_gap = "1h"\nsubject = "Hello"\n'
    )
    for suffix in ("mjml", "txt"):
        source = shipped_templates() / "cart-recovery" / f"reminder.{suffix}"
        (folder / f"hello.{suffix}").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    settings = f'templates = "templates"\n{STORE}'
    mailed(shop, settings=settings)
    with open_site(shop, settings) as site:
        site.now = "1h"
        site.client.post(site.links()[1], data={"extent": "sequence"})
        assert sorted(enrolled(site)) == ["cancelled", "live"]
        assert shop.run_once("3h")["sent"] == 1
        site.client.post(site.links("hello")[1], data={"extent": "all"})
        assert sorted(enrolled(site)) == ["cancelled", "finished"]
        assert {scope for scope, _ in suppressed(site)} == {"cart-recovery", "all"}


def test_undo_takes_back_what_the_link_set(any_site: Site) -> None:
    _, link = any_site.links()
    any_site.client.post(link, data={"extent": "sequence"})
    page = any_site.client.post(link, data=ONE_CLICK).text
    assert 'name="action" value="undo"' in page
    answer = any_site.client.post(link, data={"action": "undo"})
    assert answer.status_code == 200
    assert "Undone" in answer.text
    assert suppressed(any_site) == []
    assert enrolled(any_site) == ["cancelled"], "what was stopped stays stopped"
    any_site.shop.carts(cart("c-2", seen="26h"), when="26h")
    assert any_site.shop.run_once("27h")["sent"] == 1
    assert [kind for kind, _ in any_site.visits] == ["unsubscribe", "unsubscribe", "resubscribe"]


def test_undo_takes_back_nothing_else(site: Site) -> None:
    (site.shop.folder / "bounces.csv").write_text("email\nanna@example.com\n")
    site.shop.cli("import", "suppressions", "bounces.csv")
    before = suppressed(site)
    _, link = site.links()
    page = site.client.post(link, data=ONE_CLICK).text
    assert "You are unsubscribed" in page
    assert "undo" not in page
    answer = site.client.post(link, data={"action": "undo"})
    assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
    assert suppressed(site) == before


def test_what_is_heard_of_an_address_later_outweighs_the_link(site: Site) -> None:
    """One click, and then "this is spam": a forwarded mail's link must not undo the complaint."""
    _, link = site.links()
    site.client.post(link, data=ONE_CLICK)
    (site.shop.folder / "complaints.csv").write_text("email,reason\nanna@example.com,complaint\n")
    site.shop.cli("import", "suppressions", "complaints.csv")
    assert suppressed(site) == [("all", "complaint")]
    site.client.post(link, data=ONE_CLICK)
    site.client.post(link, data={"action": "undo"})
    assert suppressed(site) == [("all", "complaint")]


def test_clicks_do_not_stand_in_the_way_of_unsubscribing(site: Site) -> None:
    recovery, link = site.links()
    for _ in range(40):
        site.client.get(recovery)
        last = site.client.get(link)
    assert last.status_code == 429
    assert site.client.post(link, data=ONE_CLICK).status_code == 200
    assert suppressed(site) == [("all", "unsubscribe-link")]


def test_a_slash_too_many_leads_nowhere(site: Site) -> None:
    """Least of all to the host that whoever asks has named, with the token."""
    for link in site.links():
        answer = site.client.get(f"{link}/", headers={"Host": "evil.example.com"}, follow_redirects=False)
        assert answer.status_code == 404


def test_undo_without_anything_to_undo_changes_nothing(site: Site) -> None:
    before = site.tables
    assert site.client.post(site.links()[1], data={"action": "undo"}).status_code == 200
    assert site.tables == before


def test_a_link_serves_its_own_person(shop: Shop) -> None:
    shop.carts(cart("c-2", email="bela@example.com"), when="5m")
    mailed(shop)
    with open_site(shop) as site:
        site.client.post(site.links(to="bela@example.com")[1], data=ONE_CLICK)
        assert sorted(enrolled(site)) == ["cancelled", "live"]
        site.client.post(site.links(to="anna@example.com")[1], data={"action": "undo"})
        assert len(suppressed(site)) == 1


def test_an_old_link_still_unsubscribes(site: Site) -> None:
    _, link = site.links()
    site.now = "3000d"
    assert site.client.get(link).status_code == 200
    assert site.client.post(link, data=ONE_CLICK).status_code == 200
    assert suppressed(site) == [("all", "unsubscribe-link")]


def test_where_nobody_is_known_any_longer_the_answer_is_still_yes(site: Site) -> None:
    service = site.client.app.state.service  # type: ignore[attr-defined] # FastAPI's own place for it
    link = f"/u/{service.links.token('unsubscribe', 999, now=service.clock())}"
    before = site.tables
    for answer in (site.client.get(link), site.client.post(link, data=ONE_CLICK)):
        assert answer.status_code == 200
        assert "No more mail will come from this" in answer.text
    assert site.tables == before
    assert site.visits == []


def test_a_forgotten_person_is_nobody(site: Site) -> None:
    """What `contacts` holds of them is a stand-in, and no address to show or to suppress."""
    path = site.shop.folder / "cartctl.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE contacts SET email_normalised = id || '@erased.invalid'")
    for answer in (site.client.get(site.links()[1]), site.client.post(site.links()[1], data=ONE_CLICK)):
        assert answer.status_code == 200
        assert "No more mail will come from this" in answer.text
        assert "invalid" not in answer.text
    assert suppressed(site) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_recovery_link_unsubscribes_nobody(site: Site, method: str) -> None:
    recover, unsubscribe_ = site.links()
    for path in (recover.replace("/r/", "/u/"), unsubscribe_[:-3], "/u/x", recover):
        assert site.client.request(method, path).status_code in ({303, 404} if method == "GET" else {404, 405})
    assert suppressed(site) == []


def test_a_mail_provider_may_post_for_all_its_customers(shop: Shop) -> None:
    """One-click posts of thousands of people come from a few addresses; none is refused for the others' sake."""
    mailed(shop)
    with open_site(shop, "[web]\nrate_limit = 2\n" + STORE) as site:
        _, link = site.links()
        assert [site.client.get(link).status_code for _ in range(4)] == [200, 200, 429, 429]
        assert [site.client.post(link, data=ONE_CLICK).status_code for _ in range(4)] == [200] * 4

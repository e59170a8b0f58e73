"""Whoever a segment names is told once of each contact in it, after the mails, whatever the webhook does."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import insert, select, update
from werkzeug import Request, Response

from cartctl.domain.messages import MAX_ATTEMPTS
from cartctl.mail.alerts import body
from cartctl.store import alerts as alerts_store
from cartctl.store import contacts as contacts_store
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import alerts, contacts, enrollments
from tests.shop import Outcome, Shop, at, cart, iso

SEQUENCE = """\
trigger = "enrolled"

[[step]]
key = "welcome"
after = "0m"
subject = "Welcome"

[attributes.red]
type = "integer"

[[segment]]
key = "critical"
when = "red >= 2"
description = "Several systems fail"
action = "Call them today"
alert = "ALERT"

[[segment]]
key = "calm"
"""


class Chat:
    """A webhook: what it was told, and what it answers."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/hooks/secret-token")
        self.told: list[dict[str, Any]] = []
        self.answer: Callable[[], Response] = lambda: Response(status=204)
        server.expect_request("/hooks/secret-token", method="POST").respond_with_handler(self._hear)

    def _hear(self, request: Request) -> Response:
        self.told.append(json.loads(request.data))
        return self.answer()

    @property
    def texts(self) -> list[str]:
        return [one["content"] for one in self.told]


@pytest.fixture
def chat(httpserver: HTTPServer) -> Chat:
    return Chat(httpserver)


def configure(shop: Shop, alert: str, more: str = "") -> None:
    folder = shop.folder / "templates" / "course"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sequence.toml").write_text(SEQUENCE.replace("ALERT", alert), encoding="utf-8")
    shop.configure(f'templates = "templates"\n{more}')


def enter(
    database: EngineDatabase, email: str = "anna@example.com", *, is_test: bool = False, segment: str = "critical"
) -> int:
    """Let a contact enter a segment that somebody is told of."""
    with database.write() as connection:
        contact = contacts_store.ensure(connection, [email])[email]
        connection.execute(
            update(contacts)
            .where(contacts.c.id == contact)
            .values(first_name="Anna", business_name="Anna's Bakery <Ltd> @everyone")
        )
        row = {"sequence": "course", "contact_id": contact, "store": "main", "status": "finished"}
        row |= {"segment": segment, "enrolled_at": at("0m"), "is_test": is_test}
        id_ = int(connection.execute(insert(enrollments).values(row).returning(enrollments.c.id)).scalar_one())
        alerts_store.announce(connection, id_, segment, at=at("0m"))
        return id_


def run(shop: Shop, when: str, *options: str) -> Outcome:
    return shop.cli("run-due", "--at", iso(when), *options, ok=False)


def left(database: EngineDatabase) -> list[tuple[int, bool, str]]:
    """(attempts, done, reason) of every alert."""
    with database.read() as connection:
        rows = connection.execute(select(alerts).order_by(alerts.c.enrollment_id)).all()
    return [(row.attempts, row.done_at is not None, row.reason) for row in rows]


def test_a_webhook_is_told_once_and_no_address(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    enter(database)
    for when in ("1m", "1m", "30m", "24h"):
        outcome = run(any_shop, when)
        assert (outcome.exit_code, outcome.err) == (0, "")
    [text] = chat.texts
    assert text.splitlines() == [
        "critical: Anna, Anna's Bakery <Ltd> @everyone (contact 1) is in course",
        "Several systems fail",
        "Call them today",
    ]


def test_entering_the_same_segment_again_tells_nobody(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    id_ = enter(database)
    run(any_shop, "1m")
    with database.write() as connection:
        alerts_store.announce(connection, id_, "critical", at=at("2m"))
    run(any_shop, "3m")
    assert len(chat.told) == 1


def test_the_url_may_stand_in_the_configuration_as_a_secret(
    any_shop: Shop, database: EngineDatabase, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(any_shop, "owner")
    monkeypatch.setenv("CARTCTL_ALERTS__OWNER", f"webhook:{chat.url}")
    enter(database)
    run(any_shop, "1m")
    assert len(chat.told) == 1


def test_a_mail_to_the_owner_names_the_address(any_shop: Shop, database: EngineDatabase) -> None:
    configure(any_shop, "owner", '[alerts]\nowner = "mail:owner@example.com"\n')
    enter(database)
    run(any_shop, "1m")
    run(any_shop, "2m")
    [mail] = any_shop.mails
    assert mail.to == "owner@example.com"
    assert "anna@example.com" in mail.part("plain")
    assert "Bakery &lt;Ltd&gt;" in mail.part("html")


def test_a_test_is_told_of_as_a_test(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    enter(database, is_test=True)
    run(any_shop, "1m")
    assert chat.texts[0].startswith("Test: critical: Anna")


def test_a_webhook_that_fails_is_asked_five_times_then_given_up_and_said_once(
    any_shop: Shop, database: EngineDatabase, chat: Chat
) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    id_ = enter(database)
    chat.answer = lambda: Response(status=500)
    outcomes = [run(any_shop, f"{minute}m") for minute in range(1, 400, 3)]
    assert len(chat.told) == MAX_ATTEMPTS
    said = [one for one in outcomes if one.exit_code or one.err]
    assert [(one.exit_code, f"enrollment {id_} entered segment critical" in one.err) for one in said] == [(1, True)]
    assert all(secret not in said[0].err for secret in ("secret-token", "anna@", "Anna"))
    assert left(database) == [(MAX_ATTEMPTS, True, "given up: answer 500")]


def test_mail_goes_out_whatever_the_webhook_does(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    """And before it is called: what it sees when it is asked has left already."""
    configure(any_shop, f"webhook:{chat.url}")
    any_shop.carts(cart(), when="5m")
    enter(database)
    mails: list[int] = []

    def fail() -> Response:
        mails.append(len(any_shop.mails))
        with database.write() as connection:  # nobody holds a transaction meanwhile
            connection.execute(select(alerts)).all()
        return Response(status=500)

    chat.answer = fail
    run(any_shop, "31m")
    assert mails == [1]


def test_a_webhook_that_is_down_is_asked_once_a_run(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    for number in range(3):
        enter(database, f"person{number}@example.com")
    chat.answer = lambda: Response(status=503)
    run(any_shop, "1m")
    assert len(chat.told) == 1
    chat.answer = lambda: Response(status=200)
    run(any_shop, "10m")
    assert len(chat.told) == 4
    assert [done for _, done, _ in left(database)] == [True, True, True]


def test_a_webhook_that_is_down_keeps_no_one_else_waiting(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    sequence = any_shop.folder / "templates" / "course" / "sequence.toml"
    sequence.write_text(f'{sequence.read_text(encoding="utf-8")}alert = "mail:owner@example.com"\n', encoding="utf-8")
    for number in range(12):
        enter(database, f"person{number}@example.com")
    enter(database, segment="calm")
    chat.answer = lambda: Response(status=503)
    run(any_shop, "1m")
    assert ([mail.to for mail in any_shop.mails], len(chat.told)) == (["owner@example.com"], 1)
    assert [(attempts, done) for attempts, done, _ in left(database)] == [(1, False), *[(0, False)] * 11, (1, True)]


def test_a_webhook_that_asks_to_wait_is_left_alone_for_as_long(
    any_shop: Shop, database: EngineDatabase, chat: Chat
) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    enter(database)
    chat.answer = lambda: Response(status=429, headers={"Retry-After": "3600"})
    run(any_shop, "1m")
    run(any_shop, "50m")
    assert len(chat.told) == 1
    run(any_shop, "62m")
    assert len(chat.told) == 2


def test_at_most_ten_are_told_of_in_a_run_and_the_rest_in_the_next(
    any_shop: Shop, database: EngineDatabase, chat: Chat
) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    for number in range(12):
        enter(database, f"person{number}@example.com")
    run(any_shop, "1m")
    assert len(chat.told) == 10
    run(any_shop, "2m")
    assert len(chat.told) == 12


def test_of_whoever_is_forgotten_nobody_is_told(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    enter(database)
    any_shop.cli("contact", "forget", "anna@example.com", "--yes")
    run(any_shop, "1m")
    assert (chat.told, left(database)) == ([], [(1, True, "forgotten")])


def test_a_dry_run_tells_nobody(any_shop: Shop, database: EngineDatabase, chat: Chat) -> None:
    configure(any_shop, f"webhook:{chat.url}")
    enter(database)
    run(any_shop, "1m", "--dry-run")
    assert (chat.told, left(database)) == ([], [(0, False, "")])


def test_a_rehearsal_calls_nobody_outside(any_shop: Shop, database: EngineDatabase) -> None:
    configure(any_shop, "webhook:https://chat.invalid/hooks/secret-token")
    enter(database)
    outcome = run(any_shop, "1m")
    assert (outcome.exit_code, left(database)) == (0, [(1, True, "")])


def test_a_name_that_the_configuration_lacks_is_said_once(any_shop: Shop, database: EngineDatabase) -> None:
    configure(any_shop, "owner")
    enter(database)
    first, second = run(any_shop, "1m"), run(any_shop, "24h")
    assert (first.exit_code, "[alerts] of the configuration" in first.err) == (1, True)
    assert (second.exit_code, second.err) == (0, "")


@pytest.mark.parametrize(
    ("alert", "complaint"),
    [
        ("webhook:http://chat.example.com/secret-token", "no https address"),
        ("mail:owner", "no e-mail address"),
        ("Owner's chat", "a name in [alerts]"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused_without_being_shown(
    alert: str, complaint: str, any_shop: Shop
) -> None:
    configure(any_shop, alert)
    outcome = run(any_shop, "1m")
    assert (outcome.exit_code, complaint in outcome.err, "secret-token" in outcome.err) == (2, True, False)
    if ":" in alert:
        configure(any_shop, "owner", f'[alerts]\nowner = "{alert}"\n')
        outcome = run(any_shop, "1m")
        assert (outcome.exit_code, complaint in outcome.err, "secret-token" in outcome.err) == (2, True, False)


def test_discord_and_slack_get_what_each_understands() -> None:
    text = "Anna & <Ltd> @everyone " + "x" * 3000
    discord, slack = body("discord.com", text), body("hooks.slack.com", text)
    assert discord.keys() == {"content", "allowed_mentions"}
    assert discord["allowed_mentions"] == {"parse": []}
    assert len(discord["content"]) < 2000
    assert slack.keys() == {"text"}
    assert slack["text"].startswith("Anna &amp; &lt;Ltd&gt;")
    assert body("chat.example.com", text).keys() == {"content", "allowed_mentions", "text"}

"""Provider events: whose message they are about, what they settle, and whom they suppress."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cartctl.errors import InputFileError
from cartctl.importers.records import Context
from cartctl.jobs import import_coupons, import_events, import_suppressions, resolve
from cartctl.jobs.importing import ImportResult, Options
from cartctl.mail.message import Accepted, OutgoingMessage, Unknown
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import events, messages, suppressions
from tests.jobs.engine import Engine, Killed, Provider
from tests.shop import at, cart

ANNA = "anna@example.com"


class Shop(Engine):
    """An engine whose provider loses its answers, and that imports events."""

    def __init__(self, database: EngineDatabase, folder: Path, *, name: str = "sendgrid") -> None:
        super().__init__(database, folder, Provider(self._lost, name=name))

    def _lost(self, mail: OutgoingMessage) -> Unknown | Accepted:
        return Unknown("no answer in time")

    def events(self, *found: dict[str, Any], when: str = "40m", again: bool = False) -> ImportResult:
        path = self.folder / "events.json"
        path.write_text(json.dumps(found), encoding="utf-8")
        options = Options(context=Context("main"), rejects_folder=self.folder, again=again)
        return import_events.run(self.database, path, options=options, rules=self.rules, now=at(when))

    def message(self, id_: int = 1) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(messages).where(messages.c.id == id_)).one()


def event(kind: str = "delivered", *, message: int | None = 1, when: str = "31m", **fields: Any) -> dict[str, Any]:
    found = {"email": ANNA, "timestamp": int(at(when).timestamp()), "event": kind, "sg_message_id": "abc.filter.0"}
    return found | ({"cc_message_id": str(message)} if message else {}) | fields


@pytest.fixture
def shop(db: EngineDatabase, tmp_path: Path) -> Shop:
    """A shop whose first message, to Anna, is unknown."""
    shop = Shop(db, tmp_path)
    shop.carts(cart())
    shop.run("30m")
    assert shop.states[0][1] == "unknown"
    return shop


@pytest.mark.parametrize("kind", ["processed", "delivered", "deferred", "bounce", "dropped", "open", "click"])
def test_any_event_of_an_unknown_message_says_that_it_was_accepted(shop: Shop, kind: str) -> None:
    result = shop.events(event(kind, type="blocked"))
    assert result.saved["events"]["settled"] == 1
    assert (shop.message().state, shop.message().receipt) == ("accepted", "abc")
    assert result.notes == ("1 message was unknown and is now accepted",)
    assert shop.events(event(kind, type="blocked"), again=True).notes == ()
    assert shop.transitions(1)[-1] == ("unknown", "accepted", "event")
    assert shop.live == ["live"]
    assert [state for _, state, _ in shop.states] == ["accepted", "scheduled"]


def test_an_event_that_came_while_the_request_was_open_settles_it(db: EngineDatabase, tmp_path: Path) -> None:
    """The file is imported once: nobody looks at it again when the answer is lost afterwards."""
    shop = Shop(db, tmp_path)

    def told_before_it_is_lost(_mail: OutgoingMessage) -> Unknown:
        shop.events(event(), when="30m")
        return Unknown("no answer in time")

    shop.provider.answer = told_before_it_is_lost
    shop.carts(cart())
    result = shop.run("30m")
    assert (result.sent.sent, result.sent.unknown, result.has_problems) == (1, 0, False)
    assert shop.states == [("reminder", "accepted", "event"), ("urgency", "scheduled", "")]
    assert shop.transitions(1)[-2:] == [("sending", "unknown", "no answer in time"), ("unknown", "accepted", "event")]
    again = resolve.retry(db, [1], rules=shop.rules, now=at("1h"))
    assert again.refused == {1: "it is accepted, not unknown"}


def test_an_event_without_our_id_is_matched_by_what_the_provider_calls_the_message(
    db: EngineDatabase, tmp_path: Path
) -> None:
    shop = Shop(db, tmp_path)
    shop.provider.answer = lambda mail: Accepted("abc")
    shop.carts(cart())
    shop.run("30m")
    result = shop.events(event("delivered", message=None), event("open", message=None, sg_message_id="xyz.filter.0"))
    assert result.saved["events"] == {
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "settled": 0,
        "suppressed": 0,
        "unmatched": 1,
    }
    with db.read() as connection:
        rows = connection.execute(select(events.c.kind, events.c.message_id).order_by(events.c.id)).all()
    assert sorted(tuple(row) for row in rows if row.message_id) == [("delivered", 1)]


@pytest.mark.parametrize(
    "fields",
    [{"message": 999}, {"message": None}, {"email": "bela@example.com"}],
    ids=["no such message", "no id at all", "sent to somebody else"],
)
def test_an_event_of_another_database_settles_nothing(shop: Shop, fields: dict[str, Any]) -> None:
    result = shop.events(event(**fields))
    assert (result.accepted, result.saved["events"]["unmatched"], result.saved["events"]["settled"]) == (1, 1, 0)
    assert shop.message().state == "unknown"


def test_an_event_that_the_provider_calls_otherwise_is_of_another_database(db: EngineDatabase, tmp_path: Path) -> None:
    shop = Shop(db, tmp_path)
    shop.provider.answer = lambda mail: Accepted("ours")
    shop.carts(cart())
    shop.run("30m")
    assert shop.events(event(sg_message_id="theirs.filter.0")).saved["events"]["unmatched"] == 1
    assert shop.events(event("open", sg_message_id="ours.filter.0")).saved["events"]["unmatched"] == 0


def test_an_event_is_never_of_a_message_that_another_transport_carried(db: EngineDatabase, tmp_path: Path) -> None:
    shop = Shop(db, tmp_path, name="smtp")
    shop.carts(cart())
    shop.run("30m")
    assert shop.events(event()).saved["events"]["unmatched"] == 1
    assert shop.message().state == "unknown"


@pytest.mark.parametrize("state", ["scheduled", "accepted"])
def test_only_unknown_messages_are_settled(shop: Shop, state: str) -> None:
    shop.provider.answer = lambda mail: Accepted("abc")
    if state == "accepted":
        shop.run("24h")
    before = shop.transitions(2)
    shop.events(event(message=2))
    assert shop.transitions(2) == before
    assert shop.message(2).state == state


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "bounce", "type": "bounce"}, "hard-bounce"),
        ({"kind": "spamreport"}, "spam-report"),
        ({"kind": "unsubscribe"}, "unsubscribed"),
        ({"kind": "group_unsubscribe"}, "unsubscribed"),
        ({"kind": "dropped", "reason": "Bounced Address"}, "hard-bounce"),
    ],
)
def test_what_suppresses_stops_the_sequence_at_once(shop: Shop, fields: dict[str, Any], reason: str) -> None:
    result = shop.events(event(**fields))
    assert result.saved["events"]["suppressed"] == 1
    assert (shop.states[1], shop.live) == (("urgency", "cancelled", "suppressed"), ["cancelled"])
    with shop.database.read() as connection:
        row = connection.execute(select(suppressions)).one()
    assert (row.scope, row.reason) == ("all", reason)


@pytest.mark.parametrize("fields", [{"kind": "bounce", "type": "blocked"}, {"kind": "deferred"}, {"kind": "dropped"}])
def test_what_is_only_for_now_suppresses_nobody(shop: Shop, fields: dict[str, Any]) -> None:
    assert shop.events(event(**fields)).saved["events"]["suppressed"] == 0
    assert (shop.states[1][1], shop.live) == ("scheduled", ["live"])


def test_the_events_own_address_is_suppressed_whoevers_mail_it_bears(shop: Shop) -> None:
    """An event of Bela that bears the id of Anna's message: Bela is suppressed, Anna is not."""
    shop.carts(cart("c-2", email="bela@example.com", seen="35m"), when="40m")
    shop.run("65m")
    shop.events(event("spamreport", email="Bela@Example.com", message=1), when="70m")
    assert shop.live == ["live", "cancelled"]


def test_a_suppressed_shopper_who_was_away_gets_nothing_when_she_is_back(shop: Shop) -> None:
    shop.carts(cart(seen="45m"), when="46m")
    assert shop.live == ["suspended"]
    shop.events(event("unsubscribe"), when="50m")
    assert shop.live == ["cancelled"]


def test_the_same_event_in_another_file_changes_nothing(shop: Shop) -> None:
    first = shop.events(event(), event("spamreport"))
    second = shop.events(event(sg_event_id="another"), event("spamreport"), event("open"))
    assert [result.saved["events"][name] for result in (first, second) for name in ("created", "unchanged")] == [
        *(2, 0),
        *(1, 2),
    ]
    assert (second.saved["events"]["settled"], second.saved["events"]["suppressed"]) == (0, 0)
    with shop.database.read() as connection:
        assert len(connection.execute(select(events)).all()) == 3


def test_the_same_file_is_known(shop: Shop) -> None:
    shop.events(event())
    assert shop.events(event()).already_imported
    again = shop.events(event(), again=True)
    assert (again.already_imported, again.saved["events"]["unchanged"]) == (False, 1)


def test_an_event_that_came_before_its_message_was_unknown_settles_it_when_read_again(
    db: EngineDatabase, tmp_path: Path
) -> None:
    shop = Shop(db, tmp_path)
    shop.carts(cart())
    shop.events(event(when="30m"), when="25m")
    shop.run("30m")
    assert shop.message().state == "unknown"
    assert shop.events(event(when="30m"), again=True).saved["events"]["settled"] == 1
    assert shop.message().state == "accepted"


def test_an_event_that_came_while_the_lease_ran_settles_what_a_dead_process_left(
    db: EngineDatabase, tmp_path: Path
) -> None:
    shop = Shop(db, tmp_path)
    shop.carts(cart())

    def die(mail: OutgoingMessage) -> Accepted:
        raise Killed

    shop.provider.answer = die
    with pytest.raises(Killed):
        shop.run("30m")
    assert shop.message().state == "sending"
    assert shop.events(event("processed"), when="32m").saved["events"]["settled"] == 0
    assert shop.message().state == "sending"  # its own process may be alive, and will say so
    result = shop.run("40m")
    assert (result.sent.unknown, list(result.sent.problems)) == (0, [])
    assert shop.transitions(1)[-2:] == [("sending", "unknown", "died-sending"), ("unknown", "accepted", "event")]
    assert [state for _, state, _ in shop.states] == ["accepted", "scheduled"]


@pytest.mark.parametrize("kind", ["events", "suppressions", "coupons"])
def test_an_import_waits_for_a_gate_that_is_open(db: EngineDatabase, tmp_path: Path, kind: str) -> None:
    """Else the gate would not see what it commits, and the mail would leave after the suppression."""
    shop = Shop(db, tmp_path)
    path = tmp_path / "list.csv"
    path.write_text("email,code\nanna@example.com,CODE1\n", encoding="utf-8")
    options = Options(context=Context("main"), rejects_folder=tmp_path)
    imports: dict[str, Callable[[], object]] = {
        "events": lambda: shop.events(event("spamreport")),
        "suppressions": lambda: import_suppressions.run(db, path, options=options, now=at("1h")),
        "coupons": lambda: import_coupons.run(
            db, path, options=options, coupon="recovery10", sequences=shop.rules.sequences, now=at("1h")
        ),
    }
    thread = threading.Thread(target=imports[kind])
    with db.write(carts="rely"):
        thread.start()
        thread.join(1)
        waited = thread.is_alive()
    thread.join()
    assert waited


def test_no_address_is_kept_with_an_event(shop: Shop) -> None:
    shop.events(event("bounce", type="bounce", reason=f"550 <{ANNA}>", url=f"https://shop.example.com/?{ANNA}"))
    with shop.database.read() as connection:
        (row,) = connection.execute(select(events)).all()
    assert "@" not in json.dumps([str(value) for value in row])


def test_other_json_is_refused(shop: Shop) -> None:
    path = shop.folder / "broken.json"
    path.write_text(json.dumps({"a": "b"}), encoding="utf-8")
    with pytest.raises(InputFileError, match="no events"):
        import_events.run(
            shop.database, path, options=Options(context=Context("main")), rules=shop.rules, now=at("40m")
        )
    assert shop.message().state == "unknown"


@pytest.mark.parametrize(("name", "unmatched"), [("sendgrid", 1), ("resend", 0)])
def test_events_of_resends_are_about_its_own_messages_alone(
    db: EngineDatabase, tmp_path: Path, name: str, unmatched: int
) -> None:
    """The tag names the message; of a mail that went through SendGrid Resend can tell nothing."""
    engine = Shop(db, tmp_path, name=name)
    engine.carts(cart())
    engine.run("30m")
    about = {"email_id": "r", "to": [ANNA], "tags": {"cc_message_id": "1"}}
    found = {"type": "email.complained", "created_at": at("31m").isoformat(), "data": about}
    result = engine.events(found)
    assert (result.format, result.saved["events"]["unmatched"]) == ("resend-events", unmatched)
    assert result.saved["events"]["suppressed"] == 1, "whoever's mail it was"
    assert engine.events(found).already_imported

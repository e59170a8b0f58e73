"""`cartctl messages`: looking at messages, and saying what became of the unknown ones."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from cartctl.store.database import EngineDatabase, connect
from cartctl.store.tables import messages
from tests.bench.stock import fill
from tests.faults.conftest import provider as provider  # noqa: PLC0414 - a fixture, used by name
from tests.faults.provider import Provider
from tests.faults.rig import Rig
from tests.shop import T0, Cli, Shop, cart, iso

ANNA = "message 1, cart-recovery/reminder to a…@example.com, cart c-1 of main: "


def test_list_shows_every_message_without_addresses(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", email="ben@example.com"), when="5m")
    shop.run("30m")
    lines = shop.cli("messages", "list").out.splitlines()
    assert lines[0] == f"{ANNA}accepted, due 2026-03-02 10:30 UTC, handed over 2026-03-02 10:30 UTC"
    assert [line.partition(",")[0] for line in lines] == [f"message {n}" for n in (1, 2, 3, 4)]
    assert "anna@" not in "".join(lines)


def test_a_long_list_is_not_paged(shop: Shop) -> None:
    """More than are read at once: each once, in the order of their ids."""
    database = EngineDatabase(connect(f"sqlite:///{shop.folder / 'cartctl.db'}"))
    fill(database, 1100, now=T0, due=timedelta(minutes=30), items=0)
    with database.write() as connection:
        connection.execute(update(messages).where(messages.c.id % 3 == 0).values(state="skipped"))
    database.close()
    numbers = list(range(1, 1101))
    lines = shop.cli("messages", "list").out.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"message {n}" for n in numbers]
    assert [message["id"] for message in shop.cli("messages", "list", "--json").json] == numbers
    skipped = [n for n in numbers if n % 3 == 0]
    shown = shop.cli("messages", "list", "--state", "skipped", "--json").json
    assert [(message["id"], message["state"]) for message in shown] == [(n, "skipped") for n in skipped]
    lines = shop.cli("messages", "list", "--state", "skipped").out.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"message {n}" for n in skipped]


def test_list_of_one_state_as_json(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    (message,) = shop.cli("messages", "list", "--state", "scheduled", "--json").json
    assert message == {
        "id": 2,
        "sequence": "cart-recovery",
        "step": "urgency",
        "store": "main",
        "cart": "c-1",
        "to": "a…@example.com",
        "state": "scheduled",
        "reason": "",
        "due_at": "2026-03-03T10:00:00+00:00",
        "sent_at": None,
        "attempts": 0,
        "transport": "",
        "receipt": "",
    }
    assert shop.cli("messages", "list", "--state", "unknown", "--json").json == []


def test_show_tells_the_whole_story(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    text = shop.cli("messages", "show", "1").out
    assert text.startswith(ANNA)
    assert [line.split("UTC  ")[1] for line in text.splitlines()[1:]] == [
        "new -> scheduled",
        "scheduled -> claimed",
        "claimed -> sending",
        "sending -> accepted",
    ]
    shown = shop.cli("messages", "show", "1", "--json").json
    assert [step["to"] for step in shown["transitions"]] == ["scheduled", "claimed", "sending", "accepted"]
    assert "anna" not in text.replace("a…@", "")


def test_show_of_a_message_that_is_not_there(shop: Shop) -> None:
    shop.run_once("30m")
    outcome = shop.cli("messages", "show", "99", ok=False)
    assert (outcome.exit_code, outcome.err.startswith("cartctl: message 99: there is no such message")) == (2, True)


@pytest.mark.parametrize("command", [("show",), ("resolve", "--accepted"), ("resolve", "--retry")], ids=" ".join)
@pytest.mark.parametrize("number", [2**63, 10**20, 0])
def test_a_number_that_no_message_can_have_is_a_usage_error(
    any_shop: Shop, command: tuple[str, ...], number: int
) -> None:
    any_shop.run_once("30m")
    outcome = any_shop.cli("messages", *command, str(number), ok=False)
    assert (outcome.exit_code, "than or equal to" in outcome.err) == (2, True), outcome
    assert any_shop.cli("messages", *command, str(2**63 - 1), ok=False).err.count("there is no such message") == 1


@pytest.fixture
def rig(cli: Cli, shop: Shop, provider: Provider) -> Rig:
    """A shop with one unknown message: the provider took it and said nothing."""
    rig = Rig(cli, shop.folder, provider, f"sqlite:///{shop.folder / 'cartctl.db'}")
    rig.carts(cart(), when="5m")
    provider.status = lambda _id: 0
    assert rig.cli("run-due", "--at", iso("30m"), ok=False).exit_code == 1
    provider.status = lambda _id: 202
    return rig


def test_resolve_accepted(rig: Rig) -> None:
    assert rig.cli("messages", "resolve", "1", "--accepted", "-v", "--at", iso("1h")).out == "message 1 is accepted\n"
    assert "accepted (operator)" in rig.cli("messages", "list").out
    rig.database.close()


def test_resolve_retry_sends_it_again(rig: Rig) -> None:
    rig.cli("messages", "resolve", "1", "--retry", "--at", iso("1h"))
    rig.run("1h")
    assert [id_ for id_, _, _ in rig.provider.taken] == [1, 1], "the operator said that the first was not taken"
    rig.database.close()


def test_each_refusal_is_named_and_the_others_are_resolved(rig: Rig) -> None:
    outcome = rig.cli("messages", "resolve", "2", "1", "99", "--accepted", "--json", "--at", iso("1h"), ok=False)
    assert outcome.exit_code == 1
    assert outcome.json["resolved"] == [1]
    assert outcome.err.splitlines() == [
        "cartctl: message 2 was left as it was: it is scheduled, not unknown",
        "cartctl: message 99 was left as it was: there is no such message",
    ]
    rig.database.close()


@pytest.mark.parametrize("options", [(), ("--accepted", "--retry")])
def test_resolve_wants_to_know_which(shop: Shop, options: tuple[str, ...]) -> None:
    outcome = shop.cli("messages", "resolve", "1", *options, ok=False)
    assert (outcome.exit_code, outcome.err) == (2, "cartctl: messages resolve: say either --accepted or --retry\n")

"""`cartctl suppress`: one address at a time."""

import io
import sys

import pytest

from tests.cli.test_feedback import events
from tests.shop import Cli, Shop, cart, iso

ANNA = "anna@example.com"


def test_add_calls_off_what_is_scheduled_and_keeps_the_hash_alone(any_shop: Shop) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    said = any_shop.cli("suppress", "add", "Anna@Example.com", "--reason", "telephoned", "-v", "--at", iso("1h")).out
    assert said == "a…@example.com is suppressed\n"
    assert any_shop.cli("suppress", "add", ANNA, "-v").out == "a…@example.com was suppressed already\n"
    assert any_shop.cli("suppress", "add", ANNA).out == ""
    assert any_shop.cli("messages", "show", "2", "--json").json["reason"] == "suppressed"
    assert any_shop.cli("suppress", "list").out == "2026-03-02 11:00 UTC  a…@example.com: telephoned\n"
    (row,) = any_shop.cli("suppress", "list", "--json").json
    assert (row["email"], row["sequence"], row["reason"]) == ("a…@example.com", None, "telephoned")
    assert len(row["email_hash"]) == 64


def test_of_one_sequence_alone(any_shop: Shop) -> None:
    any_shop.cli("suppress", "add", ANNA, "--sequence", "cart-recovery", "--at", iso("1m"))
    any_shop.carts(cart(), when="5m")
    assert any_shop.run("30m")["sent"] == 0
    (line,) = any_shop.cli("suppress", "list").out.splitlines()
    assert line == "2026-03-02 10:01 UTC  a…@example.com in cart-recovery: operator"
    outcome = any_shop.cli("suppress", "remove", ANNA, ok=False)
    assert outcome.exit_code == 2
    assert outcome.err == "cartctl: a…@example.com is not suppressed; it is in cart-recovery\n"
    any_shop.cli("suppress", "remove", ANNA, "--sequence", "cart-recovery")
    assert any_shop.cli("suppress", "list", "--json").json == []


def test_a_sequence_that_is_not_there_is_refused(shop: Shop) -> None:
    outcome = shop.cli("suppress", "add", ANNA, "--sequence", "cart-recover", ok=False)
    assert (outcome.exit_code, 'did you mean "cart-recovery"' in outcome.err) == (2, True)


def test_an_address_that_no_contact_has_is_shown_by_its_hash(shop: Shop) -> None:
    shop.cli("suppress", "add", ANNA)
    (line,) = shop.cli("suppress", "list").out.splitlines()
    (row,) = shop.cli("suppress", "list", "--json").json
    assert f"  hash {row['email_hash'][:12]}: operator" in line
    assert row["email"] is None


def test_remove_lets_new_carts_be_written_about(any_shop: Shop) -> None:
    any_shop.cli("suppress", "add", ANNA)
    said = any_shop.cli("suppress", "remove", ANNA, "-v").out
    assert said == "a…@example.com is not suppressed any more: carts abandoned from now on may be written about\n"
    any_shop.carts(cart(), when="5m")
    assert any_shop.run("30m")["sent"] == 1


def test_who_complained_is_not_let_back_without_a_word(shop: Shop, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("import", "events", events({"event": "spamreport"}))
    outcome = cli("suppress", "remove", ANNA, ok=False)
    assert outcome.exit_code == 2
    assert "is suppressed because: spam-report" in outcome.err
    assert "--yes" in outcome.err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert cli("suppress", "remove", ANNA, ok=False).exit_code == 1
    assert len(cli("suppress", "list", "--json").json) == 1
    cli("suppress", "remove", ANNA, "--yes")
    assert cli("suppress", "list", "--json").json == []


@pytest.mark.parametrize("command", ["add", "remove"])
def test_what_is_no_address_is_refused(shop: Shop, command: str) -> None:
    assert shop.cli("suppress", command, "anna", ok=False).exit_code == 2


@pytest.mark.parametrize("reason", ["asked\nus", "", "  ", "tab\there", "x" * 81])
def test_a_reason_is_one_line(shop: Shop, reason: str) -> None:
    outcome = shop.cli("suppress", "add", ANNA, "--reason", reason, ok=False)
    assert (outcome.exit_code, outcome.err) == (2, "cartctl: --reason: expected one line of at most 80 characters\n")
    assert shop.cli("suppress", "list", "--json").json == []


def test_removing_what_is_not_there(shop: Shop) -> None:
    outcome = shop.cli("suppress", "remove", ANNA, ok=False)
    assert (outcome.exit_code, outcome.err) == (2, "cartctl: a…@example.com is not suppressed\n")

"""The holdout: drawn once, never written to, and counted against those who are."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from cartctl.jobs.holdout import lot
from cartctl.resources import shipped_templates
from cartctl.store.database import EngineDatabase
from cartctl.store.tables import contacts, enrollments, messages
from tests.shop import Shop, at, cart, iso, live, order

PEOPLE = [f"shopper{number}@example.com" for number in range(40)]


def holding_out(shop: Shop, percent: float, *, configuration: str = "") -> None:
    """Give the shop's sequence a holdout; 0: take it away."""
    shipped = (shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    path = shop.folder / "templates" / "cart-recovery" / "sequence.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((f"holdout = {percent:g}\n" if percent else "") + shipped, encoding="utf-8")
    shop.configure(f'templates = "templates"\n{configuration}')


def carts_of(people: Sequence[str], *, seen: str = "0m", name: str = "c") -> list[dict[str, str]]:
    return [cart(f"{name}-{number}", email=email, seen=seen) for number, email in enumerate(people)]


def drawn(database: EngineDatabase) -> dict[str, set[str]]:
    """Who is in which arm."""
    arms: dict[str, set[str]] = {"treated": set(), "holdout": set(), "": set()}
    rows = select(contacts.c.email_normalised, enrollments.c.arm).join(
        enrollments, enrollments.c.contact_id == contacts.c.id
    )
    with database.read() as connection:
        for email, arm in connection.execute(rows):
            arms[arm].add(email)
    return arms


def written_to(database: EngineDatabase) -> set[str]:
    rows = select(contacts.c.email_normalised).join(messages, messages.c.contact_id == contacts.c.id)
    with database.read() as connection:
        return set(connection.execute(rows).scalars())


def test_the_holdout_has_no_message_ever_whatever_happens_to_its_carts(
    any_shop: Shop, database: EngineDatabase
) -> None:
    holding_out(any_shop, 50)
    any_shop.carts(*carts_of(PEOPLE), when="5m")
    result = any_shop.run("30m")
    arms = drawn(database)
    assert (result["enrolled"], result["held_out"]) == (len(arms["treated"]), len(arms["holdout"]))
    assert arms["treated"] | arms["holdout"] == set(PEOPLE)
    assert 8 <= len(arms["holdout"]) <= 32, "a half, or thereabouts"
    any_shop.carts(*carts_of(PEOPLE, seen="2h"), when="2h")  # touched again, and idle again
    any_shop.run("3h")
    any_shop.carts(*carts_of(PEOPLE, seen="20h", name="d"), when="20h")  # another cart
    live(any_shop, "21h", "24h", "48h", "72h", "96h", "168h")
    assert written_to(database) == arms["treated"]
    assert drawn(database) == arms, "fixed for a contact and a sequence"
    with database.read() as connection:
        held = select(enrollments.c.status, enrollments.c.ended_at).where(enrollments.c.arm == "holdout")
        assert {tuple(row) for row in connection.execute(held)} == {("holdout", None)}


def test_who_was_drawn_stays_whatever_the_percentage(any_shop: Shop, database: EngineDatabase) -> None:
    holding_out(any_shop, 30)
    any_shop.carts(*carts_of(PEOPLE), when="5m")
    any_shop.run("30m")
    arms = drawn(database)
    assert arms["holdout"]
    assert arms["treated"]
    for percent, name, seen, when in ((50, "d", "200h", "201h"), (1, "e", "400h", "401h")):
        holding_out(any_shop, percent)
        any_shop.carts(*carts_of(PEOPLE, seen=seen, name=name), when=seen)
        any_shop.run(when)
    assert drawn(database) == arms
    assert written_to(database) == arms["treated"]


def test_a_contact_that_was_forgotten_and_comes_back_is_drawn_the_same(
    any_shop: Shop, database: EngineDatabase
) -> None:
    shop = any_shop
    holding_out(shop, 50)
    shop.carts(*carts_of(PEOPLE[:12]), when="5m")
    shop.run("30m")
    held = drawn(database)["holdout"]
    key_arms = {email: email in held for email in PEOPLE[:12]}
    with database.write() as connection:  # as if nobody had ever been drawn
        connection.execute(update(enrollments).values(arm=""))
    shop.carts(*carts_of(PEOPLE[:12], seen="200h", name="d"), when="200h")
    shop.run("201h")
    again = drawn(database)["holdout"]
    assert {email: email in again for email in PEOPLE[:12]} == key_arms


def test_who_would_never_be_written_to_is_in_neither_arm(any_shop: Shop, database: EngineDatabase) -> None:
    holding_out(any_shop, 50)
    suppressed, refused, relay = PEOPLE[:5], PEOPLE[5:10], [f"a{n}@scs2.tiktok.com" for n in range(5)]
    for email in suppressed:
        any_shop.cli("suppress", "add", email, "--at", iso("1m"))
    rows = carts_of([*PEOPLE, *relay])
    for row in rows:
        row["consent"] = "refused" if row["email"] in refused else ""
    any_shop.carts(*rows, when="5m")
    any_shop.run("30m")
    arms = drawn(database)
    assert arms["treated"] | arms["holdout"] == set(PEOPLE[10:])
    assert arms[""] == {*suppressed, *refused}
    assert arms["holdout"]


def test_a_purchase_leaves_the_holdout_in_it_and_counts(any_shop: Shop, database: EngineDatabase) -> None:
    holding_out(any_shop, 50)
    any_shop.carts(*carts_of(PEOPLE), when="5m")
    any_shop.run("30m")
    arms = drawn(database)
    buyers = [*sorted(arms["treated"])[:2], min(arms["holdout"])]
    any_shop.orders(*(order(f"o-{number}", placed="3h", email=email) for number, email in enumerate(buyers)), when="4h")
    (lift,) = any_shop.report("5h")["attribution"]["incremental"]
    assert (lift["treated"]["contacts"], lift["treated"]["converted"]) == (len(arms["treated"]), 2)
    assert (lift["holdout"]["contacts"], lift["holdout"]["converted"]) == (len(arms["holdout"]), 1)
    assert lift["low"] < lift["difference"] < lift["high"]
    assert lift["sentence"].startswith("too early to tell: about ")
    assert lift["more_needed"] > 0


def test_each_contact_counts_once_by_the_first_eligible_cart_of_the_period(shop: Shop) -> None:
    holding_out(shop, 50)
    shop.carts(*carts_of(PEOPLE), when="5m")
    shop.run("30m")
    shop.carts(*carts_of(PEOPLE, seen="200h", name="d"), when="200h")
    shop.run("201h")
    bought = [order(f"o-{n}", placed="202h", cart_id=f"d-{n}") for n in range(len(PEOPLE))]
    shop.orders(*bought, when="203h")

    def counted(*options: str) -> tuple[int, int]:
        (lift,) = shop.report("210h", *options)["attribution"]["incremental"]
        arms = (lift["treated"], lift["holdout"])
        return sum(arm["contacts"] for arm in arms), sum(arm["converted"] for arm in arms)

    assert counted("--since", "2026-03-05") == (40, 40), "the second carts are the first of this period"
    assert counted("--until", "2026-03-05")[0] == 40
    assert counted()[0] == 40, "each once"


DELIVERING = """transport = "smtp"
from = "Example Shop <shop@example.com>"
postal_address = "1 Example Street"
[smtp]
host = "localhost"
"""


def test_who_was_written_to_in_a_rehearsal_says_nothing_of_the_mails(any_shop: Shop, database: EngineDatabase) -> None:
    """Their mails reached nobody: counted, they would make those that did look idle."""

    shop = any_shop

    def counted(*options: str) -> tuple[int, int]:
        (lift,) = shop.report("5h", *options)["attribution"]["incremental"]
        return lift["treated"]["contacts"], lift["holdout"]["contacts"]

    holding_out(shop, 50)
    shop.carts(*carts_of(PEOPLE), when="5m")
    rehearsed = shop.run("30m")
    shop.carts(*carts_of([f"buyer{n}@example.com" for n in range(40)], seen="2h", name="d"), when="2h")
    real = shop.run("3h")
    holding_out(shop, 50, configuration=DELIVERING)
    assert counted() == (0, 0), "nothing was ever delivered"
    with database.write() as connection:  # --at and a transport that delivers do not go together
        connection.execute(update(messages).where(messages.c.sent_at > at("2h")).values(delivers=True))
    assert counted() == (real["enrolled"], real["held_out"])
    both = (real["enrolled"] + rehearsed["enrolled"], real["held_out"] + rehearsed["held_out"])
    assert counted("--include-outbox") == both


def test_a_shopper_who_was_written_to_before_there_was_a_holdout_goes_on(
    any_shop: Shop, database: EngineDatabase
) -> None:
    shop = any_shop
    shop.carts(*carts_of(PEOPLE), when="5m")
    shop.run("30m")
    holding_out(shop, 50)
    shop.run("24h")
    assert len([step for _, step, _ in shop.sent if step == "urgency"]) == len(PEOPLE)
    assert drawn(database)["holdout"] == set()


def test_explain_says_who_is_held_out(any_shop: Shop, database: EngineDatabase) -> None:
    shop = any_shop
    holding_out(shop, 50)
    shop.carts(cart("a-1", email="ada@example.com", seen="-60m"), when="1m")
    shop.run("2m")  # the first drawing makes the key
    shop.carts(*carts_of(PEOPLE), when="5m")
    plan = shop.cli("plan", "--json", "--at", iso("10m")).json
    shop.run("30m")
    arms = drawn(database)
    for arm in arms.values():
        arm.discard("ada@example.com")
    assert plan["held_out"] == len(arms["holdout"]), "what is to come is drawn as it will be"
    told = shop.cli("explain", min(arms["holdout"]), "--at", iso("40m")).out
    assert "drawn into the holdout of cart-recovery: never written to" in told
    assert "next: nothing" in told
    told = shop.cli("explain", min(arms["treated"]), "--at", iso("40m")).out
    assert "enrolled in cart-recovery (drawn to be written to, beside a holdout)" in told
    replayed = shop.cli("simulate", "--from", iso("5m"), "--to", iso("72h"), "--json", "--show-addresses").json
    assert {row["contact"] for row in replayed["timeline"]} - {"ada@example.com"} == arms["treated"]


def test_tests_are_drawn_into_no_arm(any_shop: Shop, database: EngineDatabase) -> None:
    shop, testers = any_shop, PEOPLE[:6]
    holding_out(shop, 50, configuration=f'mode = "test"\ntest_recipients = {json.dumps(testers)}\n')
    shop.carts(*carts_of(PEOPLE), when="5m")
    shop.cli("run-due", "--at", iso("30m"), ok=False)
    assert drawn(database)[""] == set(testers)
    assert {to for to, _, _ in shop.sent} == set(testers)


@pytest.mark.parametrize("value", ["-1", "51", "true", '"10"', "nan"])
def test_a_wrong_percentage_is_refused(shop: Shop, value: str) -> None:
    holding_out(shop, 10)
    path = shop.folder / "templates" / "cart-recovery" / "sequence.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("holdout = 10", f"holdout = {value}"), encoding="utf-8")
    outcome = shop.cli("run-due", "--at", iso("1h"), ok=False)
    assert outcome.exit_code == 2
    assert "holdout is a percentage from 0 to 50, such as 10" in outcome.err


@given(st.binary(min_size=1, max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_a_lot_is_a_percentage_and_always_the_same(key: bytes, sequence: str, email: str) -> None:
    assert 0 <= lot(key, sequence, email) < 100
    assert lot(key, sequence, email) == lot(key, sequence, email)


def test_lots_are_spread_evenly_and_differ_by_sequence_and_key() -> None:
    def held(key: bytes, sequence: str) -> set[int]:
        return {number for number in range(2000) if lot(key, sequence, f"{number}@example.com") < 10}

    one, two, three = held(b"key", "a"), held(b"key", "b"), held(b"other", "a")
    for each in (one, two, three):
        assert 150 <= len(each) <= 250
    assert len(one & two) < 60
    assert len(one & three) < 60

"""`cartctl report` and its questions, as they are typed."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from cartctl.store.database import EngineDatabase
from cartctl.store.tables import carts, enrollments, events, messages
from tests.jobs.test_holdout import PEOPLE, carts_of, holding_out
from tests.nurture import BO, people, person, set_up
from tests.shop import Outcome, Shop, at, cart, iso, order

NAMES = ("steps", "channels", "stores", "currencies", "coupons", "lift", "deliverability")


def ask(shop: Shop, name: str, when: str, *options: str) -> Any:
    return shop.cli("report", name, "--json", "--at", iso(when), *options).json[name]


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def event(database: EngineDatabase, cart_id: str, step: str, kind: str, when: str, **columns: Any) -> None:
    """Let something have happened to a cart's message."""
    ours = (
        select(messages.c.id)
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .join(carts, carts.c.id == enrollments.c.cart_id)
        .where(carts.c.external_id == cart_id, messages.c.step == step)
    )
    about = {"content_hash": f"{cart_id}{step}{kind}{when}", "source": "endpoint", "detail": "", "kind": kind}
    with database.write() as connection:
        message_id = connection.execute(ours).scalar_one()
        connection.execute(events.insert(), about | {"message_id": message_id, "at": at(when)} | columns)


@pytest.fixture
def busy(any_shop: Shop) -> Shop:
    """Three shoppers of two channels and currencies, all written to twice; one bought after the second mail."""
    any_shop.carts(
        cart("c-1"),
        cart("c-2", email="ben@example.com", currency="JPY", unit_price="3000"),
        cart("c-3", email="cleo@example.com", channel="tiktok"),
        when="5m",
    )
    any_shop.run("30m")
    any_shop.run("24h")
    any_shop.orders(order(placed="26h", cart_id="c-1", total="45.00", refunded="5.00"), when="27h")
    return any_shop


@pytest.mark.parametrize("name", NAMES)
def test_every_question_is_answered_of_an_empty_shop(shop: Shop, name: str) -> None:
    for options in ([], ["--by", "week"], ["--since", "7d", "--compare"], ["--define"]):
        shop.cli("report", name, "--at", iso("0m"), *options)
        assert shop.cli("report", name, "--json", "--at", iso("0m"), *options).json[name] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_question_is_answered_in_words_csv_and_json(busy: Shop, name: str, tmp_path: Path) -> None:
    told = busy.cli("report", name, "--define", "--at", iso("28h")).out
    assert "Carts" in told or "All carts" in told
    assert ": " in told
    found = busy.cli("report", name, "--define", "--json", "--at", iso("28h")).json
    assert found["definitions"]
    path = tmp_path / "out.csv"
    outcome = busy.cli("report", name, "--csv", path, "--at", iso("28h"))
    assert outcome.out == ""
    rows = table(path)
    assert all(len(row) == len(rows[0]) for row in rows)
    assert len(rows) - 1 == len(found[name])


def test_carts_are_told_by_channel_store_and_currency_and_money_is_never_added_up(busy: Shop) -> None:
    for name, key, expected in (
        ("channels", "channel", [("tiktok", 1, 0), ("website", 2, 1)]),
        ("stores", "store", [("main", 3, 1)]),
        ("currencies", "currency", [("EUR", 2, 1), ("JPY", 1, 0)]),
    ):
        rows = ask(busy, name, "28h")
        assert [(row[key], row["abandoned"], row["recovered"]) for row in rows] == expected
    (store,) = ask(busy, "stores", "28h")
    assert store["revenue"] == {
        "EUR": {"abandoned": "99.80", "recovered_gross": "45.00", "recovered_net": "40.00"},
        "JPY": {"abandoned": "3000", "recovered_gross": "0", "recovered_net": "0"},
    }


def test_an_order_is_credited_after_a_click_and_after_a_mail_once_each(busy: Shop, database: EngineDatabase) -> None:
    def credited(when: str) -> tuple[list[tuple[str, int, int]], int, int]:
        report = busy.report(when)
        steps = [(row["step"], row["recovered"], row["clicked"]) for row in report["by_step"]]
        tiers = report["attribution"]
        return steps, tiers["sent"]["orders"], tiers["clicked"]["orders"]

    assert credited("28h") == ([("reminder", 0, 0), ("urgency", 1, 0)], 1, 0)
    event(database, "c-1", "reminder", "click", "25h", scanner_score=80)
    assert credited("28h")[2] == 0, "that was a machine"
    event(database, "c-1", "urgency", "click", "26h1m", scanner_score=0)
    assert credited("28h")[2] == 0, "the click came after the order"
    event(database, "c-1", "reminder", "click", "25h30m", scanner_score=0)
    assert credited("28h") == ([("reminder", 0, 1), ("urgency", 1, 0)], 1, 1), "the first mail's link, the last mail"
    event(database, "c-1", "urgency", "click", "25h10m", scanner_score=0)
    assert credited("28h")[0] == [("reminder", 0, 1), ("urgency", 1, 0)], "the last click counts"


def test_the_attribution_window_is_configured_and_ends(any_shop: Shop, database: EngineDatabase) -> None:
    for window, orders in (("1h", 0), ("2h1m", 1)):
        any_shop.configure(f'[report]\nattribution_window = "{window}"\n')
        if not orders:
            any_shop.carts(cart(), when="5m")
            any_shop.run("30m")
            any_shop.orders(order(placed="150m", cart_id="c-1"), when="3h")
            event(database, "c-1", "reminder", "click", "31m", scanner_score=0)
        found = any_shop.report("4h")["attribution"]
        assert (found["sent"]["orders"], found["clicked"]["orders"]) == (orders, orders)


def test_steps_tell_revenue_per_recipient_by_what_was_delivered(busy: Shop, database: EngineDatabase) -> None:
    steps = {row["step"]: row for row in ask(busy, "steps", "28h")}
    assert steps["urgency"]["delivery"]["basis"] == "accepted"
    assert steps["urgency"]["per_recipient"] == {"EUR": "13.33"}, "40.00 by three"
    assert "rates are of what was accepted" in busy.cli("report", "steps", "--at", iso("28h")).out
    with database.write() as connection:
        connection.execute(update(messages).values(transport="sendgrid"))
    for cart_id in ("c-1", "c-2"):
        event(database, cart_id, "urgency", "delivered", "24h1m")
    steps = {row["step"]: row for row in ask(busy, "steps", "28h")}
    assert steps["urgency"]["delivery"]["basis"] == "delivered"
    assert steps["urgency"]["per_recipient"] == {"EUR": "20.00"}


def test_deliverability_counts_each_message_once_a_column(busy: Shop, database: EngineDatabase) -> None:
    for cart_id, step in (("c-1", "reminder"), ("c-2", "reminder"), ("c-3", "reminder"), ("c-1", "urgency")):
        event(database, cart_id, step, "delivered", "31m")
    event(database, "c-2", "reminder", "bounce", "32m", detail="hard")
    event(database, "c-3", "reminder", "spamreport", "2h")
    event(database, "c-3", "reminder", "unsubscribe", "2h")
    for minute in ("33m", "34m"):
        event(database, "c-1", "reminder", "open", minute)
        event(database, "c-1", "reminder", "click", minute, scanner_score=0)
        event(database, "c-1", "urgency", "click", minute, scanner_score=100)
    event(database, "c-1", "urgency", "open", "35m", detail="machine")
    (row,) = ask(busy, "deliverability", "28h")
    counts = {name: row[name] for name in ("accepted", "delivered", "bounced", "complained", "unsubscribed")}
    assert counts == {"accepted": 6, "delivered": 3, "bounced": 1, "complained": 1, "unsubscribed": 1}
    assert (row["opened"], row["opened_by_machine"], row["clicked"], row["clicked_raw"]) == (1, 1, 1, 2)
    assert (row["reached"], row["basis"], row["clicked_rate"], row["open_rate"]) == (3, "delivered", 1 / 3, 1 / 3)


def test_no_rate_passes_the_whole(busy: Shop, database: EngineDatabase) -> None:
    event(database, "c-1", "reminder", "delivered", "31m")
    for cart_id in ("c-1", "c-2", "c-3"):
        event(database, cart_id, "reminder", "click", "40m", scanner_score=0)
        event(database, cart_id, "urgency", "bounce", "25h", detail="hard")
    (row,) = ask(busy, "deliverability", "28h")
    assert (row["delivered"], row["clicked_rate"], row["bounced_rate"]) == (3, 1.0, 0.5), "a click proves delivery"


def test_a_click_alone_does_not_make_a_transport_tell_of_deliveries(busy: Shop, database: EngineDatabase) -> None:
    event(database, "c-1", "reminder", "click", "40m", scanner_score=0)
    (row,) = ask(busy, "deliverability", "28h")
    assert (row["delivered"], row["basis"], row["clicked_rate"]) == (0, "accepted", 1 / 6)


def test_mails_to_contacts_without_a_cart_are_known_to_have_been_complained_of(
    any_shop: Shop, database: EngineDatabase
) -> None:
    set_up(any_shop)
    any_shop.cli("enroll", "check-up", people(any_shop, person(), person(BO)), "--at", iso("0m"))
    any_shop.run("10m")
    with database.write() as connection:
        (first, *_) = connection.execute(select(messages.c.id).order_by(messages.c.id)).scalars()
        connection.execute(
            events.insert().values(
                message_id=first, kind="spamreport", at=at("20m"), source="endpoint", detail="", content_hash="c"
            )
        )
    (row,) = ask(any_shop, "deliverability", "1h")
    assert (row["accepted"], row["complained"], row["complained_rate"]) == (2, 1, 0.5)
    assert ask(any_shop, "deliverability", "1h", "--since", iso("30m")) == []


def test_without_an_open_there_is_no_open_rate(busy: Shop) -> None:
    assert ask(busy, "deliverability", "28h")[0]["open_rate"] is None


def test_coupons_are_shown_and_redeemed(shop: Shop) -> None:
    shop.carts(cart("c-1"), cart("c-2", email="ben@example.com"), cart("c-3", email="cleo@example.com"), when="5m")
    for tick in ("30m", "24h", "48h"):
        shop.run(tick)
    shop.orders(
        order("o-1", placed="50h", cart_id="c-1", total="40.00", coupon="back10"),
        order("o-2", placed="50h", cart_id="c-2", total="30.00"),
        when="51h",
    )
    assert ask(shop, "coupons", "52h") == [
        {
            "coupon": "BACK10",
            "shown": 3,
            "bought": 2,
            "redeemed": {"orders": 1, "revenue": {"EUR": {"gross": "40.00", "net": "40.00"}}},
        }
    ]


def test_a_handful_of_shoppers_tells_nothing_of_the_mails(shop: Shop) -> None:
    holding_out(shop, 50)
    shop.carts(*carts_of(PEOPLE), when="5m")
    shop.run("30m")
    treated = sorted({to for to, _, _ in shop.sent})
    shop.orders(*(order(f"o-{n}", placed="2h", email=email) for n, email in enumerate(treated)), when="3h")
    (row,) = ask(shop, "lift", "4h")
    assert row["low"] > 0, "all of one arm bought, and none of the other"
    assert row["sentence"].startswith("too early to tell: about ")
    assert row["more_needed"] > 0


def test_lift_is_told_in_a_plain_sentence(shop: Shop) -> None:
    holding_out(shop, 50)
    shop.carts(*carts_of([f"shopper{number}@example.com" for number in range(100)]), when="5m")
    shop.run("30m")
    treated = sorted({to for to, _, _ in shop.sent})
    shop.orders(*(order(f"o-{n}", placed="2h", email=email) for n, email in enumerate(treated)), when="3h")
    (row,) = ask(shop, "lift", "4h")
    assert row["difference"] == 1.0
    low, high = round(row["low"] * 100), round(row["high"] * 100)
    sentence = f"between {low} and {high} of 100 carts came back because of the mails"
    assert row["sentence"] == sentence
    assert f"cart-recovery: {sentence}" in shop.cli("report", "lift", "--at", iso("4h")).out
    assert f"cart-recovery: {sentence}" in shop.cli("report", "--at", iso("4h")).out
    assert row["incremental"] == len(treated)


def test_what_may_be_chance_is_credited_to_nobody(shop: Shop) -> None:
    holding_out(shop, 50)
    shop.carts(*carts_of(PEOPLE), when="5m")
    shop.run("30m")
    shop.orders(order("o-1", placed="2h", email=min(to for to, _, _ in shop.sent)), when="3h")
    (row,) = ask(shop, "lift", "4h")
    assert (round(row["incremental"]), row["more_needed"] > 0) == (1, True)
    (orders,) = (line for line in shop.cli("report", "--at", iso("4h")).out.splitlines() if "│ orders " in line)
    assert orders.split("│")[-2].strip() == "too early"


def test_periods_are_days_weeks_and_months_of_each_store(shop: Shop) -> None:
    shop.configure('timezone = "Pacific/Auckland"\n[stores.kiwi]\ntimezone = "Pacific/Auckland"\n')
    shop.carts(
        cart("c-1", seen="59m", email="a@example.com"),  # the second of March there
        cart("c-2", seen="1h", email="b@example.com"),  # the third
        cart("c-3", seen="168h", email="c@example.com"),  # a week later
        cart("c-4", seen="720h", email="d@example.com"),  # the first of April
        when="720h",
    )
    shop.run("721h")
    for by, expected in (
        ("day", [("2026-03-02", 1), ("2026-03-03", 1), ("2026-03-09", 1), ("2026-04-01", 1)]),
        ("week", [("2026-03-02", 2), ("2026-03-09", 1), ("2026-03-30", 1)]),
        ("month", [("2026-03-01", 3), ("2026-04-01", 1)]),
    ):
        found = shop.report("722h", "--by", by)["by_period"]
        assert [(row["begins"], row["abandoned"]) for row in found] == expected
        rows = ask(shop, "channels", "722h", "--by", by)
        assert [(row["period"], row["abandoned"]) for row in rows] == expected
        sent = [(row["period"], row["sent"]) for row in ask(shop, "steps", "722h", "--by", by)]
        assert sent == [(expected[-1][0], 1)], "the others were too old to be written to"


def test_the_period_before_is_as_long_and_stands_beside(shop: Shop) -> None:
    shop.carts(cart("c-1"), when="5m")
    shop.run("30m")
    shop.carts(
        cart("c-2", seen="200h", email="b@example.com"), cart("c-3", seen="200h", email="c@example.com"), when="200h"
    )
    shop.run("201h", ok=False)  # c-1's later mails are past their grace
    report = shop.report("202h", "--since", "2026-03-09", "--until", "2026-03-16", "--compare")
    assert (report["abandoned"], report["before"]["abandoned"]) == (2, 1)
    assert (report["before"]["since"], report["before"]["until"]) == ("2026-03-02", "2026-03-09")
    told = shop.cli("report", "--since", "2026-03-09", "--until", "2026-03-16", "--compare", "--at", iso("202h")).out
    assert "Beside 2026-03-02 to 2026-03-09" in told
    told = shop.cli("report", "channels", "--since", "7d", "--compare", "--at", iso("202h")).out
    assert "2 (1)" in told
    shop.cli("report", "channels", "--since", "7d", "--compare", "--csv", "c.csv", "--at", iso("202h"))
    row = dict(zip(*table(Path("c.csv")), strict=True))
    assert (row["abandoned"], row["abandoned_before"]) == ("2", "1")


def test_a_young_cohort_is_marked_and_an_old_one_is_not(busy: Shop) -> None:
    assert busy.report("28h")["immature"] == 3
    assert "33.3%*" in busy.cli("report", "--at", iso("28h")).out
    assert busy.report("15d")["immature"] == 0
    text = busy.cli("report", "--at", iso("15d")).out
    assert "33.3%" in text
    assert "*" not in text
    steps = ask(busy, "steps", "15d")
    assert [row["immature"] for row in steps] == [0, 0]


def test_definitions_are_printed_only_if_asked_for(busy: Shop) -> None:
    assert "recovery rate: recovered" not in busy.cli("report", "--at", iso("28h")).out
    assert "recovery rate: recovered ÷ abandoned" in busy.cli("report", "--define", "--at", iso("28h")).out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--by", "weeks"], "--by"),
        (["--compare"], "--compare needs --since"),
        (["--compare", "--since", "7d", "--by", "day"], "leave out --by"),
        (["--json", "steps"], "options stand behind the name"),
        (["--csv", "nowhere/x.csv"], "cannot be written"),
        (["--since", "soon"], "--since"),
        (["--since", "0001-01-01"], "--since: "),
        (["--until", "9999-12-31"], "--until: "),
    ],
)
def test_what_cannot_be_meant_is_refused(shop: Shop, options: list[str], complaint: str) -> None:
    outcome: Outcome = shop.cli("report", *options, ok=False)
    assert outcome.exit_code == 2
    assert complaint in outcome.err


def test_tests_are_in_no_number(shop: Shop) -> None:
    shop.configure(f'mode = "test"\ntest_recipients = {json.dumps(["anna@example.com"])}\n')
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.orders(order(placed="2h", cart_id="c-1"), when="3h")
    report = shop.report("4h")
    assert (report["carts"], report["abandoned"], report["by_step"], report["revenue"]) == (0, 0, [], {})
    for name in NAMES:
        assert ask(shop, name, "4h") == []


def test_the_demos_numbers_can_be_counted_in_its_exports(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the README does it for the carts in euros."""
    shop.cli("demo", "demo")
    monkeypatch.chdir("demo")
    found = {row["currency"]: row for row in shop.cli("report", "currencies", "--json").json["currencies"]}
    lines = [
        dict(zip(rows[0], row, strict=True))
        for rows in (table(Path("exports", name)) for name in ("carts.csv", "carts-later.csv"))
        for row in rows[1:]
        if row[rows[0].index("currency")] == "EUR"
    ]
    worth = {line["cart_id"]: Decimal(line["unit_price"]) * int(line["quantity"]) for line in lines}
    worth["9001"] = Decimal("58.00")  # checkouts_export.csv
    assert found["EUR"]["carts"] == len(worth) == 5
    del worth["w-1"]  # ordered 22 minutes after the last activity
    assert found["EUR"]["abandoned"] == len(worth)
    assert Decimal(found["EUR"]["revenue"]["EUR"]["abandoned"]) == sum(worth.values()) == Decimal("162.00")
    ((_, *order_),) = table(Path("exports", "orders-late.csv"))[1:]
    assert found["EUR"]["revenue"]["EUR"]["recovered_net"] in order_
    assert (found["EUR"]["recovered"], found["EUR"]["sent"]["orders"], found["EUR"]["clicked"]["orders"]) == (1, 1, 0)
    usd = found["USD"]["revenue"]["USD"]
    assert (usd["recovered_gross"], usd["recovered_net"]) == ("98.00", "88.50")
    assert shop.cli("report", "--json").json["late_orders"] == 1


def test_nothing_but_an_earlier_report_is_replaced(shop: Shop, tmp_path: Path) -> None:
    """A name too much on the command line costs no file."""
    shop.carts(cart("c-1"), when="5m")
    (tmp_path / "carts.csv").write_text("cart_id,updated_at\nc-1,now\n")
    (tmp_path / "page.html").write_text("<!doctype html>\n<h1>Our shop</h1>\n")
    (tmp_path / "folder").mkdir()
    database = next(path for path in Path.cwd().rglob("*.db"))
    configuration = Path("cartctl.toml").resolve()
    (tmp_path / "link.csv").symlink_to(configuration)
    for name in (database, configuration, "carts.csv", "page.html", "folder", "link.csv", "/dev/null"):
        path = tmp_path / name
        before = path.read_bytes() if path.is_file() else None
        for option in ("--csv", "--html"):
            outcome = shop.cli("report", option, path, "--at", iso("1h"), ok=False)
            assert (outcome.exit_code, outcome.err.startswith(f"cartctl: {option}: ")) == (2, True)
            assert outcome.err.count("\n") == 1
            assert (path.read_bytes() if path.is_file() else None) == before
    for option, file in (("--csv", "mine.csv"), ("--html", "mine.html")):
        (tmp_path / file).touch()
        for when in ("1h", "2h"):
            shop.cli("report", option, tmp_path / file, "--at", iso(when))
    for name in NAMES:
        shop.cli("report", name, "--csv", tmp_path / "mine.csv", "--at", iso("1h"))
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("code", ["=HYPERLINK(1)[/b]", "+1[/]", "-1", "@SUM(1)[red]"])
def test_a_name_is_neither_markup_nor_a_formula(any_shop: Shop, database: EngineDatabase, code: str) -> None:
    any_shop.carts(cart("c-1", channel="website"), when="5m")
    any_shop.run("30m")
    any_shop.orders(order("o-1", placed="2h", cart_id="c-1", coupon=code), when="3h")
    with database.write() as connection:
        connection.execute(update(messages).values(coupon=code))
    any_shop.cli("report", "coupons", "--csv", "out.csv", "--at", iso("4h"))
    assert [row[0] for row in table(Path("out.csv"))] == ["coupon", f"'{code}"]
    assert code in any_shop.cli("report", "coupons", "--at", iso("4h")).out


def test_no_cart_is_in_both_of_two_periods(shop: Shop) -> None:
    """A day begins in the store before it does in the zone of the shop, and the period before ends with it."""
    shop.configure('[stores.kiwi]\ntimezone = "Pacific/Auckland"\n')
    path = Path("kiwi.csv")
    path.write_text(
        "cart_id,updated_at,email,sku,name,quantity,unit_price,currency\n"
        "k-1,2026-03-08T12:00:00Z,k@example.com,a,Mug,1,5.00,EUR\n"
    )
    shop.cli("import", "carts", path, "--store", "kiwi", "--at", "2026-03-08T12:01:00Z")
    shop.run("150h")
    report = shop.report("200h", "--since", "2026-03-09", "--compare")
    assert (report["abandoned"], report["before"]["abandoned"]) == (1, 0)


def test_periods_without_number_are_refused(shop: Shop) -> None:
    shop.cli("report", "lift", "--by", "day", "--since", "2025-02-01", "--at", iso("0m"))
    outcome = shop.cli("report", "lift", "--by", "day", "--since", "1990-01-01", "--at", iso("0m"), ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith("cartctl: --by: more than 400 periods: ask with a later --since")

"""Ten days of the shipped letters: a critical, an urgent and a sound business, each letter once, nothing left blank."""

import re

import pytest

from tests.nurture import ANNA, BO, CLEO, people
from tests.shop import Shop, iso, live

TEN_DAYS = ("0m", "5m", "24h", "48h", "72h", "96h", "120h", "144h", "168h", "192h", "216h", "240h", "240h5m", "300h")
STEPS = ("result", "focus", "cash", "owed", "price", "rest", "closing")


def answered(email: str, colours: str, **columns: str) -> dict[str, str]:
    counts = dict(zip(("red", "orange", "yellow", "green"), colours, strict=True))
    row = {"email": email, "assessment_score": "50"} | counts
    return row | {"first_name": "", "business_name": "", "timezone": "", "monthly_revenue": ""} | columns


@pytest.fixture
def enrolled(any_shop: Shop) -> Shop:
    """Somebody of each segment, enrolled at once."""
    rows = (
        answered(ANNA, "2213", first_name="Anna", business_name="Ferns Ltd", monthly_revenue="84000"),
        answered(BO, "1124", first_name="Bo", timezone="Pacific/Auckland"),
        answered(CLEO, "0125"),
    )
    any_shop.cli("enroll", "christmas", people(any_shop, *rows), "--at", iso("0m"))
    return any_shop


def test_each_of_seven_letters_reaches_each_of_three_once_in_their_own_words(enrolled: Shop) -> None:
    live(enrolled, *TEN_DAYS)
    hours = ("0:00", "48:00", "72:00", "96:00", "144:00", "192:00", "240:00")
    assert enrolled.sent == [(who, step, at) for step, at in zip(STEPS, hours, strict=True) for who in (ANNA, BO, CLEO)]
    subjects = {(mail.to, mail.step): str(mail.message["Subject"]) for mail in enrolled.mails}
    assert [subjects[who, "focus"] for who in (ANNA, BO, CLEO)] == [
        "Which of your 2 reds comes first",
        "The one answer I would look at first",
        "Nothing is on fire. What now?",
    ]
    assert [subjects[who, "closing"] for who in (ANNA, BO, CLEO)] == [
        "Before you close for the year",
        "One thing with a date on it",
        "My last piece of advice: do nothing",
    ]
    texts = {(mail.to, mail.step): mail.part("plain") for mail in enrolled.mails}
    assert "Ferns Ltd takes about £84k a month" in texts[ANNA, "price"]
    assert texts[CLEO, "price"].startswith("Hello there,")
    for mail in enrolled.mails:
        for part in (mail.part("plain"), mail.part("html")):
            assert not re.search(r"\{\{|\{%|None(?! of your)", part)


def test_days_are_counted_by_the_readers_calendar(enrolled: Shop) -> None:
    """At 13:00 UTC on 6 March it is the 7th in Auckland."""
    for when in ("0m", "48h", "72h", "99h"):
        enrolled.run(when)
    days = {
        mail.to: re.findall(r"Eve is (\d+) days", mail.part("plain")) for mail in enrolled.mails if mail.step == "owed"
    }
    assert (days[ANNA], days[BO]) == (["293"], ["292"])


def test_an_outage_costs_a_contact_one_letter_and_the_rest_keep_their_distances(enrolled: Shop) -> None:
    live(enrolled, "0m", "48h")
    # "cash" was due at 72 h, "owed" at 96, "price" at 144, "rest" at 192.
    late = enrolled.cli("run-due", "--json", "--at", iso("200h"), ok=False)
    assert (late.json["skipped"], late.json["sent"], late.exit_code) == ({"past-grace": 3}, 0, 1)
    assert late.err == "cartctl: christmas/cash: 3 mails are past the grace (sending.grace), and not sent\n"
    assert enrolled.run("200h5m")["sent"] == 0
    assert "christmas/cash: skipped (past-grace)" in enrolled.cli("explain", ANNA, "--at", iso("200h")).out
    live(enrolled, "215h55m", "216h", "263h55m", "264h", "311h55m", "312h", "359h55m", "360h")
    assert [(step, at) for to, step, at in enrolled.sent if to == ANNA] == [
        ("result", "0:00"),
        ("focus", "48:00"),
        ("owed", "216:00"),
        ("price", "264:00"),
        ("rest", "312:00"),
        ("closing", "360:00"),
    ]


def test_a_short_outage_moves_no_letter_that_is_not_due_yet(enrolled: Shop) -> None:
    """One that is lost while the next is still to come changes nothing for the others."""
    live(enrolled, "0m", "48h")
    enrolled.cli("pause", "christmas", "--at", iso("49h"))
    held = enrolled.run("72h", ok=False)
    assert held["sent"] == 0
    late = enrolled.cli("run-due", "--json", "--at", iso("96h5m"), ok=False)
    assert (late.json["skipped"], late.exit_code) == ({"past-grace": 3}, 1)
    assert late.err.startswith("cartctl: mail of christmas is held: paused")
    assert "grace" not in late.err, "the brake is told of, once a day"
    enrolled.cli("resume", "christmas", "--at", iso("97h"))
    live(enrolled, "97h", "143h55m", "144h")
    assert [at for to, step, at in enrolled.sent if to == ANNA] == ["0:00", "48:00", "97:00", "144:00"]

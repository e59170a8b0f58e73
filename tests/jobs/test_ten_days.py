"""The shipped Christmas letters: three contacts of three segments, ten simulated days, and a run that is killed."""

import re
import signal
from itertools import pairwise

import pytest

from tests.nurture import ANNA, BO, CLEO, people
from tests.process import Process
from tests.shop import Shop, cart, iso, live

STEPS = {"result": "0", "focus": "48", "cash": "72", "owed": "96", "price": "144", "rest": "192", "closing": "240"}
"""And how many hours after the sign-up each is due."""
TICKS = [f"{hours}h" for hours in STEPS.values()]
SUBJECTS = {
    ANNA: ("Which of your 3 reds comes first", "Before you close for the year"),
    BO: ("The one answer I would look at first", "One thing with a date on it"),
    CLEO: ("Nothing is on fire. What now?", "My last piece of advice: do nothing"),
}
"""Of the second and the last letter, which differ by segment."""


def answers(email: str, name: str, red: int, orange: int) -> dict[str, str]:
    given = {"red": red, "orange": orange, "yellow": 1, "green": 7 - red - orange, "assessment_score": 61}
    about = {"email": email, "first_name": name, "business_name": f"{name} & Co", "monthly_revenue": "12500"}
    return about | {attribute: str(number) for attribute, number in given.items()}


@pytest.fixture
def letters(any_shop: Shop) -> Shop:
    """A critical, an urgent and an optimize contact, enrolled at T0."""
    rows = (answers(ANNA, "Anna", 3, 0), answers(BO, "Bo", 0, 2), answers(CLEO, "Cleo", 0, 1))
    told = any_shop.cli("enroll", "christmas", people(any_shop, *rows), "--json", "--at", iso("0m")).json
    assert told["contacts"]["enrolled"] == 3
    return any_shop


def assert_ten_days_as_they_should_be(shop: Shop) -> None:
    assert sorted((to, step) for to, step, _ in shop.sent) == sorted((to, step) for to in SUBJECTS for step in STEPS)
    for mail in shop.mails:
        for text in (str(mail.message["Subject"]), mail.part("plain"), mail.part("html")):
            assert "{{" not in text
            assert not re.search("None(?! of your)|Undefined", text)
    for to, (second, last) in SUBJECTS.items():
        found = {mail.step: mail for mail in shop.mails if mail.to == to}
        assert str(found["focus"].message["Subject"]) == second
        assert str(found["closing"].message["Subject"]) == last
        assert str(found["result"].message["Subject"]) == "Your result: 61 out of 100"
        assert "& Co" in str(found["price"].message["Subject"])


def test_a_simulation_shows_the_same_ten_days(letters: Shop) -> None:
    told = letters.cli("simulate", "--from", iso("0m"), "--to", iso("241h"), "--json").json
    assert told["sent"] == 21
    assert [row["step"] for row in told["timeline"]] == [step for step in STEPS for _ in SUBJECTS]


FAILPOINTS = {"48h": "after-gate:1", "96h": "after-answer:2", "240h": "before-settle:1"}


def test_killed_and_run_again_it_is_the_same(letters: Shop) -> None:
    for tick in TICKS:
        if tick in FAILPOINTS:
            died = Process("run-due", "--at", iso(tick), folder=letters.folder, failpoint=FAILPOINTS[tick])
            assert died.wait() == -signal.SIGKILL, died.communicate()
            letters.run(f"{tick}10m")  # the lease of who died is over
        letters.run(f"{tick}15m")
    assert_ten_days_as_they_should_be(letters)


def test_a_shopper_with_a_cart_gets_both_within_the_common_gap_and_cap(letters: Shop) -> None:
    letters.carts(cart(email=ANNA), when="5m")
    live(letters, *(f"{hours}h" for hours in range(0, 300, 6)))
    sent = [(step, int(when.partition(":")[0])) for to, step, when in letters.sent if to == ANNA]
    assert {"reminder", "result"} <= {step for step, _ in sent}
    hours = [hour for step, hour in sent if step != "reminder"]  # which has a gap of its own
    assert all(later - earlier >= 12 for earlier, later in pairwise(hours))
    times = [hour for _, hour in sent]
    assert all(sum(start <= hour < start + 7 * 24 for hour in times) <= 5 for start in times)

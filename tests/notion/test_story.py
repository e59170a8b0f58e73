"""Days in the life of a shop with a mirror: Notion shows exactly what was sent, to whom and when."""

import signal
from pathlib import Path

from tests.notion.mirror import MESSAGES
from tests.notion.standin import KEY, Standin
from tests.nurture import ANNA, BO, CLEO, people, person, set_up
from tests.process import Process
from tests.shop import Shop, iso

DAYS = ("0m", "24h", "48h", "72h", "96h", "168h")


class Databases:
    """The two databases in Notion; what the first lacks `notion check --add` adds."""

    def __init__(self, shop: Shop, standin: Standin) -> None:
        self.standin, self.shop = standin, shop
        self.contacts, self.messages = standin.database({"Name": "title"}), standin.database(MESSAGES)
        settings = (
            f'[notion]\nhost = "{standin.url}"\nca_file = "{standin.ca_file}"\napi_key = "{KEY}"\n'
            f'requests_per_second = 10000\n[notion.contacts]\ndatabase = "{self.contacts}"\n'
            f'[notion.messages]\ndatabase = "{self.messages}"\n'
        )
        set_up(shop, settings=settings)
        shop.cli("notion", "check", "--add")

    def assert_they_show_what_was_sent(self) -> None:
        shown = {
            (row["Contact"], row["Step"]) for row in self.standin.rows(self.messages) if row["State"] == "accepted"
        }
        assert shown == {(to, step) for to, step, _ in self.shop.sent}
        people = {row["Email"]: row for row in self.standin.rows(self.contacts)}
        steps = {"result": "Mail 1 sent", "focus": "Mail 2 sent", "closing": "Mail 3 sent"}
        dates = {(email, name) for email, row in people.items() for name in steps.values() if row[name]}
        assert dates == {(to, steps[step]) for to, step, _ in self.shop.sent}
        self.standin.assert_no_duplicates(self.contacts, "cartctl ID")
        self.standin.assert_no_duplicates(self.messages, "cartctl ID")


def test_three_contacts_over_days(any_shop: Shop, standin: Standin) -> None:
    shop, notion = any_shop, Databases(any_shop, standin)
    rows = (person(), person(BO, first_name="Bo", red="0", orange="3"), person(CLEO, first_name="Cleo", red="0"))
    shop.cli("enroll", "check-up", people(shop, *rows), "--at", iso("0m"))
    for day in DAYS:
        shop.run(day)
        if day == "72h":
            shop.cli("contact", "set", BO, "booking=2026-12-01", "--at", iso("72h"))
        shop.cli("notion", "sync")
        notion.assert_they_show_what_was_sent()
        before = len(standin.requests)
        shop.cli("notion", "sync")
        assert {one.split()[0] for one in standin.requests[before:]} == {"GET"}
    shown = {row["Email"]: (row["Segment"], row["Phase"]) for row in standin.rows(notion.contacts)}
    assert shown[ANNA] == ("critical", "finished")
    assert shown[BO][1] == "stopped: booked"
    assert shown[CLEO][1] == "finished"


def test_killed_on_the_way_it_ends_the_same(any_shop: Shop, standin: Standin, tmp_path: Path) -> None:
    shop, notion = any_shop, Databases(any_shop, standin)
    shop.cli("enroll", "check-up", people(shop, person(), person(BO, first_name="Bo", red="0")), "--at", iso("0m"))
    for day, nth in zip(DAYS, (1, 2, 1, 2, 1, 1), strict=True):
        shop.run(day)
        exit_code = Process("notion", "sync", folder=tmp_path, failpoint=f"after-page:{nth}").wait()
        assert exit_code in (0, -signal.SIGKILL)
        assert day != "0m" or exit_code
    shop.cli("notion", "sync")
    notion.assert_they_show_what_was_sent()

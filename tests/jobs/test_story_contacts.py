"""Contacts in a sequence of their own, over days: who gets which mail when, and what makes an end of it."""

from itertools import pairwise

from cartctl.domain.times import parse_duration
from tests.nurture import ANNA, BO, CLEO, SEQUENCE, people, person, set_up
from tests.shop import Shop, cart, iso, live, order

FOUR_DAYS = ("0m", "5m", "24h", "48h", "48h5m", "72h", "96h", "96h5m", "168h")


def enroll(shop: Shop, *rows: dict[str, str], when: str = "0m", options: tuple[str, ...] = ()) -> None:
    result = shop.cli("enroll", "check-up", people(shop, *rows), "--json", "--at", iso(when), *options).json
    assert result["contacts"]["enrolled"] == len(rows)


def texts(shop: Shop, to: str) -> list[str]:
    return [mail.part("plain").rpartition(". http")[0] for mail in shop.mails if mail.to == to]


def test_each_contact_gets_each_mail_once_by_its_segment(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    rows = (person(), person(BO, first_name="Bo", red="0", orange="3"), person(CLEO, first_name="Cleo", red="0"))
    enroll(shop, *rows)
    live(shop, *FOUR_DAYS)
    times = (("result", "0:00"), ("focus", "48:00"), ("closing", "96:00"))
    assert shop.sent == [(who, step, when) for step, when in times for who in (ANNA, BO, CLEO)]
    assert texts(shop, ANNA) == [
        "Dear Anna, 2 red and 0 orange",
        "Begin with the red ones: there are 2",
        "Good luck, Anna",
    ]
    assert texts(shop, BO)[1] == "Begin with the orange ones"
    assert str(shop.mails[0].message["Subject"]) == "Anna's Mugs: 50 of 100"


def test_a_second_sign_up_is_told_of_and_changes_nothing(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person())
    again = shop.cli("enroll", "check-up", ANNA, "--at", iso("1h"))
    assert (again.out, again.err) == (
        "",
        "cartctl: a…@example.com is in check-up already: since 2026-03-02 10:00 UTC, live\n",
    )
    told = shop.cli("enroll", "check-up", people(shop, person(), person(BO), name="more.csv"), "--json")
    assert (told.json["contacts"]["enrolled"], told.json["contacts"]["already"]) == (1, 1)
    live(shop, *FOUR_DAYS)
    assert len([to for to, _, _ in shop.sent if to == ANNA]) == 3


def test_an_unsubscription_a_booking_and_an_order_end_it(any_shop: Shop) -> None:
    shop = any_shop
    stops = 'stop_when = ["unsubscribed", "booked", "purchased"]'
    set_up(shop, SEQUENCE.replace('stop_when = ["unsubscribed", "booked"]', stops))
    enroll(shop, person(), person(BO), person(CLEO), person("dan@example.com"), person("eve@example.com"))
    shop.run("0m")
    shop.cli("suppress", "add", ANNA, "--at", iso("1h"))
    shop.cli("contact", "set", BO, "booking=2026-12-01", "--at", iso("1h"))
    shop.orders(order(email=CLEO, placed="2h"), order("o-2", email="eve@example.com", placed="-2h"), when="3h")
    shop.cli("import", "contacts", people(shop, {"email": "dan@example.com", "booking": "yes"}, name="booked.csv"))
    live(shop, *FOUR_DAYS[2:])
    assert {to for to, step, _ in shop.sent if step != "result"} == {"eve@example.com"}
    why = {row["reason"] for row in shop.cli("messages", "list", "--state", "cancelled", "--json").json}
    assert why == {"suppressed", "booked", "purchased"}


def test_who_booked_is_not_enrolled(shop: Shop) -> None:
    set_up(shop)
    shop.cli("import", "contacts", people(shop, person(booking="2026-12-01")))
    refused = shop.cli("enroll", "check-up", ANNA, ok=False)
    assert refused.exit_code == 1
    assert refused.err == "cartctl: a…@example.com is not enrolled in check-up: has booked already\n"


def test_gaps_and_caps_hold_across_carts_and_contacts(any_shop: Shop) -> None:
    """A shopper who left a cart and has signed up is written to as if both were one sequence."""
    shop = any_shop
    set_up(shop, settings="[sending]\ncap = 4\n")
    enroll(shop, person())
    shop.carts(cart(), when="5m")
    live(shop, *"0m 30m 1h 12h 24h 24h5m 36h 48h 49h 60h 61h 72h 84h 96h 108h 120h".split())
    times = [parse_duration(f"{when.replace(':', 'h')}m") for _, _, when in shop.sent]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps[1:]) >= parse_duration("12h")
    assert gaps[0] == parse_duration("1h")  # the gap of the reminder alone
    assert len(times) == 4
    assert [step for _, step, _ in shop.sent] == ["result", "reminder", "urgency", "focus"]


def test_an_unsubscription_from_one_sequence_leaves_the_other(shop: Shop) -> None:
    set_up(shop)
    enroll(shop, person())
    shop.carts(cart(), when="5m")
    shop.cli("suppress", "add", ANNA, "--sequence", "check-up", "--at", iso("10m"))
    live(shop, "30m", "24h", "48h")
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency", "offer"]


def test_consent_holds_for_contacts_too(shop: Shop) -> None:
    set_up(shop, settings='[consent]\nrequire = "opt-in"\n')
    enroll(shop, person(consent="yes"), person(BO, consent=""), person(CLEO, consent="no"))
    shop.run("0m")
    assert [to for to, _, _ in shop.sent] == [ANNA]


def test_start_at_leaves_the_first_steps_out(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person(), options=("--start-at", "focus"))
    live(shop, *FOUR_DAYS)
    assert shop.sent == [(ANNA, "focus", "0:00"), (ANNA, "closing", "48:00")]
    left_out = shop.cli("messages", "list", "--state", "skipped", "--json").json
    assert [(row["step"], row["reason"]) for row in left_out] == [("result", "started-later")]


def test_what_was_sent_elsewhere_counts_for_order_gaps_and_caps(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person(), when="40h", options=("--sent", "result=2026-03-02T10:00:00Z"))
    live(shop, "40h", "47h", "48h", "96h")
    assert shop.sent == [(ANNA, "focus", "48:00"), (ANNA, "closing", "96:00")]


def test_what_was_sent_elsewhere_lately_puts_the_next_step_off(shop: Shop) -> None:
    set_up(shop)
    enroll(shop, person(), when="72h", options=("--sent", "result=2026-03-02T10:00Z", "--sent", "focus=2026-03-05"))
    live(shop, "72h", "96h", "109h", "110h", "111h", "133h")
    assert shop.sent == [(ANNA, "closing", "110:00")]  # 48 h after the 5th of March, not 96 h after the 2nd


def test_a_contact_who_fits_no_longer_waits_and_is_named(shop: Shop) -> None:
    set_up(shop)
    enroll(shop, person())
    shop.cli("contact", "set", ANNA, "red=many", "--at", iso("0m"))
    held = shop.cli("run-due", "--at", iso("0m"), ok=False)
    why = 'the contact does not fit check-up: red: "many" is no whole number'
    assert (held.exit_code, held.err) == (1, f"cartctl: message 1 (check-up/result) waits: {why}\n")
    shop.cli("contact", "set", ANNA, "red=0", "--at", iso("0m"))
    shop.run("30m")
    assert texts(shop, ANNA) == ["Dear Anna, 0 red and 0 orange"]


def test_a_contact_for_whom_a_check_no_longer_holds_waits_and_is_named(shop: Shop) -> None:
    set_up(shop)
    enroll(shop, person())
    shop.cli("contact", "set", ANNA, "red=5", "orange=4", "--at", iso("0m"))
    held = shop.cli("run-due", "--at", iso("0m"), ok=False)
    why = "the contact does not fit check-up: more answers than questions"
    assert (held.exit_code, held.err) == (1, f"cartctl: message 1 (check-up/result) waits: {why}\n")
    assert shop.sent == []
    shop.cli("contact", "set", ANNA, "orange=3", "--at", iso("0m"))
    shop.run("30m")
    assert texts(shop, ANNA) == ["Dear Anna, 5 red and 3 orange"]


def test_another_answer_means_another_segment(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person())
    shop.run("0m")
    shop.cli("contact", "set", ANNA, "red=0", "--at", iso("1h"))
    shop.run("48h")
    assert texts(shop, ANNA)[1] == "Begin with the orange ones"


def test_a_person_is_cancelled_out_of_what_they_are_in(shop: Shop) -> None:
    set_up(shop)
    enroll(shop, person(), person(BO))
    shop.run("0m")
    told = shop.cli("cancel", ANNA, "--json", "--at", iso("1h")).json
    assert told == {"carts": 0, "sequences": 1, "messages": 1}
    live(shop, *FOUR_DAYS[2:])
    assert [step for to, step, _ in shop.sent if to == ANNA] == ["result"]
    assert len([to for to, _, _ in shop.sent if to == BO]) == 3


def test_explain_tells_the_story_of_a_contact(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person(), when="40h", options=("--sent", "result=2026-03-02T10:00:00Z"))
    shop.run("40h")
    shop.run("48h")
    told = shop.cli("explain", ANNA, "--at", iso("49h")).out
    for line in (
        "enrolled in check-up, segment critical",
        "check-up/result: was sent elsewhere before",
        "check-up/focus: to be sent",
        "    due: 2026-03-04 10:00 UTC, 2d after the enrollment at the earliest -> passed",
        "next:\n  2026-03-06 10:00 UTC  check-up/closing to a…@example.com, for main",
    ):
        assert line in told
    assert "cart" not in told.partition("next:")[0]


def test_plan_and_simulate_know_contacts(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person(), person(BO), options=("--start-at", "focus"))
    coming = shop.cli("plan", "--at", iso("1m"), "--until", "7d", "--json")
    assert [one["step"] for one in coming.json["coming"]] == ["focus", "focus", "closing", "closing"]
    assert coming.json["coming"][0]["stops"][:3] == ["booking", "refusal", "a pause or another brake"]
    footer = shop.cli("plan", "--at", iso("1m"), "--until", "7d").out.splitlines()[-1]
    assert footer == "each of check-up is stopped by: booking, refusal, a pause or another brake, no run for 1d"
    replayed = shop.cli("simulate", "--from", iso("-1h"), "--to", iso("100h"), "--json").json
    assert [row["step"] for row in replayed["timeline"]] == ["focus", "focus", "closing", "closing"]


def test_late_orders_hold_what_stops_on_a_purchase_and_nothing_else(any_shop: Shop) -> None:
    shop = any_shop
    bought = SEQUENCE.replace('stop_when = ["unsubscribed", "booked"]', 'stop_when = ["unsubscribed", "purchased"]')
    settings = '[safety]\norders_max_age = "24h"\n'
    set_up(shop, settings=settings)
    set_up(shop, bought, settings=settings, name="buyers")
    shop.orders(order(email="dan@example.com", placed="0m"), when="5m")
    enroll(shop, person(), when="30h")
    shop.cli("enroll", "buyers", people(shop, person(BO), name="buyers.csv"), "--at", iso("30h"))
    held = shop.cli("run-due", "--at", iso("30h"), ok=False)
    assert held.exit_code == 1
    assert [to for to, _, _ in shop.sent] == [ANNA]
    shop.orders(order("o-2", email="dan@example.com", placed="30h"), when="31h")
    shop.run("31h")
    assert [to for to, _, _ in shop.sent] == [ANNA, BO]


def test_quiet_hours_are_those_of_the_contacts_zone(shop: Shop) -> None:
    set_up(shop, settings='[sending]\nquiet_hours = "20:00-08:00"\n')
    enroll(shop, person(timezone="Asia/Tokyo"), person(BO), when="1h")  # 20:00 in Tokyo, 11:00 UTC
    live(shop, "1h", "12h", "13h")
    assert shop.sent == [(BO, "result", "1:00"), (ANNA, "result", "13:00")]


def test_another_sign_up_that_withdraws_ends_it_at_once(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    everybody = ANNA, BO, CLEO, "dan@example.com"
    enroll(shop, *(person(email) for email in everybody))
    shop.run("0m")
    rows = (
        person(booking="2026-12-01"),
        person(BO, red="9", booking="yes"),
        person(CLEO, red="9", consent="no"),
        person("dan@example.com", consent="no"),
    )
    path = people(shop, *rows, name="more.csv")
    for _ in range(2):
        told = shop.cli("enroll", "check-up", path, "--again", "--json", "--at", iso("1h")).json
        assert (told["rejected"], told["contacts"]["already"], told["contacts"]["enrolled"]) == (0, 4, 0)
    cancelled = shop.cli("messages", "list", "--state", "cancelled", "--json").json
    assert sorted(row["reason"] for row in cancelled) == ["booked", "booked", "consent-refused", "consent-refused"]
    live(shop, *FOUR_DAYS[1:])
    assert len(shop.sent) == 4


def test_a_refusal_ends_what_runs_at_once(shop: Shop) -> None:
    set_up(shop)
    enroll(shop, person(), person(BO))
    shop.run("0m")
    shop.cli("contact", "set", ANNA, "consent=no", "--at", iso("1h"))
    refusals = people(shop, {"email": BO, "consent": "no"}, name="refusals.csv")
    shop.cli("import", "contacts", refusals, "--at", iso("1h"))
    cancelled = shop.cli("messages", "list", "--state", "cancelled", "--json").json
    assert [row["reason"] for row in cancelled] == ["consent-refused"] * 2


def test_a_later_row_of_one_list_counts_as_a_later_list(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    rows = (person(), person(booking="2026-12-01"), person(BO, red="5"), person(BO, red="0"))
    told = shop.cli("enroll", "check-up", people(shop, *rows), "--json", "--at", iso("0m"), ok=False).json
    assert (told["rejected"], told["contacts"]["enrolled"], told["contacts"]["already"]) == (2, 1, 1)
    (explained,) = shop.cli("segments", "explain", BO, "--json").json
    assert explained["stored"] == "optimize"
    live(shop, *FOUR_DAYS)
    assert {to for to, _, _ in shop.sent} == {BO}


def test_after_what_was_sent_elsewhere_long_ago_the_rest_keeps_its_distances(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    enroll(shop, person(), when="0m", options=("--sent", "result=2025-11-01"))
    live(shop, *FOUR_DAYS)
    assert shop.sent == [(ANNA, "focus", "0:00"), (ANNA, "closing", "48:00")]

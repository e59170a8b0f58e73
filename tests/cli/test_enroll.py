"""Lists of contacts, and enrolling them: what is read, what is refused and why, and what is told."""

import json
import tomllib
from itertools import product

import pytest

from cartctl.domain.sequences import parse_sequence
from cartctl.jobs import segments
from tests.nurture import ANNA, BO, SEQUENCE, people, person, set_up
from tests.shop import Outcome, Shop, iso


def rejected(shop: Shop, name: str = "people") -> list[str]:
    text = (shop.folder / f"{name}.rejects.csv").read_text(encoding="utf-8")
    return text.splitlines()[1:]


def show(shop: Shop, email: str) -> dict[str, str]:
    contact: dict[str, str] = shop.cli("contact", "export", email).json["contacts"][0]
    return contact


def test_a_list_of_contacts_is_read_by_whatever_its_columns_are_called(any_shop: Shop) -> None:
    shop = any_shop
    row = {
        "E-Mail": "Anna@Example.com",
        "First Name": "Anna",
        "Company": "Mugs",
        "Time Zone": "Europe/Berlin",
        "Language": "de-DE",
        "Opt-in": "yes",
        "Health Score": "7",
    }
    result = shop.cli("import", "contacts", people(shop, row), "--json").json
    assert result["contacts"] == {"created": 1, "updated": 0, "unchanged": 0, "forgotten": 0}
    anna = show(shop, ANNA)
    assert (anna["first_name"], anna["business_name"], anna["timezone"]) == ("Anna", "Mugs", "Europe/Berlin")
    assert (anna["locale"], anna["consent"], anna["attributes"]) == ("de_DE", "granted", '{"health_score": "7"}')


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_contacts_are_read_from_json(shop: Shop, ending: str) -> None:
    rows = [{"email": ANNA, "attributes": {"red": 2}}, {"email": BO, "score": 7.5, "customer": True}]
    text = json.dumps(rows) if ending == "json" else "\n".join(map(json.dumps, rows))
    (shop.folder / f"people.{ending}").write_text(text)
    shop.cli("import", "contacts", f"people.{ending}")
    assert show(shop, ANNA)["attributes"] == '{"red": 2}'
    assert show(shop, BO)["attributes"] == '{"customer": true, "score": "7.5"}'


def test_a_later_list_adds_to_what_is_known(shop: Shop) -> None:
    shop.cli("import", "contacts", people(shop, person(), person(BO)))
    again = shop.cli("import", "contacts", "people.csv").out
    assert again == "people.csv: already imported; nothing changed (--again reads it anew)\n"
    more = people(shop, {"email": ANNA, "red": "", "orange": "3"}, {"email": BO, "red": "2"}, name="more.csv")
    assert shop.cli("import", "contacts", more, "--json").json["contacts"]["updated"] == 1
    anna = show(shop, ANNA)
    assert (anna["first_name"], anna["attributes"]) == ("Anna", '{"orange": "3"}')


def test_rows_that_are_no_contacts_are_rejected(shop: Shop) -> None:
    rows = (person("no address"), person("", red="1"), person(timezone="Mars/Base"), person(BO))
    result = shop.cli("import", "contacts", people(shop, *rows), "--json", ok=False)
    assert (result.exit_code, result.json["rejected"], result.json["contacts"]["created"]) == (1, 3, 1)
    assert [line.split(",")[2] for line in rejected(shop)] == ["email", "email", "timezone"]


def test_a_file_without_addresses_is_no_list_of_contacts(shop: Shop) -> None:
    refused = shop.cli("import", "contacts", people(shop, {"name": "Anna"}), ok=False)
    assert refused.exit_code == 2
    assert 'no column of addresses: name it "email"' in refused.err


def test_who_asked_to_be_forgotten_does_not_come_back(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    shop.cli("enroll", "check-up", people(shop, person()))
    shop.cli("contact", "forget", ANNA, "--yes")
    told = shop.cli("import", "contacts", people(shop, person(), person(BO), name="again.csv"), "-v").out
    assert told.endswith("contacts: 1 created, 0 updated, 0 unchanged; 1 forgotten, and left out\n")
    refused = shop.cli("enroll", "check-up", people(shop, person(), name="third.csv"), "--json")
    assert refused.json["contacts"]["enrolled"] == 0
    assert shop.cli("run-due", "--json").json["sent"] == 0


def test_forgetting_takes_what_lists_said(shop: Shop) -> None:
    set_up(shop)
    shop.cli("enroll", "check-up", people(shop, person(timezone="Europe/Berlin", locale="de")))
    (shop.folder / "people.csv").unlink()
    shop.cli("contact", "forget", ANNA, "--yes")
    assert b"Mugs" not in (shop.folder / "cartctl.db").read_bytes()


def test_who_does_not_fit_is_rejected_with_the_reason_and_not_enrolled(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    rows = (
        person(),
        person(BO, red="9"),
        person("c@example.com", red=""),
        person("d@example.com", red="5", orange="4"),
        person("e@example.com", score="101"),
        person("f@scs1.tiktok.com"),
    )
    result = shop.cli("enroll", "check-up", people(shop, *rows), ok=False)
    assert result.exit_code == 1
    assert result.err.startswith("cartctl: ")
    assert "5 of 6 rows rejected" in result.err
    assert [line.split(",")[3].strip('"') for line in rejected(shop)] == [
        "red: 9 is more than 8",
        "red is missing",
        "more answers than questions",
        "score: 101 is more than 100",
        "is a marketplace's relay address",
    ]
    assert shop.cli("run-due", "--json").json["sent"] == 1


def test_one_address_is_enrolled_by_what_is_known_of_it(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    refused = shop.cli("enroll", "check-up", ANNA, ok=False)
    told = "cartctl: a…@example.com is not enrolled in check-up: red is missing\n"
    assert refused == Outcome(1, "", told)
    shop.cli("import", "contacts", people(shop, person()))
    assert shop.cli("enroll", "check-up", ANNA, "-v").out == (
        "a…@example.com is enrolled in check-up, segment critical\n"
    )
    again = shop.cli("enroll", "check-up", ANNA, "--json").json
    assert (again["outcome"], again["segment"]) == ("already", "critical")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("cart-recovery", ANNA),
            'sequence "cart-recovery" is about carts: contacts are enrolled in those with trigger = "enrolled"\n',
        ),
        (("checkup", ANNA), 'sequence "checkup" is unknown (did you mean "check-up"?)'),
        (("check-up", ANNA, "--start-at", "fokus"), '--start-at: check-up has no step "fokus" (did you mean "focus"?)'),
        (("check-up", ANNA, "--sent", "focus"), '--sent: "focus": expected STEP=DATE'),
        (("check-up", ANNA, "--sent", "focus=soon"), '--sent: "soon" is no time'),
        (("check-up", ANNA, "--sent", "focus=2199-01-01"), "--sent: a step was sent in the past"),
        (
            ("check-up", ANNA, "--sent", "result=2026-03-03", "--sent", "focus=2026-03-02"),
            "--sent: a step was sent after the step before it",
        ),
        (
            ("check-up", ANNA, "--sent", "focus=2026-03-02", "--start-at", "focus"),
            "--start-at and --sent: give one of them",
        ),
        (("check-up", ANNA, "--test"), "--test: test_recipients names nobody"),
        (("check-up", "anna@", ANNA), "Got unexpected extra argument"),
        (("check-up", "nobody"), "nobody"),
        (("check-up", "people@2026.csv"), "people@2026.csv: no such file"),
        (("check-up", "people@2026.JSONL"), "people@2026.JSONL: no such file"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(shop: Shop, arguments: tuple[str, ...], told: str) -> None:
    set_up(shop)
    refused = shop.cli("enroll", *arguments, ok=False)
    assert refused.exit_code == 2
    assert told.lower() in refused.err.lower()


def test_a_rule_that_is_none_is_refused(shop: Shop) -> None:
    set_up(shop, SEQUENCE.replace("red >= 2", "red >="))
    refused = shop.cli("enroll", "check-up", people(shop, person()), ok=False)
    assert refused.exit_code == 2
    assert 'check-up: segment "critical": "red >="' in refused.err


def test_segments_are_explained(shop: Shop) -> None:
    set_up(shop)
    shop.cli("enroll", "check-up", people(shop, person(red="1"), person(BO, red="2")))
    assert shop.cli("segments", "explain", ANNA).out == (
        "check-up: a…@example.com is urgent\n"
        "  critical: red >= 2 (red 1) -> no\n"
        "  urgent: red == 1 or orange >= 2 (orange 0, red 1) -> yes\n"
        "  optimize: whoever is left -> not asked\n"
        "  priority 2\n"
    )
    (found,) = shop.cli("segments", "explain", BO, "--json").json
    assert (found["stored"], found["segment"], found["rules"][0]["action"]) == ("critical", "critical", "Ring today")
    shop.cli("contact", "set", BO, "red=nine")
    assert '  does not fit: red: "nine" is no whole number\n' in shop.cli("segments", "explain", BO).out
    assert shop.cli("segments", "explain", "dan@example.com", ok=False).exit_code == 2


def test_every_way_to_answer_eight_questions_has_its_segment() -> None:
    """Four kinds of answers that sum to eight: 165 ways."""
    sequence = parse_sequence("check-up", tomllib.loads(SEQUENCE), where="sequence.toml")
    ways = [way for way in product(range(9), repeat=4) if sum(way) == 8]
    assert len(ways) == 165
    for red, orange, _, _ in ways:
        wanted = "critical" if red > 1 else "urgent" if red > 0 or orange > 1 else "optimize"
        values, faults = segments.faults_of(sequence, {"red": red, "orange": str(orange)})
        assert (segments.resolve(sequence, values), faults) == (wanted, ())


def test_contact_set_writes_down_what_is_known(shop: Shop) -> None:
    shop.cli("import", "contacts", people(shop, person()))
    shop.cli("contact", "set", ANNA, "first_name=Ann", "Health Score=8", "red=")
    anna = show(shop, ANNA)
    assert (anna["first_name"], anna["attributes"]) == ("Ann", '{"health_score": "8"}')
    for arguments in (("dan@example.com", "red=1"), (ANNA, "red"), (ANNA, "timezone=Mars/Base"), (ANNA,)):
        assert shop.cli("contact", "set", *arguments, ok=False).exit_code == 2


def test_a_test_stops_when_its_address_is_no_test_recipient_any_more(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop, settings=f'test_recipients = ["{ANNA}", "{BO}"]\n')
    people(shop, person(), person(BO))
    shop.cli("enroll", "check-up", "people.csv", "--test", "--at", iso("0m"))
    shop.run("0m")
    set_up(shop, settings=f'test_recipients = ["{BO}"]\n')
    assert shop.run("2m")["cancelled"] == {"no-test-recipient": 1}
    assert shop.sent == [(ANNA, "result", "0:00"), (BO, "result", "0:00"), (BO, "focus", "0:02")]
    told = shop.cli("explain", ANNA, "--at", iso("3m")).out
    assert "test: the address is none of test_recipients -> cancelled" in told


def test_tests_go_fast_to_test_recipients_alone_and_count_nowhere(any_shop: Shop) -> None:
    shop = any_shop
    fast = f'test_recipients = ["{ANNA}"]\n[sending]\ncap = 1\nquiet_hours = "00:00-23:59"\n'
    set_up(shop, settings=fast)
    people(shop, person(), person(BO))
    refused = shop.cli("enroll", "check-up", "people.csv", "--test", "--at", iso("0m"), ok=False)
    assert refused.exit_code == 1
    assert "is none of test_recipients: tests go to nobody else" in refused.err
    for when in ("0m", "1m", "2m", "4m", "5m"):
        shop.run(when)
    assert shop.sent == [(ANNA, "result", "0:00"), (ANNA, "focus", "0:02"), (ANNA, "closing", "0:05")]
    assert all(str(mail.message["Subject"]).startswith("[Test] ") for mail in shop.mails)
    again = shop.cli("enroll", "check-up", ANNA, "--test", "--json", "--at", iso("6m")).json
    assert again["outcome"] == "enrolled"
    meant = shop.cli("enroll", "check-up", ANNA, "--json", "--at", iso("7m")).json
    assert meant["outcome"] == "enrolled"
    assert shop.cli("enroll", "check-up", ANNA, "--test", "--json", "--at", iso("8m")).json["outcome"] == "already"


def test_of_a_sign_up_that_does_not_fit_a_booking_and_a_refusal_are_kept_and_nothing_else(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    rows = (
        person(red="9", booking="2026-12-01"),
        person(BO, red="9", consent="no"),
        person("c@example.com", red="9", consent="yes", booking="no"),
    )
    shop.cli("enroll", "check-up", people(shop, *rows), ok=False)
    anna, bo = show(shop, ANNA), show(shop, BO)
    assert (anna["attributes"], anna["first_name"], anna["consent"]) == ('{"booking": "2026-12-01"}', "", "unknown")
    assert (bo["attributes"], bo["first_name"], bo["consent"]) == ("", "", "refused")
    assert shop.cli("contact", "export", "c@example.com", ok=False).exit_code == 2


def test_of_who_has_booked_the_whole_sign_up_is_kept(shop: Shop) -> None:
    set_up(shop)
    told = shop.cli("enroll", "check-up", people(shop, person(booking="2026-12-01")), "--json", ok=False)
    assert (told.exit_code, told.json["rejected"], show(shop, ANNA)["first_name"]) == (1, 1, "Anna")


def test_a_list_takes_no_refusal_back(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    old = person(consent="yes")
    shop.cli("enroll", "check-up", people(shop, old), "--at", iso("0m"))
    shop.cli("contact", "set", ANNA, "consent=no", "--at", iso("1h"))
    shop.cli("enroll", "check-up", people(shop, old, person(BO), name="more.csv"), "--at", iso("2h"))
    shop.cli("import", "contacts", people(shop, old, name="list.csv"), "--at", iso("3h"))
    assert show(shop, ANNA)["consent"] == "refused"
    shop.cli("contact", "set", ANNA, "consent=granted", "--at", iso("4h"))
    assert show(shop, ANNA)["consent"] == "granted"


def test_a_list_of_which_rows_were_rejected_is_read_anew(any_shop: Shop) -> None:
    shop = any_shop
    set_up(shop)
    shop.cli("import", "contacts", people(shop, person(BO)))
    path = people(shop, {"email": ANNA}, {"email": BO}, name="addresses.csv")
    assert shop.cli("enroll", "check-up", path, ok=False).exit_code == 1
    shop.cli("import", "contacts", people(shop, person(), name="answers.csv"))
    again = shop.cli("enroll", "check-up", path, "--json").json
    assert (again["contacts"]["enrolled"], again["contacts"]["already"], again["rejected"]) == (1, 1, 0)
    assert shop.cli("enroll", "check-up", path, "--json").json["already_imported"]


def test_who_asked_to_be_forgotten_is_left_out_alone_as_in_a_list(shop: Shop) -> None:
    set_up(shop, SEQUENCE.replace("max = 8 }", "max = 8, default = 2 }", 1))
    shop.cli("enroll", "check-up", people(shop, person()))
    shop.cli("contact", "forget", ANNA, "--yes")
    told = "cartctl: a…@example.com is not enrolled in check-up: asked to be forgotten\n"
    assert shop.cli("enroll", "check-up", ANNA) == Outcome(0, "", told)

"""Test mode: only test recipients are written to, soon, and nothing of it counts."""

import pytest

from tests.shop import Outcome, Shop, cart, iso

ME, ANNA = "me@example.com", "anna@example.com"
TESTS = 'mode = "test"\ntest_recipients = ["Me@Example.com"]\n'
FAST = f"{TESTS}time_scale = 60\n"


def tick(shop: Shop, when: str) -> Outcome:
    return shop.cli("run-due", "--at", iso(when), ok=False)


def subjects(shop: Shop, to: str) -> list[str]:
    return [str(mail.message["Subject"]) for mail in shop.mails if mail.to == to]


def test_only_test_recipients_are_written_to_and_all_else_is_held(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(TESTS)
    shop.carts(cart(), cart("c-2", email=ME), when="5m")
    held = tick(shop, "30m")
    assert held.exit_code == 1
    assert held.err.startswith("cartctl: mail to others than test_recipients is held: ")
    assert shop.sent == [(ME, "reminder", "0:30")]
    assert subjects(shop, ME)[0].startswith("[Test] ")
    assert tick(shop, "35m") == Outcome(1, "", "")
    shop.configure("")
    over = tick(shop, "1h")
    assert (over.exit_code, over.err) == (
        0,
        "cartctl: mail to others than test_recipients is no longer held (test)\n",
    )
    assert shop.sent[1:] == [(ANNA, "reminder", "1:00")]
    assert "[Test]" not in subjects(shop, ANNA)[0]


def test_tests_go_faster_and_ignore_cap_and_quiet_hours(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(f'{FAST}[sending]\ncap = 1\nquiet_hours = "00:00-23:59"\n')
    shop.carts(cart(email=ME), when="5m")
    for when in ("30m", "31m", "42m", "43m", "54m", "55m"):
        tick(shop, when)
    assert shop.sent == [(ME, "reminder", "0:30"), (ME, "urgency", "0:42"), (ME, "offer", "0:54")]


def test_the_grace_of_tests_is_shorter_too(shop: Shop) -> None:
    shop.configure(FAST)
    shop.carts(cart(email=ME), when="5m")
    shop.cli("run-due", "--at", iso("30m"))
    late = shop.cli("run-due", "--json", "--at", iso("1h10m"), ok=False)
    assert late.json["skipped"] == {"past-grace": 1}


def test_tests_never_count(any_shop: Shop) -> None:
    shop = any_shop
    shop.carts(cart(), when="5m")
    shop.run("30m")
    before = shop.report("31m")
    shop.configure(FAST)
    shop.carts(cart("c-2", seen="40m", email=ME), when="45m")
    for when in ("70m", "85m", "100m"):
        tick(shop, when)
    assert len(shop.sent) == 4
    assert shop.report("2h") == before


def test_a_test_puts_off_no_mail_that_is_meant(shop: Shop) -> None:
    shop.configure(TESTS)
    shop.carts(cart(email=ME), when="5m")
    tick(shop, "30m")
    shop.configure("[sending]\ncap = 1\n")
    shop.carts(cart("c-2", seen="10m", email=ME), when="31m")
    shop.run("40m")
    assert shop.sent == [(ME, "reminder", "0:30"), (ME, "reminder", "0:40")]
    assert ["[Test]" in subject for subject in subjects(shop, ME)] == [True, False]


def test_what_began_as_a_test_ends_as_one(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(FAST)
    shop.carts(cart(email=ME), when="5m")
    tick(shop, "30m")
    shop.configure("time_scale = 60\n")
    for when in ("42m", "54m", "24h", "48h"):
        tick(shop, when)
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency", "offer"]
    assert all(mail.message["Subject"].startswith("[Test] ") for mail in shop.mails)
    assert shop.report("49h")["by_step"] == []


def test_a_test_takes_no_imported_code(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure(f"{FAST}[coupons]\n")
    codes = shop.folder / "codes.csv"
    codes.write_text("code\nUNIQUE1\n", encoding="utf-8")
    shop.cli("import", "coupons", codes, "--coupon", "recovery10", "--at", iso("0m"))
    shop.carts(cart(email=ME), when="5m")
    for when in ("30m", "42m", "54m"):
        tick(shop, when)
    assert "TEST-CODE" in shop.mails[-1].part("plain")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('mode = "test"\n', 'test_recipients: mode = "test" needs an address'),
        ('test_recipients = ["me"]\n', "test_recipients: number 1 is no e-mail address"),
        ("time_scale = 0.5\n", "time_scale: 0.5 is not between 1 and 100000"),
        ('mode = "tests"\n', 'unknown value "tests" (did you mean "test"?)'),
    ],
)
def test_what_cannot_be_meant_is_refused(shop: Shop, text: str, complaint: str) -> None:
    shop.configure(text)
    outcome = shop.cli("run-due", ok=False)
    assert (outcome.exit_code, complaint in outcome.err) == (2, True), outcome.err

"""Days in a shop's life: what its configuration and its sequence decide. Every job runs twice at every tick."""

import pytest

from tests.shop import ANNA, Shop, cart, live


def test_without_its_coupon_the_offer_is_skipped(shop: Shop) -> None:
    shop.configure("[coupons]\n")
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h")
    assert shop.run("48h")["skipped"] == {"no-coupon": 1}
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency"]


def test_offer_shows_the_configured_code(shop: Shop) -> None:
    shop.configure('[coupons]\nrecovery10 = "WELCOME-BACK"\n')
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h", "48h")
    assert "WELCOME-BACK" in shop.mails[-1].part("plain")
    assert "WELCOME-BACK" in shop.mails[-1].part("html")


@pytest.mark.parametrize(
    ("price", "currency", "steps"),
    [("20.00", "EUR", ["only"]), ("19.99", "EUR", []), ("500.00", "USD", [])],
)
def test_min_total_holds_for_its_currency_alone(shop: Shop, price: str, currency: str, steps: list[str]) -> None:
    own_sequence(shop, 'min_total = { EUR = "20.00" }')
    shop.carts(cart(unit_price=price, currency=currency), when="5m")
    result = shop.run("1h")
    assert [step for _, step, _ in shop.sent] == steps
    assert result["skipped"] == ({} if steps else {"min-total": 1})


def own_sequence(shop: Shop, step: str = "", *, head: str = "") -> None:
    """Give the shop a templates folder whose cart-recovery has one step called `only`."""
    folder = shop.folder / "templates" / "cart-recovery"
    folder.mkdir(parents=True)
    (folder / "sequence.toml").write_text(
        f'trigger = "cart-abandoned"\n{head}\n[[step]]\nkey = "only"\nafter = "30m"\nsubject = "Hello"\n{step}\n'
    )
    (folder / "only.mjml").write_text("<mjml><mj-body></mj-body></mjml>")
    (folder / "only.txt").write_text("Hello {{ first_name }}")
    shop.configure('templates = "templates"\n')


def test_sequence_with_a_start_never_writes_to_older_carts(shop: Shop) -> None:
    own_sequence(shop, head="start_at = 2026-03-02T10:10:00Z")
    shop.carts(cart("c-1", seen="9m"), cart("c-2", seen="10m", email="ben@example.com"), when="15m")
    live(shop, "1h", "24h")
    assert [to for to, _, _ in shop.sent] == ["ben@example.com"]
    assert shop.report("24h")["abandoned"] == 2


def test_quiet_hours_of_the_shopper_move_a_mail(shop: Shop) -> None:
    # T0 is 10:00 UTC, 19:00 in Tokyo; the mail would be due at 22:30 there.
    shop.configure('[sending]\nquiet_hours = "22:00-08:00"\n')
    shop.carts(cart(seen="3h", timezone="Asia/Tokyo"), when="3h")
    live(shop, "3h30m", "12h55m", "13h")
    assert shop.sent == [(ANNA, "reminder", "13:00")]


def test_cap_defers_what_is_too_much_for_one_person(shop: Shop) -> None:
    shop.configure("[sending]\ncap = 2\n")
    shop.carts(cart(), when="5m")
    live(shop, "30m", "24h", "48h", "168h25m", "168h30m")
    assert shop.sent == [(ANNA, "reminder", "0:30"), (ANNA, "urgency", "24:00"), (ANNA, "offer", "168:30")]


def test_limit_sends_so_many_and_the_rest_later(shop: Shop) -> None:
    shop.carts(*(cart(f"c-{n}", email=f"shopper{n}@example.com") for n in range(5)), when="5m")
    assert shop.run_once("30m", "--limit", "2")["sent"] == 2
    assert shop.run_once("35m", "--limit", "2")["sent"] == 2
    assert shop.run_once("40m", "--limit", "2")["sent"] == 1
    assert len({to for to, _, _ in shop.sent}) == 5

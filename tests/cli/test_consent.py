"""Who may be written to: what shoppers said about mail, and what the configuration asks for."""

import pytest

from tests.shop import Shop, cart, iso, order

SAID = ("granted", "refused", "unknown", "")
WRITTEN = {
    "none": {"granted", "refused", "unknown", ""},
    "not-refused": {"granted", "unknown", ""},
    "opt-in": {"granted"},
}
REASONS = {"none": {}, "not-refused": {"consent-refused": 1}, "opt-in": {"consent-refused": 1, "no-opt-in": 2}}


@pytest.mark.parametrize("required", WRITTEN)
def test_consent_decides_at_the_last_look(any_shop: Shop, required: str) -> None:
    shop = any_shop
    shop.configure(f'[consent]\nrequire = "{required}"\n')
    shop.carts(*(cart(f"c-{said}", email=f"{said or 'blank'}@example.com", consent=said) for said in SAID), when="5m")
    assert shop.run("30m")["cancelled"] == REASONS[required]
    assert {to.partition("@")[0] for to, _, _ in shop.sent} == {said or "blank" for said in WRITTEN[required]}


def test_without_configuration_only_a_refusal_keeps_mail_back(shop: Shop) -> None:
    shop.carts(*(cart(f"c-{said}", email=f"{said or 'blank'}@example.com", consent=said) for said in SAID), when="5m")
    assert shop.run("30m")["sent"] == 3


@pytest.mark.parametrize(("required", "sent"), [("not-refused", 1), ("opt-in", 0)])
def test_an_unticked_box_is_unknown_and_no_refusal(shop: Shop, required: str, sent: int) -> None:
    shop.configure(f'[consent]\nrequire = "{required}"\n')
    path = shop.folder / "checkouts_export.csv"
    path.write_text(
        "Name,Email,Financial Status,Accepts Marketing,Currency,Total,Created at,Lineitem quantity,Lineitem name,Id\n"
        "#1,anna@example.com,,no,EUR,9.00,2026-03-02 10:00:00 +0000,1,Mug,1\n",
        encoding="utf-8",
    )
    shop.cli("import", "carts", path, "--at", iso("5m"))
    assert shop.run("30m")["sent"] == sent


def test_a_refusal_between_two_mails_stops_the_sequence(any_shop: Shop) -> None:
    shop = any_shop
    shop.configure('[consent]\nrequire = "opt-in"\n')
    shop.carts(cart(consent="yes"), when="5m")
    assert shop.run("30m")["sent"] == 1
    refused = order("o-1", placed="2h", email="anna@example.com", consent="no", status="failed")
    shop.orders(refused, when="3h")
    assert shop.run("24h")["cancelled"]["consent-refused"] == 1
    shop.run("48h")
    assert len(shop.sent) == 1

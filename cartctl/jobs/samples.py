"""Invented people and carts, the usual one and those that break careless templates: for checks, previews and tests.

Their links lead nowhere: no token of a real message is ever in them.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from cartctl.domain.carts import Item
from cartctl.domain.money import UNKNOWN_CURRENCY, Money, total
from cartctl.domain.sequences import CART_ABANDONED, Sequence, Step
from cartctl.mail.facts import MailFacts

SAMPLE_CODE = "SAMPLE10"
_MUG = Item(name="Blue mug", variant="large", sku="MUG-L", quantity=2, unit_price=Decimal("12.50"))
_TEA = Item(name="Tea, 250 g", unit_price=Decimal("5.00"), image_url="https://shop.example.com/tea.png")
_BARE = Item(name="A thing without price, picture or variant")
_LONG = Item(name="Hand-made breakfast bowl " * 12, variant="midnight blue " * 20, unit_price=Decimal(1))
_MARKUP = Item(name="Ünïcode <b>& \"marked\" 'up'</b>", unit_price=Decimal(1))
_ARABIC = Item(name="إبريق شاي نحاسي", variant="كبير", quantity=3, unit_price=Decimal("7.250"))


def sample_carts(*, coupon: str) -> dict[str, MailFacts]:
    """Return the sample carts by name, the usual one first. Only the one that reads to the left has a locale."""
    usual = _facts("Anna", (_MUG, _TEA), "EUR", coupon)
    return {
        "usual": usual,
        "no items": replace(usual, items=(), total=Money.of(Decimal("49.90"), "EUR")),
        "nothing known": replace(_facts("", (_BARE,), UNKNOWN_CURRENCY, coupon), shop_url=""),
        "50 items": replace(usual, items=(_MUG, _TEA) * 25),
        "50 long items": _facts("Maximiliana Theodora Charlotta Augusta", (_LONG,) * 50, "JPY", coupon),
        "no price": _facts("Bo", (_BARE, _TEA), "USD", coupon),
        "unknown currency": _facts("Bo", (_MUG,), UNKNOWN_CURRENCY, coupon),
        "markup and quotes": _facts('O\'Neil "<script>" & Söhne', (_MARKUP,), "KWD", coupon),
        "right to left": replace(_facts("ليلى", (_ARABIC,), "KWD", coupon), locale="ar_KW"),
        "no first name": replace(usual, first_name=""),
    }


def sample_people(sequence: Sequence, *, coupon: str) -> dict[str, MailFacts]:
    """Return whom a sequence may write to, by name, the usual one first: owners of carts, else contacts without one."""
    carts = sample_carts(coupon=coupon)
    if sequence.trigger == CART_ABANDONED:
        return carts
    names = ("usual", "nothing known", "markup and quotes", "right to left", "no first name")
    nothing = Money.of(Decimal(0), UNKNOWN_CURRENCY)
    people = {
        name: replace(carts[name], items=(), currency=UNKNOWN_CURRENCY, total=nothing, recovery_link="")
        for name in names
    }
    known_as = {"usual": "Example Bakery", "markup and quotes": 'O\'Neil & <b>"Söhne"</b>'}
    return {name: replace(facts, business_name=known_as.get(name, "")) for name, facts in people.items()}


def codes_of(step: Step, coupons: Mapping[str, str]) -> list[str]:
    """Return the codes that a step may go out with: its own, and none where it may be sent so."""
    if not step.coupon:
        return [""]
    code = coupons.get(step.coupon, SAMPLE_CODE)
    return [code, ""] if step.on_cooldown == "without" else [code]


def _facts(first_name: str, items: tuple[Item, ...], currency: str, coupon: str) -> MailFacts:
    lines = [Money.of(item.unit_price, currency) * item.quantity for item in items if item.unit_price is not None]
    return MailFacts(
        first_name=first_name,
        items=items,
        currency=currency,
        total=total(lines, currency),
        locale="",
        brand="Example Shop",
        shop_url="https://shop.example.com",
        logo="https://shop.example.com/logo.png",
        support="help@shop.example.com",
        postal_address="Example Shop, 1 Example Street, Exampletown",
        recovery_link="https://mail.example.com/r/sample-no-real-link",
        unsubscribe_link="https://mail.example.com/u/sample-no-real-link",
        link_valid_until=datetime(2026, 12, 24, tzinfo=UTC),
        coupon=coupon,
        sent_at=datetime(2026, 11, 24, tzinfo=UTC),
    )

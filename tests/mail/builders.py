"""What the mail tests begin with: a message ready to leave, a cart's facts, items. All invented."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cartctl import resources
from cartctl.domain.carts import Item
from cartctl.domain.money import Money, total
from cartctl.domain.sequences import Sequence
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.message import OutgoingMessage
from cartctl.mail.render import Renderer
from cartctl.mail.templates import load_sequences
from cartctl.mail.texts import Texts

NOW = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
UNSUBSCRIBE = "https://mail.shop.example.com/u/123.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

_MESSAGE = OutgoingMessage(
    id=123,
    sequence="cart-recovery",
    step="reminder",
    sender="Fern & Kettle <hello@shop.example.com>",
    to="anna@example.com",
    subject="You left something at Fern & Kettle",
    html="<p>Your cart</p>",
    text="Your cart\n",
    headers={"List-Unsubscribe": f"<{UNSUBSCRIBE}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
    date=NOW,
)


def a_message(**changes: Any) -> OutgoingMessage:
    return replace(_MESSAGE, **changes)


def an_item(name: str = "Kettle", *, price: str | None = "79.00", **changes: Any) -> Item:
    return Item(name=name, unit_price=None if price is None else Decimal(price), **changes)


def facts(*items: Item, currency: str = "EUR", locale: str = "en_US", **changes: Any) -> MailFacts:
    """Return what a template may say about a cart of these items; the total is their sum."""
    lines = [Money.of(item.unit_price, currency) * item.quantity for item in items if item.unit_price is not None]
    return replace(
        MailFacts(
            first_name="Anna",
            items=items,
            currency=currency,
            total=total(lines, currency),
            locale=locale,
            brand="Fern & Kettle",
            shop_url="https://shop.example.com",
            postal_address="Fern & Kettle, 1 Example Street, Exampletown",
            recovery_link="https://mail.example.com/r/recovery-token",
            unsubscribe_link="https://mail.example.com/u/unsubscribe-token",
            link_valid_until=datetime(2026, 4, 1, 10, 30, tzinfo=UTC),
            coupon="BACK10",
            sent_at=NOW,
        ),
        **changes,
    )


def shipped() -> Sequence:
    return load_sequences([resources.shipped_templates()])["cart-recovery"]


def template_values(about: MailFacts) -> dict[str, Any]:
    """Return what a template is handed."""
    texts = Texts(where="cart-recovery/reminder", locale="en", has_subject=False, needs_subject=False)
    return Renderer([resources.shipped_templates()]).values(texts, shipped().steps[0], about)


def render(about: MailFacts, step: str = "reminder") -> Rendered:
    """Render a step of the shipped sequence."""
    sequence = shipped()
    chosen = sequence.step(step)
    assert chosen is not None
    return Renderer([resources.shipped_templates()]).render(sequence, chosen, about)

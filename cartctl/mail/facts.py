"""What goes into a template, and what comes out. Apart from `render`, so that a tick without mail loads no Jinja2."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cartctl.domain.carts import Item
from cartctl.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """What a template may say about one cart. Everything here is true of the data; nothing else should be claimed."""

    first_name: str
    items: Sequence[Item]
    currency: str
    total: Money
    locale: str
    """The shopper's; which of a step's texts that means is decided when the mail is rendered."""
    segment: str = ""
    """Of a contact in a sequence that has segments."""
    brand: str
    shop_url: str
    postal_address: str
    recovery_link: str
    unsubscribe_link: str
    link_valid_until: datetime
    coupon: str


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    html: str
    text: str

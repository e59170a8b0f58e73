"""What goes into a template, and what comes out. Apart from `render`, so that a tick without mail loads no Jinja2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from cartctl.domain.attributes import Value
from cartctl.domain.carts import Item
from cartctl.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """What a template may say about a cart or a contact. Everything here is true of the data."""

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
    logo: str = ""
    """The address of a picture that shows the brand's name."""
    colour: str = ""
    """Of buttons and links, `#1f4fd8`; "": the layout's own."""
    support: str = ""
    """Whom a shopper may ask: an e-mail address, or an https one."""
    postal_address: str
    recovery_link: str
    """Back to the cart; "" in a mail about none."""
    unsubscribe_link: str
    link_valid_until: datetime
    coupon: str
    sent_at: datetime
    """When the mail is handed over for the first time: what variables are made by."""
    zone: tzinfo = UTC
    """Of whoever reads it: whose calendar counts."""
    business_name: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    """What the sequence declares of the contact."""


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    html: str
    text: str

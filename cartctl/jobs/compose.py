"""From claimed messages to rendered mails: gathers what the templates may say, and renders outside any transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select

from cartctl.domain.money import UNKNOWN_CURRENCY, Money
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.domain.sequences import Step
from cartctl.errors import ConfigurationError, TemplateError
from cartctl.jobs import coupon_codes
from cartctl.jobs.rules import Rules
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.message import OutgoingMessage
from cartctl.store import carts
from cartctl.store.contacts import known_attributes
from cartctl.store.sql import among
from cartctl.store.tables import carts as carts_table
from cartctl.store.tables import contacts, enrollments

if TYPE_CHECKING:  # Jinja2 and itsdangerous are loaded by whoever builds these: a tick without mail needs neither
    from cartctl.mail.links import Links
    from cartctl.mail.render import Renderer


_BOTH = ("first_name", "locale", "timezone")
"""Of the cart, else of the contact."""
_ABOUT: Select[Any] = (
    select(
        enrollments.c.id.label("enrollment_id"),
        enrollments.c.sequence,
        enrollments.c.is_test,
        enrollments.c.segment,
        enrollments.c.store,
        enrollments.c.cart_id,
        contacts.c.email_normalised,
        contacts.c.business_name,
        contacts.c.attributes,
        *(func.coalesce(func.nullif(carts_table.c[name], ""), contacts.c[name]).label(name) for name in _BOTH),
        func.coalesce(carts_table.c.external_id, "").label("cart"),
        carts_table.c.abandoned_at,
        func.coalesce(carts_table.c.currency, UNKNOWN_CURRENCY).label("currency"),
        func.coalesce(carts_table.c.total_minor, 0).label("total_minor"),
    )
    .outerjoin(carts_table, carts_table.c.id == enrollments.c.cart_id)
    .join(contacts, contacts.c.id == enrollments.c.contact_id)
    .where(among(enrollments.c.id))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who the mail is from."""

    sender: str
    reply_to: str | None


class Content(NamedTuple):
    """What one message is about. A plain tuple: it may go to another process, which dataclasses do slowly."""

    row: Row[Any]
    lines: Sequence[carts.Line]
    """The cart's, none without one."""
    coupon: str = ""
    """The code it shows, in a step that names a coupon; "" where there is none."""
    used_up: str = ""
    """Why there is none: the coupon of which all imported codes are gone."""


def load(
    connection: Connection, message_rows: Sequence[Row[Any]], rules: Rules, *, now: datetime
) -> dict[int, Content]:
    """Read contact, cart and items of messages that were just claimed, by message id, and give them their codes.

    Belongs into the claim's transaction: what `coupon_codes.reserve` gives is given when the claim is committed.
    """
    by_enrollment = {row.enrollment_id: row.id for row in message_rows}
    rows = connection.execute(_ABOUT, {"ids": list(by_enrollment)}).all()
    cart_ids = [row.cart_id for row in rows if row.cart_id is not None]
    lines = carts.lines(connection, cart_ids)
    abouts = {by_enrollment[row.enrollment_id]: row for row in rows}
    steps = {message.id: rules.step(abouts[message.id].sequence, message.step) for message in message_rows}
    codes = coupon_codes.reserve(connection, message_rows, steps, rules, now=now)
    return {
        id_: Content(row, lines.get(row.cart_id, ()), codes.by_message.get(id_, ""), codes.used_up.get(id_, ""))
        for id_, row in abouts.items()
    }


class Composer:
    """Turns a message's content into a mail that is ready to leave."""

    def __init__(self, renderer: "Renderer", links: "Links", sender: Sender, rules: Rules) -> None:
        self._renderer, self._links, self._sender, self._rules = renderer, links, sender, rules

    def compose(
        self, message_id: int, sequence: MailSequence, step: Step, content: Content, *, now: datetime
    ) -> OutgoingMessage:
        """Render one step for one cart or contact. Raises TemplateError; a contact that no longer fits waits by it.

        Handed over again, a message must be the same, byte for byte, or a provider that knows its key takes it for
        another mail: `now` is then the time of the first hand-over.
        """
        from cartctl.jobs import segments  # loads Jinja2, which a tick without mail does not need

        row = content.row
        try:
            attributes, faults = segments.faults_of(sequence, known_attributes(row))
        except ConfigurationError as error:
            raise TemplateError(str(error)) from None
        if faults:
            raise TemplateError(f"the contact does not fit {sequence.name}: {'; '.join(faults)}")
        recovery = self._links.link("recover", message_id, now=now)
        unsubscribe = self._links.link("unsubscribe", message_id, now=now)
        store = self._rules.store(row.store)
        facts = MailFacts(
            first_name=row.first_name,
            items=carts.as_items(content.lines, row.currency),
            currency=row.currency,
            total=Money.from_minor(row.total_minor, row.currency),
            locale=row.locale or store.locale,
            brand=store.brand,
            shop_url=store.url,
            logo=store.logo,
            colour=store.colour,
            support=store.support,
            postal_address=store.postal_address,
            recovery_link=recovery,
            unsubscribe_link=unsubscribe,
            link_valid_until=now + self._links.valid_for,
            coupon=content.coupon,
            sent_at=now,
            zone=self._rules.zone(row.store, row.timezone),
            segment=row.segment,
            business_name=row.business_name,
            attributes=attributes,
        )
        rendered = self._renderer.render(sequence, step, facts)
        return mail_of(
            rendered,
            facts,
            self._sender,
            message_id,
            (sequence.name, step.key),
            to=row.email_normalised,
            is_test=row.is_test,
            now=now,
        )


def mail_of(
    rendered: Rendered,
    facts: MailFacts,
    sender: Sender,
    message_id: int,
    names: tuple[str, str],
    *,
    to: str,
    is_test: bool,
    now: datetime,
) -> OutgoingMessage:
    """Put a rendered step into an envelope. `names`: of its sequence and step; `message_id` 0: it is no message."""
    sequence, step = names
    return OutgoingMessage(
        id=message_id,
        sequence=sequence,
        step=step,
        sender=sender.sender,
        reply_to=sender.reply_to,
        to=to,
        subject=f"[Test] {rendered.subject}" if is_test else rendered.subject,
        html=rendered.html,
        text=rendered.text,
        headers=unsubscribe_headers(facts.unsubscribe_link),
        date=now,
    )


def unsubscribe_headers(link: str) -> Mapping[str, str]:
    """One-click unsubscribe, RFC 8058 section 3.1: both headers, and the link needs no log-in."""
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}

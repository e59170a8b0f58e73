"""What a step would look like: for an invented shopper, or one of the shop's own carts. Writes nothing, sends nothing.

The links of such a mail lead nowhere: it may be shown around, and whoever follows one must not find somebody's cart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from cartctl.domain.money import Money
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.domain.sequences import Step
from cartctl.domain.variants import fallbacks
from cartctl.errors import TemplateError, UsageError
from cartctl.jobs.compose import Sender, mail_of
from cartctl.jobs.rules import Rules, StoreFacts
from cartctl.jobs.sample_answers import sample_attributes
from cartctl.jobs.samples import codes_of, sample_carts, sample_people
from cartctl.mail.facts import MailFacts
from cartctl.mail.links import VALID_FOR
from cartctl.mail.message import OutgoingMessage
from cartctl.store import carts, lookup
from cartctl.suggest import did_you_mean

if TYPE_CHECKING:
    from cartctl.mail.render import Renderer

TOKEN = "sample-this-link-leads-nowhere"  # noqa: S105 - it opens nothing
"""What stands in a link where a real mail has the token of its message."""
SOMEBODY = "anna@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One text of a step: who reads it in which language."""

    sequence: MailSequence
    step: Step
    locale: str
    segment: str

    @property
    def name(self) -> str:
        """Its place among files: `cart-recovery/offer@urgent.de`."""
        return f"{self.sequence.name}/{self.step.key}{f'@{self.segment}' if self.segment else ''}.{self.locale}"


@dataclass(frozen=True, slots=True)
class Preview:
    """A mail, or why there is none."""

    choice: Choice
    mail: OutgoingMessage | None
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is true of every mail of this shop."""

    rules: Rules
    sender: Sender
    base_url: str


def choose(sequences: Mapping[str, MailSequence], name: str) -> tuple[MailSequence, Step]:
    """Return the step called `SEQUENCE/STEP`, or `STEP` where only one sequence has such. Raises UsageError."""
    known = {
        f"{sequence.name}/{step.key}": (sequence, step) for sequence in sequences.values() for step in sequence.steps
    }
    found = [each for each in known if each == name or each.partition("/")[2] == name]
    if len(found) > 1:
        raise UsageError(f'several sequences have a step "{name}": say which: {" or ".join(found)}')
    if not found:
        raise UsageError(f'no step "{name}"{did_you_mean(name, known)}')
    return known[found[0]]


def choices(
    sequences: Mapping[str, MailSequence], renderer: "Renderer", *, locale: str | None, segment: str | None
) -> Iterator[Choice]:
    """Yield every text of every step, or those in one language or for one segment."""
    for sequence in sequences.values():
        segments = [one.key for one in sequence.segments] or [""]
        for step in sequence.steps:
            for each in [locale] if locale else [sequence.language, *renderer.locales(sequence, step)]:
                for one in segments:
                    if segment in (None, one):
                        yield Choice(sequence=sequence, step=step, locale=each, segment=one)


def check_locale(locale: str | None) -> str | None:
    """Return a locale as names of files have it: it becomes part of some. Raises UsageError for what is none."""
    if locale is None:
        return None
    if not (found := fallbacks(locale)):
        raise UsageError(f'--locale: "{locale}" is no locale (de and pt_BR are)')
    return found[0]


def check_segment(sequence: MailSequence, segment: str | None) -> str:
    """Return the segment to show: the one asked for, else the first there is. Raises UsageError."""
    known = [one.key for one in sequence.segments]
    if segment is not None and segment not in known:
        what = did_you_mean(segment, known) or f": {sequence.name} has none"
        raise UsageError(f'--segment: no segment "{segment}"{what}')
    return segment or (known[0] if known else "")


def render(
    renderer: "Renderer", choice: Choice, facts: MailFacts, about: Surroundings, *, to: str, now: datetime
) -> Preview:
    """Render one text. A template at fault is no exception here: the others are still to be shown."""
    coupon = codes_of(choice.step, about.rules.coupons)[0]
    fitting = sample_attributes(choice.sequence).get(choice.segment) or [{}]
    facts = replace(facts, locale=choice.locale, segment=choice.segment, coupon=coupon, attributes=fitting[0])
    try:
        rendered = renderer.render(choice.sequence, choice.step, facts)
    except TemplateError as error:
        return Preview(choice, None, " ".join(str(error).split()))
    names = (choice.sequence.name, choice.step.key)
    return Preview(choice, mail_of(rendered, facts, about.sender, 0, names, to=to, is_test=False, now=now))


def sample_facts(sequence: MailSequence, about: Surroundings, *, now: datetime) -> MailFacts:
    """Return an invented shopper of this shop: of its first store, where it has several."""
    store = next(iter(about.rules.stores.values()), about.rules.default_store)
    return _in_shop(sample_people(sequence, coupon="")["usual"], store, about, now=now)


def cart_facts(
    connection: Connection, name: str, about: Surroundings, *, store: str | None, now: datetime
) -> MailFacts:
    """Return what is known of one of the shop's carts, its newest filling. Raises UsageError where there is none."""
    found = [row for row in lookup.find(connection, name, store=store).carts if row.external_id == name.strip()]
    if not found:
        raise UsageError(lookup.unknown(connection, name, store=store, what="cart"))
    if len(stores := sorted({row.store for row in found})) > 1:
        raise UsageError(f"cart {name} is in several stores: say which with --store {' or --store '.join(stores)}")
    row = found[-1]
    facts = replace(
        sample_carts(coupon="")["usual"],
        first_name=row.first_name,
        items=carts.items(connection, [row.id], {row.id: row.currency})[row.id],
        currency=row.currency,
        total=Money.from_minor(row.total_minor, row.currency),
        locale=row.locale or about.rules.store(row.store).locale,
        zone=about.rules.zone(row.store, row.timezone),
    )
    return _in_shop(facts, about.rules.store(row.store), about, now=now)


def _in_shop(facts: MailFacts, store: StoreFacts, about: Surroundings, *, now: datetime) -> MailFacts:
    """Give a mail the shop's own looks, as far as it has any, and links that lead nowhere."""
    return replace(
        facts,
        brand=store.brand,
        shop_url=store.url or facts.shop_url,
        logo=store.logo,
        colour=store.colour,
        support=store.support,
        postal_address=store.postal_address or facts.postal_address,
        recovery_link=facts.recovery_link and f"{about.base_url}/r/{TOKEN}",
        unsubscribe_link=f"{about.base_url}/u/{TOKEN}",
        link_valid_until=now + VALID_FOR,
        sent_at=now,
    )


def headers(mail: OutgoingMessage) -> dict[str, str]:
    """Return what stands above the mail, in the order of a mail program."""
    reply_to = {"Reply-To": mail.reply_to} if mail.reply_to else {}
    return {"From": mail.sender, "To": mail.to, **reply_to, "Subject": mail.subject, **mail.headers}


def written(previews: Sequence[Preview]) -> dict[str, str]:
    """Return the files of these previews, by name: the HTML and the text part, and the headers."""
    files: dict[str, str] = {}
    for preview in previews:
        if mail := preview.mail:
            files[f"{preview.choice.name}.html"] = mail.html
            files[f"{preview.choice.name}.txt"] = mail.text
            lines = "".join(f"{name}: {value}\n" for name, value in headers(mail).items())
            files[f"{preview.choice.name}.headers.txt"] = lines
    return files

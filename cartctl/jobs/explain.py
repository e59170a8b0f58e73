"""The story of one cart or one person, in the order of time, and what comes next.

Told from what is recorded: times on carts and enrollments, every change of every message with what the gate knew,
events, orders, suppressions. How an order came to close a cart is worked out anew, by the rule that closed it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.carts import CartStatus, Consent
from cartctl.domain.identity import without_addresses
from cartctl.domain.messages import NOTED, MessageState
from cartctl.domain.money import Money
from cartctl.domain.purchases import matched_by, why_not
from cartctl.domain.sequences import TREATED
from cartctl.domain.times import format_duration
from cartctl.errors import UsageError
from cartctl.jobs.facts import read_facts
from cartctl.jobs.rules import Rules
from cartctl.jobs.verdicts import Asked, asked
from cartctl.store import contacts, enrollments, lookup, purchases, story
from cartctl.store.database import Database

S = MessageState


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Something that happened. `cart` is its external id, "" where it concerns the person."""

    at: datetime
    what: str
    """import, cart, sequence, message, decision, event, order, consent or suppression."""
    text: str
    store: str = ""
    cart: str = ""
    rules: tuple[Asked, ...] = ()
    """Of a decision: each rule and its outcome."""


@dataclass(frozen=True, slots=True)
class Story:
    """Whom it is about, and all that is recorded of them, oldest first."""

    carts: Sequence[Row[Any]]
    people: Sequence[int]
    """Contacts whose messages are to come."""
    enrolled: Sequence[Row[Any]] = ()
    """What the person is in without a cart; only where it is the person who was asked for."""
    chapters: list[Chapter] = field(default_factory=list)


def tell(database: Database, name: str, *, store: str | None, rules: Rules, hashing_key: bytes) -> Story:
    """Tell the story of the cart, or of the person with the address, that `name` is.

    Raises UsageError where there is neither, with what is near, and where several stores have such a cart.
    """
    with database.read() as connection:
        found = lookup.find(connection, name, store=store)
        if not found:
            raise UsageError(lookup.unknown(connection, name, store=store))
        is_cart = any(row.external_id == name.strip() for row in found.carts)
        if is_cart and len(stores := sorted({row.store for row in found.carts})) > 1:
            raise UsageError(f"cart {name} is in several stores: say which with --store {' or --store '.join(stores)}")
        of_person = sorted(found.carts, key=lambda row: (row.last_activity_at, row.id))
        people = {row.contact_id for row in found.carts if row.contact_id is not None} | set(found.contact_ids)
        enrolled = (
            []
            if is_cart
            else [row for id_ in found.contact_ids for row in story.enrollments_without_cart(connection, id_, store)]
        )
        told = Story(found.carts if is_cart else of_person, sorted(people), enrolled)
        told.chapters.extend(_chapters(connection, told, rules, hashing_key))
    # A file comes before what it does at the same moment.
    told.chapters.sort(key=lambda chapter: (chapter.at, chapter.what != "import"))
    return told


def _chapters(connection: Connection, told: Story, rules: Rules, hashing_key: bytes) -> Iterator[Chapter]:
    for row in told.carts:
        yield from _cart(connection, row)
    yield from _sequences(connection, told)
    yield from _orders(connection, told.carts, rules)
    for id_ in told.people:
        yield from _person(connection, id_, hashing_key)


def _cart(connection: Connection, row: Row[Any]) -> Iterator[Chapter]:
    where = {"store": row.store, "cart": row.external_id, "what": "cart"}
    filling = f", filling {row.generation}" if row.generation > 1 else ""
    total = Money.from_minor(row.total_minor, row.currency)
    yield Chapter(at=row.created_at or row.first_activity_at, text=f"first activity{filling}", **where)
    yield Chapter(
        at=row.last_activity_at, text=f"last activity{filling}: the cart holds {total} {row.currency}", **where
    )
    if imported := story.first_carts_import(connection, row.store, row.last_activity_at):
        text = f"{without_addresses(imported.name)} imported: the first file that can have shown this state"
        yield Chapter(at=imported.at, text=text, **where | {"what": "import"})
    if row.detected_at is not None:
        late = row.status == CartStatus.EXPIRED
        text = "found too late to be written to: expired" if late else "found abandoned"
        again = row.first_abandoned_at is not None and row.first_abandoned_at < row.last_activity_at
        left = f", left {_time(row.first_abandoned_at)}{'; touched again since' if again else ''}"
        yield Chapter(at=row.detected_at, text=text + left, **where)
        if row.contact_id is None:
            yield Chapter(at=row.detected_at, text="unreachable: nobody knows the address", **where)


def _sequences(connection: Connection, told: Story) -> Iterator[Chapter]:
    carts = {row.id: row.external_id for row in told.carts}
    owners = {row.id: row for row in (*story.enrollments_of(connection, list(carts)), *told.enrolled)}
    places = {row.id: {"store": row.store, "cart": carts.get(row.cart_id, "")} for row in owners.values()}
    for row in owners.values():
        where = {**places[row.id], "what": "sequence"}
        if row.status == enrollments.HELD_OUT:
            text = f"drawn into the holdout of {row.sequence}: never written to, to measure what its mails do"
            yield Chapter(at=row.enrolled_at, text=text, **where)
            continue
        more = f", segment {row.segment}" if row.segment else ""
        test = " as a test" if row.cart_id is None and row.is_test else ""
        drawn = " (drawn to be written to, beside a holdout)" if row.arm == TREATED else ""
        yield Chapter(at=row.enrolled_at, text=f"enrolled in {row.sequence}{test}{more}{drawn}", **where)
        if row.resumed_at is not None:
            yield Chapter(at=row.resumed_at, text=f"{row.sequence} goes on: the cart is idle again", **where)
    messages = {row.id: row for row in story.messages_of(connection, list(owners))}
    names = {id_: f"{owners[row.enrollment_id].sequence}/{row.step}" for id_, row in messages.items()}
    for change in story.transitions_of(connection, list(messages)):
        if chapter := _change(change, names[change.message_id], places[messages[change.message_id].enrollment_id]):
            yield chapter
    for row in owners.values():
        if row.ended_at is not None and row.status != enrollments.LIVE:
            where = {**places[row.id], "what": "sequence"}
            reason = f" ({row.reason})" if row.reason else ""
            yield Chapter(at=row.ended_at, text=f"{row.sequence} is {row.status}{reason}", **where)
    for event in story.events_of(connection, list(messages)):
        where = {**places[messages[event.message_id].enrollment_id], "what": "event"}
        yield Chapter(at=event.at, text=f"{names[event.message_id]}: {event.kind} ({event.source})", **where)


def _change(change: Row[Any], name: str, place: Mapping[str, str]) -> Chapter | None:
    """Tell of one change of a message; what a run does to take hold of it decides nothing, and is left out."""
    if change.to_state == S.CLAIMED:
        return None
    where: dict[str, Any] = {"at": change.at, **place}
    reason = f" ({change.reason})" if change.reason else ""
    facts = read_facts(change.facts)
    if facts:
        words = {S.SENDING: "to be sent", S.SCHEDULED: "deferred"}
        outcome = words.get(MessageState(change.to_state), change.to_state)
        until = f" until {_time(datetime.fromisoformat(facts['until']))}" if "until" in facts else ""
        rules = tuple(asked(facts, change.reason, f"{outcome}{until}", at=change.at))
        return Chapter(what="decision", text=f"{name}: {outcome}{until}{reason}", rules=rules, **where)
    if change.reason in NOTED and not change.from_state:
        noted = "was sent elsewhere before" if change.to_state == S.ACCEPTED else "is left out: it begins later"
        return Chapter(what="message", text=f"{name}: {noted}", **where)
    if not change.from_state:
        moved = f", moved by {change.reason}" if change.reason else ""
        return Chapter(what="message", text=f"{name}: scheduled{moved} (message {change.message_id})", **where)
    took = change.from_state == S.SENDING and change.to_state == S.ACCEPTED
    text = "the provider took it" if took else f"{change.from_state} -> {change.to_state}{reason}"
    return Chapter(what="message", text=f"{name}: {text}", **where)


def _orders(connection: Connection, carts: Sequence[Row[Any]], rules: Rules) -> Iterator[Chapter]:
    """Tell of every purchase that has anything in common with a cart: what, and why it closed it or did not."""
    alike = purchases.alike(connection, [row.id for row in carts])
    ids = sorted({purchase.order_id for _, found in alike.values() for purchase in found})
    orders = story.orders_called(connection, ids)
    slack = rules.purchase.slack
    for row in carts:
        cart, found = alike[row.id]
        for purchase in found:
            order = orders[purchase.order_id]
            where = {"store": row.store, "cart": row.external_id}
            total = Money.from_minor(order.total_minor, order.currency)
            common = ", ".join(matched_by(purchase, cart))
            text = f"order {order.external_id} placed, {total} {order.currency}; in common: {common}"
            if row.order_id == purchase.order_id:
                credit = "" if row.credited else "; another cart is credited with it"
                text += f"; it closed the cart, which is {row.status}{credit}"
            else:
                text += f"; it did not close the cart: {why_not(purchase, cart, slack=slack)}"
            text += f" (slack {format_duration(slack)})"
            yield Chapter(at=order.placed_at, what="order", text=text, **where)
            file = story.import_at(connection, order.store, order.imported_at)
            name = without_addresses(file.name) if file else "a file"
            yield Chapter(
                at=order.imported_at, what="import", text=f"{name} told of order {order.external_id}", **where
            )


def _person(connection: Connection, contact_id: int, hashing_key: bytes) -> Iterator[Chapter]:
    row = contacts.by_id(connection, contact_id)
    if row.consent_at is not None and row.consent != Consent.UNKNOWN:
        source = without_addresses(row.consent_source)
        yield Chapter(at=row.consent_at, what="consent", text=f"consent {row.consent} (heard from {source})")
    for found in story.suppressions_of(connection, contacts.email_hash(hashing_key, row.email_normalised)):
        text = f"suppressed ({found.reason}), scope {found.scope}: never written to again"
        yield Chapter(at=found.at, what="suppression", text=text)


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"

"""The gate: the last look at claimed messages, in one transaction. Gathers the facts; `domain.decide` judges.

Runs inside the caller's transaction, in which the contacts are locked: two processes that hold messages for the same
person judge one after the other, and the second sees what the first let through.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from cartctl.domain.attributes import is_booked
from cartctl.domain.brakes import Kind, Scope
from cartctl.domain.carts import CartStatus, Consent
from cartctl.domain.decide import Cancel, Candidate, Decision, Later, Send, decide
from cartctl.domain.money import Money
from cartctl.domain.sequences import BOOKED, PURCHASED
from cartctl.jobs import coupon_codes
from cartctl.jobs.brakes import scopes
from cartctl.jobs.facts import keep_facts
from cartctl.jobs.rules import Rules
from cartctl.store import contacts, enrollments, messages, orders, purchases


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one message."""

    message: Row[Any]
    decision: Decision
    coupon_code: str
    facts: str = ""
    """What it was judged by: see `jobs.facts`."""


def judge(
    connection: Connection,
    rows: Sequence[Row[Any]],
    *,
    rules: Rules,
    hashing_key: bytes,
    now: datetime,
    run_started_at: datetime,
) -> Iterator[Verdict]:
    """Judge claimed messages. `rows` and their contacts are locked."""
    ids = [row.enrollment_id for row in rows]
    owners = {row.id: row for row in enrollments.with_cart(connection, ids)}
    cart_ids = sorted({row.cart_id for row in owners.values() if row.cart_id is not None})
    if cart_ids and purchases.match(connection, cart_ids, rules.purchase, now=now):
        owners = {row.id: row for row in enrollments.with_cart(connection, ids)}
    facts = _facts(connection, rules, hashing_key, rows, owners)
    # A purchase that `match` has just found has cancelled the message already; the decision says why.
    written_to: set[int] = set()
    for row in rows:
        owner = owners[row.enrollment_id]
        decision: Decision
        if owner.status != enrollments.LIVE:
            decision = Cancel(owner.reason or "stopped")
        else:
            decision = decide(
                facts[row.id],
                now=now,
                run_started_at=run_started_at,
                rules=rules.time_for(is_test=owner.is_test),
                consent_required=rules.consent_required,
            )
        if isinstance(decision, Send):
            if row.contact_id in written_to:
                decision = Later(now + timedelta(seconds=1), "one-per-run")
            written_to.add(row.contact_id)
        known = facts[row.id]
        kept = keep_facts(known, decision, now=now, rules=rules, is_test=owner.is_test)
        yield Verdict(row, decision, known.coupon_code or "", kept)


def _facts(
    connection: Connection, rules: Rules, hashing_key: bytes, rows: Sequence[Row[Any]], owners: dict[int, Row[Any]]
) -> dict[int, Candidate]:
    """Gather what must be known of each message, by message id."""
    hashes = {row.id: contacts.email_hash(hashing_key, owners[row.enrollment_id].email_normalised) for row in rows}
    suppressed = contacts.suppressed(connection, hashes.values())
    in_doubt = [row.id for row in rows if row.sent_at is not None]
    tests = {id_ for id_, owner in owners.items() if owner.is_test}
    reached = {
        is_test: messages.reached(
            connection,
            sorted({row.contact_id for row in rows if (row.enrollment_id in tests) == is_test}),
            latest=rules.time.cap,
            is_test=is_test,
            but_not=in_doubt,
        )
        for is_test in (False, True)
    }
    steps = {
        row.id: rules.step(owners[row.enrollment_id].sequence, row.step, is_test=row.enrollment_id in tests)
        for row in rows
    }
    codes = coupon_codes.reserved(connection, rows, steps, rules)
    brakes = scopes(connection, rules)
    bought = _bought(connection, rules, owners.values())
    found: dict[int, Candidate] = {}
    for row in rows:
        owner = owners[row.enrollment_id]
        step = steps[row.id]
        found[row.id] = Candidate(
            step=step,
            due_at=row.due_at,
            counts_from=owner.counts_from,
            enrolled_at=owner.resumed_at or owner.enrolled_at,
            reached=reached[owner.is_test][row.contact_id],
            zone=rules.zone(owner.store, owner.timezone),
            cart_status=None if owner.cart_status is None else CartStatus(owner.cart_status),
            bought=owner.id in bought,
            booked=_stops(rules, owner, BOOKED) and is_booked(contacts.known_attributes(owner)),
            cart_total=Money.from_minor(owner.total_minor, owner.currency).amount,
            currency=owner.currency,
            suppressed=bool(suppressed & {(hashes[row.id], "all"), (hashes[row.id], owner.sequence)}),
            may_be_written_to=rules.may_write_to(owner.email_normalised),
            consent=Consent(owner.consent),
            coupon_code=codes.by_message.get(row.id),
            had_coupon_at=codes.cooling.get(row.id),
            is_stray_test=owner.is_test
            and owner.cart_id is None
            and owner.email_normalised not in rules.test_recipients,
            held_by=_held_by(brakes, owner),
        )
    return found


def _stops(rules: Rules, owner: Row[Any], stop: str) -> bool:
    sequence = rules.sequences.get(owner.sequence)
    return sequence is not None and stop in sequence.stop_when


def _bought(connection: Connection, rules: Rules, owners: Iterable[Row[Any]]) -> set[int]:
    """Return the enrollments without a cart whose contact has ordered since, in any store, where that ends them."""
    asked = [owner for owner in owners if owner.cart_id is None and _stops(rules, owner, PURCHASED)]
    latest = orders.latest_purchases(connection, sorted({owner.contact_id for owner in asked})) if asked else {}
    return {owner.id for owner in asked if (at := latest.get(owner.contact_id)) and at >= owner.enrolled_at}


def _held_by(brakes: Sequence[tuple[Kind, Scope]], owner: Row[Any]) -> str:
    place = (owner.store, owner.channel)
    for kind, scope in brakes:
        if scope.covers(sequence=owner.sequence, place=place, is_test=owner.is_test, email=owner.email_normalised):
            return kind.value
    return ""

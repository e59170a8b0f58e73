"""The gate: the last look at claimed messages, in one transaction. Gathers the facts; `domain.decide` judges.

Runs inside the caller's transaction, with the contacts locked in the order of their ids: two processes that hold
messages for the same person judge one after the other, and the second sees what the first let through.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from cartctl.domain.carts import CartStatus, Consent
from cartctl.domain.decide import Cancel, Candidate, Decision, decide
from cartctl.domain.money import Money
from cartctl.jobs.rules import Rules
from cartctl.store import contacts, enrollments, messages, purchases
from cartctl.store.messages import Claim
from cartctl.store.tables import contacts as contacts_table


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one message."""

    message: Row[Any]
    decision: Decision
    coupon_code: str


def judge(
    connection: Connection, claim: Claim, *, rules: Rules, hashing_key: bytes, now: datetime, run_started_at: datetime
) -> Iterator[Verdict]:
    """Judge the messages of a claim that are still ours; an import may have cancelled some of them meanwhile."""
    rows = _lock(connection, claim)
    ids = [row.enrollment_id for row in rows]
    carts = sorted({owner.cart_id for owner in enrollments.with_cart(connection, ids)})
    purchases.match(connection, carts, rules.purchase, now=now)
    owners = {row.id: row for row in enrollments.with_cart(connection, ids)}
    facts = _facts(connection, rules, hashing_key, rows, owners)
    # A purchase that `match` has just found has cancelled the message already; the decision says why.
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
                rules=rules.time,
                consent_required=rules.consent_required,
            )
        yield Verdict(row, decision, facts[row.id].coupon_code or "")


def _lock(connection: Connection, claim: Claim) -> list[Row[Any]]:
    ids = sorted({row.contact_id for row in claim.rows})
    connection.execute(
        select(contacts_table.c.id).where(contacts_table.c.id.in_(ids)).order_by(contacts_table.c.id).with_for_update()
    )
    return messages.still_claimed(connection, claim)


def _facts(
    connection: Connection, rules: Rules, hashing_key: bytes, rows: Sequence[Row[Any]], owners: dict[int, Row[Any]]
) -> dict[int, Candidate]:
    """Gather what must be known of each message, by message id."""
    hashes = {row.id: contacts.email_hash(hashing_key, owners[row.enrollment_id].email_normalised) for row in rows}
    suppressed = contacts.suppressed(connection, hashes.values())
    reached = messages.reached(connection, sorted({row.contact_id for row in rows}), latest=rules.time.cap)
    found: dict[int, Candidate] = {}
    for row in rows:
        owner = owners[row.enrollment_id]
        sequence = rules.sequences.get(owner.sequence)
        step = sequence.step(row.step) if sequence else None
        found[row.id] = Candidate(
            step=step,
            due_at=row.due_at,
            abandoned_at=owner.abandoned_at,
            enrolled_at=owner.resumed_at or owner.enrolled_at,
            reached=reached[row.contact_id],
            zone=rules.zone(owner.store, owner.timezone),
            cart_status=CartStatus(owner.cart_status),
            cart_total=Money.from_minor(owner.total_minor, owner.currency).amount,
            currency=owner.currency,
            suppressed=bool(suppressed & {(hashes[row.id], "all"), (hashes[row.id], owner.sequence)}),
            consent=Consent(owner.consent),
            coupon_code=rules.coupon_code(step.coupon) if step else None,
        )
    return found

"""Which brakes hold mail in this run, and what is said of them: when one begins, once a day, and when it lets go.

1. Nothing is due and no brake holds: nothing to look at. Most runs end here.
2. Look at what could hold: test mode, feeds of orders, bounces and complaints, pauses; and at what is worth a warning.
3. If a brake has let go, all that was held is due again.
4. Count what is due of each sequence: a burst waits until somebody confirms it, or it is none any more.
5. Put off what the brakes hold, so that no claim meets it; end what was held beyond its grace.

The gate looks at the same brakes again (`scopes`): one that begins after the claim holds too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from cartctl.domain.brakes import (
    EVERYTHING,
    RECENT,
    TELL_EVERY,
    Brake,
    Condition,
    Kind,
    Scope,
    burst_over,
    described,
    fed_at,
    place_name,
    place_of,
    too_many,
    what,
)
from cartctl.domain.times import format_duration
from cartctl.jobs.rules import Rules
from cartctl.jobs.sending import SendJob
from cartctl.store import brakes, coupons, feeds, imports, queue
from cartctl.store.instants import EPOCH

Known = Mapping[tuple[Kind, str], Brake]
_BUSIEST_WITHIN = timedelta(days=7)
_COUNTED = 10_000_000
"""More than any shop has due: a burst tells its number."""


@dataclass(frozen=True, slots=True)
class Braking:
    """The brakes that hold now, and the lines that are to be printed."""

    holding: tuple[Brake, ...] = ()
    lines: tuple[str, ...] = ()


def run(job: SendJob) -> Braking:
    """Look at every brake, remember what has changed, and put off what is held."""
    now, rules = job.clock(), job.rules
    with job.database.read() as connection:
        known = brakes.known(connection)
        idle = not any(brake.holds for brake in known.values()) and not brakes.any_held(connection)
        if idle and not queue.any_due(connection, due_by=now):
            return Braking()
        begins = idle and (any(_found(connection, rules, known, now)) or any(_bursts(connection, rules, known, now)))
        if idle and not begins:
            return Braking()
    with job.database.write(carts="change") as connection:
        known = brakes.known(connection)
        lines = _follow(connection, known, list(_found(connection, rules, known, now)), now, but=Kind.BURST)
        if not any(brake.holds for brake in known.values()):
            brakes.let_all_go(connection)  # test mode holds at the gate before there is anything to tell of
        if job.confirm_burst:
            lines += _confirm(connection, rules, known, now)
            known = brakes.known(connection)
        lines += _follow(connection, known, list(_bursts(connection, rules, known, now)), now, only=Kind.BURST)
        grace = rules.time.grace
        brakes.end_overdue(connection, now=now, grace=grace)
        burst_first = sorted(scopes(connection, rules), key=lambda each: each[0] != Kind.BURST)  # others excuse from it
        for kind, scope in burst_first:
            brakes.hold(connection, scope, reason=f"held-{kind.value}", now=now, grace=grace)
        held_by = tuple(brakes.holding(connection))
    return Braking(held_by, tuple(lines))


def holding(connection: Connection, rules: Rules) -> list[tuple[Brake, Scope]]:
    """Return the brakes that hold now, and which mail."""
    return [(brake, _scope(brake.kind, brake.subject, rules)) for brake in brakes.holding(connection)]


def scopes(connection: Connection, rules: Rules) -> list[tuple[Kind, Scope]]:
    """Return which mail is held now, by the brakes that are remembered and by test mode."""
    found: list[tuple[Kind, Scope]] = [
        (brake.kind, scope) for brake, scope in holding(connection, rules) if brake.kind != Kind.TEST
    ]
    if rules.test_mode:
        found.append((Kind.TEST, _scope(Kind.TEST, EVERYTHING, rules)))
    return found


def _scope(kind: Kind, subject: str, rules: Rules) -> Scope:
    if kind == Kind.TEST:
        return Scope(but_tests_to=rules.test_recipients)
    if kind == Kind.ORDERS:
        stopping = {name for name, sequence in rules.sequences.items() if "purchased" in sequence.stop_when}
        return Scope(sequences=frozenset(stopping), place=place_of(subject))
    return Scope(sequences=frozenset({subject}) if subject else None)


def _follow(
    connection: Connection,
    known: Known,
    found: list[Condition],
    now: datetime,
    *,
    only: Kind | None = None,
    but: Kind | None = None,
) -> list[str]:
    """Begin, go on with, or let go the brakes of these kinds; return what is to be told."""
    lines: list[str] = []
    for condition in found:
        before = known.get((condition.kind, condition.subject))
        if before is None or not before.is_on:
            brake = Brake.begun(condition, now)
            lines.append(brake.line)
        else:
            brake = replace(before, why=condition.why)
            if brake.is_to_be_told(now):
                brake = replace(brake, told_at=Brake.begun(condition, now).told_at)
                lines.append(f"{brake.line} (since {brake.since:%Y-%m-%d %H:%M} UTC)")
        if brake != before:
            brakes.keep(connection, brake)
    wanted = {(condition.kind, condition.subject) for condition in found}
    for key, brake in known.items():
        if brake.is_on and key not in wanted and (brake.kind == only if only else brake.kind != but):
            brakes.drop(connection, *key)
            if brake.kind.holds:
                brakes.let_all_go(connection)
                lines.append(f"{what(*key)} is no longer held ({key[0].value})")
    return lines


def _confirm(connection: Connection, rules: Rules, known: Known, now: datetime) -> list[str]:
    """Let go what is due now of sequences that are, or would be, held; what becomes due later may be another burst."""
    lines: list[str] = []
    for burst in list(_bursts(connection, rules, known, now)):
        before = known.get((Kind.BURST, burst.subject))
        brakes.keep(connection, replace(before or Brake.begun(burst, now), released_at=now))
        brakes.let_all_go(connection)
        if before is not None and before.is_on:
            lines.append(f"{what(Kind.BURST, burst.subject)} is no longer held (the burst is confirmed)")
    return lines


def _found(connection: Connection, rules: Rules, known: Known, now: datetime) -> Iterator[Condition]:
    """Yield all that holds or is worth a warning, but for bursts."""
    for (kind, subject), brake in known.items():
        if kind == Kind.PAUSE and (not subject or subject in rules.sequences):
            yield Condition(kind, subject, brake.why)
    if rules.test_mode and _has_to_hold(connection, rules, known, Kind.TEST, EVERYTHING, now):
        yield Condition(Kind.TEST, EVERYTHING, 'mode = "test"; set mode = "live" when the tests are done')
    if rules.orders_max_age:
        yield from _late_orders(connection, rules, known, now)
    yield from _bad_rates(connection, rules, known)
    if rules.coupon_warn_below:
        yield from _low_pools(connection, rules, now)


def _has_to_hold(connection: Connection, rules: Rules, known: Known, kind: Kind, subject: str, now: datetime) -> bool:
    """Say whether there is anything to hold. One that holds goes on for a day, lest it be told of again and again."""
    before = known.get((kind, subject))
    if before is not None and before.is_on and now - before.told_at < TELL_EVERY:
        return True
    return bool(brakes.waiting(connection, _scope(kind, subject, rules), now=now, grace=rules.time.grace))


def _late_orders(connection: Connection, rules: Rules, known: Known, now: datetime) -> Iterator[Condition]:
    places: set[tuple[str, str]] = set()
    limit = f'safety.orders_max_age is "{format_duration(rules.orders_max_age)}"'
    for feed in feeds.listed(connection):
        places.add((feed.store, feed.channel))
        fresh_at = fed_at(feed.imported_at, feed.newest_order_at, now=now)
        subject = place_name(feed.store, feed.channel)
        if now - fresh_at > rules.orders_max_age and _has_to_hold(connection, rules, known, Kind.ORDERS, subject, now):
            age = f"their orders were last imported {fresh_at:%Y-%m-%d %H:%M} UTC, and {limit}"
            yield Condition(Kind.ORDERS, subject, f"{age}: who has bought since is not known. Import the orders")
    warnings = [brake for (kind, _), brake in known.items() if kind == Kind.NO_ORDERS]
    told = {place_of(brake.subject) for brake in warnings if not brake.is_to_be_told(now)}
    for place in sorted((told | feeds.places_due(connection, now=now)) - places):
        subject = place_name(*place)
        why = (
            f"no orders of {described(subject)} were ever imported, so buyers are mailed too: import them, or set "
            'safety.orders_max_age = "0" if there are none'
        )
        yield Condition(Kind.NO_ORDERS, subject, why)


def _bad_rates(connection: Connection, rules: Rules, known: Known) -> Iterator[Condition]:
    """Bounces and complaints of each sequence. Once it holds, it does so until `resume`."""
    for name in rules.sequences:
        before = {kind: known.get((kind, name)) for kind in (Kind.BOUNCES, Kind.COMPLAINTS)}
        released = [brake.released_at for brake in before.values() if brake and brake.released_at]
        ids = brakes.recent(connection, name, since=max(released, default=None), limit=RECENT)
        seen = brakes.bounced_and_complained(connection, ids)
        found = dict(too_many(len(ids), bounced=len(seen["bounce"]), complained=len(seen["spamreport"])))
        for kind, brake in before.items():
            if brake is not None and brake.is_on:
                yield Condition(kind, name, brake.why)
            elif kind in found:
                yield Condition(kind, name, f"{found[kind]}. Look into it; then `cartctl resume {name}`")


def _low_pools(connection: Connection, rules: Rules, now: datetime) -> Iterator[Condition]:
    for name in sorted(rules.asked_for):
        if not coupons.is_kept(connection, name):
            continue
        left = coupons.free(connection, name, now=now, limit=rules.coupon_warn_below)
        if left < rules.coupon_warn_below:
            limit = f"coupon.warn_below is {rules.coupon_warn_below}"
            why = f'coupon "{name}": {left} imported codes are left ({limit}): import more'
            yield Condition(Kind.LOW_POOL, name, why)


def _bursts(connection: Connection, rules: Rules, known: Known, now: datetime) -> Iterator[Condition]:
    """Yield sequences of which too much is due at once, as many as it is now; see `brakes.waiting` for what counts."""
    for name in rules.sequences:
        before = known.get((Kind.BURST, name))
        after = before.released_at if before and before.released_at else EPOCH
        # While it holds, what is past its grace ends in this very run: the steps after it must not slip through.
        grace = now - EPOCH if before and before.is_on else rules.time.grace
        scope = Scope(sequences=frozenset({name}))

        def count(limit: int, scope: Scope = scope, after: datetime = after, grace: timedelta = grace) -> int:
            return brakes.waiting(connection, scope, now=now, grace=grace, limit=limit, after=after)

        if count(burst_over(0) + 1) <= burst_over(0):
            continue
        most = burst_over(imports.busiest_run(connection, name, since=now - _BUSIEST_WITHIN))
        found = count(_COUNTED)
        if found > most:
            yield Condition(
                Kind.BURST,
                name,
                f"{found} messages are due at once, more than {most} (200, or 5 times its busiest run of the last 7 "
                "days). `cartctl run-due --dry-run --confirm-burst` shows them, without --dry-run it sends them",
            )

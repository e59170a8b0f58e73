"""What `doctor` reads from the database: each function looks at one thing and says in one line how it is.

Nothing here changes anything. Every function is handed `now`; on a rehearsal that is the time of the rehearsal.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from sqlalchemy import Connection

from cartctl.domain.findings import Finding, fail, ok, warn
from cartctl.domain.sequences import Sequence
from cartctl.domain.times import format_duration
from cartctl.jobs.inbox import DONE, FAILED, WORK
from cartctl.jobs.rules import Clock
from cartctl.store import breakers, figures, keys
from cartctl.store.brakes import holding
from cartctl.store.database import Database

LATE_AT_LEAST = timedelta(minutes=15)
"""A run is not late before that, however often runs come."""
_INTERVALS = 3
_RUNS = 20
CLOCK_TOLERANCE = timedelta(minutes=1)
CLOCK_LIMIT = timedelta(minutes=5)
"""As long as a lease, unless it is set: clocks further apart take each other's messages away."""
_WEEK = timedelta(days=7)
_LEFT_FOR = timedelta(days=30)
"""Imports older than this are nobody's business any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the configuration says of the things that are looked at here. `sequences` None: they cannot be read."""

    delivers: bool
    transports: Collection[str]
    orders_max_age: timedelta
    coupon_warn_below: int
    sequences: Collection[Sequence] | None
    coupons: Mapping[str, str]


def run(database: Database, about: Surroundings | None, *, now: datetime, is_at: bool) -> Iterator[Finding]:
    """Look at everything. Without `about` (no configuration) at what needs none. `is_at`: `now` was set by hand."""
    with database.read() as connection:
        if about:
            yield rehearsal(connection, delivers=about.delivers)
            yield order_freshness(connection, now=now, max_age=about.orders_max_age)
            yield outbox_only(connection, delivers=about.delivers, now=now)
            for transport in about.transports:
                yield provider(connection, transport)
            if about.sequences is not None:
                yield coupons(connection, about, about.sequences, now=now)
        yield cron(connection, now=now, is_at=is_at)
        yield brakes(connection)
        yield unknown_messages(connection)
        yield expired_leases(connection, now=now)
        yield rejects(connection, now=now)


def rehearsal(connection: Connection, *, delivers: bool) -> Finding:
    if not keys.is_rehearsal(connection):
        return ok("rehearsal", "this database is no rehearsal")
    if delivers:
        return fail(
            "rehearsal",
            "this database was written under --at, so run-due refuses to send from it: import your files into another",
        )
    return ok("rehearsal", "this database is a rehearsal: mail is never delivered from it")


def cron(connection: Connection, *, now: datetime, is_at: bool) -> Finding:
    """Late is what waits three times as long as is usual here, and at least a quarter of an hour.

    `is_at`: `now` was set by hand. A rehearsal's runs have times of their own, with which the real ones cannot be
    compared.
    """
    if keys.is_rehearsal(connection) and not is_at:
        return ok("cron", "a rehearsal is run by hand")
    latest = figures.latest_runs(connection, limit=_RUNS)
    if not latest:
        return fail("cron", "run-due never ran: put it into a crontab (crontab.example) or a systemd timer")
    starts = [row.started_at for row in latest]
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(starts)]
    usual = timedelta(seconds=median(gaps)) if gaps else timedelta(0)
    age = now - starts[0]
    ran = f"run-due last ran {_ago(age)}"
    if gaps:
        ran += f", usually every {_rough(usual)}"
    if age > max(LATE_AT_LEAST, _INTERVALS * usual):
        return fail("cron", f"{ran}: is cron or the timer still running, and as this user?")
    if latest[0].finished_at is None and age > LATE_AT_LEAST:
        return warn("cron", f"{ran} and has not finished: look at its output; if it died, the next one goes on")
    return ok("cron", ran)


def order_freshness(connection: Connection, *, now: datetime, max_age: timedelta) -> Finding:
    """Without orders nobody knows who has bought. A `max_age` of 0 is no limit."""
    feeds = figures.order_feeds(connection, now=now)
    if not feeds:
        return warn("orders", "no orders were ever imported, so buyers are mailed: cartctl import orders FILE")
    shown = {f"{store} ({channel})": now - fresh_at for (store, channel), fresh_at in feeds.items()}
    old = [f"{place} {_ago(age)}" for place, age in shown.items() if max_age and age > max_age]
    if old:
        return fail(
            "orders",
            f"no orders of {', '.join(old)} (limit {format_duration(max_age)}), and mail waits for them: "
            "is the shop still exporting?",
        )
    oldest = max(shown.values())
    limit = format_duration(max_age) if max_age else "none"
    return ok("orders", f"the oldest feed of orders is from {_ago(oldest)} (limit {limit})")


def unknown_messages(connection: Connection) -> Finding:
    number = sum(row.unknown for row in figures.messages_by_step(connection))
    if number:
        return warn(
            "unknown",
            f"{number} may or may not have been sent: import the provider's events, or look into its log and say "
            "`cartctl messages resolve ID --accepted` or `--retry` (cartctl messages list --state unknown)",
        )
    return ok("unknown", "of every message it is known what became of it")


def expired_leases(connection: Connection, *, now: datetime) -> Finding:
    number = figures.expired_leases(connection, now=now)
    if number:
        return warn("leases", f"a run died and left {number} messages: the next run-due takes care of them")
    return ok("leases", "no message is left over from a run that died")


def outbox_only(connection: Connection, *, delivers: bool, now: datetime) -> Finding:
    """What was written to the outbox before mail was delivered never reached anybody, and counts as sent for ever."""
    if not delivers:
        return warn("outbox", "the transport delivers nothing: mails reach nobody until `transport` is one that does")
    number = figures.only_outbox(connection, since=now - _WEEK)
    if number:
        return warn(
            "outbox",
            f"{number} messages of the last 7 days only went to the outbox and reach nobody any more: "
            "try things out in a database of their own",
        )
    return ok("outbox", "no message of the last 7 days went to the outbox only")


def brakes(connection: Connection) -> Finding:
    held = holding(connection)
    if not held:
        return ok("brakes", "nothing is held")
    return warn("brakes", "; ".join(f"{brake.line} (since {_time(brake.since)})" for brake in held))


def provider(connection: Connection, transport: str) -> Finding:
    failures, _ = breakers.failures(connection, transport)
    if failures:
        return warn(
            "provider",
            f"{transport} was failing when the last run left it ({failures} in a row): runs ask it first, and try few "
            "messages until one gets through",
        )
    return ok("provider", f"{transport} was not failing when the last run left it")


def coupons(connection: Connection, about: Surroundings, sequences: Iterable[Sequence], *, now: datetime) -> Finding:
    """Look at the codes of every coupon that a step names."""
    configured, enough = about.coupons, about.coupon_warn_below
    pools = figures.coupon_pools(connection, now=now)
    named = sorted({step.coupon for sequence in sequences for step in sequence.steps if step.coupon})
    empty = [name for name in named if name not in configured and not pools.get(name, (0, 0))[0]]
    low = [f"{name} ({pools[name][0]} left)" for name in named if name in pools and pools[name][0] < enough]
    if empty:
        return warn("coupons", f"no code for {', '.join(empty)}: its step is skipped; import codes or set [coupons]")
    if low:
        return warn("coupons", f"few codes are left: {', '.join(low)}: cartctl import coupons FILE --coupon NAME")
    return ok("coupons", "every coupon that a step names has codes" if named else "no step names a coupon")


def rejects(connection: Connection, *, now: datetime) -> Finding:
    """Rejected rows and failed files of the last 30 days' imports that still lie where they were put."""
    left: list[str] = []
    folders: dict[Path, None] = {}
    for imported in figures.imported_since(connection, now - _LEFT_FOR):
        folder = Path(str(imported.get("file") or "")).parent
        if (folder / WORK).is_dir():
            folders[folder] = None
        elif (path := imported.get("rejects_file")) and Path(path).is_file():
            left.append(path)
    for folder in folders:
        left += sorted(str(path) for path in _left_in(folder))
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        return warn("rejects", f"{left[0]}{more}: mend the rows, import them, and remove the file")
    return ok("rejects", "no rejected rows lie about")


def _left_in(folder: Path) -> Iterator[Path]:
    """What an inbox holds that nobody has dealt with."""
    for path in (folder / DONE).glob("*.rejects.*"):
        yield path
    for path in (folder / FAILED).glob("*"):
        if not path.name.endswith(".reason.txt"):
            yield path


def clock(database: Database | None, *, real_now: Clock, provider_apart: timedelta | None, built: datetime) -> Finding:
    """Compare this machine's clock with all that tell the time: the database's server, earlier runs, the provider.

    `provider_apart`: by how much the provider's differed when it was asked.
    """
    if real_now() < built:
        told = f"this machine thinks it is {_time(real_now())}, before this cartctl was made: set its clock"
        return fail("clock", told)
    others = {"the provider's": provider_apart} if provider_apart is not None else {}
    latest: datetime | None = None
    if database is not None:
        with database.read() as connection:
            if server := figures.server_time(connection):
                others["the database server's"] = abs(server - real_now())
            if not keys.is_rehearsal(connection):
                latest = next((row.started_at for row in figures.latest_runs(connection, limit=1)), None)
    for whose, apart in others.items():
        if apart > CLOCK_TOLERANCE:
            level = fail if apart > CLOCK_LIMIT else warn
            return level("clock", f"this machine's clock and {whose} are {_rough(apart)} apart: is NTP running?")
    if latest and latest > real_now() + CLOCK_TOLERANCE:
        return fail("clock", f"the last run was at {_time(latest)}, which is to come: the clock was or is wrong")
    return ok("clock", f"agrees with {' and '.join(others)}" if others else "nothing speaks against it")


def _rough(duration: timedelta) -> str:
    """A duration in minutes, below two of them in seconds."""
    unit = timedelta(seconds=1) if duration < timedelta(minutes=2) else timedelta(minutes=1)
    return format_duration(duration // unit * unit)


def _ago(age: timedelta) -> str:
    return f"{_rough(age)} ago" if age >= timedelta(seconds=1) else "just now"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"

"""A scratch copy of what may matter from one moment to another: where `simulate`, `plan`, `explain` let time pass.

    1. Copied: carts that were touched late enough to be written to, or wait for a step; contacts in a sequence of their
       own; all these people, what they were sent ever, and free coupon codes. In pieces: whatever the size, it needs no
       memory.
    2. Taken back to `since`: what happened later (store.rewind).
    3. Held back until its time comes: orders (not yet a purchase in the copy), suppressions, and what people said about
       mail. A cart needs no holding back: until it has been idle, nothing sees it.

Rows are copied as the integers and texts they are stored as. Items are left behind: they say what a mail shows.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, event, func, insert, select, text

from cartctl.domain.brakes import Brake, Kind
from cartctl.domain.carts import Consent
from cartctl.store import brakes, purchases, rewind
from cartctl.store.contacts import email_hash
from cartctl.store.database import EngineDatabase, connect
from cartctl.store.instants import from_micros, to_micros
from cartctl.store.sql import CHUNK, chunks
from cartctl.store.tables import (
    cart_aliases,
    carts,
    contacts,
    coupons,
    enrollments,
    for_ddl,
    marks,
    messages,
    orders,
    runs,
    suppressions,
)


@dataclass(frozen=True, kw_only=True)
class Period:
    """From `since` (the state of the copy) to `until`."""

    since: datetime
    until: datetime
    max_age: timedelta
    """Carts that were idle longer than this at `since` are never written to."""
    people: Sequence[int] | None = None
    """Only the carts of these contacts."""

    @property
    def bounds(self) -> dict[str, int]:
        since, until = to_micros(self.since), to_micros(self.until)
        age = self.max_age // timedelta(microseconds=1)
        return {"since": since, "until": until, "oldest": since - age, "max_age": age}


@dataclass(slots=True)
class HeldBack:
    """What was recorded in the period and is no table's row of its own, each in the order of time."""

    suppressed: list[tuple[datetime, str, str, str]] = field(default_factory=list)
    """Time, address, scope, reason."""
    said: list[tuple[datetime, int, Consent]] = field(default_factory=list)
    """Time, contact, grant or refusal."""
    brakes: list[tuple[datetime, Brake]] = field(default_factory=list)
    """Time, and a brake as it was from then on."""


@contextmanager
def open_scratch() -> Iterator[EngineDatabase]:
    """Lend an empty database that is gone afterwards: a file of its own, that nobody else can read."""
    with tempfile.TemporaryDirectory(prefix="cartctl-scratch-") as folder:
        engine = connect(f"sqlite:///{Path(folder) / 'scratch.db'}")

        @event.listens_for(engine, "connect")
        def configure(connection: SqliteConnection, _record: object) -> None:
            connection.execute("PRAGMA synchronous = OFF")  # it need not survive anything
            connection.execute("PRAGMA foreign_keys = OFF")  # what is left behind is referred to

        scratch = EngineDatabase(engine)
        try:
            with scratch.write() as connection:
                for_ddl().create_all(connection)
                connection.execute(text("CREATE INDEX coming ON orders (placed_at) WHERE NOT is_purchase"))
            yield scratch
        finally:
            scratch.close()


_TOUCHED = """
  NOT carts.is_empty AND carts.last_activity_at >= :oldest
  AND (carts.last_activity_at <= :until OR carts.generation > 1)
"""
_WAITING = """
  carts.awaits_enrollment OR carts.id IN (
    SELECT cart_id FROM enrollments WHERE enrolled_at <= :since AND (status = 'live' OR ended_at > :since))
"""
_CARTS = """
SELECT {columns}, CASE WHEN orders.placed_at <= :since THEN carts.order_id END AS order_id
FROM carts LEFT JOIN orders ON orders.id = carts.order_id
WHERE ((@touched) OR @waiting) {whose}
ORDER BY carts.id
""".replace("@touched", _TOUCHED).replace("@waiting", _WAITING)
# Who was enrolled later is so from the beginning: no step is due before that.
_OF_CONTACTS = """
SELECT {columns} FROM enrollments
WHERE cart_id IS NULL AND enrolled_at <= :until AND (status = 'live' OR ended_at > :since)
"""
_ORDERS = "SELECT {columns} FROM orders WHERE is_purchase AND placed_at > :since AND placed_at <= :until "
# Codes that were free at `since`: given to nobody, to a message that waits, or to one that left only later. Those that
# last longest go first, and no more are copied than could be wanted.
_CODES = """
SELECT {columns} FROM (
  SELECT coupons.*, ROW_NUMBER() OVER (PARTITION BY coupons.coupon
    ORDER BY coupons.message_id IS NULL, coupons.expires_at IS NOT NULL, coupons.expires_at DESC, coupons.id) AS place
  FROM coupons LEFT JOIN messages ON messages.id = coupons.message_id
  WHERE coupons.message_id IS NULL OR messages.state IN ('scheduled', 'claimed') OR messages.sent_at > :since
) AS coupons
WHERE place <= :most
"""
_WEEK = timedelta(days=7) // timedelta(microseconds=1)
_LASTING = (Kind.PAUSE, Kind.BOUNCES, Kind.COMPLAINTS, Kind.BURST)
_STEPS = 100
"""More of them name one coupon in no sequence."""


def fill(
    source: EngineDatabase, scratch: EngineDatabase, period: Period, *, hashing_key: bytes
) -> tuple[HeldBack, list[int]]:
    """Copy what may matter, as it was at `period.since`.

    Returns what is held back, and the carts that an order closed only later: an earlier one may close them, too.
    """
    with source.snapshot() as there, scratch.write() as here:
        copying = _Copying(there, here, period, hashing_key)
        copying.run()
        opened = rewind.carts_and_enrollments(here, period.bounds)
        rewind.coupons(here)
        brakes.let_all_go(here)  # the first run sees anew what is held
        copying.earlier_orders(opened)
    return copying.held, opened


class _Copying:
    """From `there` to `here`."""

    def __init__(self, there: Connection, here: Connection, period: Period, hashing_key: bytes) -> None:
        self.there, self.here, self.period, self.hashing_key = there, here, period, hashing_key
        self.since, self.until = period.bounds["since"], period.bounds["until"]
        self.has_history = rewind.latest_transition(there) > self.since
        self.held = HeldBack()
        self.whose = "" if period.people is None else "AND {table}.contact_id IN :people"
        self.people: set[int] = set()
        self.enrolled: set[int] = set()
        """Contacts in a sequence of their own."""

    def run(self) -> None:
        self._copy(marks, "SELECT {columns} FROM marks")
        self._copy(runs, f"SELECT {{columns}} FROM runs WHERE started_at <= :since AND started_at > :since - {_WEEK}")
        self._brakes()
        self._carts()
        self._enrolled_contacts()
        for chunk in chunks(sorted(self.people)):
            self._contacts(chunk)
            self._copy(enrollments, "SELECT {columns} FROM enrollments WHERE arm <> '' AND contact_id IN :ids", chunk)
            self._messages("contact_id IN :ids AND sent_at IS NOT NULL", chunk)
        self._copy(orders, _ORDERS + self.whose.format(table="orders"))
        self.here.execute(text("UPDATE orders SET is_purchase = false"))
        wanted = self.here.execute(select(func.count()).select_from(carts)).scalar_one() * _STEPS
        self._copy(coupons, _CODES.replace(":most", str(wanted)))
        self.held.suppressed.sort()
        self.held.said.sort()

    def _brakes(self) -> None:
        """Copy what somebody has to let go, each from when it began. The others are found anew, from what they watch.

        But for orders: every feed of them is taken as fresh.
        """
        for brake in brakes.known(self.there).values():
            if brake.kind not in _LASTING:
                continue
            states = [(brake.since, replace(brake, released_at=None))]
            if brake.released_at is not None:
                states.append((brake.released_at, brake))
            for at, state in states:
                if at <= self.period.since:
                    brakes.keep(self.here, state)
                elif at <= self.period.until and (state.kind != Kind.BURST or not state.is_on):
                    self.held.brakes.append((at, state))
        self.held.brakes.sort(key=lambda each: each[0])

    def _carts(self) -> None:
        """Copy carts, and what hangs on each piece of them."""
        names = [column.name for column in carts.c if column.name != "order_id"]
        asked = _CARTS.format(columns=", ".join(f"carts.{name}" for name in names), whose=self.whose).format(
            table="carts"
        )
        for rows in self._pieces(asked, {}):
            self._insert(carts, rows, [*names, "order_id"])
            ids = [row.id for row in rows]
            for table in (enrollments, cart_aliases):
                self._copy(table, f"SELECT {{columns}} FROM {table.name} WHERE cart_id IN :ids", ids)
            made = select(enrollments.c.id, enrollments.c.contact_id).where(enrollments.c.cart_id.in_(ids))
            found = self.here.execute(made).all()
            self.people.update(row.contact_id for row in (*rows, *found) if row.contact_id is not None)
            self._messages("enrollment_id IN :ids", [row.id for row in found])

    def _enrolled_contacts(self) -> None:
        """Copy what contacts are in themselves."""
        names = [column.name for column in enrollments.c]
        asked = _OF_CONTACTS.format(columns=", ".join(names)) + self.whose.format(table="enrollments")
        for rows in self._pieces(asked, {}):
            self._insert(enrollments, rows, names)
            self.enrolled.update(row.contact_id for row in rows)
            self._messages("enrollment_id IN :ids", [row.id for row in rows])
        self.people |= self.enrolled

    def _contacts(self, ids: Sequence[int]) -> None:
        """Copy contacts with what was known of their will at the time; the rest is held back."""
        rows = self.there.execute(select(contacts).where(contacts.c.id.in_(ids))).all()
        people = [dict(row._mapping) for row in rows]  # noqa: SLF001 - its public name
        for person in people:
            at = person["consent_at"]
            if at is not None and at > self.period.since:
                if at <= self.period.until:
                    self.held.said.append((at, person["id"], Consent(person["consent"])))
                person |= {"consent": Consent.UNKNOWN.value, "consent_at": None, "consent_source": ""}
        self.here.execute(insert(contacts), people)
        addresses = {email_hash(self.hashing_key, row.email_normalised): row.email_normalised for row in rows}
        known = select(suppressions).where(suppressions.c.email_hash.in_(list(addresses)))
        for row in self.there.execute(known).all():
            if row.at <= self.period.since:
                self.here.execute(insert(suppressions), dict(row._mapping))  # noqa: SLF001 - its public name
            elif row.at <= self.period.until:
                self.held.suppressed.append((row.at, addresses[row.email_hash], row.scope, row.reason))

    def _messages(self, which: str, ids: Sequence[int]) -> None:
        names = [column.name for column in messages.c]
        for rows in self._pieces(f"SELECT {', '.join(names)} FROM messages WHERE {which}", {"ids": list(ids)}):
            kept = rewind.messages(self.there, rows, self.since) if self.has_history else rows
            self._insert(messages, kept, names)

    def earlier_orders(self, opened: Sequence[int]) -> None:
        """Copy the orders by then that have anything in common with carts of which a later order is known.

        And those of contacts in a sequence of their own, whom any order may stop.
        """
        for chunk in chunks(sorted(self.enrolled)):
            theirs = "SELECT {columns} FROM orders WHERE is_purchase AND contact_id IN :ids AND placed_at <= :since"
            self._copy(orders, theirs, chunk)
        for chunk in chunks(opened):
            alike = purchases.alike(self.there, chunk)
            for ids in chunks(sorted({purchase.order_id for _, found in alike.values() for purchase in found})):
                self._copy(orders, "SELECT {columns} FROM orders WHERE id IN :ids AND placed_at <= :since", ids)

    def _copy(self, table: Table, query: str, ids: Sequence[int] | None = None) -> None:
        names = [column.name for column in table.c]
        asked = query.format(columns=", ".join(f"{table.name}.{name}" for name in names))
        for rows in self._pieces(asked, {} if ids is None else {"ids": list(ids)}):
            self._insert(table, rows, names)

    def _pieces(self, query: str, lists: Mapping[str, Sequence[int]]) -> Iterator[Sequence[Row[Any]]]:
        """Yield what the query finds, some hundred rows at a time, as the integers and texts they are stored as."""
        if self.period.people is not None:
            lists = {"people": list(self.period.people), **lists}
        values = {name: value for name, value in {**self.period.bounds, **lists}.items() if f":{name}" in query}
        expanded: list[Any] = [bindparam(name, expanding=True) for name in values if name in lists]
        statement = text(query).bindparams(*expanded).execution_options(yield_per=CHUNK)
        yield from self.there.execute(statement, values).partitions(CHUNK)

    def _insert(self, table: Table, rows: Sequence[Any], names: Sequence[str]) -> None:
        if rows:
            into = f"INSERT OR IGNORE INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            self.here.exec_driver_sql(into, [tuple(row) for row in rows])


def placed(scratch: Connection, *, by: datetime) -> list[Row[Any]]:
    """Let the orders that were placed by then count as purchases; return them."""
    due = orders.c.is_purchase.is_(False) & (orders.c.placed_at <= by)
    ids = list(scratch.execute(select(orders.c.id).where(text("NOT orders.is_purchase"), due)).scalars())
    found: list[Row[Any]] = []
    for chunk in chunks(ids):
        scratch.execute(orders.update().where(orders.c.id.in_(chunk)).values(is_purchase=True))
        found += scratch.execute(select(orders).where(orders.c.id.in_(chunk))).all()
    return found


def waiting(scratch: Connection) -> list[int]:
    """Return the live enrollments whose next step is in no queue: what was there belongs to a later time."""
    statement = text("""
    SELECT enrollments.id FROM enrollments LEFT JOIN carts ON carts.id = enrollments.cart_id
    WHERE enrollments.status = 'live' AND (carts.status = 'abandoned' OR enrollments.cart_id IS NULL) AND NOT EXISTS (
      SELECT 1 FROM messages WHERE messages.enrollment_id = enrollments.id
      AND messages.state IN ('scheduled', 'claimed', 'sending'))
    ORDER BY enrollments.id
    """)
    return list(scratch.execute(statement).scalars())


def has_codes(scratch: Connection) -> bool:
    return scratch.execute(select(coupons.c.id).limit(1)).scalar() is not None


_NEXT = text("""
SELECT MIN(at) FROM (
  SELECT MIN(last_activity_at) + :idle_after AS at FROM carts WHERE carts.status = 'active' AND NOT carts.is_empty
  UNION ALL SELECT 0 FROM carts WHERE carts.awaits_enrollment
  UNION ALL SELECT MIN(attempt_at) FROM messages WHERE messages.state = 'scheduled' AND attempt_at < :held
  UNION ALL SELECT MIN(due_at) + :grace + 1 FROM messages WHERE messages.state = 'scheduled' AND attempt_at >= :held
  UNION ALL SELECT MIN(lease_until) FROM messages WHERE lease_until IS NOT NULL
  UNION ALL SELECT MIN(placed_at) FROM orders WHERE NOT is_purchase
) AS moments
""")


def next_moment(scratch: Connection, *, idle_after: timedelta, grace: timedelta) -> datetime | None:
    """Return the earliest time at which a run would have anything to do; None: never.

    What a brake holds, and who lets it go is not in the scratch copy, ends after `grace`.
    """
    microsecond = timedelta(microseconds=1)
    values = {
        "idle_after": idle_after // microsecond,
        "grace": grace // microsecond,
        "held": to_micros(brakes.HELD),
    }
    found = scratch.execute(_NEXT, values).scalar()
    return None if found is None else from_micros(found)

"""A database that was restored from a backup knows nothing of what was sent since; none of that may be sent again.

So sequences in which something was due by then are called off, and carts that were left behind before then are not
written to (`detect`): both may have had their mails. Ids of messages go on beyond those that may have been given, and
coupon codes that may have been given are given no more.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from cartctl.domain.messages import OPEN
from cartctl.store import coupons, enrollments, keys
from cartctl.store.database import Database
from cartctl.store.tables import messages

REASON = "restored"


@dataclass(frozen=True, slots=True)
class Settled:
    """What is not done again."""

    called_off: int
    """Sequences of shoppers."""
    codes_retired: int
    """Imported coupon codes that were free, and may have been given since."""

    def told(self) -> str:
        codes = f". {self.codes_retired} free coupon codes may have been given since and are retired: import new ones"
        return (
            f"What may have been sent since the backup is not sent again: {self.called_off} sequences were called off, "
            f"and carts left behind before now are not written to{codes if self.codes_retired else ''}"
        )


def settle_if_copied(database: Database, *, now: datetime) -> str:
    """Do it where this database is a copy that `db backup` made; return what to tell, "" for nothing."""
    with database.read() as connection:
        since = keys.backup_since(connection)
    if since is None:
        return ""
    return f"this database is the backup of {since:%Y-%m-%d %H:%M} UTC. {settle(database, now=now).told()}"


def settle(database: Database, *, now: datetime) -> Settled:
    """Call off what was due by `now`, retire what may have been given."""
    with database.write(carts="change") as connection:
        open_states = sorted(state.value for state in OPEN)
        due = select(messages.c.enrollment_id).where(messages.c.state.in_(open_states), messages.c.due_at <= now)
        ids = sorted(connection.execute(due).scalars())
        enrollments.stop(connection, ids, reason=REASON, at=now)
        retired = coupons.retire_free(connection, now=now)  # after those that were just given back
        keys.leave_out_message_ids(connection)
        keys.mark_restored(connection, now=now)
    return Settled(called_off=len(ids), codes_retired=retired)

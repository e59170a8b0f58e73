"""Pausing sequences, and letting go what an operator may let go: a pause, bounces and complaints."""

from dataclasses import dataclass, replace
from datetime import datetime

from cartctl.domain.brakes import Brake, Condition, Kind, what
from cartctl.store import brakes
from cartctl.store.database import Database

_BY_NAME = (Kind.BOUNCES, Kind.COMPLAINTS)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was let go, and what still holds mail, in words."""

    let_go: tuple[str, ...]
    still: tuple[str, ...]


def pause(database: Database, subject: str, *, now: datetime) -> Brake:
    """Hold the mail of a sequence (EVERYTHING: of all). What a provider has been handed cannot be called back.

    Waits for the runs that are just deciding: when this returns, none of them lets another message go.
    """
    with database.write(carts="change") as connection:
        before = brakes.known(connection).get((Kind.PAUSE, subject))
        if before is not None:
            return before
        again = f"cartctl resume {subject}".strip()
        brake = Brake.begun(Condition(Kind.PAUSE, subject, f"paused, until `{again}`"), now)
        brakes.keep(connection, brake)
    return brake


def resume(database: Database, subject: str, *, now: datetime) -> Resumed:
    """End the pause of a sequence and what its bounces and complaints hold; EVERYTHING: all pauses.

    Only messages that are sent from now on count against it again.
    """
    with database.write(carts="change") as connection:
        known = brakes.known(connection)
        let_go: list[str] = []
        for (kind, name), brake in known.items():
            if kind == Kind.PAUSE and subject in ("", name):
                brakes.drop(connection, kind, name)
            elif kind in _BY_NAME and brake.is_on and subject == name:
                brakes.keep(connection, replace(brake, released_at=now))
            else:
                continue
            let_go.append(f"{what(kind, name)} is no longer held ({kind.value})")
        if let_go:
            brakes.let_all_go(connection)
        still = tuple(brake.line for brake in brakes.known(connection).values() if brake.holds)
    return Resumed(tuple(let_go), still)

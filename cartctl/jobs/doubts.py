"""What an import did to messages of which nobody knew whether they were taken. It is said: nobody would look for it."""

from datetime import datetime

from sqlalchemy import Connection

from cartctl.store import message_list


def mark(connection: Connection) -> int:
    """Return where an import begins, in its own transaction."""
    return message_list.last_transition(connection)


def ended(connection: Connection, since: int, *, now: datetime) -> tuple[str, ...]:
    """Say how many doubts it ended, and how many it left for good."""
    accepted, unknown = message_list.doubts_ended(connection, since, at=now)
    told = []
    if accepted:
        told.append(f"{_messages(accepted)} unknown and {'is' if accepted == 1 else 'are'} now accepted")
    if unknown:
        told.append(
            f"{_messages(unknown)} to be tried again, an answer having been lost, and "
            f"{'is' if unknown == 1 else 'are'} now unknown: see `cartctl messages list --state unknown`"
        )
    return tuple(told)


def _messages(count: int) -> str:
    return "1 message was" if count == 1 else f"{count} messages were"

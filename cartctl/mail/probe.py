"""What an answer says to a transport that only asks its provider whether it is known there."""

from cartctl.mail.https import Reply, date_of
from cartctl.mail.message import Probed, Unavailable, Unknown


def judged(reply: Reply | Unavailable | Unknown, fault: str) -> Probed:
    """Put an answer's date beside what is at fault with it."""
    if not isinstance(reply, Reply):
        return Probed(reply.reason, is_down=True)
    is_down = reply.status >= 500
    return Probed(f"answer {reply.status}" if is_down else fault, date_of(reply), is_down=is_down)

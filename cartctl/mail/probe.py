"""What a transport learns when it only asks its provider whether it is known there. No mail leaves."""

from dataclasses import dataclass
from datetime import datetime

from cartctl.mail.https import Reply, date_of
from cartctl.mail.message import Unavailable, Unknown


@dataclass(frozen=True, slots=True)
class Probed:
    """`fault` is blank where the provider would take mail from us. `date` is its clock's, where it tells."""

    fault: str = ""
    date: datetime | None = None


def judged(reply: Reply | Unavailable | Unknown, fault: str) -> Probed:
    """Put an answer's date beside what is at fault with it."""
    return Probed(fault, date_of(reply)) if isinstance(reply, Reply) else Probed(reply.reason)

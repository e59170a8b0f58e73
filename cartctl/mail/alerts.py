"""Alerts: a few words to the people of the shop, through a webhook of Discord or Slack, or by mail.

Discord takes `content`, 2,000 characters at most, and pings whom a text names unless it is told not to
(discord.com/developers/docs/resources/webhook#execute-webhook). Slack takes `text`, in which &, < and > are written as
in HTML (docs.slack.dev/messaging/formatting-message-text). Any other address gets both.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cartctl.domain.targets import MAIL, WEBHOOK
from cartctl.errors import ConfigurationError
from cartctl.mail.https import Endpoint, Reply, throttled
from cartctl.mail.message import Accepted, Misconfigured, OutgoingMessage, Rejected, Throttled, Transport

PATIENCE = timedelta(seconds=5)
LONGEST_TEXT = 1900


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A contact has entered a segment."""

    enrollment_id: int
    sequence: str
    segment: str
    description: str
    action: str
    contact_id: int
    first_name: str
    business_name: str
    email: str
    is_test: bool

    def text(self, *, with_address: bool) -> str:
        """Say it. A webhook is told no address: what it is told is kept by somebody else."""
        named = ", ".join(name for name in (self.first_name, self.business_name) if name)
        contact = f"contact {self.contact_id}"
        about = f" ({', '.join([contact, self.email] if with_address else [contact])})"
        head = f"{'Test: ' if self.is_test else ''}{self.segment}: {named or 'somebody'}{about} is in {self.sequence}"
        return "\n".join(line for line in (head, self.description, self.action) if line)


@dataclass(frozen=True, slots=True)
class Done:
    """They were told."""


@dataclass(frozen=True, slots=True)
class Fault:
    """They were not, or nobody knows. `reason` holds nothing secret."""

    reason: str
    until: datetime | None = None
    """Not before."""
    is_final: bool = False
    """Another attempt would end no better."""


Told = Done | Fault


class Alerts:
    """Tells whoever a target names: `webhook:URL` or `mail:ADDRESS`."""

    def __init__(
        self,
        *,
        transport: Callable[[], Transport],
        sender: str,
        clock: Callable[[], datetime],
        may_call: Callable[[str], bool],
    ) -> None:
        """`transport` is built when a mail is to be sent. `may_call`: says of a URL whether it may be called now."""
        self._transport, self._sender, self._clock = transport, sender, clock
        self._may_call = may_call

    def tell(self, target: str, alert: Alert) -> Told:
        """Tell them, in `PATIENCE` at most by a webhook."""
        if target.startswith(WEBHOOK):
            return self._call(target.removeprefix(WEBHOOK), alert)
        if target.startswith(MAIL):
            return self._write(target.removeprefix(MAIL), alert)
        return Fault("[alerts] of the configuration does not say who that is", is_final=True)

    def _call(self, url: str, alert: Alert) -> Told:
        if not self._may_call(url):
            return Done()
        try:
            parts = urlsplit(url)
            endpoint = Endpoint(
                f"{parts.scheme}://{parts.netloc}",
                f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}",
                headers={"Content-Type": "application/json"},
                timeout=PATIENCE,
                ca_file=None,
                section="alerts",
            )
        except (ConfigurationError, ValueError):
            return Fault("its address cannot be called", is_final=True)
        reply = endpoint.post(msgspec.json.encode(body(parts.hostname or "", alert.text(with_address=False))))
        if not isinstance(reply, Reply):
            return Fault(reply.reason)
        if 200 <= reply.status < 300:
            return Done()
        until = None
        if reply.status == 429:
            wait = throttled(reply, self._clock())
            until = wait.until or (self._clock() + wait.wait if wait.wait else None)
        return Fault(f"answer {reply.status}", until=until)

    def _write(self, address: str, alert: Alert) -> Told:
        text = alert.text(with_address=True)
        try:
            transport = self._transport()
        except ConfigurationError as error:
            return Fault(str(error))
        answer = transport.send(
            OutgoingMessage(
                id=0,
                sequence="alert",
                step=f"{alert.enrollment_id}-{alert.segment}",
                sender=self._sender,
                to=address,
                subject=text.partition("\n")[0],
                html=f"<p>{html.escape(text).replace(chr(10), '<br>')}</p>",
                text=text,
                date=self._clock(),
            )
        )
        match answer:
            case Accepted():
                return Done()
            case Rejected(reason=reason) | Misconfigured(reason=reason):
                return Fault(reason)
            case Throttled(until=until):
                return Fault("throttled", until=until)
        return Fault(answer.reason)


def body(host: str, text: str) -> dict[str, Any]:
    """Return what a webhook of this host takes."""
    text = text[:LONGEST_TEXT]
    discord: dict[str, Any] = {"content": text, "allowed_mentions": {"parse": []}}
    slack = {"text": html.escape(text, quote=False)}
    if host.endswith(("discord.com", "discordapp.com")):
        return discord
    return slack if host.endswith("slack.com") else discord | slack

"""SendGrid: POST /v3/mail/send. The payload comes from the `sendgrid` package; `https` carries it.

The package's own client has no timeout, makes a new connection for every mail and follows redirects as GET, so that a
redirect's 200 would pass for success. 202 is the only success (200 in sandbox mode). SendGrid has no idempotency key:
whatever happens after the request's body was begun, without a clear answer, is unknown.
"""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from sendgrid.helpers.mail import Attachment as AttachedFile
from sendgrid.helpers.mail import (
    ClickTracking,
    Content,
    CustomArg,
    Email,
    Header,
    Mail,
    MailSettings,
    OpenTracking,
    Personalization,
    ReplyTo,
    SandBoxMode,
    SubscriptionTracking,
    To,
    TrackingSettings,
)

from cartctl.mail.https import Endpoint, Reply, bearer, throttled
from cartctl.mail.message import (
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Probed,
    Rejected,
    Unknown,
    split_address,
    with_ascii_domains,
    with_body,
)
from cartctl.mail.probe import judged

_TO = "personalizations.0.to"
_OURS = ("from", "reply_to")
"""Fields that are the same in every mail: what is wrong with them is wrong with the configuration."""


class SendGrid:
    """Hands mails to SendGrid."""

    name = "sendgrid"

    def __init__(
        self,
        api_key: str,
        *,
        host: str,
        timeout: timedelta,
        clock: Callable[[], datetime],
        delivers: bool,
        sandbox: bool = False,
        database_id: str = "",
        ca_file: str | None = None,
    ) -> None:
        """`clock` judges when to come back: the provider's times are times of day.

        `database_id` tells events of its messages from those of other databases; "": mails name none.

        Raises ConfigurationError for a key, a host or a file with which nothing could ever be sent.
        """
        self._at = partial(
            Endpoint,
            host,
            headers=bearer(api_key, variable="SENDGRID_API_KEY"),
            timeout=timeout,
            ca_file=ca_file,
            section="sendgrid",
        )
        self._endpoint = self._at("/v3/mail/send")
        self._sandbox, self._database_id, self._clock = sandbox, database_id, clock
        self.delivers = delivers

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        """Write the request's body beforehand."""
        return with_body(message, self._body)

    def _body(self, message: OutgoingMessage) -> bytes:
        return msgspec.json.encode(payload(message, sandbox=self._sandbox, database_id=self._database_id))

    def send(self, message: OutgoingMessage) -> Answer:
        """Hand one mail over and say what became of it."""
        try:
            content = message.body or self._body(message)
        except Exception as error:  # noqa: BLE001 - the package raises its own for a text that looks like a key
            return Rejected(f"cannot be written as a request: {type(error).__name__}")
        reply = self._endpoint.post(content)
        return self._answer(reply) if isinstance(reply, Reply) else reply

    def probe(self) -> Probed:
        """Ask whether the key may send mail: GET /v3/scopes lists what it may."""
        reply = self._at("/v3/scopes", method="GET").ask()
        if not isinstance(reply, Reply):
            return judged(reply, "")
        if reply.status in (401, 403):
            return judged(reply, f"SendGrid refuses the key: {reply.status}")
        if reply.status != 200:
            return judged(reply, f"sendgrid.host answers {reply.status}: is it SendGrid's?")
        about = reply.json()
        may = isinstance(about, dict) and "mail.send" in (about.get("scopes") or ())
        return judged(reply, "" if may else 'the key lacks the permission "Mail Send"')

    def _answer(self, reply: Reply) -> Answer:
        status = reply.status
        if status == (200 if self._sandbox else 202):
            return Accepted(reply.headers.get("x-message-id", "")[:200])
        fields = _fields_at_fault(reply)
        told = f"{status} (at fault: {', '.join(fields)[:150]})" if fields else f"{status}"
        if status in (401, 403):
            return Misconfigured(f"SendGrid refuses the key or the sender: {told}")
        if status in (404, 405) or 300 <= status < 400:
            # No fault of the mail: with a wrong host every mail would be lost to it, one after the other.
            return Misconfigured(f"sendgrid.host answers {status}: is it SendGrid's?")
        if status == 429:
            return throttled(reply, self._clock())
        if status != 408 and 400 <= status < 500:
            if fields and all(field.startswith(_OURS) for field in fields):
                return Misconfigured(f"SendGrid refuses the sender: {told}")
            return Rejected(told, bad_recipient=bool(fields) and all(field.startswith(_TO) for field in fields))
        return Unknown(f"answer {status}")


def payload(message: OutgoingMessage, *, sandbox: bool, database_id: str = "") -> dict[str, Any]:
    """Return the JSON of one mail. Its id and its database ride along as custom arguments, without personal data."""
    message = with_ascii_domains(message)
    mail = Mail()
    mail.from_email = _person(Email(), message.sender)
    mail.subject = message.subject
    if message.reply_to:
        mail.reply_to = _person(ReplyTo(), message.reply_to)
    person = Personalization()
    person.add_to(_person(To(), message.to))
    if message.id:
        person.add_custom_arg(CustomArg("cc_message_id", str(message.id)))
    if database_id:
        person.add_custom_arg(CustomArg("cc_database", database_id))
    mail.add_personalization(person)
    mail.add_content(Content("text/plain", message.text))
    mail.add_content(Content("text/html", message.html))
    for each in message.attachments:
        content = base64.b64encode(each.content).decode()
        mail.add_attachment(AttachedFile(content, each.name, each.content_type, "attachment"))
    for header, value in message.headers.items():
        mail.add_header(Header(header, value))
    tracking = TrackingSettings()
    tracking.click_tracking = ClickTracking(enable=False, enable_text=False)  # our own link tells of clicks
    tracking.open_tracking = OpenTracking(enable=False)
    tracking.subscription_tracking = SubscriptionTracking(enable=False)  # our own List-Unsubscribe
    mail.tracking_settings = tracking
    if sandbox:
        settings = MailSettings()
        settings.sandbox_mode = SandBoxMode(enable=True)
        mail.mail_settings = settings
    result: dict[str, Any] = mail.get()
    return result


def _person(person: Any, text: str) -> Any:
    """Fill one of the package's addresses. Its constructors would parse the text anew and lose an unusual address.

    SendGrid refuses `;` and `,` in names; its package does not remove them.
    """
    name, address = split_address(text)
    person.email = address
    if clean := " ".join(name.replace(";", " ").replace(",", " ").split()):
        person.name = clean
    return person


def _fields_at_fault(reply: Reply) -> list[str]:
    """Name the fields that SendGrid complains of. Its own sentences may repeat the address, so they are not kept."""
    try:
        fields = {str(error["field"]) for error in reply.json()["errors"] if error.get("field")}
    except (KeyError, TypeError, AttributeError):
        return []
    return sorted(field for field in fields if "@" not in field)

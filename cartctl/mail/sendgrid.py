"""SendGrid: POST /v3/mail/send. The payload comes from the `sendgrid` package; urllib3 carries it.

The package's own client has no timeout, makes a new connection for every mail and follows redirects as GET, so that a
redirect's 200 would pass for success. 202 is the only success (200 in sandbox mode). SendGrid has no idempotency key:
whatever happens after the request's body was begun, without a clear answer, is unknown.
"""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import urllib3
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
from urllib3.exceptions import ReadTimeoutError, SSLError

from cartctl.errors import ConfigurationError
from cartctl.mail.message import (
    Accepted,
    Answer,
    Misconfigured,
    OutgoingMessage,
    Rejected,
    Throttled,
    Unavailable,
    Unknown,
    split_address,
)

CONNECT_SECONDS = 5.0
LONGEST_WAIT = timedelta(days=1)
"""A wait beyond this is no advice but a broken clock: it would put mails off past their time."""


class SendGrid:
    """Hands mails to SendGrid over kept-alive connections, one per thread."""

    name = "sendgrid"

    def __init__(
        self,
        api_key: str,
        *,
        host: str,
        timeout: timedelta,
        connections: int,
        delivers: bool,
        sandbox: bool = False,
        ca_file: str | None = None,
    ) -> None:
        """Raise ConfigurationError for a key or a file with which nothing could ever be sent."""
        self._url = f"{host.rstrip('/')}/v3/mail/send"
        self._sandbox = sandbox
        self._headers = {"Authorization": f"Bearer {_checked_key(api_key)}", "Content-Type": "application/json"}
        seconds = timeout.total_seconds()
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
            retries=False,
            ssl_context=_tls(ca_file),
        )
        self.delivers = delivers

    def send(self, message: OutgoingMessage) -> Answer:
        """Hand one mail over and say what became of it."""
        try:
            content = json.dumps(payload(message, sandbox=self._sandbox), ensure_ascii=False).encode()
        except Exception as error:  # noqa: BLE001 - the package raises its own for a text that looks like a key
            return Rejected(f"cannot be written as a request: {type(error).__name__}")
        body = _Body(content)
        headers = self._headers | {"Content-Length": str(len(content))}
        try:
            response = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
        except Exception as error:  # noqa: BLE001 - whatever it was, the mail's fate hangs on one thing alone
            return _lost(error) if body.begun else _unreached(error)
        return self._answer(response, message.date)

    def _answer(self, response: urllib3.BaseHTTPResponse, now: datetime) -> Answer:
        status = response.status
        if status == (200 if self._sandbox else 202):
            return Accepted(response.headers.get("X-Message-Id", "")[:200])
        if status in (401, 403):
            return Misconfigured(f"SendGrid refuses the key or the sender: {status}{_fields_at_fault(response)}")
        if status in (404, 405) or 300 <= status < 400:
            # No fault of the mail: with a wrong host every mail would be lost to it, one after the other.
            return Misconfigured(f"sendgrid.host answers {status}: is it SendGrid's?")
        if status == 429:
            return _throttled(response, now)
        if status != 408 and 400 <= status < 500:
            return Rejected(f"{status}{_fields_at_fault(response)}")
        return Unknown(f"answer {status}")


class _Body:
    """A request's body that remembers whether the first byte of it was asked for.

    Until then the provider cannot have a whole request, whatever went wrong: a name, a connection, a certificate.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._content


def _unreached(error: Exception) -> Unavailable:
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return Unavailable("no trusted connection: the provider's certificate was refused")
    return Unavailable(f"no connection: {type(error).__name__}")


def _lost(error: Exception) -> Unknown:
    if isinstance(error, ReadTimeoutError):
        return Unknown("no answer in time")
    return Unknown(f"connection lost: {type(error).__name__}")


def payload(message: OutgoingMessage, *, sandbox: bool) -> dict[str, Any]:
    """Return the JSON of one mail. The message id rides along as a custom argument, without any personal data."""
    mail = Mail()
    mail.from_email = _person(Email(), message.sender)
    mail.subject = message.subject
    if message.reply_to:
        mail.reply_to = _person(ReplyTo(), message.reply_to)
    person = Personalization()
    person.add_to(_person(To(), message.to))
    person.add_custom_arg(CustomArg("cc_message_id", str(message.id)))
    mail.add_personalization(person)
    mail.add_content(Content("text/plain", message.text))
    mail.add_content(Content("text/html", message.html))
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


def _fields_at_fault(response: urllib3.BaseHTTPResponse) -> str:
    """Name the fields that SendGrid complains of. Its own sentences may repeat the address, so they are not kept."""
    try:
        fields = {str(error["field"]) for error in json.loads(response.data)["errors"] if error.get("field")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    named = ", ".join(sorted(field for field in fields if "@" not in field))[:150]
    return f" (at fault: {named})" if named else ""


def _throttled(response: urllib3.BaseHTTPResponse, now: datetime) -> Throttled:
    """Read when to come back; what cannot be read, or is beyond all reason, is left to the caller's own patience."""
    try:
        until = datetime.fromtimestamp(int(response.headers.get("X-RateLimit-Reset", "")), UTC)
        if abs(until - now) <= LONGEST_WAIT:
            return Throttled(until=until)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        wait = timedelta(seconds=int(response.headers.get("Retry-After", "")))
        if timedelta(0) <= wait <= LONGEST_WAIT:
            return Throttled(wait=wait)
    except (ValueError, OverflowError):
        pass
    return Throttled()


def _checked_key(key: str) -> str:
    """A key may have been read with its line's end; anything else that no header can hold was no key."""
    stripped = key.strip()
    if stripped.isascii() and stripped.isprintable() and " " not in stripped:
        return stripped
    raise ConfigurationError("SENDGRID_API_KEY holds characters that no key has: copy it anew")


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """One context for all connections: urllib3 would build one for each, at 25 ms with a full CA bundle."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"sendgrid.ca_file: {ca_file}: no file of certificates ({error.strerror})") from None

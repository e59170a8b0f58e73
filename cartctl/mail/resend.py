"""Resend: POST /emails, with an idempotency key: the same message handed over again within 24 hours is one mail.

The key names the message, so a second request must have the same content: with another it is answered 409, and says
nothing of what became of the first. Click and open tracking are settings of the domain at Resend, not of a mail.
"""

import base64
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from cartctl.mail.https import Endpoint, Reply, bearer, throttled
from cartctl.mail.message import (
    Accepted,
    Answer,
    Attachment,
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

_KEY_OR_SENDER = frozenset(
    {
        *("missing_api_key", "invalid_api_key", "restricted_api_key", "suspended_api_key", "invalid_access"),
        *("invalid_from_address", "invalid_region"),
    }
)
_QUOTAS = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
_ABOUT_RECIPIENT = re.compile(r"[`'\"]to[`'\"] field")
_ABOUT_OURS = re.compile(r"[`'\"](?:from|reply_?to)[`'\"] field", re.IGNORECASE)
"""Fields that are the same in every mail: what is wrong with them is wrong with the configuration."""
_NAME = re.compile(r"[a-zA-Z_]{1,60}")


class Resend:
    """Hands mails to Resend."""

    name = "resend"

    def __init__(
        self,
        api_key: str,
        *,
        host: str,
        timeout: timedelta,
        clock: Callable[[], datetime],
        database_id: str,
        delivers: bool,
        ca_file: str | None = None,
    ) -> None:
        """`clock` judges when to come back: a mail's own date is that of the first time it was handed over.

        `database_id` makes the idempotency keys unique, and tells events of its messages from those of other
        databases: messages are counted from 1 in every one.

        Raises ConfigurationError for a key, a host or a file with which nothing could ever be sent.
        """
        self._at = partial(
            Endpoint,
            host,
            headers=bearer(api_key, variable="RESEND_API_KEY"),
            timeout=timeout,
            ca_file=ca_file,
            section="resend",
        )
        self._endpoint = self._at("/emails")
        self._database_id, self._clock = database_id, clock
        self.delivers = delivers

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        """Write the request's body beforehand."""
        return with_body(message, self._body)

    def _body(self, message: OutgoingMessage) -> bytes:
        return msgspec.json.encode(payload(message, database_id=self._database_id))

    def send(self, message: OutgoingMessage) -> Answer:
        """Hand one mail over and say what became of it."""
        try:
            content = message.body or self._body(message)
        except ValueError as error:
            return Rejected(f"cannot be written as a request: {type(error).__name__}")
        key = f"cartctl-{self._database_id}-{message.unique}"
        reply = self._endpoint.post(content, {"Idempotency-Key": key})
        return _answer(reply, self._clock()) if isinstance(reply, Reply) else reply

    def probe(self, sender_domain: str = "") -> Probed:
        """Ask whether the key is good and the sender's domain (if named) verified: GET /domains.

        A key that may only send is refused there by name, which says that it is known.
        """
        reply = self._at("/domains", method="GET").ask()
        if not isinstance(reply, Reply):
            return judged(reply, "")
        about = reply.json() if isinstance(reply.json(), dict) else {}
        if reply.status in (401, 403):
            known = about.get("name") == "restricted_api_key"
            return judged(reply, "" if known else f"Resend refuses the key: {reply.status}")
        if reply.status != 200:
            return judged(reply, f"resend.host answers {reply.status}: is it Resend's?")
        domains = {str(one.get("name")): one.get("status") for one in about.get("data") or () if isinstance(one, dict)}
        if sender_domain and domains.get(sender_domain) != "verified":
            return judged(reply, f"{sender_domain} is no verified domain of this account")
        return judged(reply, "")


def payload(message: OutgoingMessage, *, database_id: str) -> dict[str, Any]:
    """Return the JSON of one mail. Its id and its database ride along as tags, without any personal data."""
    message = with_ascii_domains(message)
    return {
        "from": _person(message.sender),
        "to": [split_address(message.to)[1]],
        **({"reply_to": _person(message.reply_to)} if message.reply_to else {}),
        "subject": message.subject,
        "html": message.html,
        "text": message.text,
        "headers": dict(message.headers),
        "tags": [
            *([{"name": "cc_message_id", "value": str(message.id)}] if message.id else []),
            {"name": "cc_database", "value": database_id},
        ],
        **({"attachments": [_attached(each) for each in message.attachments]} if message.attachments else {}),
    }


def _attached(attachment: Attachment) -> dict[str, str]:
    content = base64.b64encode(attachment.content).decode()
    return {"filename": attachment.name, "content": content, "content_type": attachment.content_type}


def _person(text: str) -> str:
    """Return `Name <address>`, the name without what would end it."""
    name, address = split_address(text)
    clean = " ".join(re.sub(r'[<>",;]', " ", name).split())
    return f"{clean} <{address}>" if clean else address


def _answer(reply: Reply, now: datetime) -> Answer:
    """Read an answer by its status and its name (resend.com/docs/api-reference/errors)."""
    status, about = reply.status, reply.json()
    name, said = (str(about.get(key, "")) for key in ("name", "message")) if isinstance(about, dict) else ("", "")
    told = f"{status} {name}" if _NAME.fullmatch(name) else f"{status}"
    if status == 200 and isinstance(about, dict) and about.get("id"):
        return Accepted(str(about["id"])[:200])
    if status in (401, 403) or name in _KEY_OR_SENDER or "API key is invalid" in said:
        return Misconfigured(f"Resend refuses the key or the sender: {told}")
    if status in (404, 405) or 300 <= status < 400:
        return Misconfigured(f"resend.host answers {status}: is it Resend's?")
    if name in _QUOTAS:
        # Waiting for a month helps no mail. It stops the run, so that somebody hears of it; each run asks again.
        return Misconfigured(f"Resend's quota is used up: {told}")
    if status == 429:
        return throttled(reply, now)
    if status == 409:
        # Still at work on the first request; or the first had other content (a template or the sender was changed
        # meanwhile), and then every repeat is answered so. Neither says what became of the first.
        other_content = name == "invalid_idempotent_request"
        return Unknown(f"handed over before: {told}", provider_is_well=True, for_good=other_content)
    if status != 408 and 400 <= status < 500:
        bad_recipient = name == "invalid_to_address" or bool(_ABOUT_RECIPIENT.search(said))
        if not bad_recipient and _ABOUT_OURS.search(said):
            return Misconfigured(f"Resend refuses `from` or `reply_to`: {told}")
        return Rejected(told, bad_recipient=bad_recipient)
    return Unknown(f"answer {told}")

"""Whom the program itself tells things: addresses on the web, and of the shop's own people; never a shopper."""

import re
from urllib.parse import urlsplit

WEBHOOK, MAIL = "webhook:", "mail:"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")


def is_safe_url(url: str) -> bool:
    """Say whether what is told there can be read by nobody on the way: https, or http on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(url)))


def is_this_machine(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def refused_target(text: str) -> str:
    """Return what is wrong with `webhook:URL` or `mail:ADDRESS`, without showing it: a webhook's URL is a secret."""
    if text.startswith(WEBHOOK):
        safe = is_safe_url(text.removeprefix(WEBHOOK))
        return "" if safe else "the webhook is no https address (http is for this machine alone)"
    if text.startswith(MAIL):
        return "" if _ADDRESS.fullmatch(text.removeprefix(MAIL)) else "that is no e-mail address"
    return 'write "webhook:URL" or "mail:ADDRESS"'


def refused_alert(text: str) -> str:
    """Do the same where a name in [alerts] of the configuration may stand, too."""
    if _NAME.fullmatch(text) or not (complaint := refused_target(text)):
        return ""
    return complaint if ":" in text else f"{complaint}, or a name in [alerts] of cartctl.toml"

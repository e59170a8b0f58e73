"""Who is who: e-mail addresses folded for comparison, masked for people, and the ones nobody may write to."""

import unicodedata


def normalise_email(text: str) -> str:
    """Fold an address so that two spellings of one mailbox are equal: trimmed, NFC, lower case.

    Dots and plus tags are kept: they are different mailboxes with most providers.
    """
    return unicodedata.normalize("NFC", text.strip()).lower()


def is_relay(email: str) -> bool:
    """Say whether it is a marketplace's relay address (`…@scs2.tiktok.com`), which TikTok asks nobody to write to."""
    domain = email.rpartition("@")[2]
    return domain.startswith("scs") and domain.endswith(".tiktok.com")


def mask_email(email: str) -> str:
    """Show just enough to recognise an address: `a…@example.com`."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"

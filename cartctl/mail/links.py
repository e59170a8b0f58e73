"""Recovery and unsubscribe links: signed, each for one purpose, naming a message and nothing else.

Tokens are itsdangerous' (HMAC-SHA256, its payload is readable: no address stands in it). The first key signs, all
verify, so keys can be rotated. The time is an argument: this module reads no clock.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from itsdangerous import BadSignature, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode, int_to_bytes, want_bytes
from itsdangerous.signer import SigningAlgorithm

from cartctl.domain.messages import GREATEST_ID

VALID_FOR = timedelta(days=30)
Purpose = Literal["recover", "unsubscribe"]
_PATHS: dict[Purpose, str] = {"recover": "r", "unsubscribe": "u"}


class BadTokenError(ValueError):
    """Altered, of another purpose, or none of ours."""


class ExpiredTokenError(ValueError):
    """Ours, but older than `VALID_FOR`. `message_id`: the message it names."""

    def __init__(self, message_id: int) -> None:
        super().__init__("this link has expired")
        self.message_id = message_id


class Links:
    """Makes and reads the links of one shop's mails."""

    valid_for = VALID_FOR

    def __init__(self, base_url: str, keys: Sequence[str]) -> None:
        self._base_url = base_url.rstrip("/")
        last_signs = list(reversed(keys))  # so itsdangerous has it
        self._signers = {purpose: _Signer(last_signs, purpose) for purpose in _PATHS}

    def link(self, purpose: Purpose, message_id: int, *, now: datetime) -> str:
        """Return the link for a message. A recovery link is valid for 30 days from `now`."""
        return f"{self._base_url}/{_PATHS[purpose]}/{self.token(purpose, message_id, now=now)}"

    def token(self, purpose: Purpose, message_id: int, *, now: datetime) -> str:
        # TimestampSigner.sign would ask a clock for the time.
        signed = b"%d.%s" % (message_id, base64_encode(int_to_bytes(int(now.timestamp()))))
        return (signed + b"." + self._signers[purpose].get_signature(signed)).decode()

    def read(self, purpose: Purpose, token: str, *, now: datetime) -> int:
        """Return the message's id. Raises BadTokenError or ExpiredTokenError.

        Only recovery links expire: whoever finds an old mail must still be able to unsubscribe.
        """
        try:
            value, signed_at = self._signers[purpose].unsign(token, return_timestamp=True)
            message_id = int(value)
        except (BadSignature, ValueError):
            raise BadTokenError("no such link") from None
        if not 0 < message_id <= GREATEST_ID or not _spelt_as_made(token):
            raise BadTokenError("no such link")
        if purpose == "recover" and now - signed_at > VALID_FOR:
            raise ExpiredTokenError(message_id)
        return message_id


def _spelt_as_made(token: str) -> bool:
    """Base64 leaves room for other spellings of the same signature: padding, foreign signs, two idle bits."""
    signature = token.rpartition(".")[2]
    return base64_encode(base64_decode(signature)).decode() == signature


class _Signer(TimestampSigner):
    """itsdangerous' signer, which derives each key once, not for every link."""

    def __init__(self, keys: Sequence[str], purpose: Purpose) -> None:
        super().__init__(keys, salt=f"cartctl.{purpose}", digest_method=hashlib.sha256, algorithm=_HmacAtOnce())
        self._derived = {secret: super(_Signer, self).derive_key(secret) for secret in self.secret_keys}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        return self._derived[self.secret_keys[-1] if secret_key is None else want_bytes(secret_key)]


class _HmacAtOnce(SigningAlgorithm):
    """HMAC-SHA256 in one call, which takes a third of the time."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")

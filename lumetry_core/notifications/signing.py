"""Signatures of what webhooks get, over exactly the bytes that are sent (contract monitoring 12.4). Pure."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from lumetry_core.runtime.clock import to_ms

PREFIX = "whsec_"
SECRET_BYTES = 24
VERSION = "v1"
SIGNED_HEADERS = frozenset(
    {"x-lumetry-event", "x-lumetry-delivery", "x-lumetry-signature", "webhook-id", "webhook-timestamp", "webhook-signature"}
)


def make_secret() -> str:
    """A new secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign_body(secret: str, body: bytes) -> str:
    """The value of `X-Lumetry-Signature`: the key is the secret as it is written."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def sign_delivery(secret: str, delivery: str, seconds: int, body: bytes) -> str:
    """One value of `webhook-signature`."""
    signed = f"{delivery}.{seconds}.".encode() + body
    return f"{VERSION},{base64.b64encode(hmac.new(read_key(secret), signed, hashlib.sha256).digest()).decode()}"


def read_key(secret: str) -> bytes:
    """The bytes behind a secret: of one with the prefix what its rest encodes, if it does; else its characters."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def signed_headers(valid: Sequence[str], event: str, delivery: str, moment: datetime, body: bytes) -> dict[str, str]:
    """The six headers of an attempt.

    Args:
        valid: Secrets that sign, the newest first; only it signs `X-Lumetry-Signature`.
        moment: Of the attempt.
    """
    seconds = to_ms(moment) // 1000
    return {
        "X-Lumetry-Event": event,
        "X-Lumetry-Delivery": delivery,
        "X-Lumetry-Signature": sign_body(valid[0], body),
        "webhook-id": delivery,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(sign_delivery(secret, delivery, seconds, body) for secret in valid),
    }

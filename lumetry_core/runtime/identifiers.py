"""Secrets and random identities."""

import hashlib
import secrets
import uuid

SECRET_BYTES = 24
PREFIX_LENGTH = 12
"""Characters of a secret that may be stored and shown, its kind prefix included."""


def new_secret(kind_prefix: str) -> str:
    """Makes a secret: the prefix of its kind and 192 random bits in lower-case hexadecimal."""
    return kind_prefix + secrets.token_hex(SECRET_BYTES)


def digest_secret(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256. Random secrets need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def visible_prefix(secret: str) -> str:
    """The part of a secret by which people recognise it."""
    return secret[:PREFIX_LENGTH]


def new_uuid() -> str:
    """A random UUID in its canonical text form."""
    return str(uuid.uuid4())

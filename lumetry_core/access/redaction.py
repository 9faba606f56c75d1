"""Takes secrets out of values before they are kept for people to read (contract lumetry 18)."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "•••"

SECRET_KEYS = (
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "digest",
    "dsn",
    "hash",
    "hmackey",
    "password",
    "passphrase",
    "privatekey",
    "secret",
    "token",
)
"""Ends of the keys, in lower case without separators, whose values are masked."""
MASKED_MAPPINGS = ("headers",)
"""Ends of the keys whose mappings keep their keys but not their values."""
SECRET_TEXT = re.compile(r"\blmt[a-z]{0,2}_[0-9a-f]{48}\b")
"""A secret of this product, wherever it stands."""


def redact(value: Any) -> Any:  # noqa: ANN401 -- any value of JSON
    """The same value without secrets: by the name of the key, and secrets of this product anywhere in a text.

    Absent values (null) and yes-or-no values stay, since they tell nothing. The keys of headers stay, their values do not.
    """
    if isinstance(value, str):
        return SECRET_TEXT.sub(MASK, value)
    if isinstance(value, Mapping):
        return {key: redact_member(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [redact(member) for member in value]
    return value


def redact_member(key: str, value: Any) -> Any:  # noqa: ANN401 -- any value of JSON
    """The value of a key without secrets."""
    plain_key = key.lower().replace("_", "").replace("-", "")
    if value is None or isinstance(value, bool):
        return value
    if plain_key.endswith(SECRET_KEYS):
        return MASK
    if plain_key.endswith(MASKED_MAPPINGS):
        return dict.fromkeys(value, MASK) if isinstance(value, Mapping) else MASK
    return redact(value)

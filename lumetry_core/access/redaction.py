"""Takes secrets out of values before they are kept for people to read (contract lumetry 18)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

MASK = "•••"

SECRET_KEYS = (
    "accesskey",
    "apikey",
    "authkey",
    "authorization",
    "bearer",
    "connectionstring",
    "cookie",
    "credential",
    "digest",
    "dsn",
    "encryptionkey",
    "hash",
    "hashes",
    "hmac",
    "hmackey",
    "integrationkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "routingkey",
    "salt",
    "secret",
    "secretkey",
    "signature",
    "signingkey",
    "token",
)
"""Ends of the keys, in lower case without separators, whose values are masked."""
MASKED_MAPPINGS = ("headers",)
"""Ends of the keys whose mappings keep their keys but not their values."""
NAMING_KEYS = ("name", "key", "header")
"""Keys of a pair that tell what its `value` is."""
SEPARATORS = re.compile(r"[\W_]+")
MAX_DEPTH = 64
"""What lies deeper is masked as a whole; no value of this product is that deep."""

OWN_FORM = r"lmt[a-z]{0,2}_[0-9a-z]{16,}|(?:ll|alm_live|alm_test)_[0-9a-f]{16,}|whsec_[\w+/=-]{16,}"
"""A secret of this product, or most of one; the twelve characters by which people recognise one are fewer."""
SESSION_FORM = r"(?<![0-9a-z])[0-9a-f]{48}(?![0-9a-z])"
"""A secret of a login session, which has no prefix."""
SECRET_TEXT = re.compile(rf"{OWN_FORM}|{SESSION_FORM}", re.IGNORECASE)
SECRET_PARTS = (
    re.compile(r"((?:\bbearer|\bauthorization\W{1,5}(?:basic|token|digest))\s+)[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"),
    re.compile(r"([?&](?:key|[\w.-]*(?:token|secret|password|signature|sig|api[_-]?key|access[_-]?key))=)[^\s&#]+", re.IGNORECASE),
)
"""Where a text holds a secret by its neighbourhood, which stays: a scheme's credential, an address's password, a query's value."""
UNWRITABLE = re.compile(r"[\ud800-\udfff]")
"""Halves of characters, which no encoding can write."""


def redact(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 -- any value of JSON
    """The same value without secrets: by the name of the key, and wherever one stands in a text or a key.

    Absent values (null) and yes-or-no values stay, since they tell nothing. The keys of headers stay, their values do not. Text that is
    JSON itself is redacted as what it says.
    """
    if isinstance(value, str):
        return redact_document(value, depth)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth >= MAX_DEPTH:
        return MASK
    if isinstance(value, Mapping):
        return redact_members(value, depth + 1)
    return [redact(member, depth + 1) for member in value]


def redact_members(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    """A mapping without secrets; of a pair such as `{"name": "X-Api-Key", "value": …}` the name tells what the value is."""
    redacted = {redact_key(str(key)): redact_member(str(key), member, depth) for key, member in values.items()}
    names = [value for key, value in values.items() if plain(str(key)) in NAMING_KEYS and isinstance(value, str)]
    if "value" in redacted and any(plain(name).endswith(SECRET_KEYS) for name in names):
        redacted["value"] = MASK
    return redacted


def redact_member(key: str, value: Any, depth: int) -> Any:  # noqa: ANN401 -- any value of JSON
    """The value of a key without secrets."""
    if value is None or isinstance(value, bool):
        return value
    name = plain(key)
    if name.endswith(SECRET_KEYS):
        return MASK
    if name.endswith(MASKED_MAPPINGS) and not is_number(value):
        return {redact_text(str(header)): MASK for header in value} if isinstance(value, Mapping) else MASK
    if name.removesuffix("s").endswith(SECRET_KEYS) and not is_number(value):  # several secrets, but not a number of tokens
        return MASK
    return redact(value, depth)


def redact_document(text: str, depth: int) -> str:
    """A text without secrets, member by member when it is a JSON object or array."""
    if text.lstrip()[:1] in ("{", "[") and depth < MAX_DEPTH:
        try:
            document = msgspec.json.decode(text.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return redact_text(text)
        return msgspec.json.encode(redact(document, depth + 1)).decode()
    return redact_text(text)


def redact_text(text: str) -> str:
    """A text without what looks like a secret, as every encoding can write it."""
    text = SECRET_TEXT.sub(MASK, UNWRITABLE.sub("\ufffd", text))
    for part in SECRET_PARTS:
        text = part.sub(rf"\g<1>{MASK}", text)
    return text


@lru_cache(maxsize=2048)
def redact_key(key: str) -> str:
    """The text of a key without secrets. Keys recur, so that long lists of entities are redacted twice as fast."""
    return redact_text(key)


@lru_cache(maxsize=2048)
def plain(key: str) -> str:
    """A key in lower case without separators."""
    return SEPARATORS.sub("", key).lower()


def is_number(value: object) -> bool:
    """Whether the value is a number."""
    return isinstance(value, int | float)

"""Checks who signed an ID token. Loaded only where there is a provider: cryptography is large."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from lumetry_core.access.oidc import LoginRefusedError, printable

log = structlog.get_logger(__name__)

ALGORITHMS = ("RS256", "ES256")
"""Signatures of key pairs only: a shared secret or none at all proves nothing about the provider."""
MIN_RSA_BITS = 2048
MAX_HEADER_BYTES = 16_384
"""Some providers put their certificates into the header."""

Key = RSAKey | ECKey


def read_header(id_token: str) -> Mapping[str, Any]:
    """The header of a token, which says how it was signed and by which key. Raises LoginRefusedError."""
    try:
        header = jws.extract_compact(id_token.encode(), registry=new_registry()).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise LoginRefusedError("The ID token cannot be read.") from error
    if header.get("alg") not in ALGORITHMS:
        raise LoginRefusedError("The ID token is not signed with RS256 or ES256.")
    return header


def verify(id_token: str, keys: Sequence[Key]) -> Mapping[str, Any]:
    """The claims of a token that one of the keys signed; nothing else of them is checked here. Raises LoginRefusedError."""
    for key in keys:
        try:
            return jwt.decode(id_token, key, algorithms=ALGORITHMS, registry=new_registry()).claims
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            log.debug("a key does not fit an ID token", error=type(error).__name__)
    raise LoginRefusedError("The ID token is not signed by the provider.")


def read_keys(published: Sequence[Mapping[str, Any]]) -> Sequence[Key]:
    """The keys that may sign ID tokens; of what else is published nothing is needed."""
    keys: list[Key] = []
    for entry in published:
        if entry.get("kty") not in ("RSA", "EC") or entry.get("use", "sig") != "sig" or entry.get("alg", "RS256") not in ALGORITHMS:
            continue
        try:
            key = read_key(entry)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("the provider publishes a key that cannot be read", key_id=printable(str(entry.get("kid")), 100), error=str(error))
            continue
        if is_strong(key):
            keys.append(key)
    return keys


def read_key(entry: Mapping[str, Any]) -> Key:
    """The public key of an entry, and of the entry only what checks signatures. Raises what the library raises, or ValueError."""
    if entry["kty"] == "RSA" and len(entry["n"]) * 6 < MIN_RSA_BITS:
        raise ValueError("the key is too short")
    public = {name: entry[name] for name in ("kty", "kid", "alg", "n", "e", "crv", "x", "y") if name in entry}
    return RSAKey.import_key(public) if entry["kty"] == "RSA" else ECKey.import_key(public)


def is_strong(key: Key) -> bool:
    """Whether a key is long enough, or of the curve that ES256 takes."""
    return key.public_key.key_size >= MIN_RSA_BITS if isinstance(key, RSAKey) else key.curve_name == "P-256"


def fitting(keys: Sequence[Key], header: Mapping[str, Any]) -> Sequence[Key]:
    """The keys that may have signed a token: the one it names, or without a name all of its algorithm."""
    kind = RSAKey if header.get("alg") == "RS256" else ECKey
    identity = header.get("kid")
    return [key for key in keys if isinstance(key, kind) and (identity is None or key.kid == identity)]


def new_registry() -> jws.JWSRegistry:
    """The rules of reading: our algorithms only; headers that nobody registered are passed over."""
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    registry.max_header_length = MAX_HEADER_BYTES
    return registry

import hashlib
import re
import uuid

from lumetry_core.runtime.identifiers import digest_secret, new_secret, new_uuid, visible_prefix


def test_new_secret_has_its_prefix_and_192_random_bits() -> None:
    """Prefix and 48 lower-case hexadecimal characters, never twice the same."""
    secrets = {new_secret("lmt_") for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"lmt_[0-9a-f]{48}", secret) for secret in secrets)


def test_digest_secret_is_sha_256_of_the_whole() -> None:
    """The prefix is part of what is digested."""
    assert digest_secret("lmt_00") == hashlib.sha256(b"lmt_00").digest()


def test_visible_prefix_shows_twelve_characters() -> None:
    """Enough to recognise a secret, not to guess it."""
    assert visible_prefix("lmt_0123456789abcdef") == "lmt_01234567"


def test_new_uuid_is_canonical_and_random() -> None:
    """Version 4 in its canonical form."""
    made = new_uuid()
    assert (str(uuid.UUID(made)), uuid.UUID(made).version) == (made, 4)
    assert made != new_uuid()

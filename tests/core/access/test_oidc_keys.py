from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey

from lumetry_core.access.oidc import LoginRefusedError
from lumetry_core.access.oidc_keys import ALGORITHMS, read_header, read_keys, verify
from tests.core.access.oidc_server import ec_key, rsa_key

HEADERS = st.sampled_from(["eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9", "eyJhbGciOiJub25lIn0", "W10", "MQ", "eyJhbGciOltdfQ"])
PART = st.text("abcABC012-_=.+/ \0é", max_size=40)


@given(st.text() | st.builds("{}.{}.{}".format, HEADERS | PART, PART, PART))
@settings(max_examples=200)
def test_verify_anything(token: str) -> None:
    """Whatever the provider calls an ID token is refused, not stumbled over, unless a key signed it."""
    for check in (read_header, lambda text: verify(text, [rsa_key("key-1"), ec_key("key-1")])):
        with suppress(LoginRefusedError):
            assert check(token)["alg"] in ALGORITHMS


def test_read_keys_takes_what_can_sign() -> None:
    """Keys for encryption, of other kinds, too short, broken or private are passed over or lose their private part."""
    good = rsa_key("good").as_dict(private=True)
    keys = read_keys(
        [
            good,
            {**good, "kid": "encrypts", "use": "enc"},
            {**good, "kid": "other", "alg": "RSA-OAEP"},
            {**good, "kid": "short", "n": good["n"][:171]},
            ECKey.generate_key("P-384", {"kid": "curve"}).as_dict(private=False),
            OctKey.generate_key(256, {"kid": "shared"}).as_dict(),
            OKPKey.generate_key("Ed25519", {"kid": "edwards"}).as_dict(private=False),
            {"kty": "RSA", "kid": "broken", "n": "?"},
            {"kty": "EC", "kid": "nowhere", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": ["RSA"]},
            {},
            ec_key("elliptic").as_dict(private=False),
        ]
    )
    assert [(key.kid, key.is_private) for key in keys] == [("good", False), ("elliptic", False)]

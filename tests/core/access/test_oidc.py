from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.access.oidc import (
    Identity,
    LoginRefusedError,
    NewLogin,
    OidcSettings,
    ProviderAnswer,
    build_authorization_url,
    challenge_of,
    check_answer,
    check_claims,
    is_provider_url,
    is_web_url,
    new_login,
    read_identity,
)

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ISSUER = "https://id.example.com/realm"
SETTINGS = OidcSettings(issuer=ISSUER, client_id="lumetry")
CLAIMS = {"iss": ISSUER, "aud": "lumetry", "exp": SECONDS + 300, "iat": SECONDS, "nonce": "n-1", "sub": "person-1"}


def check(**changes: Any) -> Identity:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return check_claims(claims, SETTINGS, "n-1", NOW)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"client_id": "lumetry"}, "issuer is missing"),
        ({"issuer": ISSUER}, "client_id is missing"),
        ({"issuer": "http://id.example.com", "client_id": "lumetry"}, "issuer must be an https URL"),
        ({"issuer": "https://id.example.com?tenant=1", "client_id": "lumetry"}, "issuer must be an https URL"),
        ({"issuer": ISSUER, "client_id": "lumetry", "scopes": "profile email"}, "scopes must contain openid"),
        ({"issuer": ISSUER, "client_id": "lumetry", "redirect_url": "/callback"}, "redirect_url must be an absolute"),
    ],
)
def test_settings_that_cannot_work(values: dict[str, str], message: str) -> None:
    """Settings with which no login could succeed, or secrets would travel in the clear, are told at start."""
    with pytest.raises(ValueError, match=message):
        OidcSettings(**values)


def test_settings_read_as_written() -> None:
    """No issuer means no provider, roles are a list, the redirect URL has a default below the base URL, and the secret is not shown."""
    assert (OidcSettings().is_on, SETTINGS.is_on) == (False, True)
    assert OidcSettings(default_roles=" Viewer, ,Operator ").default_role_names == ("Viewer", "Operator")
    assert SETTINGS.effective_redirect_url("https://l.example.com/") == "https://l.example.com/api/auth/oidc/callback"
    console = OidcSettings(issuer=ISSUER, client_id="lumetry", redirect_url="https://l.example.com/back")
    assert console.effective_redirect_url("https://other.example.com") == "https://l.example.com/back"
    assert "hush" not in repr(OidcSettings(issuer=ISSUER, client_id="lumetry", client_secret="hush"))


def test_is_provider_url_judges() -> None:
    """Secrets go over https, or over http within this machine, and never to a URL that hides where it leads."""
    good = ["https://id.example.com/a?b=c", "http://localhost:8/x", "http://127.0.0.1", "http://[::1]:8080/", "https://10.0.0.1"]
    bad = [
        "http://id.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "ftp://localhost",
        "https://",
        "https://user:pass@id.example.com",
        "https://id.example.com/#f",
        "https://id.example.com:99999",
        "https://[::1",
        "https://id.exa mple.com",
        "javascript:alert(1)",
        "",
    ]
    assert ([url for url in good if not is_provider_url(url)], [url for url in bad if is_provider_url(url)]) == ([], [])
    assert is_web_url("http://id.example.com")


def test_challenge_of_the_example() -> None:
    """The example of RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_new_login_is_random() -> None:
    """Every secret has 192 random bits, and a verifier the length that RFC 7636 asks for."""
    first, second = new_login(), new_login()
    assert len({first.state, first.verifier, first.nonce, second.state, second.verifier, second.nonce}) == 6
    assert (len(first.state), len(first.verifier), len(first.nonce)) == (48, 96, 48)


def test_build_authorization_url() -> None:
    """The browser is sent with everything the flow needs, and what the endpoint brings stays."""
    settings = OidcSettings(issuer=ISSUER, client_id="a&b", scopes=" openid   email ")
    url = build_authorization_url("https://id.example.com/auth?tenant=1", settings, NewLogin("s", "v", "n"), "https://l.example.com/back")
    assert url.startswith("https://id.example.com/auth?")
    assert parse_qsl(urlsplit(url).query) == [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", "a&b"),
        ("redirect_uri", "https://l.example.com/back"),
        ("scope", "openid email"),
        ("state", "s"),
        ("nonce", "n"),
        ("code_challenge", challenge_of("v")),
        ("code_challenge_method", "S256"),
    ]


@pytest.mark.parametrize(
    ("answer", "promised", "why"),
    [
        (ProviderAnswer("s", "c", issuer="https://evil.example.com"), False, "another provider"),
        (ProviderAnswer("s", "c"), True, "does not name its provider"),
        (ProviderAnswer("s", "c", issuer=ISSUER, error="access_denied\n"), True, "answered access_denied."),
        (ProviderAnswer("s"), False, "no code"),
    ],
)
def test_check_answer_refuses(answer: ProviderAnswer, promised: bool, why: str) -> None:
    """Answers of other providers, refusals and answers without a code start no login."""
    with pytest.raises(LoginRefusedError, match=why):
        check_answer(answer, ISSUER, issuer_is_promised=promised)


def test_check_answer_takes() -> None:
    """An answer with a code is taken, with its provider's name where the provider promised it."""
    check_answer(ProviderAnswer("s", "c"), ISSUER, issuer_is_promised=False)
    check_answer(ProviderAnswer("s", "c", issuer=ISSUER), ISSUER, issuer_is_promised=True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://evil.example.com"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "other"}, "for another client"),
        ({"aud": ["other"]}, "for another client"),
        ({"aud": {"lumetry": 1}}, "for another client"),
        ({"aud": None}, "for another client"),
        ({"aud": ["lumetry", "other"]}, "issued to another client"),
        ({"azp": "other"}, "issued to another client"),
        ({"exp": SECONDS - 60}, "has expired"),
        ({"exp": None}, "when it is valid"),
        ({"exp": True}, "when it is valid"),
        ({"exp": float("nan")}, "when it is valid"),
        ({"exp": float("inf")}, "when it is valid"),
        ({"exp": 10**400}, "when it is valid"),
        ({"exp": str(SECONDS + 300)}, "when it is valid"),
        ({"iat": None}, "when it is valid"),
        ({"iat": SECONDS + 61}, "of the future"),
        ({"nbf": SECONDS + 61}, "of the future"),
        ({"nbf": "now"}, "when it is valid"),
        ({"nonce": None}, "another login"),
        ({"nonce": "n-2"}, "another login"),
        ({"nonce": ["n-1"]}, "another login"),
        ({"nonce": "\ud800"}, "another login"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"sub": 7}, "names nobody"),
        ({"sub": "x" * 256}, "names nobody"),
        ({"sub": "a\0b"}, "names nobody"),
    ],
)
def test_check_claims_refuses(changes: dict[str, Any], why: str) -> None:
    """A token is refused unless it is of this issuer, for this client and login, for somebody and valid now."""
    with pytest.raises(LoginRefusedError, match=why):
        check(**changes)


def test_check_claims_within_leeway() -> None:
    """A minute of difference between the clocks is forgiven, and several audiences are when the token was issued to this client."""
    expected = Identity(ISSUER, "person-1")
    assert check() == expected
    assert check(exp=SECONDS - 59) == expected
    assert check(iat=SECONDS + 60, nbf=SECONDS + 60.0) == expected
    assert check(aud=["other", "lumetry"], azp="lumetry") == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "azp", "email", "email_verified", "preferred_username", "name"]), JSON))
def test_check_claims_of_any_shape(changes: dict[str, Any]) -> None:
    """Whatever claims hold, they are read or refused."""
    with suppress(LoginRefusedError):
        assert check(**changes).issuer == ISSUER


def test_read_identity_leaves_out_what_cannot_be_stored() -> None:
    """Names and addresses are taken when they have the shape that users have, and only an address called verified is."""
    full = {"preferred_username": "ann", "email": "Ann@example.com", "email_verified": True, "name": " Ann\n Example "}
    assert read_identity(ISSUER, "1", full) == Identity(ISSUER, "1", "ann", "Ann@example.com", True, "Ann Example")
    assert read_identity(ISSUER, "1", {**full, "email_verified": "true"}).verified_email == "Ann@example.com"
    assert read_identity(ISSUER, "1", {**full, "email_verified": 1.5}).verified_email is None
    odd = {"preferred_username": "Ann Example", "email": "nobody", "email_verified": True, "name": "\n"}
    assert read_identity(ISSUER, "1", odd) == Identity(ISSUER, "1")
    assert read_identity(ISSUER, "1", {"preferred_username": 7, "email": ["a@b"], "name": {}}) == Identity(ISSUER, "1")


def test_digest_of_identities_differs() -> None:
    """Issuer and subject together make the identity; what else is told does not."""
    digests = {Identity(issuer, subject).digest for issuer, subject in [("a", "b"), ("a", "c"), ("b", "b")]}
    assert len(digests) == 3
    assert Identity("a", "b", "name", "mail@example.com").digest == Identity("a", "b").digest

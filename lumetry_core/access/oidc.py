"""Logging in at an OpenID provider, as values and decisions: the settings, the way there, and what an ID token must say."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from lumetry_core.access.model import MAX_EMAIL_LENGTH, MAX_NAME_LENGTH, USERNAME
from lumetry_core.runtime.identifiers import digest_secret, new_secret

CALLBACK_PATH = "/api/auth/oidc/callback"
LOGIN_DURATION = timedelta(minutes=10)
"""How long a person may take at the provider."""
LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may be off."""
MAX_SECONDS = 1e12
MAX_SUBJECT_LENGTH = 255
"""OpenID Connect Core 2: a subject has at most 255 ASCII characters."""


class LoginRefusedError(Exception):
    """A login that must not succeed. The message is for operators; whoever tries to log in learns nothing of it."""


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The OpenID provider of the deployment; without an issuer there is none."""

    issuer: str = ""
    """Exactly as the provider writes it in its tokens, a slash at the end included."""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    """Empty: a public client."""
    name: str = "OpenID Connect"
    """Shown to people."""
    scopes: str = "openid profile email"
    redirect_url: str = ""
    """Where the provider sends people back to; empty: `CALLBACK_PATH` below the deployment's base URL."""
    organization: str = ""
    """Whose users they are; empty: the first organization's."""
    default_roles: str = ""
    """The roles of users who are created at their first login, separated by commas; empty: only known users may log in."""

    def __post_init__(self) -> None:
        if not self.issuer:
            if self.client_id:
                raise ValueError("issuer is missing")
            return
        if not is_provider_url(self.issuer) or urlsplit(self.issuer).query:
            raise ValueError("issuer must be an https URL without query and fragment (http on loopback only)")
        if not self.client_id:
            raise ValueError("client_id is missing")
        if "openid" not in self.scopes.split():
            raise ValueError("scopes must contain openid")
        if self.redirect_url and not is_web_url(self.redirect_url):
            raise ValueError("redirect_url must be an absolute http or https URL without fragment")

    @property
    def is_on(self) -> bool:
        """Whether the deployment has a provider."""
        return bool(self.issuer)

    @property
    def default_role_names(self) -> tuple[str, ...]:
        """The roles of new users; may be empty."""
        return tuple(name for part in self.default_roles.split(",") if (name := part.strip()))

    def effective_redirect_url(self, base_url: str) -> str:
        """Where the provider sends people back to, the default filled in."""
        return self.redirect_url or base_url.rstrip("/") + CALLBACK_PATH


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A login about to start. All three are secrets; only the browser knows `state`, only we know `verifier`."""

    state: str
    verifier: str
    nonce: str


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login that waits for the provider's answer."""

    organization_id: int
    state_digest: bytes
    verifier: str
    nonce: str
    redirect_url: str
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class BegunLogin:
    """Where to send the browser, and what it must come back with."""

    authorization_url: str
    state: str
    redirect_url: str
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What the provider sent the browser back with; empty: not given."""

    state: str
    code: str = ""
    issuer: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as the provider says."""

    issuer: str
    subject: str
    username: str | None = None
    """None when the provider's name cannot be a login name here."""
    email: str | None = None
    is_email_verified: bool = False
    display_name: str | None = None

    @property
    def verified_email(self) -> str | None:
        """The address that is known to be this person's."""
        return self.email if self.is_email_verified else None

    @property
    def digest(self) -> bytes:
        """Stands for issuer and subject, which alone never change."""
        return hashlib.sha256(f"{self.issuer}\0{self.subject}".encode()).digest()


def is_web_url(url: str) -> bool:
    """Whether a text is an absolute http or https URL without user, password and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and "#" not in url and "@" not in parts.netloc
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def is_provider_url(url: str) -> bool:
    """Whether secrets may be sent to a URL and keys be taken from it: https, or http within this machine."""
    if not is_web_url(url):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def new_login() -> NewLogin:
    """Makes the secrets of a login. A verifier has at least 43 characters (RFC 7636 4.1)."""
    return NewLogin(state=new_secret(""), verifier=new_secret("") + new_secret(""), nonce=new_secret(""))


def pend(login: NewLogin, organization_id: int, redirect_url: str, now: datetime) -> PendingLogin:
    """What is kept of a login until the provider answers."""
    return PendingLogin(organization_id, digest_secret(login.state), login.verifier, login.nonce, redirect_url, now + LOGIN_DURATION)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def build_authorization_url(endpoint: str, settings: OidcSettings, login: NewLogin, redirect_url: str) -> str:
    """Where the browser asks the provider for a code; a query that the endpoint brings is kept."""
    parts = urlsplit(endpoint)
    query = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("response_type", "code"),
        ("client_id", settings.client_id),
        ("redirect_uri", redirect_url),
        ("scope", " ".join(settings.scopes.split())),
        ("state", login.state),
        ("nonce", login.nonce),
        ("code_challenge", challenge_of(login.verifier)),
        ("code_challenge_method", "S256"),
    ]
    return urlunsplit(parts._replace(query=urlencode(query)))


def check_answer(answer: ProviderAnswer, issuer: str, *, issuer_is_promised: bool) -> None:
    """Refuses answers that carry no code or come from another provider.

    Args:
        issuer_is_promised: Whether the provider says of itself that its answers name it.

    Source: RFC 6749 4.1.2; RFC 9207 2.4, which keeps one provider's answer from being taken for another's.
    """
    if answer.issuer and answer.issuer != issuer:
        raise LoginRefusedError("The answer comes from another provider.")
    if issuer_is_promised and not answer.issuer:
        raise LoginRefusedError("The answer does not name its provider.")
    if answer.error:
        raise LoginRefusedError(f"The provider answered {printable(answer.error, 100)}.")
    if not answer.code:
        raise LoginRefusedError("The answer carries no code.")


def check_claims(claims: Mapping[str, Any], settings: OidcSettings, nonce: str, now: datetime) -> Identity:
    """Reads who logged in out of an ID token whose signature holds.

    Raises:
        LoginRefusedError: The token is not for this login.

    Source: OpenID Connect Core 3.1.3.7.
    """
    if claims.get("iss") != settings.issuer:
        raise LoginRefusedError("The ID token is of another issuer.")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or settings.client_id not in audiences:
        raise LoginRefusedError("The ID token is for another client.")
    if claims.get("azp", None if len(audiences) > 1 else settings.client_id) != settings.client_id:
        raise LoginRefusedError("The ID token was issued to another client.")
    check_times(claims, now)
    given = claims.get("nonce")
    if not isinstance(given, str) or not compare_digest(given.encode(errors="replace"), nonce.encode()):
        raise LoginRefusedError("The ID token is of another login.")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH or not (subject.isascii() and subject.isprintable()):
        raise LoginRefusedError("The ID token names nobody.")
    return read_identity(settings.issuer, subject, claims)


def check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """Refuses tokens that are over or not yet valid."""
    seconds, leeway = now.timestamp(), LEEWAY.total_seconds()
    if seconds >= read_time(claims, "exp") + leeway:
        raise LoginRefusedError("The ID token has expired.")
    starts = [read_time(claims, name) for name in ("iat", "nbf") if name == "iat" or name in claims]
    if max(starts) > seconds + leeway:
        raise LoginRefusedError("The ID token is of the future.")


def read_time(claims: Mapping[str, Any], name: str) -> float:
    """A time as JWT writes them, in seconds since the Unix epoch. Raises LoginRefusedError when there is none."""
    value = claims.get(name)
    # Neither infinity nor a whole number beyond every float is a time.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_SECONDS:
        raise LoginRefusedError("The ID token does not say when it is valid.")
    return float(value)


def read_identity(issuer: str, subject: str, claims: Mapping[str, Any]) -> Identity:
    """The person behind claims of an ID token or of the provider's user information; what cannot be stored is left out."""
    username, email, name = (claims.get(key) for key in ("preferred_username", "email", "name"))
    is_email = isinstance(email, str) and len(email) <= MAX_EMAIL_LENGTH and email.isprintable() and 0 < email.find("@") < len(email) - 1
    return Identity(
        issuer=issuer,
        subject=subject,
        username=username if isinstance(username, str) and USERNAME.fullmatch(username) else None,
        email=email if is_email else None,
        # Some providers write the word instead of the value.
        is_email_verified=is_email and claims.get("email_verified") in (True, "true"),
        display_name=(printable(name, MAX_NAME_LENGTH) or None) if isinstance(name, str) else None,
    )


def printable(text: str, length: int) -> str:
    """A text of others as it can be stored and shown."""
    return "".join(character for character in text if character.isprintable()).strip()[:length].strip()

"""Talks to the OpenID provider: its description, its keys, codes against tokens. Never inside a transaction."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote_plus

import aiohttp
import msgspec
import structlog
from yarl import URL

from lumetry_core.access.oidc import LoginRefusedError, OidcSettings, is_provider_url, printable
from lumetry_core.runtime.clock import Clock

if TYPE_CHECKING:
    from lumetry_core.access.oidc_keys import Key

log = structlog.get_logger(__name__)

MAX_ANSWER_BYTES = 256 * 1024
ANSWER_SECONDS = 5.0
CACHE_DURATION = timedelta(hours=1)
"""How old a description or a key may be."""
KEY_INTERVAL = timedelta(seconds=30)
"""How often an unknown key may make us ask for the keys again: anybody can name unknown keys."""
JSON_TYPE = "application/json"

T = TypeVar("T")


class ProviderUnavailableError(Exception):
    """The provider cannot be reached, or answers what no provider should. The message is for operators."""


class Description(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Tokens(msgspec.Struct, frozen=True):
    """What a code buys."""

    id_token: str
    access_token: str | None = None


class KeySet(msgspec.Struct, frozen=True):
    """The provider's keys as it publishes them."""

    keys: list[dict[str, Any]]


class TokenError(msgspec.Struct, frozen=True):
    """Why a code buys nothing."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """Something the provider said, and when."""

    value: T
    time: datetime


class OpenidProvider:
    """The provider of the deployment. Remembers what it says of itself, so that a login costs one request."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._lock = asyncio.Lock()
        self._description: Kept[Description] | None = None
        self._keys: Kept[Sequence[Key]] | None = None

    async def describe(self) -> Description:
        """What the provider says of itself, at most an hour old. Raises ProviderUnavailableError."""
        async with self._lock:
            if self._description is None or self._is_old(self._description.time):
                found = read_answer(await self._get(self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"), Description)
                check_description(found, self._settings.issuer)
                self._description = Kept(found, self._clock.now())
            return self._description.value

    async def exchange_code(self, code: str, verifier: str, redirect_url: str) -> Tokens:
        """Buys tokens for a code.

        Raises:
            LoginRefusedError: The provider does not take the code, or not us.
            ProviderUnavailableError: It cannot be asked.
        """
        description = await self.describe()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_url, "code_verifier": verifier}
        headers = {"Accept": JSON_TYPE}
        client_id, secret = self._settings.client_id, self._settings.client_secret
        if secret and "client_secret_basic" in description.token_endpoint_auth_methods_supported:
            # Both parts are form-encoded first (RFC 6749 2.3.1).
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = client_id
            if secret:
                form["client_secret"] = secret
        status, body = await self._ask("POST", description.token_endpoint, headers, form)
        if status in (400, 401, 403):
            try:
                error = printable(msgspec.json.decode(body, type=TokenError).error, 100)
            except (msgspec.MsgspecError, RecursionError):
                error = ""
            if error in ("invalid_client", "unauthorized_client"):
                log.error("the OpenID provider refuses the client", client_id=client_id, error=error)
            raise LoginRefusedError(f"The provider answered {status} {error} to the code.")
        if status != 200:
            raise ProviderUnavailableError(f"{description.token_endpoint} answered {status}")
        return read_answer(body, Tokens)

    async def read_claims(self, id_token: str) -> Mapping[str, Any]:
        """The claims of an ID token that the provider signed; nothing else of them is checked here.

        Raises:
            LoginRefusedError: It did not sign it.
            ProviderUnavailableError: Its keys cannot be read.
        """
        from lumetry_core.access import oidc_keys  # noqa: PLC0415 -- see its docstring

        header = oidc_keys.read_header(id_token)
        async with self._lock:
            if self._keys is None or self._is_old(self._keys.time):
                self._keys = await self._fetch_keys()
            found = oidc_keys.fitting(self._keys.value, header)
            if not found and self._clock.now() - self._keys.time >= KEY_INTERVAL:
                self._keys = await self._fetch_keys()
                found = oidc_keys.fitting(self._keys.value, header)
        return oidc_keys.verify(id_token, found)

    async def read_profile(self, access_token: str) -> Mapping[str, Any]:
        """What the provider tells of the owner of an access token; empty when it has nothing to tell. Raises ProviderUnavailableError."""
        endpoint = (await self.describe()).userinfo_endpoint
        if endpoint is None:
            return {}
        if not access_token.isascii() or not access_token.isprintable():
            return {}
        status, body = await self._ask("GET", endpoint, {"Accept": JSON_TYPE, "Authorization": f"Bearer {access_token}"})
        if status in (401, 403):
            return {}
        if status != 200:
            raise ProviderUnavailableError(f"{endpoint} answered {status}")
        return read_answer(body, dict[str, Any])

    async def close(self) -> None:
        """Closes connections."""
        if self._session is not None:
            await self._session.close()

    async def _fetch_keys(self) -> "Kept[Sequence[Key]]":
        from lumetry_core.access import oidc_keys  # noqa: PLC0415 -- as above

        kept = self._description
        if kept is None:
            raise ProviderUnavailableError("the provider was not described before its keys were needed")
        published = read_answer(await self._get(kept.value.jwks_uri), KeySet)
        return Kept(oidc_keys.read_keys(published.keys), self._clock.now())

    def _is_old(self, time: datetime) -> bool:
        # Both ends: a clock that was set back must not prolong anything.
        return not time <= self._clock.now() < time + CACHE_DURATION

    async def _get(self, url: str) -> bytes:
        status, body = await self._ask("GET", url, {"Accept": JSON_TYPE})
        if status != 200:
            raise ProviderUnavailableError(f"{url} answered {status}")
        return body

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            # A redirect would send secrets, or take keys from, where nobody checked.
            asked = self._session.request(method, URL(url, encoded=True), headers=headers, data=form, allow_redirects=False)
            async with asked as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(16_384):
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise ProviderUnavailableError(f"{url} answered more than {MAX_ANSWER_BYTES} bytes")
                return response.status, bytes(body)
        except TimeoutError as error:
            raise ProviderUnavailableError(f"{url} did not answer within {ANSWER_SECONDS:.0f} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ProviderUnavailableError(f"{url} cannot be reached: {error}") from error


def check_description(description: Description, issuer: str) -> None:
    """Raises ProviderUnavailableError for a description of somebody else, or with endpoints to which no secret may be sent."""
    if description.issuer != issuer:
        raise ProviderUnavailableError(f"the provider calls itself {printable(description.issuer, 200)}, not {issuer}")
    endpoints = [description.authorization_endpoint, description.token_endpoint, description.jwks_uri]
    for endpoint in (*endpoints, *filter(None, [description.userinfo_endpoint])):
        if not is_provider_url(endpoint):
            raise ProviderUnavailableError(f"the provider names an endpoint that is not https: {printable(endpoint, 200)}")


def read_answer(body: bytes, kind: type[T]) -> T:
    """Reads JSON. Raises ProviderUnavailableError when it is not what was asked for."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProviderUnavailableError(f"the provider's answer is not {kind.__name__}: {error}") from error

"""Logging in at the OpenID provider: like `login`, verbs that span transactions, since the provider is asked between them."""

import asyncio
from dataclasses import replace

import structlog

from lumetry_core.access.login_rate import LoginRate
from lumetry_core.access.model import OIDC_PROVIDER, RateSettings, Settings, TokenPair, unauthenticated
from lumetry_core.access.oidc import (
    BegunLogin,
    Identity,
    LoginRefusedError,
    OidcSettings,
    PendingLogin,
    ProviderAnswer,
    build_authorization_url,
    check_answer,
    check_claims,
    new_login,
    pend,
    printable,
    read_identity,
)
from lumetry_core.access.oidc_provider import OpenidProvider, ProviderUnavailableError
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.oidc_users import admit_identity, find_oidc_organization
from lumetry_core.access.service.sessions import ANONYMOUS, AUDIT_TYPE, caller_of, start_session
from lumetry_core.access.store import oidc as store
from lumetry_core.access.store import organizations as organization_store
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import digest_secret
from lumetry_core.runtime.interceptors import Origin

log = structlog.get_logger(__name__)

ADDRESS_FACTOR = 10
"""How many more logins an address may begin than a user name: an office often has one address."""
PROVIDER_SECONDS = 12.0
"""How long the provider may take for a whole login; callers wait for 15."""


class OidcDesk:
    """Sends browsers to the provider, and gives access tokens for what they come back with."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        rates: RateSettings,
        oidc: OidcSettings,
        provider: OpenidProvider,
        base_url: str,
    ) -> None:
        """Builds the desk.

        Args:
            base_url: Where browsers reach the deployment, for example `https://lumetry.example.com`.
        """
        self._database = database
        self._clock = clock
        self._settings = settings
        self._rate = LoginRate(rates.login_per_minute * ADDRESS_FACTOR)
        self._oidc = oidc
        self._provider = provider
        self._redirect_url = oidc.effective_redirect_url(base_url)

    @property
    def provider_name(self) -> str | None:
        """What people call the provider; None when the deployment has none."""
        return self._oidc.name if self._oidc.is_on else None

    async def begin(self, origin: Origin) -> BegunLogin:
        """Begins a login. Fails with NOT_FOUND without a provider, RATE_LIMITED, STORE_UNAVAILABLE (also for the provider)."""
        self._admit(origin)
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                endpoint = (await self._provider.describe()).authorization_endpoint
        except (ProviderUnavailableError, TimeoutError) as error:
            raise provider_unavailable(error, origin) from error
        login, now = new_login(), self._clock.now()
        async with self._database.write() as tx:
            try:
                organization = await find_oidc_organization(tx, self._oidc)
            except LoginRefusedError:
                raise unauthenticated() from None
            await store.delete_expired_logins(tx, organization.id, now)
            pending = pend(login, organization.id, self._redirect_url, now)
            await store.insert_login(tx, pending)
        url = build_authorization_url(endpoint, self._oidc, login, self._redirect_url)
        return BegunLogin(url, login.state, self._redirect_url, pending.expire_time)

    async def complete(self, answer: ProviderAnswer, origin: Origin) -> TokenPair:
        """Starts a login session for the provider's answer; its state works once.

        Whatever is wrong with the answer looks the same from outside; the audit row tells.

        Fails with NOT_FOUND without a provider, UNAUTHENTICATED, RATE_LIMITED, STORE_UNAVAILABLE (also for the provider).
        """
        self._admit(origin)
        async with self._database.write() as tx:
            pending = await store.take_login(tx, digest_secret(answer.state))
        identity = None
        try:
            async with asyncio.timeout(PROVIDER_SECONDS):
                identity = await self._identify(answer, pending)
            async with self._database.write() as tx:
                return await self._start_session(tx, identity, origin)
        except (ProviderUnavailableError, TimeoutError) as error:
            raise provider_unavailable(error, origin) from error
        except LoginRefusedError as error:
            await self._record_refusal(str(error), identity, pending, origin)
            raise unauthenticated() from None

    async def _start_session(self, tx: Transaction, identity: Identity, origin: Origin) -> TokenPair:
        now = self._clock.now()
        candidate = await admit_identity(tx, identity, self._oidc, origin, now)
        pair = await start_session(tx, candidate, origin, self._settings, now)
        if pair is None:
            raise LoginRefusedError("The user changed meanwhile.")
        return pair

    async def _identify(self, answer: ProviderAnswer, pending: PendingLogin | None) -> Identity:
        if pending is None or pending.expire_time <= self._clock.now():
            raise LoginRefusedError("The state is unknown, used or expired.")
        description = await self._provider.describe()
        check_answer(answer, self._oidc.issuer, issuer_is_promised=description.authorization_response_iss_parameter_supported)
        tokens = await self._provider.exchange_code(answer.code, pending.verifier, pending.redirect_url)
        claims = await self._provider.read_claims(tokens.id_token)
        identity = check_claims(claims, self._oidc, pending.nonce, self._clock.now())
        if identity.email is None and identity.username is None and tokens.access_token is not None:
            # Providers may keep ID tokens short and tell the rest on demand (OpenID Connect Core 5.4); only of the same person (5.3.2).
            profile = await self._provider.read_profile(tokens.access_token)
            if profile.get("sub") == identity.subject:
                told = read_identity(identity.issuer, identity.subject, profile)
                identity = replace(told, display_name=told.display_name or identity.display_name)
        return identity

    async def _record_refusal(self, why: str, identity: Identity | None, pending: PendingLogin | None, origin: Origin) -> None:
        log.warning("an OpenID login was refused", why=why, request_id=origin.request_id)
        async with self._database.write() as tx:
            organization_id = None if pending is None else pending.organization_id
            if organization_id is None:
                # A state that nobody has is no organization's, so the first one, which runs the deployment, learns of it.
                first = await organization_store.first_organization(tx)
                if first is None:
                    return
                organization_id = first.id
            name = "" if identity is None else printable(identity.username or identity.email or identity.subject, 300)
            caller = caller_of(origin, organization_id, None, ANONYMOUS)
            after = {"authProviderType": OIDC_PROVIDER, "issuer": self._oidc.issuer, "fault": why}
            await record_audit(tx, caller, "Auth.LoginFailed", AUDIT_TYPE, name, self._clock.now(), after=after)

    def _admit(self, origin: Origin) -> None:
        if not self._oidc.is_on:
            raise not_found("Login provider", OIDC_PROVIDER)
        wait_seconds = self._rate.admit(("", origin.address or ""), self._clock.now())
        if wait_seconds:
            raise LumetryError(Reason.RATE_LIMITED, "Too many login attempts.", retry_after_seconds=str(wait_seconds))


def provider_unavailable(error: Exception, origin: Origin) -> LumetryError:
    """The failure of a login that only the provider keeps from succeeding."""
    log.warning("the OpenID provider is unavailable", why=str(error) or "it took too long", request_id=origin.request_id)
    return LumetryError(Reason.STORE_UNAVAILABLE, "The identity provider cannot be used now; try to log in again.")

"""Login sessions: passwords become short-lived access tokens, refresh tokens keep a session alive.

A refresh token works once. Whoever presents a used one holds a copy, so the whole session ends.
"""

from datetime import datetime

from lumetry_core.access.model import (
    CREDENTIALS_CHANNEL,
    MAX_USERNAME_LENGTH,
    PREFIX_OF,
    LoginCandidate,
    Settings,
    TokenPair,
    invalid,
    kind_of_secret,
    unauthenticated,
)
from lumetry_core.access.service.audit import record_audit, storable
from lumetry_core.access.store import organizations as organization_store
from lumetry_core.access.store import sessions as store
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import digest_secret, new_secret
from lumetry_core.runtime.interceptors import Origin

AUDIT_TYPE = "Auth"
ANONYMOUS = "anonymous"
"""Who failed to log in: the claimed name is what the row is about."""


async def start_session(tx: Transaction, candidate: LoginCandidate, origin: Origin, settings: Settings, now: datetime) -> TokenPair | None:
    """Starts a session of a user whose password was right; None when the user or the password changed meanwhile."""
    if await user_store.find_login_candidate(tx, candidate.username) != candidate:
        return None
    caller = caller_of(origin, candidate.organization_id, candidate.user_id, candidate.username)
    session_id = await store.insert_session(
        tx,
        candidate.organization_id,
        candidate.user_id,
        address=None if origin.address is None else storable(origin.address, 64),
        user_agent=None if origin.user_agent is None else storable(origin.user_agent, 256),
        expire_time=now + settings.refresh_token_duration,
        now=now,
    )
    pair = await issue_pair(tx, candidate.organization_id, session_id, settings, now)
    await user_store.set_last_login(tx, candidate.organization_id, candidate.user_id, now)
    await record_audit(tx, caller, "Auth.LoggedIn", AUDIT_TYPE, candidate.username, now)
    return pair


async def record_failed_login(tx: Transaction, username: str, candidate: LoginCandidate | None, origin: Origin, now: datetime) -> None:
    """Audits a failed login with the user's organization.

    A name that nobody has is no organization's, so the first one, which runs the deployment, learns of it.
    """
    if candidate is None:
        first = await organization_store.first_organization(tx)
        if first is None:
            return
        organization_id = first.id
    else:
        organization_id = candidate.organization_id
    caller = caller_of(origin, organization_id, None, ANONYMOUS)
    entity_id = "".join(character for character in username if character.isprintable())[:MAX_USERNAME_LENGTH]
    await record_audit(tx, caller, "Auth.LoginFailed", AUDIT_TYPE, entity_id, now)


async def refresh_session(tx: Transaction, refresh_token: str, origin: Origin, settings: Settings, now: datetime) -> TokenPair | None:
    """Exchanges a refresh token for the next pair and moves the session's end.

    Returns:
        None when the token does not work. The transaction must still be committed: a used token has ended its session.
    """
    token = await find_refresh_token(tx, refresh_token)
    if token is None or not token.is_usable or token.expire_time <= now:
        return None
    if not await store.exchange_token(tx, token.organization_id, digest_secret(refresh_token), now):
        if await store.revoke_session(tx, token.organization_id, token.session_id, now):
            tx.wake(CREDENTIALS_CHANNEL)
            caller = caller_of(origin, token.organization_id, token.user_id, token.username)
            await record_audit(tx, caller, "Auth.RefreshTokenReused", AUDIT_TYPE, token.username, now)
        return None
    await store.extend_session(tx, token.organization_id, token.session_id, now + settings.refresh_token_duration)
    return await issue_pair(tx, token.organization_id, token.session_id, settings, now)


async def logout(tx: Transaction, caller: Caller, refresh_token: str, now: datetime) -> None:
    """Ends the caller's session or, given a refresh token, the session of that.

    Fails with UNAUTHENTICATED when the caller's session has ended, and with VALIDATION_FAILED (`refreshToken`) when the token is not
    one of the caller's.
    """
    session_id = caller.credential_id
    if refresh_token:
        token = await find_refresh_token(tx, refresh_token)
        if token is None or token.organization_id != caller.organization_id or token.user_id != caller.user_id:
            raise invalid("refreshToken", "is not a refresh token of yours")
        session_id = token.session_id
    if session_id is None or not await store.revoke_session(tx, caller.organization_id, session_id, now):
        raise unauthenticated()
    tx.wake(CREDENTIALS_CHANNEL)
    await record_audit(tx, caller, "Auth.LoggedOut", AUDIT_TYPE, caller.user_name or "", now)


async def find_refresh_token(tx: Transaction, secret: str) -> store.SessionToken | None:
    """The refresh token of a secret, dead or alive."""
    if kind_of_secret(secret) is not CredentialKind.INTERACTIVE:
        return None
    return await store.find_token(tx, digest_secret(secret), store.TokenUse.REFRESH)


async def issue_pair(tx: Transaction, organization_id: int, session_id: int, settings: Settings, now: datetime) -> TokenPair:
    """Makes an access token and a refresh token of a session."""
    prefix = PREFIX_OF[CredentialKind.INTERACTIVE]
    pair = TokenPair(
        access_token=new_secret(prefix),
        expire_time=now + settings.access_token_duration,
        refresh_token=new_secret(prefix),
    )
    for secret, use, expire_time in (
        (pair.access_token, store.TokenUse.ACCESS, pair.expire_time),
        (pair.refresh_token, store.TokenUse.REFRESH, now + settings.refresh_token_duration),
    ):
        await store.insert_token(tx, organization_id, session_id, digest=digest_secret(secret), use=use, expire_time=expire_time)
    return pair


def caller_of(origin: Origin, organization_id: int, user_id: int | None, username: str) -> Caller:
    """Who is behind a call that carries no credential yet."""
    return Caller(
        organization_id=organization_id,
        kind=None,
        user_id=user_id,
        user_name=username,
        request_id=origin.request_id,
        address=origin.address,
        user_agent=origin.user_agent,
    )

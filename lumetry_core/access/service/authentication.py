"""Finds the caller behind a secret, thousands of times per second."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.keys import LOG_KEY_PERMISSIONS, expand_scopes
from lumetry_core.access.model import kind_of_secret, unauthenticated, workspace_key_prefix
from lumetry_core.access.service.credentials import begin_use
from lumetry_core.access.store import agent_credentials as agent_store
from lumetry_core.access.store import credentials as credential_store
from lumetry_core.access.store import log_keys as log_key_store
from lumetry_core.access.store import sessions as session_store
from lumetry_core.access.store import source_credentials as source_store
from lumetry_core.access.store import tokens as token_store
from lumetry_core.access.store import users as user_store
from lumetry_core.access.store import workspace_keys as workspace_key_store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.identifiers import digest_secret
from lumetry_core.runtime.interceptors import Origin

CACHE_DURATION = timedelta(seconds=5)
"""How long a credential that was good may be taken for good (contract lumetry 2.1)."""
CACHED_CREDENTIALS = 10_000
RENEWED_DURATION = timedelta(minutes=1)
"""How long after its last call a collector's credential is looked after; a busy one calls every few seconds."""
STEP_UP_DURATION = timedelta(minutes=15)
"""How long a login counts as fresh (contract workspace 1.5)."""
USE_INTERVAL = timedelta(minutes=1)
"""How often the last use of a credential is written down at most (contract lumetry 2.4)."""
KEY_USE_INTERVAL = timedelta(seconds=45)
"""The same of keys: their last use is known to the minute, though it is noted and written seconds late (contracts logs 9, workspace 2)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A credential as the store knew it at `find_time`."""

    caller: Caller
    find_time: datetime
    expire_time: datetime | None
    last_used_time: datetime | None = None
    login_time: datetime | None = None
    """When a person logged in; a renewal of the login does not count."""
    replaces: bool = False
    """Using it ends other credentials, in whose place it was made."""


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a credential that is not written down yet."""

    kind: CredentialKind
    organization_id: int
    credential_id: int
    time: datetime


class Authenticator:
    """Looks secrets up by their digest, so that no comparison's time tells anything, and remembers good ones for five seconds.

    Implements `runtime.interceptors.Authenticate`.
    """

    def __init__(self, database: Database, clock: Clock, *, production: bool = True) -> None:
        """Builds the authenticator.

        Args:
            production: Takes the workspace keys of production; else those of all other deployments.
        """
        self._database = database
        self._clock = clock
        self._key_prefix = workspace_key_prefix(production=production)
        self._findings: dict[bytes, Finding] = {}
        self._lookups: dict[bytes, asyncio.Task[Finding | None]] = {}
        self._uses: dict[tuple[CredentialKind, int], Use] = {}
        self._calls: dict[bytes, datetime] = {}
        """When collectors called last."""
        self._generation = 0

    async def __call__(self, origin: Origin) -> Caller:
        """Finds the caller. Fails with UNAUTHENTICATED, STORE_UNAVAILABLE."""
        secret = origin.secret
        kind = kind_of_secret(secret) if secret else None
        if secret is None or kind is None:
            raise unauthenticated()
        if kind is CredentialKind.WORKSPACE_KEY and not secret.startswith(self._key_prefix):
            raise unauthenticated()
        digest = digest_secret(secret)
        now = self._clock.now()
        finding = self._findings.get(digest)
        # Both ends: a clock that was set back must not prolong anything.
        if finding is None or not finding.find_time <= now < finding.find_time + CACHE_DURATION:
            finding = await self._look_up(digest, kind)
        if finding is None or (finding.expire_time is not None and finding.expire_time <= now):
            raise unauthenticated()
        if kind is CredentialKind.COLLECTOR:
            self._calls[digest] = now
        return replace(
            finding.caller,
            request_id=origin.request_id,
            address=origin.address,
            user_agent=origin.user_agent,
            relay_collector_id=origin.relay,
            stepped_up=finding.login_time is not None and finding.login_time <= now <= finding.login_time + STEP_UP_DURATION,
        )

    def forget(self) -> None:
        """Drops what is remembered, so that the next call of every credential asks the store."""
        self._generation += 1
        self._findings.clear()
        self._lookups.clear()

    async def renew(self) -> None:
        """Forgets everybody but the collectors that called lately, and asks the store of all of these at once.

        A thousand of them call every few seconds, and looking each up would cost more than what they want. Fails with STORE_UNAVAILABLE.
        """
        generation, now = self._generation, self._clock.now()
        kept = {digest: self._findings[digest] for digest, time in self._calls.items() if digest in self._findings}
        kept = {digest: finding for digest, finding in kept.items() if now - self._calls[digest] <= RENEWED_DURATION}
        if not kept:
            self._calls.clear()
            self.forget()
            return
        async with self._database.read() as tx:
            live = await credential_store.find_live(tx, list(kept))
        if generation != self._generation:
            return
        self.forget()
        for digest, credential in live.items():
            before = kept[digest]
            after = replace(before, find_time=now, expire_time=credential.expire_time, last_used_time=credential.last_used_time)
            self._findings[digest] = after
            if self._calls[digest] > before.find_time:
                self._note_use(after)
        self._calls = {digest: self._calls[digest] for digest in live}

    def take_uses(self) -> list[Use]:
        """The uses that are not written down yet, at most one per credential; the taker writes them down."""
        uses = list(self._uses.values())
        self._uses.clear()
        return uses

    async def _look_up(self, digest: bytes, kind: CredentialKind) -> Finding | None:
        # All who wait for one credential share a lookup, and none of them can cancel it for the others.
        lookup = self._lookups.get(digest)
        if lookup is None:
            lookup = self._lookups[digest] = asyncio.create_task(self._find(digest, kind))
            lookup.add_done_callback(lambda done: self._end_lookup(digest, done))
        return await asyncio.shield(lookup)

    def _end_lookup(self, digest: bytes, lookup: asyncio.Task[Finding | None]) -> None:
        if self._lookups.get(digest) is lookup:
            del self._lookups[digest]
        if not lookup.cancelled():
            lookup.exception()  # marks it as seen when everybody who waited has left

    async def _find(self, digest: bytes, kind: CredentialKind) -> Finding | None:
        generation = self._generation
        now = self._clock.now()
        async with self._database.read() as tx:
            finding = await FINDERS[kind](tx, digest, kind, now)
        if finding is None or (finding.expire_time is not None and finding.expire_time <= now):
            self._findings.pop(digest, None)
            return None
        if finding.replaces and not await self._begin_use(finding.caller, now):
            return None
        self._note_use(finding)
        if generation == self._generation:
            if len(self._findings) >= CACHED_CREDENTIALS:
                self._findings.clear()
            self._findings[digest] = finding
        return finding

    async def _begin_use(self, caller: Caller, now: datetime) -> bool:
        """Ends what a credential replaces; False: it serves no more itself. What cannot be written is tried again with the next lookup."""
        if caller.collector_id is None or caller.credential_id is None:
            return True
        try:
            async with self._database.write() as tx:
                return await begin_use(tx, caller.organization_id, caller.collector_id, caller.credential_id, now)
        except LumetryError as error:
            if error.reason is not Reason.STORE_UNAVAILABLE:
                raise
            return True

    def _note_use(self, finding: Finding) -> None:
        caller = finding.caller
        if caller.kind is None or caller.kind is CredentialKind.INTERACTIVE or caller.credential_id is None:
            return
        interval = KEY_USE_INTERVAL if caller.kind in KEY_KINDS else USE_INTERVAL
        if finding.last_used_time is None or finding.find_time - finding.last_used_time >= interval:
            use = Use(caller.kind, caller.organization_id, caller.credential_id, finding.find_time)
            self._uses[caller.kind, caller.credential_id] = use


async def find_interactive(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The user behind an access token; the credential's number is the login session's."""
    token = await session_store.find_token(tx, digest, session_store.TokenUse.ACCESS)
    if token is None or not token.is_usable:
        return None
    caller = Caller(
        organization_id=token.organization_id,
        kind=kind,
        credential_id=token.session_id,
        user_id=token.user_id,
        user_name=token.username,
        permissions=await user_store.read_user_permissions(tx, token.organization_id, token.user_id),
    )
    return Finding(caller, now, token.expire_time, login_time=token.login_time)


async def find_api_token(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The owner of an API token, with the owner's current permissions as far as the token goes."""
    owned = await token_store.find_owned_token(tx, digest)
    if owned is None or not owned.owner_is_active or owned.token.revoke_time is not None:
        return None
    token = owned.token
    held = await user_store.read_user_permissions(tx, token.organization_id, token.user_id)
    caller = Caller(
        organization_id=token.organization_id,
        kind=kind,
        credential_id=token.id,
        user_id=token.user_id,
        user_name=owned.username,
        permissions=held if token.permissions is None else held & token.permissions,
    )
    return Finding(caller, now, token.expire_time, token.last_used_time)


async def find_collector(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The collector behind a credential or an enrollment token."""
    credential = await credential_store.find_by_digest(tx, digest, kind)
    if credential is None or credential.revoke_time is not None:
        return None
    caller = Caller(
        organization_id=credential.organization_id,
        kind=kind,
        credential_id=credential.id,
        collector_id=credential.collector_id,
    )
    is_first = kind is CredentialKind.COLLECTOR and credential.last_used_time is None
    replaces = is_first and await credential_store.has_predecessor(tx, credential)
    return Finding(caller, now, credential.expire_time, credential.last_used_time, replaces=replaces)


async def find_source(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The external alert source behind a credential."""
    credential = await source_store.find_by_digest(tx, digest)
    if credential is None or credential.revoke_time is not None:
        return None
    caller = Caller(
        organization_id=credential.organization_id,
        kind=kind,
        credential_id=credential.id,
        source_id=credential.source_id,
    )
    return Finding(caller, now, None, credential.last_used_time)


async def find_agent(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The host agent behind a credential."""
    credential = await agent_store.find_credential(tx, digest)
    if credential is None or credential.revoke_time is not None:
        return None
    caller = Caller(
        organization_id=credential.organization_id,
        kind=kind,
        credential_id=credential.id,
        agent_id=credential.agent_id,
    )
    return Finding(caller, now, None, credential.last_used_time)


async def find_agent_enrollment(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The profile behind a token that enrolls host agents."""
    token = await agent_store.find_token(tx, digest)
    if token is None:
        return None
    caller = Caller(
        organization_id=token.organization_id,
        kind=kind,
        credential_id=token.id,
        enrollment_profile_id=token.profile_id,
    )
    return Finding(caller, now, token.expire_time, token.last_used_time)


async def find_log_key(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The project behind a log key, and what the key opens of the organization's logs."""
    key = await log_key_store.find_by_digest(tx, digest)
    if key is None or key.revoke_time is not None:
        return None
    caller = Caller(
        organization_id=key.organization_id,
        kind=kind,
        credential_id=key.number,
        permissions=LOG_KEY_PERMISSIONS[key.access],
        project_id=key.project_id,
        environment=key.environment,
    )
    return Finding(caller, now, key.expire_time, key.last_used_time)


async def find_workspace_key(tx: Transaction, digest: bytes, kind: CredentialKind, now: datetime) -> Finding | None:
    """The owner of a workspace key, with the owner's current permissions and the key's scopes."""
    owned = await workspace_key_store.find_owned_key(tx, digest)
    if owned is None or not owned.owner_is_active or owned.key.revoke_time is not None:
        return None
    key = owned.key
    caller = Caller(
        organization_id=key.organization_id,
        kind=kind,
        credential_id=key.number,
        user_id=key.user_id,
        user_name=owned.username,
        permissions=await user_store.read_user_permissions(tx, key.organization_id, key.user_id),
        scopes=expand_scopes(key.scopes),
    )
    return Finding(caller, now, key.expire_time, key.last_used_time)


FINDERS = {
    CredentialKind.INTERACTIVE: find_interactive,
    CredentialKind.API_TOKEN: find_api_token,
    CredentialKind.COLLECTOR: find_collector,
    CredentialKind.COLLECTOR_ENROLLMENT: find_collector,
    CredentialKind.EXTERNAL_SOURCE: find_source,
    CredentialKind.LOG_KEY: find_log_key,
    CredentialKind.WORKSPACE_KEY: find_workspace_key,
    CredentialKind.AGENT: find_agent,
    CredentialKind.AGENT_ENROLLMENT: find_agent_enrollment,
}
"""How each kind of credential is found."""
KEY_KINDS = frozenset({CredentialKind.LOG_KEY, CredentialKind.WORKSPACE_KEY})

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from lumetry_core.access.model import User
from lumetry_core.access.service.agent_credentials import issue_agent_credential, issue_agent_enrollment_token, revoke_agent_credentials
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.upkeep import record_uses
from lumetry_core.access.store.agent_credentials import agent_credentials, agent_enrollment_tokens
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.identifiers import digest_secret
from lumetry_core.runtime.interceptors import Origin
from tests.conftest import FakeClock


async def is_refused(authenticator: Authenticator, origin: Origin) -> bool:
    try:
        await authenticator(origin)
    except LumetryError as error:
        return error.reason is Reason.UNAUTHENTICATED
    return False


async def test_issue_agent_credential_says_whose_it_is(
    database: Database, admin: User, clock: FakeClock, origin_of: Callable[..., Origin]
) -> None:
    """Of the secret nothing is stored but its digest and beginning; it authenticates its agent, and its last use is kept."""
    async with database.write() as tx:
        secret = await issue_agent_credential(tx, admin.organization_id, 7, clock.now())
    authenticator = Authenticator(database, clock)
    caller = await authenticator(origin_of(secret))
    assert caller == Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.AGENT,
        credential_id=caller.credential_id,
        agent_id=7,
        request_id="request-1",
        address="192.0.2.1",
        user_agent="tests",
    )
    async with database.write() as tx:
        await record_uses(tx, authenticator.take_uses())
        [row] = (await tx.execute(select(agent_credentials))).mappings()
    assert dict(row) == {
        "id": caller.credential_id,
        "organization_id": admin.organization_id,
        "agent_id": 7,
        "digest": digest_secret(secret),
        "prefix": secret[:12],
        "create_time": clock.now(),
        "last_used_time": clock.now(),
        "revoke_time": None,
    }


async def test_revoke_agent_credentials_of_one_agent(
    database: Database, admin: User, clock: FakeClock, origin_of: Callable[..., Origin]
) -> None:
    """The agent's credentials end at once, and others know of it; another agent keeps its own."""
    async with database.write() as tx:
        secrets = [await issue_agent_credential(tx, admin.organization_id, agent_id, clock.now()) for agent_id in (7, 8)]
        await revoke_agent_credentials(tx, admin.organization_id, 7, clock.now())
        assert tx.wakes == {"credentials"}
    authenticator = Authenticator(database, clock)
    assert [await is_refused(authenticator, origin_of(secret)) for secret in secrets] == [True, False]


async def test_issue_agent_enrollment_token_until_it_expires(
    database: Database, admin: User, clock: FakeClock, origin_of: Callable[..., Origin]
) -> None:
    """A token authenticates its profile up to its expiry, also when it is remembered, and its last use is kept."""
    async with database.write() as tx:
        expire_time = clock.now() + timedelta(seconds=3)
        token = await issue_agent_enrollment_token(tx, admin.organization_id, 3, expire_time, clock.now())
    authenticator = Authenticator(database, clock)
    caller = await authenticator(origin_of(token))
    assert (caller.kind, caller.enrollment_profile_id, caller.agent_id) == (CredentialKind.AGENT_ENROLLMENT, 3, None)
    async with database.write() as tx:
        await record_uses(tx, authenticator.take_uses())
        used = (await tx.execute(select(agent_enrollment_tokens.c.last_used_time))).scalar_one()
    assert used == clock.now()
    clock.advance(seconds=3)
    assert await is_refused(authenticator, origin_of(token))

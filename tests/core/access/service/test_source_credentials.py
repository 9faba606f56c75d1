from collections.abc import Callable

import pytest

from lumetry_core.access.model import User
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.source_credentials import revoke_source_credentials, rotate_source_credential
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin


async def is_refused(authenticator: Authenticator, origin: Origin) -> bool:
    try:
        await authenticator(origin)
    except LumetryError as error:
        return error.reason is Reason.UNAUTHENTICATED
    return False


async def test_rotate_source_credential_replaces_the_old_one(
    database: Database, admin: User, clock: Clock, origin_of: Callable[..., Origin]
) -> None:
    """A source has one credential, which says nothing but whose it is; other sources keep theirs."""
    async with database.write() as tx:
        old = await rotate_source_credential(tx, admin.organization_id, 7, clock.now())
        other = await rotate_source_credential(tx, admin.organization_id, 8, clock.now())
        new = await rotate_source_credential(tx, admin.organization_id, 7, clock.now())
        assert tx.wakes == {"credentials"}
    authenticator = Authenticator(database, clock)
    caller = await authenticator(origin_of(new))
    assert caller == Caller(
        organization_id=admin.organization_id,
        kind=CredentialKind.EXTERNAL_SOURCE,
        credential_id=caller.credential_id,
        source_id=7,
        request_id="request-1",
        address="192.0.2.1",
        user_agent="tests",
    )
    assert await is_refused(authenticator, origin_of(old))
    assert (await authenticator(origin_of(other))).source_id == 8


@pytest.mark.parametrize("source_id", [7, 8])
async def test_revoke_source_credentials_of_one_source(
    database: Database, admin: User, clock: Clock, origin_of: Callable[..., Origin], source_id: int
) -> None:
    """Only the source's own credential ends."""
    async with database.write() as tx:
        secret = await rotate_source_credential(tx, admin.organization_id, 7, clock.now())
        await revoke_source_credentials(tx, admin.organization_id, source_id, clock.now())
    assert await is_refused(Authenticator(database, clock), origin_of(secret)) is (source_id == 7)

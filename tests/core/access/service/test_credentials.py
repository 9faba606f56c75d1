from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from lumetry_core.access.model import CollectorCredential
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.credentials import (
    find_collector_credential,
    issue_collector_credential,
    issue_enrollment_token,
    revoke_collector_credentials,
)
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin

COLLECTOR = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
OTHER = "00000000-81bd-43aa-823d-dc5f78cd5429"
ORGANIZATION = 7


@pytest.fixture
def kind_of(database: Database, clock: Clock, origin_of: Callable[..., Origin]) -> Callable[[str], Awaitable[object]]:
    """The kind of credential that a secret authenticates as now, or the reason why it does not."""

    async def find(secret: str) -> object:
        try:
            return (await Authenticator(database, clock)(origin_of(secret))).kind
        except LumetryError as error:
            return error.reason

    return find


async def test_issue_collector_credential_next_to_earlier_ones(database: Database, clock: Clock, kind_of: Callable) -> None:
    """A rotation overlaps: both credentials work until the old one is revoked."""
    async with database.write() as tx:
        secrets = [await issue_collector_credential(tx, ORGANIZATION, COLLECTOR, clock.now()) for _ in range(2)]
    assert [secret[:5] for secret in secrets] == ["lmtc_", "lmtc_"]
    assert [await kind_of(secret) for secret in secrets] == [CredentialKind.COLLECTOR] * 2


async def test_issue_enrollment_token_replaces_earlier_ones(database: Database, clock: Clock, kind_of: Callable) -> None:
    """One token enrolls a collector at a time, until it expires; credentials and other collectors are not touched."""
    expire_time = clock.now() + timedelta(hours=24)
    async with database.write() as tx:
        credential = await issue_collector_credential(tx, ORGANIZATION, COLLECTOR, clock.now())
        others = await issue_enrollment_token(tx, ORGANIZATION, OTHER, expire_time, clock.now())
        first = await issue_enrollment_token(tx, ORGANIZATION, COLLECTOR, expire_time, clock.now())
        second = await issue_enrollment_token(tx, ORGANIZATION, COLLECTOR, expire_time, clock.now())
    assert second.startswith("lmte_")
    enrollment = CredentialKind.COLLECTOR_ENROLLMENT
    assert [await kind_of(secret) for secret in (credential, others, first, second)] == [
        CredentialKind.COLLECTOR,
        enrollment,
        Reason.UNAUTHENTICATED,
        enrollment,
    ]
    clock.moment = expire_time
    assert await kind_of(second) is Reason.UNAUTHENTICATED


async def test_revoke_collector_credentials_by_kind(database: Database, clock: Clock, kind_of: Callable) -> None:
    """Revoking voids the credentials; the enrollment token, so that enrolling can be repeated, only when its kind is named."""
    async with database.write() as tx:
        token = await issue_enrollment_token(tx, ORGANIZATION, COLLECTOR, clock.now() + timedelta(hours=24), clock.now())
        credential = await issue_collector_credential(tx, ORGANIZATION, COLLECTOR, clock.now())
        others = await issue_collector_credential(tx, ORGANIZATION + 1, COLLECTOR, clock.now())
    async with database.write() as tx:
        await revoke_collector_credentials(tx, ORGANIZATION, COLLECTOR, clock.now())
        assert tx.wakes == {"credentials"}
    assert [await kind_of(secret) for secret in (token, credential, others)] == [
        CredentialKind.COLLECTOR_ENROLLMENT,
        Reason.UNAUTHENTICATED,
        CredentialKind.COLLECTOR,
    ]
    async with database.write() as tx:
        await revoke_collector_credentials(tx, ORGANIZATION, COLLECTOR, clock.now(), kinds=(CredentialKind.COLLECTOR_ENROLLMENT,))
    assert await kind_of(token) is Reason.UNAUTHENTICATED


async def test_find_collector_credential_of_the_caller(database: Database, clock: Clock, origin_of: Callable) -> None:
    """The caller names its credential's row, which other organizations do not see."""
    async with database.write() as tx:
        secret = await issue_collector_credential(tx, ORGANIZATION, COLLECTOR, clock.now())
    caller = await Authenticator(database, clock)(origin_of(secret))
    assert caller == Caller(
        organization_id=ORGANIZATION,
        kind=CredentialKind.COLLECTOR,
        credential_id=caller.credential_id,
        collector_id=COLLECTOR,
        request_id="request-1",
        address="192.0.2.1",
        user_agent="tests",
    )
    assert caller.credential_id is not None
    async with database.read() as tx:
        assert await find_collector_credential(tx, ORGANIZATION, caller.credential_id) == CollectorCredential(
            id=caller.credential_id,
            organization_id=ORGANIZATION,
            collector_id=COLLECTOR,
            kind=CredentialKind.COLLECTOR,
            prefix=secret[:12],
            create_time=clock.now(),
            expire_time=None,
            last_used_time=None,
            revoke_time=None,
        )
        with pytest.raises(LumetryError) as failure:
            await find_collector_credential(tx, ORGANIZATION + 1, caller.credential_id)
    assert failure.value.reason is Reason.NOT_FOUND

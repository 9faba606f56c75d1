import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import event

from lumetry_core.access.model import CollectorCredential
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.credentials import (
    begin_use,
    find_collector_credential,
    issue_collector_credential,
    issue_enrollment_token,
    revoke_collector_credentials,
    rotate_collector_credential,
)
from lumetry_core.access.store.credentials import find_by_digest
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.identifiers import digest_secret
from lumetry_core.runtime.interceptors import Origin
from tests.conftest import FakeClock

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


async def rotate(database: Database, clock: Clock, secret: str) -> str | None:
    """A rotation by whoever presents the secret."""
    async with database.write() as tx:
        presented = await find_by_digest(tx, digest_secret(secret), CredentialKind.COLLECTOR)
        assert presented is not None
        return await rotate_collector_credential(tx, ORGANIZATION, COLLECTOR, presented.id, clock.now())


@pytest.fixture
async def credential(database: Database, clock: Clock) -> str:
    """A collector's first credential, beside that of another collector."""
    async with database.write() as tx:
        await issue_collector_credential(tx, ORGANIZATION, OTHER, clock.now())
        return await issue_collector_credential(tx, ORGANIZATION, COLLECTOR, clock.now())


DEAD, ALIVE = Reason.UNAUTHENTICATED, CredentialKind.COLLECTOR


async def test_rotate_collector_credential_overlaps_until_the_first_use(
    database: Database, clock: Clock, kind_of: Callable, credential: str
) -> None:
    """The old credential serves until the new one is used, and not a moment longer; several rotations follow each other."""
    for _ in range(3):
        fresh = await rotate(database, clock, credential)
        assert fresh is not None
        assert fresh[:5] == "lmtc_"
        assert [await kind_of(credential), await kind_of(fresh), await kind_of(credential)] == [ALIVE, ALIVE, DEAD]
        assert await rotate(database, clock, credential) is None
        credential = fresh


async def test_rotate_collector_credential_ends_the_old_one_after_ten_minutes(
    database: Database, clock: FakeClock, kind_of: Callable, credential: str
) -> None:
    """Whether the new one was used or not."""
    fresh = await rotate(database, clock, credential)
    clock.advance(minutes=9, seconds=59)
    assert await kind_of(credential) is ALIVE
    clock.advance(seconds=1)
    assert await kind_of(credential) is DEAD
    assert await rotate(database, clock, credential) is None
    assert await kind_of(str(fresh)) is ALIVE


async def test_rotate_collector_credential_again_after_a_lost_answer(
    database: Database, clock: FakeClock, kind_of: Callable, credential: str
) -> None:
    """The credential that nobody heard of is void, and the time of the overlap begins anew."""
    lost = await rotate(database, clock, credential)
    clock.advance(minutes=9)
    fresh = await rotate(database, clock, credential)
    clock.advance(minutes=9)
    assert [await kind_of(str(lost)), await kind_of(credential), await kind_of(str(fresh))] == [DEAD, ALIVE, ALIVE]
    assert await kind_of(credential) is DEAD


async def test_first_use_of_a_credential_is_told_to_every_process(
    database: Database, database_url: str, clock: Clock, credential: str, origin_of: Callable
) -> None:
    """A process that took the old credential for good forgets it when another one sees the new one, and keeps it five seconds at most."""
    woken: list[str] = []
    other_database = open_database(database_url, woken.append)
    try:
        here, elsewhere = Authenticator(database, clock), Authenticator(other_database, clock)
        assert (await here(origin_of(credential))).kind is ALIVE
        fresh = await rotate(database, clock, credential)
        assert (await elsewhere(origin_of(fresh))).kind is ALIVE
        assert woken == ["credentials"]
        here.forget()
        with pytest.raises(LumetryError):
            await here(origin_of(credential))
    finally:
        await other_database.close()


async def test_first_use_at_once_by_a_crowd(database: Database, clock: Clock, credential: str, origin_of: Callable) -> None:
    """Many calls with the new credential at the same time all pass."""
    fresh = await rotate(database, clock, credential)
    authenticators = [Authenticator(database, clock) for _ in range(4)]
    callers = await asyncio.gather(*(authenticator(origin_of(fresh)) for authenticator in authenticators for _ in range(5)))
    assert {caller.kind for caller in callers} == {ALIVE}


async def test_first_use_of_a_credential_that_is_void_by_then(database: Database, clock: Clock, credential: str) -> None:
    """Of a repeated rotation and the first use of what it voids one is first; the other one loses."""
    lost = await rotate(database, clock, credential)
    await rotate(database, clock, credential)
    async with database.write() as tx:
        void = await find_by_digest(tx, digest_secret(str(lost)), CredentialKind.COLLECTOR)
        assert void is not None
        assert await begin_use(tx, ORGANIZATION, COLLECTOR, void.id, clock.now()) is False
        assert tx.wakes == set()


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


async def test_renew_keeps_collectors_that_call_without_asking_for_each(
    database: Database, clock: FakeClock, credential: str, origin_of: Callable
) -> None:
    """What is still good is remembered for another five seconds, its use is noted, and what ended meanwhile is forgotten."""
    async with database.write() as tx:
        other = await issue_collector_credential(tx, ORGANIZATION + 1, OTHER, clock.now())
    authenticator = Authenticator(database, clock)
    for secret in (credential, other):
        await authenticator(origin_of(secret))
    assert len(authenticator.take_uses()) == 2
    clock.advance(seconds=4)
    await authenticator(origin_of(credential))
    await authenticator.renew()
    assert [use.kind for use in authenticator.take_uses()] == [ALIVE]
    asked: list[object] = []
    event.listen(database._reader.sync_engine, "begin", asked.append)
    clock.advance(seconds=4)
    for secret in (credential, other):
        assert (await authenticator(origin_of(secret))).kind is ALIVE
    assert asked == []
    async with database.write() as tx:
        await revoke_collector_credentials(tx, ORGANIZATION, COLLECTOR, clock.now())
    await authenticator.renew()
    assert len(asked) == 1
    assert (await authenticator(origin_of(other))).kind is ALIVE
    with pytest.raises(LumetryError):
        await authenticator(origin_of(credential))


async def test_renew_forgets_collectors_that_have_left(database: Database, clock: FakeClock, credential: str, origin_of: Callable) -> None:
    """One that has not called for a minute is looked up when it does again."""
    authenticator = Authenticator(database, clock)
    await authenticator(origin_of(credential))
    asked: list[object] = []
    event.listen(database._reader.sync_engine, "begin", asked.append)
    for _ in range(16):
        clock.advance(seconds=4)
        await authenticator.renew()
    assert len(asked) == 15
    await authenticator(origin_of(credential))
    assert len(asked) == 16


async def test_renew_during_a_revocation_keeps_nothing(database: Database, clock: FakeClock, credential: str, origin_of: Callable) -> None:
    """What is forgotten while the store is asked is not remembered again."""
    authenticator = Authenticator(database, clock)
    await authenticator(origin_of(credential))
    event.listen(database._reader.sync_engine, "begin", lambda _connection: authenticator.forget(), once=True)
    await authenticator.renew()
    asked: list[object] = []
    event.listen(database._reader.sync_engine, "begin", asked.append)
    await authenticator(origin_of(credential))
    assert len(asked) == 1

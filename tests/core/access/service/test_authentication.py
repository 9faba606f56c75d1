import asyncio
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, insert

from lumetry_core.access.model import NewUser, RateSettings, Settings, User
from lumetry_core.access.service.authentication import Authenticator, Use
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.tokens import create_api_token, revoke_api_token
from lumetry_core.access.service.users import create_user, deactivate_user
from lumetry_core.access.store.roles import list_roles, user_roles
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, system_caller
from lumetry_core.runtime.clock import Clock, SystemClock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason


async def make_token(
    database: Database, owner: User, clock: Clock, permissions: list[str] | None = None, days: int | None = None
) -> tuple[int, str]:
    async with database.write() as tx:
        token, secret = await create_api_token(
            tx,
            system_caller(owner.organization_id),
            owner.id,
            name="ci",
            permissions=permissions,
            expire_time=None if days is None else clock.now() + timedelta(days=days),
            now=clock.now(),
        )
    return token.id, secret


async def is_refused(authenticator: Authenticator, origin: object) -> bool:
    try:
        await authenticator(origin)
    except LumetryError as error:
        return (error.reason, error.message) == (Reason.UNAUTHENTICATED, "The credentials are missing, wrong, expired or revoked.")
    return False


async def test_authenticate_an_api_token(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """The caller is the token's owner, with the origin of this very call."""
    token_id, secret = await make_token(database, admin, clock, ["CanViewAlerts", "CanIngestMetrics"])
    authenticator = Authenticator(database, clock)
    for address in ("192.0.2.1", "192.0.2.2"):
        assert await authenticator(origin_of(secret, address)) == Caller(
            organization_id=admin.organization_id,
            kind=CredentialKind.API_TOKEN,
            credential_id=token_id,
            user_id=admin.id,
            user_name="admin",
            permissions=frozenset({Permission.VIEW_ALERTS, Permission.INGEST_METRICS}),
            request_id="request-1",
            address=address,
            user_agent="tests",
        )


@pytest.mark.parametrize(
    "secret",
    [None, "", "nonsense", "0" * 48, "lmt_" + "0" * 48, "lmtc_" + "0" * 48, "lmte_" + "0" * 48, "lmts_" + "0" * 48, "lmta_" + "0" * 48],
)
async def test_authenticate_unknown_secrets(database: Database, admin: User, clock: Clock, origin_of: Callable, secret: str | None) -> None:
    """Missing, malformed and unknown secrets fail alike."""
    assert await is_refused(Authenticator(database, clock), origin_of(secret))


async def test_authenticate_after_the_end(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """A token ends at its time to the millisecond, also when it is remembered."""
    _, secret = await make_token(database, admin, clock, days=1)
    authenticator = Authenticator(database, clock)
    clock.advance(days=1, milliseconds=-1)
    assert not await is_refused(authenticator, origin_of(secret))
    clock.advance(milliseconds=1)
    assert await is_refused(authenticator, origin_of(secret))
    clock.advance(seconds=10)
    assert await is_refused(authenticator, origin_of(secret))


async def test_authenticate_after_revocation(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """A revoked token is remembered for less than five seconds, and not at all once told to forget."""
    token_id, secret = await make_token(database, admin, clock)
    remembering, forgetting = Authenticator(database, clock), Authenticator(database, clock)
    for authenticator in (remembering, forgetting):
        await authenticator(origin_of(secret))
    async with database.write() as tx:
        await revoke_api_token(tx, system_caller(admin.organization_id), token_id, clock.now())
    forgetting.forget()
    assert await is_refused(forgetting, origin_of(secret))
    clock.advance(seconds=4, milliseconds=999)
    assert not await is_refused(remembering, origin_of(secret))
    clock.advance(milliseconds=1)
    assert await is_refused(remembering, origin_of(secret))


async def test_authenticate_remembers_nothing_bad(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """A clock that is set back prolongs nothing: what was found in the future is looked up again."""
    token_id, secret = await make_token(database, admin, clock)
    authenticator = Authenticator(database, clock)
    await authenticator(origin_of(secret))
    async with database.write() as tx:
        await revoke_api_token(tx, system_caller(admin.organization_id), token_id, clock.now())
    clock.advance(hours=-1)
    assert await is_refused(authenticator, origin_of(secret))


async def test_authenticate_a_fresh_login(database: Database, admin: User, clock: Clock, origin_of: Callable, password: str) -> None:
    """A login counts as fresh for a quarter of an hour, also while it is remembered; renewing it does not make it fresh."""
    authenticator = Authenticator(database, clock)
    desk = LoginDesk(database, clock, Settings(access_token_minutes=60), RateSettings())
    pair = await desk.login("admin", password, origin_of())
    clock.advance(minutes=14, seconds=59)
    assert (await authenticator(origin_of(pair.access_token))).stepped_up
    clock.advance(seconds=1)
    assert (await authenticator(origin_of(pair.access_token))).stepped_up
    clock.advance(milliseconds=1)
    assert not (await authenticator(origin_of(pair.access_token))).stepped_up
    renewed = await desk.refresh(pair.refresh_token, origin_of())
    assert not (await authenticator(origin_of(renewed.access_token))).stepped_up
    _, secret = await make_token(database, admin, clock)
    assert not (await authenticator(origin_of(secret))).stepped_up


async def test_authenticate_follows_the_owner(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """A token never exceeds what its owner may do now, and is dead with a deactivated owner."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        owner = await create_user(tx, system, NewUser("ann", roles=("Operator", "Ingest")), clock.now())
    _, narrowed = await make_token(database, owner, clock, ["CanViewAlerts", "CanIngestMetrics"])
    _, whole = await make_token(database, owner, clock)
    authenticator = Authenticator(database, clock)

    async def permissions_of(secret: str) -> set[str]:
        authenticator.forget()
        return {permission.value for permission in (await authenticator(origin_of(secret))).permissions}

    assert await permissions_of(narrowed) == {"CanViewAlerts", "CanIngestMetrics"}
    async with database.write() as tx:
        ids = {role.name: role.id for role in await list_roles(tx, owner.organization_id)}
        await tx.execute(delete(user_roles).where(user_roles.c.user_id == owner.id))
        row = {"organization_id": owner.organization_id, "user_id": owner.id, "role_id": ids["Viewer"]}
        await tx.execute(insert(user_roles), row)
    assert await permissions_of(narrowed) == {"CanViewAlerts"}
    assert await permissions_of(whole) == {"CanViewAlerts"}
    async with database.write() as tx:
        await deactivate_user(tx, system, owner.id, clock.now())
    authenticator.forget()
    assert await is_refused(authenticator, origin_of(whole))


async def test_authenticate_a_crowd_with_one_lookup(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """Calls that arrive together share one lookup, and none of them can cancel it for the others."""
    _, secret = await make_token(database, admin, clock)
    authenticator = Authenticator(database, clock)
    begun = 0

    def count(_connection: object) -> None:
        nonlocal begun
        begun += 1

    event.listen(database._reader.sync_engine, "begin", count)
    calls = [asyncio.create_task(authenticator(origin_of(secret))) for _ in range(100)]
    await asyncio.sleep(0)
    calls[0].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert {type(result) for result in results[1:]} == {Caller}
    assert begun == 1


async def test_forget_during_a_lookup(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """What was looked up before a revocation is not remembered after it."""
    token_id, secret = await make_token(database, admin, clock)
    authenticator = Authenticator(database, clock)
    event.listen(database._reader.sync_engine, "begin", lambda _connection: authenticator.forget(), once=True)
    await authenticator(origin_of(secret))
    async with database.write() as tx:
        await revoke_api_token(tx, system_caller(admin.organization_id), token_id, clock.now())
    assert await is_refused(authenticator, origin_of(secret))


async def test_take_uses_once_a_minute(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """A use is noted when none was for a minute; calls in between and refused ones note nothing."""
    token_id, secret = await make_token(database, admin, clock)
    authenticator = Authenticator(database, clock)
    await is_refused(authenticator, origin_of("lmt_" + "0" * 48))
    assert authenticator.take_uses() == []
    for _ in range(3):
        await authenticator(origin_of(secret))
    use = Use(CredentialKind.API_TOKEN, admin.organization_id, token_id, clock.now())
    assert authenticator.take_uses() == [use]
    assert authenticator.take_uses() == []


async def test_authenticate_without_a_store(database: Database, admin: User, clock: Clock, origin_of: Callable) -> None:
    """A store that fails is no verdict on the credential."""
    _, secret = await make_token(database, admin, clock)
    authenticator = Authenticator(database, clock)

    def fail(_connection: object) -> None:
        raise OSError

    event.listen(database._reader.sync_engine, "begin", fail)
    with pytest.raises(LumetryError) as failure:
        await authenticator(origin_of(secret))
    assert failure.value.reason is Reason.STORE_UNAVAILABLE
    event.remove(database._reader.sync_engine, "begin", fail)
    await authenticator(origin_of(secret))


async def test_authenticate_is_fast(database: Database, admin: User, origin_of: Callable) -> None:
    """A remembered credential costs at most 50 microseconds in the median."""
    clock = SystemClock()
    _, secret = await make_token(database, admin, clock)
    authenticator = Authenticator(database, clock)
    origin = origin_of(secret)
    await authenticator(origin)
    spans = []
    for _ in range(2000):
        started = time.perf_counter()
        await authenticator(origin)
        spans.append(time.perf_counter() - started)
    assert statistics.median(spans) < 50e-6

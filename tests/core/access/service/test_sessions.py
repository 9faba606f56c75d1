from collections.abc import Callable

import pytest

from lumetry_core.access.model import NewUser, RateSettings, Settings, User
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.sessions import logout
from lumetry_core.access.service.users import create_user
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


async def test_logout_ends_the_callers_session(
    database: Database, clock: Clock, admin: User, password: str, origin_of: Callable, rows: Callable
) -> None:
    """The session's tokens die, other sessions live; a repetition is unauthenticated."""
    desk = LoginDesk(database, clock, Settings(), RateSettings())
    pair, other = [await desk.login("admin", password, origin_of()) for _ in range(2)]
    authenticator = Authenticator(database, clock)
    caller = await authenticator(origin_of(pair.access_token))
    async with database.write() as tx:
        await logout(tx, caller, "", clock.now())
        assert tx.wakes == {"credentials"}
    authenticator.forget()
    for attempt in (authenticator(origin_of(pair.access_token)), desk.refresh(pair.refresh_token, origin_of())):
        with pytest.raises(LumetryError) as failure:
            await attempt
        assert failure.value.reason is Reason.UNAUTHENTICATED
    async with database.write() as tx:
        with pytest.raises(LumetryError) as failure:
            await logout(tx, caller, "", clock.now())
    assert failure.value.reason is Reason.UNAUTHENTICATED
    await authenticator(origin_of(other.access_token))
    assert (await rows(audit_logs, "action", "entity_id", "actor_user_id"))[-1] == {
        "action": "Auth.LoggedOut",
        "entity_id": "admin",
        "actor_user_id": admin.id,
    }


async def test_logout_of_another_session(database: Database, clock: Clock, admin: User, password: str, origin_of: Callable) -> None:
    """A refresh token names another session of the same user; that of somebody else is no such thing."""
    desk = LoginDesk(database, clock, Settings(), RateSettings())
    async with database.write() as tx:
        await create_user(tx, system_caller(admin.organization_id), NewUser("ann", roles=("Viewer",), password=password), clock.now())
    pair, other = [await desk.login("admin", password, origin_of()) for _ in range(2)]
    anns = await desk.login("ann", password, origin_of())
    authenticator = Authenticator(database, clock)
    caller = await authenticator(origin_of(pair.access_token))
    async with database.write() as tx:
        await logout(tx, caller, other.refresh_token, clock.now())
    await authenticator(origin_of(pair.access_token))
    for secret in (anns.refresh_token, "0" * 48, "nonsense"):
        async with database.write() as tx:
            with pytest.raises(LumetryError) as failure:
                await logout(tx, caller, secret, clock.now())
        assert failure.value.faults == (Fault("refreshToken", "is not a refresh token of yours"),)
    await desk.refresh(anns.refresh_token, origin_of())
    with pytest.raises(LumetryError):
        await desk.refresh(other.refresh_token, origin_of())

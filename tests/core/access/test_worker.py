from collections.abc import Callable
from datetime import timedelta

from lumetry_core.access.model import RateSettings, Settings, User
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.credentials import issue_collector_credential
from lumetry_core.access.service.log_keys import create_log_key
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.source_credentials import rotate_source_credential
from lumetry_core.access.service.tokens import create_api_token
from lumetry_core.access.service.workspace_keys import create_workspace_key
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.credentials import collector_credentials
from lumetry_core.access.store.log_keys import log_keys
from lumetry_core.access.store.sessions import login_sessions, login_tokens
from lumetry_core.access.store.source_credentials import source_credentials
from lumetry_core.access.store.tokens import api_tokens
from lumetry_core.access.store.workspace_keys import workspace_keys
from lumetry_core.access.worker import CredentialKeeper
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database


async def test_tick_writes_down_uses(database: Database, admin: User, clock: Clock, origin_of: Callable, rows: Callable) -> None:
    """Tokens and credentials show when they were last used, to the minute and never backwards."""
    async with database.write() as tx:
        _, token = await create_api_token(
            tx, system_caller(admin.organization_id), admin.id, name="ci", permissions=None, expire_time=None, now=clock.now()
        )
        credential = await issue_collector_credential(tx, admin.organization_id, "c", clock.now())
    authenticator = Authenticator(database, clock)
    keeper = CredentialKeeper(database, authenticator)
    first = clock.now()

    async def use() -> list[object]:
        for secret in (token, credential):
            await authenticator(origin_of(secret))
        assert await keeper.tick(clock.now()) is False
        return [(await rows(table, "last_used_time"))[0]["last_used_time"] for table in (api_tokens, collector_credentials)]

    assert await use() == [first, first]
    clock.advance(seconds=59)
    assert await use() == [first, first]
    clock.advance(seconds=1)
    second = clock.now()
    assert await use() == [second, second]


async def test_tick_writes_down_uses_of_keys(database: Database, admin: User, clock: Clock, origin_of: Callable, rows: Callable) -> None:
    """Keys show when they were last used so often that what is shown is never a minute old."""
    system = system_caller(admin.organization_id)
    async with database.write() as tx:
        _, log_key = await create_log_key(
            tx, system, name="web", project_id="p", environment="", access="", expire_time=None, now=clock.now()
        )
        _, workspace_key = await create_workspace_key(
            tx, system, admin.id, name="ci", scopes=(), expire_time=None, production=True, now=clock.now()
        )
        source = await rotate_source_credential(tx, admin.organization_id, 7, clock.now())
    authenticator = Authenticator(database, clock)
    keeper = CredentialKeeper(database, authenticator)

    async def use() -> list[object]:
        for secret in (log_key, workspace_key, source):
            await authenticator(origin_of(secret))
        await keeper.tick(clock.now())
        return [(await rows(table, "last_used_time"))[0]["last_used_time"] for table in (log_keys, workspace_keys, source_credentials)]

    first = clock.now()
    assert await use() == [first, first, first]
    clock.advance(seconds=44)
    assert await use() == [first, first, first]
    second = clock.advance(seconds=1)
    assert await use() == [second, second, first]


async def test_tick_drops_what_is_over(
    database: Database, admin: User, clock: Clock, password: str, origin_of: Callable, rows: Callable
) -> None:
    """Ended sessions and tokens go after a day, audit rows after their retention; at most once an hour."""
    await LoginDesk(database, clock, Settings(), RateSettings()).login("admin", password, origin_of())
    keeper = CredentialKeeper(database, Authenticator(database, clock), audit_days=40)

    async def counts() -> list[int]:
        await keeper.tick(clock.now())
        return [len(await rows(table, "organization_id")) for table in (login_sessions, login_tokens, audit_logs)]

    assert await counts() == [1, 2, 3]
    clock.advance(days=2)
    assert await counts() == [1, 1, 3]
    clock.advance(days=29, seconds=1)
    assert await counts() == [0, 0, 3]
    clock.advance(days=9, minutes=-1)
    assert await counts() == [0, 0, 3]
    clock.advance(minutes=30)
    assert await counts() == [0, 0, 3]
    clock.moment += timedelta(minutes=30)
    assert await counts() == [0, 0, 0]

"""Exchanging credentials for fresh ones: `lumetry_core.collectors.service.rotating`."""

from dataclasses import replace

import pytest

from lumetry_core.access.store.credentials import list_live_locked
from lumetry_core.collectors.model import Collector
from lumetry_core.collectors.service import administering, rotating
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.collectors.making import ADMIN, ORGANIZATION, collecting_as, create, live_kinds, read_audit, settle


async def find_credentials(database: Database, clock: FakeClock, collector: Collector) -> list[int]:
    async with database.write() as tx:
        return [credential.id for credential in await list_live_locked(tx, ORGANIZATION, collector.id, clock.now())]


async def rotate(database: Database, clock: FakeClock, caller: Caller) -> str:
    async with database.write() as tx:
        return await rotating.rotate(tx, caller, clock.now())


async def test_rotate_gives_a_credential_and_is_audited(database: Database, clock: FakeClock) -> None:
    """Both credentials live at first; the audit shows neither."""
    collector = await settle(database, clock)
    [first] = await find_credentials(database, clock, collector)
    assert (await rotate(database, clock, collecting_as(collector, first))).startswith("lmtc_")
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT", "COLLECTOR", "COLLECTOR"]
    assert await read_audit(database) == ["Collector.Created", "Collector.Enrolled", "Collector.CredentialRotated"]


async def test_rotate_without_a_living_credential_fails(database: Database, clock: FakeClock) -> None:
    """A revoked collector, one of another organization, one that never enrolled and a credential that is over get nothing."""
    collector = await settle(database, clock)
    pending = (await create(database, clock, "Pending")).collector
    [first] = await find_credentials(database, clock, collector)
    own = collecting_as(collector, first)
    await rotate(database, clock, own)
    clock.advance(minutes=10)
    for caller in (own, replace(own, credential_id=first + 99), replace(own, organization_id=8), collecting_as(pending, first)):
        with pytest.raises(LumetryError) as caught:
            await rotate(database, clock, caller)
        assert caught.value.reason is Reason.UNAUTHENTICATED
    [second] = await find_credentials(database, clock, collector)
    async with database.write() as tx:
        await administering.revoke(tx, ADMIN, collector.id, clock.now())
    with pytest.raises(LumetryError):
        await rotate(database, clock, collecting_as(collector, second))

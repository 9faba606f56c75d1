"""Exchanging enrollment tokens for credentials: `lumetry_core.collectors.service.enrolling`."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from lumetry_core.collectors.config import Config
from lumetry_core.collectors.model import Installation, Status
from lumetry_core.collectors.service import administering, enrolling
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.collectors.making import ADMIN, INSTALLATION, create, enroll, enrolling_as, live_kinds, read

OTHER = replace(INSTALLATION, installation_id=str(uuid4()))


async def test_enroll_gives_a_credential_and_activates(database: Database, clock: FakeClock) -> None:
    """The collector becomes active with what the installation tells of itself, and is told the interval that is wanted."""
    collector = (await create(database, clock)).collector
    async with database.write() as tx:
        collector = await administering.update_config(tx, ADMIN, collector.id, Config(heartbeat_interval_seconds=15), clock.now())
    enrollment = await enroll(database, clock, collector)
    assert enrollment.credential.startswith("lmtc_")
    assert enrollment.collector == replace(
        collector,
        status=Status.ACTIVE,
        enroll_time=clock.now(),
        credential_time=clock.now(),
        installation_id=INSTALLATION.installation_id,
        hostname="web-1",
        version="0.1.0",
        capabilities=("host_metrics",),
        heartbeat_interval_seconds=15,
    )
    assert await read(database, collector) == enrollment.collector


async def test_enroll_again_voids_the_first_credential(database: Database, clock: FakeClock) -> None:
    """A lost answer does no harm: the same installation gets a fresh credential, and the first one dies."""
    collector = (await create(database, clock)).collector
    first = await enroll(database, clock, collector)
    clock.advance(minutes=10)
    second = await enroll(database, clock, collector)
    assert second.credential != first.credential
    assert second.collector.enroll_time == first.collector.enroll_time
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT", "COLLECTOR"]


@pytest.mark.parametrize(("installation", "minutes"), [(OTHER, 1), (INSTALLATION, 10.1)], ids=["another", "late"])
async def test_enroll_with_a_used_token_fails(database: Database, clock: FakeClock, installation: Installation, minutes: float) -> None:
    """Another installation, or the same one too late, learns nothing but UNAUTHENTICATED."""
    collector = (await create(database, clock)).collector
    await enroll(database, clock, collector)
    clock.advance(minutes=minutes)
    with pytest.raises(LumetryError) as caught:
        await enroll(database, clock, collector, installation)
    assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_enroll_at_once_by_two_installations_admits_one(database: Database, clock: FakeClock) -> None:
    """Whoever is second is refused, and one credential lives."""
    collector = (await create(database, clock)).collector
    outcomes = await asyncio.gather(enroll(database, clock, collector), enroll(database, clock, collector, OTHER), return_exceptions=True)
    [won] = [outcome for outcome in outcomes if isinstance(outcome, enrolling.Enrollment)]
    [lost] = [outcome for outcome in outcomes if isinstance(outcome, LumetryError)]
    assert lost.reason is Reason.UNAUTHENTICATED
    assert await read(database, collector) == won.collector
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT", "COLLECTOR"]


async def test_enroll_at_once_twice_by_one_installation_leaves_one_credential(database: Database, clock: FakeClock) -> None:
    """A request that is repeated while the first is under way does no harm either."""
    collector = (await create(database, clock)).collector
    first, second = await asyncio.gather(enroll(database, clock, collector), enroll(database, clock, collector))
    assert first.credential != second.credential
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT", "COLLECTOR"]


async def test_enroll_names_every_fault(database: Database, clock: FakeClock) -> None:
    """All faults come in one answer, and the token stays unused."""
    collector = (await create(database, clock)).collector
    with pytest.raises(LumetryError) as caught:
        await enroll(database, clock, collector, Installation("x", "", "v" * 65, ("ok", "a\nb")))
    assert [fault.path for fault in caught.value.faults] == ["installationId", "hostname", "version", "capabilities[1]"]
    await enroll(database, clock, collector)


async def test_enroll_with_a_token_that_is_over_tells_of_no_faults(database: Database, clock: FakeClock) -> None:
    """Who has no right to enroll does not learn how to."""
    collector = (await create(database, clock)).collector
    await enroll(database, clock, collector)
    clock.advance(minutes=11)
    with pytest.raises(LumetryError) as caught:
        await enroll(database, clock, collector, Installation("x", "", "", ()))
    assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_enroll_of_another_organization_fails(database: Database, clock: FakeClock) -> None:
    """A collector's id means nothing in another organization."""
    collector = (await create(database, clock)).collector
    with pytest.raises(LumetryError) as caught:
        async with database.write() as tx:
            await enrolling.enroll(tx, replace(enrolling_as(collector), organization_id=8), INSTALLATION, clock.now())
    assert caught.value.reason is Reason.UNAUTHENTICATED

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.credentials import collector_credentials
from lumetry_core.collectors import service
from lumetry_core.collectors.model import Collector, Heartbeat, Installation, Status
from lumetry_core.runtime.caller import Caller, CredentialKind, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

ADMIN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="admin")
INSTALLATION = Installation(str(uuid4()), "web-1", "0.1.0", ("host_metrics",))


def enrolling(collector: Collector) -> Caller:
    return Caller(organization_id=7, kind=CredentialKind.COLLECTOR_ENROLLMENT, collector_id=collector.id)


def collecting(collector: Collector) -> Caller:
    return Caller(organization_id=7, kind=CredentialKind.COLLECTOR, collector_id=collector.id)


async def create(database: Database, clock: Clock, name: str = "Web") -> service.Registration:
    async with database.write() as tx:
        return await service.create(tx, ADMIN, name, clock.now())


async def enroll(database: Database, clock: Clock, collector: Collector, installation: Installation = INSTALLATION) -> service.Enrollment:
    async with database.write() as tx:
        return await service.enroll(tx, enrolling(collector), installation, clock.now())


async def live_kinds(database: Database) -> list[str]:
    async with database.read() as tx:
        alive = collector_credentials.c.revoke_time.is_(None)
        rows = await tx.execute(select(collector_credentials.c.kind).where(alive).order_by(collector_credentials.c.id))
        return list(rows.scalars())


async def test_create_registers_a_pending_collector(database: Database, clock: Clock) -> None:
    """The collector is pending, its token lives a day and the registration is audited."""
    registration = await create(database, clock, " Web ")
    collector = registration.collector
    assert UUID(collector.id).version == 4
    assert collector == Collector(7, collector.id, "Web", Status.PENDING, clock.now(), created_by=3)
    assert registration.enrollment_token.startswith("lmte_")
    assert registration.enrollment_expire_time == clock.now() + timedelta(hours=24)
    async with database.read() as tx:
        assert await service.list_collectors(tx, 7) == [collector]
        assert await service.list_collectors(tx, 8) == []
        rows = (await tx.execute(select(audit_logs.c.action, audit_logs.c.entity_id))).all()
    assert [tuple(row) for row in rows] == [("Collector.Created", collector.id)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "WEB"])
async def test_create_refuses_names(database: Database, clock: Clock, name: str) -> None:
    """Names have 1 to 100 printable characters and are unique, ignoring case."""
    await create(database, clock, "web")
    with pytest.raises(LumetryError) as caught:
        await create(database, clock, name)
    assert [fault.path for fault in caught.value.faults] == ["name"]


async def test_list_collectors_orders_by_name(database: Database, clock: Clock) -> None:
    """Names ascend, whatever their case."""
    for name in ("beta", "Gamma", "Alpha"):
        await create(database, clock, name)
    async with database.read() as tx:
        assert [collector.name for collector in await service.list_collectors(tx, 7)] == ["Alpha", "beta", "Gamma"]


async def test_enroll_gives_a_credential_and_activates(database: Database, clock: Clock) -> None:
    """The collector becomes active with what the installation tells of itself."""
    collector = (await create(database, clock)).collector
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
    )
    async with database.read() as tx:
        assert await service.list_collectors(tx, 7) == [enrollment.collector]


async def test_enroll_again_voids_the_first_credential(database: Database, clock: Clock) -> None:
    """A lost answer does no harm: the same installation gets a fresh credential, and the first one dies."""
    collector = (await create(database, clock)).collector
    first = await enroll(database, clock, collector)
    clock.advance(minutes=10)
    second = await enroll(database, clock, collector)
    assert second.credential != first.credential
    assert second.collector.enroll_time == first.collector.enroll_time
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT", "COLLECTOR"]


@pytest.mark.parametrize(
    ("installation", "minutes"), [(replace(INSTALLATION, installation_id=str(uuid4())), 1), (INSTALLATION, 10.1)], ids=["another", "late"]
)
async def test_enroll_with_a_used_token_fails(database: Database, clock: Clock, installation: Installation, minutes: float) -> None:
    """Another installation, or the same one too late, learns nothing but UNAUTHENTICATED."""
    collector = (await create(database, clock)).collector
    await enroll(database, clock, collector)
    clock.advance(minutes=minutes)
    with pytest.raises(LumetryError) as caught:
        await enroll(database, clock, collector, installation)
    assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_enroll_names_every_fault(database: Database, clock: Clock) -> None:
    """All faults come in one answer, and the token stays unused."""
    collector = (await create(database, clock)).collector
    with pytest.raises(LumetryError) as caught:
        await enroll(database, clock, collector, Installation("x", "", "v" * 65, ("ok", "a\nb")))
    assert [fault.path for fault in caught.value.faults] == ["installationId", "hostname", "version", "capabilities[1]"]
    await enroll(database, clock, collector)


async def test_enroll_of_another_organization_fails(database: Database, clock: Clock) -> None:
    """A collector's id means nothing in another organization."""
    collector = (await create(database, clock)).collector
    with pytest.raises(LumetryError) as caught:
        async with database.write() as tx:
            await service.enroll(tx, replace(enrolling(collector), organization_id=8), INSTALLATION, clock.now())
    assert caught.value.reason is Reason.UNAUTHENTICATED


def beat(clock: Clock, **changes: object) -> Heartbeat:
    whole = Heartbeat(str(UUID(int=1)), "0.1.0", 10, 3, clock.now(), 1, ("host_metrics",))
    return replace(whole, **changes)  # type: ignore[arg-type]


async def test_heartbeat_is_stored(database: Database, clock: Clock) -> None:
    """What the heartbeat tells is what lists show."""
    collector = (await enroll(database, clock, (await create(database, clock)).collector)).collector
    clock.advance(seconds=30)
    async with database.write() as tx:
        after = await service.heartbeat(tx, collecting(collector), beat(clock, send_time=clock.now() - timedelta(seconds=2)), clock.now())
    assert after == replace(
        collector,
        last_seen_time=clock.now(),
        queue_depth=10,
        dropped_count=3,
        clock_skew_ms=-2000,
        config_revision_applied=1,
        instance_id=str(UUID(int=1)),
        instance_time=clock.now(),
    )
    async with database.read() as tx:
        assert await service.list_collectors(tx, 7) == [after]


async def test_heartbeat_names_every_fault(database: Database, clock: Clock) -> None:
    """All faults come in one answer."""
    collector = (await enroll(database, clock, (await create(database, clock)).collector)).collector
    wrong = beat(clock, instance_id="1", queue_depth=-1, dropped_count=-1, config_revision_applied=-1)
    with pytest.raises(LumetryError) as caught:
        async with database.write() as tx:
            await service.heartbeat(tx, collecting(collector), wrong, clock.now())
    assert caught.value.faults == (
        Fault("instanceId", "must be a UUID"),
        Fault("queueDepth", "must not be negative"),
        Fault("droppedCount", "must not be negative"),
        Fault("configRevisionApplied", "must not be negative"),
    )


async def test_renew_enrollment_token_replaces_the_unused_one(database: Database, clock: Clock) -> None:
    """Only the newest token enrolls, and only a collector that never has."""
    registration = await create(database, clock)
    clock.advance(hours=1)
    async with database.write() as tx:
        renewed = await service.renew_enrollment_token(tx, system_caller(7), registration.collector.id, clock.now())
    assert renewed.enrollment_token != registration.enrollment_token
    assert renewed.enrollment_expire_time == clock.now() + timedelta(hours=24)
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT"]
    await enroll(database, clock, registration.collector)
    with pytest.raises(LumetryError) as caught:
        async with database.write() as tx:
            await service.renew_enrollment_token(tx, system_caller(7), registration.collector.id, clock.now())
    assert caught.value.reason is Reason.CONFLICT

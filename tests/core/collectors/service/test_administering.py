"""What people do with collectors: `lumetry_core.collectors.service.administering`."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from lumetry_core.access.service.history import list_revisions
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.collectors.config import Buffer, Config, HostMetrics, Polling, Relay
from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.service import administering
from lumetry_core.collectors.work import work_channel
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.collectors.making import (
    ADMIN,
    FIRST,
    SECOND,
    create,
    enroll,
    live_kinds,
    make_beat,
    read,
    read_activity,
    read_audit,
    read_troubles,
    send,
    settle,
)

WANTED = Config(heartbeat_interval_seconds=10, relay=Relay(enabled=True, port=4400))


async def configure(database: Database, clock: FakeClock, collector_id: str, config: Config = WANTED) -> Collector:
    async with database.write() as tx:
        return await administering.update_config(tx, ADMIN, collector_id, config, clock.now())


async def revoke(database: Database, clock: FakeClock, collector_id: str) -> Collector:
    async with database.write() as tx:
        return await administering.revoke(tx, ADMIN, collector_id, clock.now())


async def test_create_registers_a_pending_collector(database: Database, clock: FakeClock) -> None:
    """The collector is pending, its token lives a day and the registration is audited."""
    registration = await create(database, clock, " Web ")
    collector = registration.collector
    assert UUID(collector.id).version == 4
    assert collector == Collector(7, collector.id, "Web", Status.PENDING, clock.now(), created_by=3)
    assert registration.enrollment_token.startswith("lmte_")
    assert registration.enrollment_expire_time == clock.now() + timedelta(hours=24)
    async with database.read() as tx:
        assert await administering.list_collectors(tx, 7) == [collector]
        assert await administering.list_collectors(tx, 8) == []
        rows = (await tx.execute(select(audit_logs.c.action, audit_logs.c.entity_id))).all()
    assert [tuple(row) for row in rows] == [("Collector.Created", collector.id)]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "WEB"])
async def test_create_refuses_names(database: Database, clock: FakeClock, name: str) -> None:
    """Names have 1 to 100 printable characters and are unique, ignoring case."""
    await create(database, clock, "web")
    with pytest.raises(LumetryError) as caught:
        await create(database, clock, name)
    assert [fault.path for fault in caught.value.faults] == ["name"]


async def test_list_collectors_orders_by_name(database: Database, clock: FakeClock) -> None:
    """Names ascend, whatever their case."""
    for name in ("beta", "Gamma", "Alpha"):
        await create(database, clock, name)
    async with database.read() as tx:
        assert [collector.name for collector in await administering.list_collectors(tx, 7)] == ["Alpha", "beta", "Gamma"]


async def test_get_collector_of_another_organization_fails(database: Database, clock: FakeClock) -> None:
    """What another organization has does not exist, for any verb."""
    collector = (await create(database, clock)).collector
    stranger = replace(ADMIN, organization_id=8)
    async with database.write() as tx:
        for verb in (
            administering.get_collector(tx, 8, collector.id),
            administering.update_config(tx, stranger, collector.id, WANTED, clock.now()),
            administering.revoke(tx, stranger, collector.id, clock.now()),
            administering.renew_enrollment_token(tx, stranger, collector.id, clock.now()),
        ):
            with pytest.raises(LumetryError) as caught:
                await verb
            assert caught.value.reason is Reason.NOT_FOUND
    assert await read(database, collector) == collector


async def test_create_with_the_name_of_a_revoked_collector(database: Database, clock: FakeClock) -> None:
    """Its name is free again, more than once."""
    for _ in range(2):
        collector = (await create(database, clock)).collector
        async with database.write() as tx:
            await administering.revoke(tx, ADMIN, collector.id, clock.now())
    await create(database, clock)
    async with database.read() as tx:
        found = await administering.list_collectors(tx, ADMIN.organization_id)
    assert sorted((each.name, each.status.value) for each in found) == [("Web", "pending"), ("Web", "revoked"), ("Web", "revoked")]


async def test_renew_enrollment_token_replaces_the_unused_one(database: Database, clock: FakeClock) -> None:
    """Only the newest token enrolls, and only a collector that never has."""
    registration = await create(database, clock)
    clock.advance(hours=1)
    async with database.write() as tx:
        renewed = await administering.renew_enrollment_token(tx, system_caller(7), registration.collector.id, clock.now())
    assert renewed.enrollment_token != registration.enrollment_token
    assert renewed.enrollment_expire_time == clock.now() + timedelta(hours=24)
    assert await live_kinds(database) == ["COLLECTOR_ENROLLMENT"]
    await enroll(database, clock, registration.collector)
    with pytest.raises(LumetryError) as caught:
        async with database.write() as tx:
            await administering.renew_enrollment_token(tx, system_caller(7), registration.collector.id, clock.now())
    assert caught.value.reason is Reason.CONFLICT


async def test_update_config_raises_the_revision(database: Database, clock: FakeClock) -> None:
    """Each configuration is stored whole under the next revision, also one like the one before, and waits for nobody."""
    collector = await settle(database, clock)
    first = await configure(database, clock, collector.id)
    assert first == replace(collector, config=WANTED, config_revision=2) == await read(database, collector)
    second = await configure(database, clock, collector.id)
    assert second == replace(collector, config=WANTED, config_revision=3) == await read(database, collector)
    async with database.read() as tx:
        revisions, count = await list_revisions(tx, ADMIN, "Collector", collector.id, 0, 0)
    assert count == 4
    assert '"relay":{"enabled":true,"port":4400}' in (revisions[0].after_json or "")
    assert await read_audit(database) == ["Collector.Created", "Collector.Enrolled", *["Collector.ConfigUpdated"] * 2]


async def test_update_config_names_every_fault(database: Database, clock: FakeClock) -> None:
    """All faults come in one answer, and nothing changes."""
    collector = (await create(database, clock)).collector
    wrong = Config(9, HostMetrics(interval_seconds=3601), Relay(port=0), Buffer(2**20 - 1), Polling(max_concurrency=33))
    with pytest.raises(LumetryError) as caught:
        await configure(database, clock, collector.id, wrong)
    assert caught.value.faults == (
        Fault("heartbeatIntervalSeconds", "must be between 10 and 300"),
        Fault("hostMetrics.intervalSeconds", "must be between 10 and 3600"),
        Fault("relay.port", "must be between 1 and 65535"),
        Fault("buffer.maxBytes", "must be between 1048576 and 10737418240"),
        Fault("polling.maxConcurrency", "must be between 1 and 32"),
    )
    assert await read(database, collector) == collector


async def test_update_config_accepts_the_ends_of_ranges(database: Database, clock: FakeClock) -> None:
    """Both ends belong to a range."""
    collector = (await create(database, clock)).collector
    least = Config(10, HostMetrics(False, 10), Relay(True, 1), Buffer(2**20), Polling(False, 1))
    most = Config(300, HostMetrics(True, 3600), Relay(True, 65535), Buffer(10 * 2**30), Polling(True, 32))
    for config in (least, most):
        await configure(database, clock, collector.id, config)
        assert (await read(database, collector)).config == config


async def test_revoke_ends_every_secret_for_good(database: Database, clock: FakeClock) -> None:
    """Credential and enrollment token are void, what was told of is over, and nothing brings the collector back."""
    collector = await settle(database, clock)
    await send(database, clock.now(), collector, make_beat(clock.now()))
    for instance_id in (SECOND, FIRST):
        await send(database, clock.advance(seconds=1), collector, make_beat(clock.now(), instance_id))
    assert await read_troubles(database) == [("CollectorDuplicateSuspected", "Open")]
    after = await revoke(database, clock, collector.id)
    assert after.status is Status.REVOKED
    assert await live_kinds(database) == []
    assert await read_troubles(database) == [("CollectorDuplicateSuspected", "Closed")]
    assert (await read_activity(database))[-1] == ("revoked", "Collector revoked: Web")
    assert await send(database, clock.now(), collector, make_beat(clock.now())) is None
    assert await revoke(database, clock, collector.id) == after
    assert (await read_audit(database)).count("Collector.Revoked") == 1
    for verb in (configure(database, clock, collector.id), enroll(database, clock, collector)):
        with pytest.raises(LumetryError):
            await verb
    assert await read(database, collector) == after


async def test_revoke_before_enrollment_voids_the_token(database: Database, clock: FakeClock) -> None:
    """A collector that never enrolled never will, and gets no other token."""
    collector = (await create(database, clock)).collector
    await revoke(database, clock, collector.id)
    assert await live_kinds(database) == []
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await administering.renew_enrollment_token(tx, ADMIN, collector.id, clock.now())
    assert caught.value.reason is Reason.CONFLICT


async def test_changes_wake_the_collectors_stream(database: Database, clock: FakeClock) -> None:
    """Configuration and revocation wake nobody but the collector's own streams."""
    collector = await settle(database, clock)
    async with database.write() as tx:
        await administering.update_config(tx, ADMIN, collector.id, WANTED, clock.now())
        assert work_channel(collector.id) in tx.wakes
    async with database.write() as tx:
        await administering.revoke(tx, ADMIN, collector.id, clock.now())
        assert work_channel(collector.id) in tx.wakes


async def test_find_to_change_of_an_unknown_collector_fails(database: Database, clock: FakeClock) -> None:
    """An id that nobody has is not found."""
    with pytest.raises(LumetryError) as caught:
        await revoke(database, clock, str(uuid4()))
    assert caught.value.reason is Reason.NOT_FOUND

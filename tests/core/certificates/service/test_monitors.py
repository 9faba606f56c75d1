from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.certificates.drafts import MonitorChange, MonitorDraft
from lumetry_core.certificates.model import Monitor, Source, State, Status
from lumetry_core.certificates.service.monitors import create_monitor, delete_monitor, update_monitor
from lumetry_core.certificates.service.reading import count_certificates, find_states, get_monitor, list_checks, list_monitors
from lumetry_core.certificates.store.checks import certificate_chain_entries, certificate_checks
from lumetry_core.runtime.addresses import GLOBAL_ONLY
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.certificates.authority import NOW
from tests.core.certificates.building import CALLER, ORGANIZATION, OTHER, World, present


async def test_create(world: World) -> None:
    """A new monitor is normalised, claimed for its first check, told and audited."""
    node_id = await world.add_node()
    created = await world.create(
        " https://Example.ORG:8443/x ", warning_thresholds=[3, 21], check_interval_seconds=3600, topology_node_id=node_id
    )
    assert created == Monitor(
        id=created.id,
        organization_id=7,
        hostname="example.org",
        port=8443,
        source=Source.STANDALONE,
        check_interval_seconds=3600,
        warning_thresholds=(21, 3),
        topology_node_id=node_id,
        next_check_time=NOW + timedelta(seconds=60),
        create_time=NOW,
    )
    [(kind, data)] = await world.told()
    assert (kind, {key: data[key] for key in ("monitor_id", "hostname", "port", "source")}) == (
        "certificate.created",
        {"monitor_id": created.id, "hostname": "example.org", "port": 8443, "source": "standalone"},
    )
    assert await audited(world) == ["CertificateMonitor.Created"]


async def audited(world: World) -> list[str]:
    async with world.database.read() as tx:
        rows = await tx.execute(
            select(audit_logs.c.action).where(audit_logs.c.entity_type == "CertificateMonitor").order_by(audit_logs.c.id)
        )
        return list(rows.scalars())


async def test_create_with_defaults(world: World) -> None:
    """Port, interval and thresholds need not be given."""
    created = await world.create()
    assert (created.port, created.check_interval_seconds, created.warning_thresholds) == (443, 43_200, (30, 14, 7, 3, 1))


async def test_refuse_every_fault(world: World) -> None:
    """All faults are told at once, and nothing is made."""
    draft: dict[str, Any] = {
        "port": 70_000,
        "check_interval_seconds": 60,
        "warning_thresholds": [0, 400, 5, 5],
        "topology_node_id": 99,
    }
    with pytest.raises(LumetryError) as caught:
        await world.create("exa mple", **draft)
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [
        ("port", "must be between 1 and 65535"),
        ("hostname", "must be a host name or an address"),
        ("check_interval_seconds", "must be between 3600 and 604800"),
        ("warning_thresholds", "must not repeat a number"),
        ("warning_thresholds[0]", "must be between 1 and 365"),
        ("warning_thresholds[1]", "must be between 1 and 365"),
        ("topology_node_id", "is not a topology node"),
    ]
    with pytest.raises(LumetryError, match="not valid") as caught:
        await world.create("example.org:444", port=443, warning_thresholds=[])
    assert [fault.path for fault in caught.value.faults] == ["port", "warning_thresholds"]
    assert await world.monitors() == []


async def test_refuse_forbidden_address(world: World, clock: FakeClock) -> None:
    """What checks may never reach is not even stored."""
    for host in ("169.254.169.254", "2852039166", "[fd00:ec2::254]", "0.0.0.0"):
        with pytest.raises(LumetryError) as caught:
            await world.create(host)
        assert (caught.value.reason, caught.value.metadata["code"]) == (Reason.VALIDATION_FAILED, "url_not_allowed")
    async with world.database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await create_monitor(tx, CALLER, MonitorDraft(hostname="localhost"), GLOBAL_ONLY, clock.now())
    assert caught.value.metadata["code"] == "url_not_allowed"


async def test_refuse_second_monitor(world: World) -> None:
    """A host and port are watched once in an organization; other ports and organizations are free."""
    await world.create()
    with pytest.raises(LumetryError) as caught:
        await world.create("EXAMPLE.org.")
    assert (caught.value.reason, caught.value.metadata["code"]) == (Reason.CONFLICT, "duplicate_monitor")
    await world.create(port=444)
    await world.create(caller=OTHER)


async def test_update(world: World, clock: FakeClock) -> None:
    """Only what is given changes; a check at once tells what it means."""
    node_id = await world.add_node()
    monitor = await world.look(await world.create(topology_node_id=node_id), present(days=20))
    assert (monitor.status, await world.active()) == (Status.EXPIRING, ["expiring:Info"])
    clock.advance(minutes=1)
    changed = await change(world, monitor, warning_thresholds=[7])
    assert (changed.warning_thresholds, changed.topology_node_id, changed.next_check_time) == ((7,), node_id, clock.now())
    world.checker.presented["example.org"] = present(days=20)
    await world.work()
    assert ((await world.get(monitor.id)).monitor.status, await world.active()) == (Status.VALID, [])
    changed = await change(world, monitor, check_interval_seconds=7200, clears_node=True)
    assert (changed.check_interval_seconds, changed.topology_node_id) == (7200, None)
    told = len(await world.told())
    assert await change(world, monitor, check_interval_seconds=7200) == changed
    assert len(await world.told()) == told
    assert await audited(world) == ["CertificateMonitor.Created", "CertificateMonitor.Updated", "CertificateMonitor.Updated"]


async def change(world: World, monitor: Monitor, **changes: Any) -> Monitor:
    async with world.database.write() as tx:
        return await update_monitor(tx, CALLER, monitor.id, MonitorChange(**changes), world.clock.now())


async def test_refuse_faulty_update(world: World) -> None:
    """Faults are told, and nothing changes."""
    monitor = await world.create()
    with pytest.raises(LumetryError) as caught:
        await change(world, monitor, check_interval_seconds=1, warning_thresholds=[], topology_node_id=9)
    assert [fault.path for fault in caught.value.faults] == ["check_interval_seconds", "warning_thresholds", "topology_node_id"]
    assert (await world.get(monitor.id)).monitor == monitor


async def test_delete(world: World, clock: FakeClock) -> None:
    """Checks, chains and alerts go with it, and it is told."""
    monitor = await world.look(await world.create(), present(days=5))
    async with world.database.write() as tx:
        await delete_monitor(tx, CALLER, monitor.id, clock.now())
    assert (await world.monitors(), await world.active()) == ([], [])
    async with world.database.read() as tx:
        assert (await tx.execute(select(certificate_checks))).all() == []
        assert (await tx.execute(select(certificate_chain_entries))).all() == []
    [(_, data)] = await world.told("certificate.deleted")
    assert (data["monitor_id"], data["hostname"]) == (monitor.id, "example.org")
    await world.create()


async def test_keep_to_organization(world: World, clock: FakeClock) -> None:
    """Another organization's monitors do not exist."""
    theirs = await world.create(caller=OTHER)
    for act in (
        lambda tx: delete_monitor(tx, CALLER, theirs.id, clock.now()),
        lambda tx: update_monitor(tx, CALLER, theirs.id, MonitorChange(), clock.now()),
        lambda tx: get_monitor(tx, ORGANIZATION, theirs.id),
        lambda tx: list_checks(tx, ORGANIZATION, theirs.id, 0, 0),
    ):
        with pytest.raises(LumetryError) as caught:
            async with world.database.write() as tx:
                await act(tx)
        assert caught.value.reason is Reason.NOT_FOUND
    async with world.database.read() as tx:
        assert await find_states(tx, ORGANIZATION, [theirs.id]) == {}
        assert await count_certificates(tx, ORGANIZATION) == 0
    assert await world.monitors() == []


async def test_list_and_filter(world: World) -> None:
    """By host and port, each with its latest check; by status and source."""
    b = await world.look(await world.create("b.example"), present(days=5, name="b.example"))
    a = await world.create("a.example")
    async with world.database.read() as tx:
        found = await list_monitors(tx, ORGANIZATION, "", "")
        assert [(each.monitor.id, each.latest and each.latest.id) for each in found] == [(a.id, None), (b.id, b.latest_check_id)]
        assert [each.monitor for each in await list_monitors(tx, ORGANIZATION, "expiring", "standalone")] == [b]
        assert await list_monitors(tx, ORGANIZATION, "", "auto") == []
        with pytest.raises(LumetryError) as caught:
            await list_monitors(tx, ORGANIZATION, "x", "y")
        assert [fault.path for fault in caught.value.faults] == ["status", "source"]
        assert await count_certificates(tx, ORGANIZATION) == 2
        assert await find_states(tx, ORGANIZATION, [a.id, b.id, 99]) == {
            a.id: State("a.example", "unknown", False, None),
            b.id: State("b.example", "expiring", True, None),
        }


async def test_page_checks(world: World, clock: FakeClock) -> None:
    """The newest first, a page at a time, and how many there are in all."""
    monitor = await world.create()
    for _ in range(5):
        clock.advance(hours=1)
        monitor = await world.look(monitor, present())
    async with world.database.read() as tx:
        page, total = await list_checks(tx, ORGANIZATION, monitor.id, 2, 1)
        assert ([each.check_time for each in page], total) == ([clock.now() - timedelta(hours=hours) for hours in (1, 2)], 5)
        assert len((await list_checks(tx, ORGANIZATION, monitor.id, 0, 0))[0]) == 5
        with pytest.raises(LumetryError) as caught:
            await list_checks(tx, ORGANIZATION, monitor.id, -1, -1)
        assert [fault.path for fault in caught.value.faults] == ["limit", "offset"]

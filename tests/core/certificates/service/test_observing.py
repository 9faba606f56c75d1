from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.alerts.service.handling import close
from lumetry_core.certificates.model import Monitor, Observation, Presented, Source, Status
from lumetry_core.certificates.service.monitors import delete_monitor
from lumetry_core.certificates.service.observing import release_endpoints
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.certificates.authority import NOW, issue
from tests.core.certificates.building import CALLER, ORGANIZATION, World, kinds, present

SHOP = Entity(EntityType.CONTAINER, 5, "shop")


def seen(endpoint_id: int = 1, presented: Presented | None = None, hostname: str = "example.org", **more: Any) -> Observation:
    return Observation(endpoint_id, hostname, 443, presented or present(name=hostname), **more)


async def release(world: World, *endpoint_ids: int) -> None:
    async with world.database.write() as tx:
        await release_endpoints(tx, ORGANIZATION, endpoint_ids, world.clock.now())


async def test_watch_what_is_seen_first(world: World) -> None:
    """A certificate that an HTTPS check sees gets a monitor with the endpoint's node, container and channels, and its first check."""
    await world.observe(seen(3, topology_node_id=8, container=SHOP, alert_channels=("ops",), hostname="Example.ORG"))
    [monitor] = await world.monitors()
    assert monitor == Monitor(
        id=monitor.id,
        organization_id=7,
        hostname="example.org",
        port=443,
        source=Source.AUTO,
        check_interval_seconds=43_200,
        warning_thresholds=(30, 14, 7, 3, 1),
        status=Status.VALID,
        create_time=NOW,
        last_check_time=NOW,
        latest_check_id=monitor.latest_check_id,
        endpoint_id=3,
        container=SHOP,
        alert_channels=("ops",),
        inherited_node_id=8,
    )
    assert monitor.node_id == 8
    assert kinds(await world.told()) == ["certificate.created", "certificate.check_completed", "certificate.status_changed"]


async def test_watch_nothing_without_certificate(world: World) -> None:
    """A host that never presented one is not watched."""
    await world.observe(seen(presented=Presented(error="connection refused")))
    assert await world.monitors() == []


async def test_write_down_what_is_new(world: World, clock: FakeClock) -> None:
    """Equal results are one check in an interval; days that go by, another certificate and failures are checks of their own."""
    issued = issue("example.org", days=60.1)
    for _ in range(3):
        await world.observe(seen(presented=present(issued)))
        clock.advance(seconds=30)
    [monitor] = await world.monitors()
    assert (len(await world.checks(monitor.id)), monitor.last_check_time) == (1, clock.now() - timedelta(seconds=30))
    clock.advance(hours=3)
    await world.observe(seen(presented=present(issued)))
    assert [check.days_remaining for check in await world.checks(monitor.id)] == [59, 60]
    clock.advance(seconds=43_200)
    await world.observe(seen(presented=present(issued)))
    await world.observe(seen(presented=present(issue("example.org", days=59))))
    await world.observe(seen(presented=Presented(error="connection refused")))
    await world.observe(seen(presented=Presented(error="connection refused")))
    assert [check.error_message for check in await world.checks(monitor.id)] == ["connection refused", None, None, None, None]


async def test_refresh_alerts(world: World, clock: FakeClock) -> None:
    """Alerts come and go with observations, and come again after a person closed one."""
    expiring = present(days=5)
    await world.observe(seen(presented=expiring))
    [alert] = await world.alerts()
    async with world.database.write() as tx:
        await close(tx, CALLER, alert.id, "later", clock.now())
    clock.advance(seconds=30)
    await world.observe(seen(presented=expiring))
    assert await world.active() == ["expiring:Critical"]
    clock.advance(seconds=30)
    await world.observe(seen())
    assert await world.active() == []


async def test_many_at_once(world: World) -> None:
    """Many hosts, and several endpoints of one host, in one call; of the latter the last counts."""
    hosts = [f"host-{number}.example" for number in range(30)]
    await world.observe(*(seen(number, hostname=host) for number, host in enumerate(hosts, start=1)))
    await world.observe(*(seen(number, hostname=host) for number, host in enumerate(hosts, start=1)))
    assert {monitor.hostname for monitor in await world.monitors()} == set(hosts)
    await world.observe(seen(1, hostname="both.example"), seen(2, present(days=5, name="both.example"), hostname="both.example"))
    assert [each.status for each in await world.monitors() if each.hostname == "both.example"] == [Status.EXPIRING]


async def test_leave_monitors_of_people_alone(world: World) -> None:
    """What a person has watched is checked by the worker only."""
    created = await world.create()
    await world.observe(seen(presented=present(days=5)))
    assert await world.monitors() == [created]
    assert await world.alerts() == []


async def test_refuse_person_what_is_seen(world: World, clock: FakeClock) -> None:
    """A person cannot have watched, nor delete, what HTTPS checks see."""
    await world.observe(seen())
    with pytest.raises(LumetryError) as caught:
        await world.create()
    assert caught.value.metadata["code"] == "already_auto_detected"
    [monitor] = await world.monitors()
    with pytest.raises(LumetryError) as caught:
        async with world.database.write() as tx:
            await delete_monitor(tx, CALLER, monitor.id, clock.now())
    assert caught.value.metadata["code"] == "cannot_delete_auto"
    assert await world.monitors() == [monitor]


async def test_go_with_last_endpoint(world: World) -> None:
    """A monitor is handed on to another endpoint that sees it, and goes, with its alerts, with the last."""
    await world.observe(seen(1, present(days=5)), seen(2, present(days=5)))
    await release(world, 1)
    [monitor] = await world.monitors()
    assert (monitor.endpoint_id, await world.active()) == (2, ["expiring:Critical"])
    await release(world, 2, 99)
    assert (await world.monitors(), await world.active()) == ([], [])
    await release(world, 2)
    assert kinds(await world.told())[-1] == "certificate.deleted"


async def test_follow_changed_target(world: World) -> None:
    """An endpoint that sees another host leaves the one before; one that others see stays."""
    await world.observe(seen(1), seen(2))
    await world.observe(seen(2, hostname="new.example"))
    assert [(each.hostname, each.endpoint_id) for each in await world.monitors()] == [("example.org", 1), ("new.example", 2)]
    await world.observe(seen(1, hostname="new.example"))
    assert [(each.hostname, each.endpoint_id) for each in await world.monitors()] == [("new.example", 2)]


async def test_follow_changed_container(world: World) -> None:
    """What the owning endpoint tells of itself is taken over; others of the same host change nothing."""
    await world.observe(seen(1, container=SHOP, topology_node_id=8))
    await world.observe(seen(2, container=None, topology_node_id=9))
    [monitor] = await world.monitors()
    assert (monitor.endpoint_id, monitor.container, monitor.node_id) == (1, SHOP, 8)
    await world.observe(seen(1, container=replace(SHOP, name="store"), topology_node_id=9))
    [monitor] = await world.monitors()
    assert (monitor.container, monitor.node_id) == (replace(SHOP, name="store"), 9)


async def test_pass_over_hosts_that_cannot_be(world: World) -> None:
    """A host that has no spelling is no reason to fail a check."""
    await world.observe(seen(hostname="exa mple"), seen(2, hostname="10.0.0.1"), seen(3, hostname="::1"))
    assert [each.hostname for each in await world.monitors()] == ["10.0.0.1", "::1"]

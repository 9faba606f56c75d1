from typing import Any

from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.certificates.model import Monitor, Observation, Source
from lumetry_core.certificates.service.labels import apply_labels, remove_labels
from tests.conftest import FakeClock
from tests.core.certificates.authority import NOW
from tests.core.certificates.building import ORGANIZATION, World, kinds, present

SHOP = Entity(EntityType.CONTAINER, 5, "shop")


async def apply(world: World, text: str | None, container_id: int = 5, **more: Any) -> list[str]:
    async with world.database.write() as tx:
        fields: dict[str, Any] = {"container_name": "shop", "alert_channels": ("ops",), **more}
        return await apply_labels(tx, ORGANIZATION, f"c{container_id}", container_id, text, 8, world.clock.now(), **fields)


async def test_watch_what_label_names(world: World) -> None:
    """Each host is watched for the container and checked at once; parts that are none are told, and change nothing."""
    faults = await apply(world, "https://shop.example/path, shop.example:8443, ,exa mple, shop.example")
    assert faults == ["exa mple must be a host name or an address"]
    first, second = await world.monitors()
    assert first == Monitor(
        id=first.id,
        organization_id=7,
        hostname="shop.example",
        port=443,
        source=Source.LABEL,
        check_interval_seconds=43_200,
        warning_thresholds=(30, 14, 7, 3, 1),
        external_id="c5",
        container=SHOP,
        alert_channels=("ops",),
        inherited_node_id=8,
        next_check_time=NOW,
        create_time=NOW,
    )
    assert second.port == 8443
    world.checker.presented["shop.example"] = present(name="shop.example")
    await world.work()
    assert sorted(world.checker.asked) == ["shop.example:443", "shop.example:8443"]
    told = len(await world.told())
    await apply(world, "shop.example,shop.example:8443")
    assert len(await world.told()) == told


async def test_drop_what_label_no_longer_names(world: World) -> None:
    """A host that left the label goes with its alerts; the others stay as they are."""
    await apply(world, "a.example,b.example")
    world.checker.presented = {name: present(days=5, name=name) for name in ("a.example", "b.example")}
    await world.work()
    await apply(world, "b.example")
    assert [each.hostname for each in await world.monitors()] == ["b.example"]
    assert await world.active() == ["expiring:Critical"]
    await apply(world, None)
    assert (await world.monitors(), await world.active()) == ([], [])


async def test_remove_with_container(world: World, clock: FakeClock) -> None:
    """A container that is gone takes its monitors along, and no others."""
    await apply(world, "a.example")
    await apply(world, "b.example", 6)
    await world.create("c.example")
    async with world.database.write() as tx:
        await remove_labels(tx, ORGANIZATION, [5], clock.now())
    assert [each.hostname for each in await world.monitors()] == ["b.example", "c.example"]


async def test_leave_monitors_of_others(world: World) -> None:
    """What a person or another container has watched stays theirs."""
    created = await world.create("a.example")
    await apply(world, "b.example", 6)
    before = await world.monitors()
    await apply(world, "a.example,b.example")
    assert await world.monitors() == before
    assert before[0] == created


async def test_take_over_from_checks_and_give_back(world: World) -> None:
    """A label takes over what HTTPS checks watch, with its history; without the label it is theirs again."""
    await world.observe(Observation(3, "a.example", 443, present(days=5, name="a.example")))
    [seen] = await world.monitors()
    await apply(world, "a.example")
    [labeled] = await world.monitors()
    assert (labeled.id, labeled.source, labeled.external_id, labeled.endpoint_id, labeled.next_check_time) == (
        seen.id,
        Source.LABEL,
        "c5",
        None,
        NOW,
    )
    await apply(world, "")
    [again] = await world.monitors()
    assert (again.id, again.source, again.external_id, again.endpoint_id, again.next_check_time) == (seen.id, Source.AUTO, None, 3, None)
    assert await world.active() == ["expiring:Critical"]
    assert kinds(await world.told("certificate.updated", "certificate.deleted")) == ["certificate.updated", "certificate.updated"]


async def test_follow_renamed_container(world: World) -> None:
    """What is told of the container is taken over when it changes."""
    await apply(world, "a.example")
    await apply(world, "a.example", container_name="store")
    [monitor] = await world.monitors()
    assert monitor.container == Entity(EntityType.CONTAINER, 5, "store")

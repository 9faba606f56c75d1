import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from lumetry_core.containers.model import Container, ContainerState, Health
from lumetry_core.containers.places import RuntimeFault
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.telling import spell_container
from tests.core.containers.world import World

RUNNING, EXITED, COMPLETED = ContainerState.RUNNING, ContainerState.EXITED, ContainerState.COMPLETED


def in_state(name: str, state: ContainerState, health: Health | None = None) -> Callable[[Sequence[Container]], bool]:
    """Tells whether a container is in a state."""
    return lambda found: any((each.name, each.state, each.health) == (name, state, health) and not each.is_archived for each in found)


async def test_find_containers_at_start(world: World) -> None:
    """What there is at the first look is recorded, each with the transition from its creation."""
    world.engine.run("shop", labels={"lumetry.group": "web"})
    world.engine.die(world.engine.run("job"), 0)
    world.engine.die(world.engine.run("bad"), 1)
    world.engine.run("hidden", labels={"maintenant.ignore": "true"})
    async with world.watching():
        found = await world.containers()
    assert [(each.name, each.state, each.exit_code, each.is_ignored) for each in found] == [
        ("shop", RUNNING, None, False),
        ("job", COMPLETED, 0, False),
        ("bad", EXITED, 1, False),
        ("hidden", RUNNING, None, True),
    ]
    assert [(each.previous_state, each.new_state) for each in await world.transitions(1)] == [(ContainerState.CREATED, RUNNING)]
    assert await world.told() == [("container.discovered", spell_container(each)) for each in found[:3]]


async def test_follow_a_life(world: World) -> None:
    """Start, failure with the end of its log, new start and removal are recorded and told; secrets of the log are not kept."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.engine.write(shop, "starting", "connecting with password=hunter2hunter2")
        world.engine.write(shop, "boom", stream="stderr")
        world.advance(seconds=5)
        world.engine.die(shop, 1)
        await world.until(in_state("shop", EXITED))
        world.advance(seconds=5)
        world.engine.start(shop)
        await world.until(in_state("shop", RUNNING))
        world.advance(seconds=5)
        world.engine.stop(shop)
        world.engine.remove(shop)
        gone = (await world.until(lambda found: found[0].is_archived))[0]
    transitions = await world.transitions(1)
    assert [(each.previous_state, each.new_state, each.exit_code) for each in transitions] == [
        (ContainerState.CREATED, RUNNING, None),
        (RUNNING, EXITED, 1),
        (EXITED, RUNNING, None),
        (RUNNING, COMPLETED, 143),
    ]
    snippet = transitions[1].log_snippet or ""
    assert snippet.startswith("starting\n")
    assert snippet.endswith("boom")
    assert "hunter2" not in snippet
    assert gone.archive_time == world.clock.now()
    state_changes = [(kind, data.get("state", "")) for kind, data in await world.told()]
    assert state_changes == [
        ("container.discovered", "running"),
        ("container.state_changed", "exited"),
        ("container.state_changed", "running"),
        ("container.state_changed", "completed"),
        ("container.archived", ""),
    ]


async def test_redeploy_keeps_number(world: World) -> None:
    """A container under the name of one that was removed goes on as the same record."""
    shop = world.engine.run("shop", "shop:1")
    async with world.watching():
        world.engine.stop(shop)
        world.engine.remove(shop)
        await world.until(lambda found: found[0].is_archived)
        world.advance(minutes=1)
        again = world.engine.run("shop", "shop:2")
        found = await world.until(in_state("shop", RUNNING))
    assert [(each.id, each.external_id, each.image) for each in found] == [(1, again.id, "shop:2")]
    assert (await world.transitions(1))[-1].absent_since is not None


async def test_tell_out_of_memory(world: World) -> None:
    """An end because memory ran out is a failure, whatever its code."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.engine.die(shop, 137, oom_killed=True)
        found = await world.until(in_state("shop", EXITED))
    assert (found[0].oom_killed, found[0].exit_code) == (True, 137)


async def test_alert_of_health(world: World) -> None:
    """A check that begins to fail alerts, from `starting` too; the alert ends when it succeeds."""
    shop = world.engine.run("shop", labels={"lumetry.alert.severity": "critical"}, health="starting")
    async with world.watching():
        world.engine.set_health(shop, "unhealthy")
        await world.until(in_state("shop", RUNNING, Health.UNHEALTHY))
        assert await world.alert_types() == [(1, "health_unhealthy", "Critical")]
        assert (await world.alerts())[0].details == {"previous_health": "starting", "health_status": "unhealthy"}
        world.engine.set_health(shop, "healthy")
        await world.until(in_state("shop", RUNNING, Health.HEALTHY))
    assert await world.alert_types() == []
    changes = [data for kind, data in await world.told() if kind == "container.health_changed"]
    assert changes == [
        {"id": 1, "name": "shop", "health_status": "unhealthy", "previous_health": "starting"},
        {"id": 1, "name": "shop", "health_status": "healthy", "previous_health": "unhealthy"},
    ]


async def restart(world: World, count: int) -> None:
    """The only container fails and starts again, so many times."""
    box = next(iter(world.engine.boxes.values()))
    for _ in range(count):
        world.advance(seconds=1)
        world.engine.die(box, 1)
        await world.until(in_state("shop", EXITED))
        world.advance(seconds=1)
        world.engine.start(box)
        await world.until(in_state("shop", RUNNING))


async def test_alert_of_restart_loop(world: World) -> None:
    """The threshold within ten minutes alerts, three times the threshold is critical; it ends when restarts become rare."""
    world.engine.run("shop", labels={"maintenant.alert.restart_threshold": "2", "lumetry.alert.channels": "ops"})
    async with world.watching():
        await restart(world, 1)
        assert await world.alert_types() == []
        await restart(world, 1)
        assert await world.alert_types() == [(1, "restart_loop", "Warning")]
        await restart(world, 4)
        assert await world.alert_types() == [(1, "restart_loop", "Critical")]
        assert (await world.alerts())[0].details == {"restart_count": 6, "threshold": 2}
        world.advance(minutes=11)
        await world.keep()
    assert await world.alert_types() == []
    told = [(kind, data) for kind, data in await world.told() if "restart" in kind]
    firing = {"container_id": 1, "container_name": "shop", "threshold": 2, "channels": "ops"}
    assert told == [
        ("container.restart_alert", {**firing, "restart_count": 2, "severity": "warning"}),
        ("container.restart_alert", {**firing, "restart_count": 6, "severity": "critical"}),
        ("container.restart_recovery", {"container_id": 1, "container_name": "shop"}),
    ]


async def test_alert_of_container_that_stays_down(world: World) -> None:
    """A failed container alerts after a minute, across a restart of the core, and no more once it runs or is gone."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.engine.write(shop, "boom")
        world.engine.die(shop, 3)
        await world.until(in_state("shop", EXITED))
        world.advance(seconds=59)
        await world.keep()
        assert await world.alert_types() == []
    world.link = RuntimeLink()
    world.advance(seconds=1)
    async with world.watching():
        await world.keep()
        await world.keep()
        assert await world.alert_types() == [(1, "container_down", "Warning")]
        alert = (await world.alerts())[0]
        assert (alert.alert_name, alert.details) == (
            "Container down: shop",
            {"state": "exited", "exit_code": 3, "oom_killed": False, "log_snippet": "boom"},
        )
        world.engine.start(shop)
        await world.until(in_state("shop", RUNNING))
        assert await world.alert_types() == []


async def test_end_alerts_of_removed_container(world: World) -> None:
    """The alerts of a container that is removed are over."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.engine.die(shop, 3)
        await world.until(in_state("shop", EXITED))
        world.advance(minutes=2)
        await world.keep()
        assert await world.alert_types() == [(1, "container_down", "Warning")]
        world.engine.remove(shop)
        await world.until(lambda found: found[0].is_archived)
    assert await world.alert_types() == []


async def test_keep_states_while_disconnected(world: World) -> None:
    """Without the engine states stay, nothing fires; after it is back everything is looked at again."""
    shop = world.engine.run("shop")
    cart = world.engine.run("cart")
    async with world.watching():
        world.engine.die(cart, 1)
        await world.until(in_state("cart", EXITED))
        world.engine.refusals["/version"] = (503, "starting")
        world.engine.drop_connections()
        async with asyncio.timeout(20):
            await world.link.until(lambda link: link.engine is None)
        world.advance(minutes=5)
        await world.keep()
        assert await world.alert_types() == []
        assert [each.state for each in await world.containers()] == [RUNNING, EXITED]
        world.engine.die(shop, 2)
        world.engine.remove(cart)
        mail = world.engine.run("mail")
        del world.engine.refusals["/version"]
        await world.until_watching()
        found = await world.containers()
    assert [(each.name, each.state, each.is_archived) for each in found] == [
        ("shop", EXITED, False),
        ("cart", EXITED, True),
        ("mail", RUNNING, False),
    ]
    assert found[2].external_id == mail.id
    status = world.link.status
    assert status is not None
    assert status.detect_time is not None


async def test_tell_why_disconnected(world: World) -> None:
    """The status says why there is no connection while there is none."""
    async with world.watching():
        world.engine.refusals["/version"] = (503, "starting")
        world.engine.drop_connections()
        async with asyncio.timeout(20):
            await world.link.until(lambda link: link.engine is None)
        status = world.link.status
    assert status is not None
    assert (status.engine, status.fault, status.address) == (None, RuntimeFault.UNREACHABLE, f"unix://{world.socket}")


async def test_watch_with_two_cores(world: World) -> None:
    """Of two cores one watches; the other takes over once the first gave the watch back, and nothing is told twice."""
    world.engine.run("shop")
    other = RuntimeLink()
    first, second = world.build_watcher("core-1"), world.build_watcher("core-2", other)
    tasks = [asyncio.create_task(first.run())]
    await world.until_watching()
    tasks.append(asyncio.create_task(second.run()))
    async with asyncio.timeout(20):
        await other.until(lambda link: link.engine is not None)
    assert (world.link.is_watching, other.is_watching) == (True, False)
    tasks[0].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[0]
    await first.release()
    world.advance(seconds=11)
    world.engine.set_health(next(iter(world.engine.boxes.values())), "healthy")
    world.link = other
    await world.until_watching()
    tasks[1].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[1]
    assert [kind for kind, _ in await world.told()] == ["container.discovered", "container.health_changed"]


async def test_find_created_container_when_it_settled(world: World) -> None:
    """A container that is made but not started is found a little later, under the name that it has by then."""

    def settle(found: Sequence[Container]) -> bool:
        """Time goes by, in which other things happen."""
        world.advance(seconds=1)
        world.engine.emit(box, "attach")
        return bool(found)

    async with world.watching():
        box = world.engine.create("a1_shop")
        world.engine.rename(box, "shop")
        found = await world.until(settle)
    assert [(each.name, each.state) for each in found] == [("shop", ContainerState.CREATED)]


async def test_refuse_to_archive_what_cannot_be_listed(world: World) -> None:
    """An engine that fails to list its containers archives none of them."""
    world.engine.run("shop")
    async with world.watching():
        pass
    world.link = RuntimeLink()
    world.engine.refusals["/containers/json"] = (500, "disk full")
    task = asyncio.create_task(world.build_watcher().run())
    async with asyncio.timeout(20):
        await world.link.until(lambda link: link.status is not None and link.status.fault is not None)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert world.link.status is not None
    assert world.link.status.message == "disk full"
    assert [each.is_archived for each in await world.containers()] == [False]


async def test_name_topology_node_and_endpoint_of_label(world: World) -> None:
    """Labels of a container make endpoints, which pause with it and end with it."""
    shop = world.engine.run("shop", labels={"lumetry.endpoint.http": "http://127.0.0.1:9/health"})
    async with world.watching():
        world.engine.stop(shop)
        await world.until(in_state("shop", COMPLETED))
        world.engine.remove(shop)
        await world.until(lambda found: found[0].is_archived)
    assert [kind for kind, _ in await world.told("endpoint.")] == ["endpoint.discovered", "endpoint.removed"]

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from lumetry.containers.v1 import container_log_service_pb2 as logs_pb
from lumetry.containers.v1 import container_log_service_pb2_grpc as logs_grpc
from lumetry.containers.v1 import container_pb2
from lumetry.containers.v1 import container_service_pb2 as pb
from lumetry.containers.v1 import container_service_pb2_grpc as pb_grpc
from lumetry_core.containers.model import ContainerState
from lumetry_core.containers.rpc.containers import ContainerServicer
from lumetry_core.containers.rpc.logs import ContainerLogServicer
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.containers.world import World

CREDENTIAL = (("authorization", "Bearer x"),)


class Client:
    """What a client of the core has."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.containers = pb_grpc.ContainerServiceStub(channel)
        self.logs = logs_grpc.ContainerLogServiceStub(channel)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of somebody who may do everything in the organization whose runtime it is."""

    async def authenticate(origin: Origin) -> Caller:
        organization_id = world.organization_id + (origin.secret == "stranger")
        return Caller(organization_id=organization_id, kind=CredentialKind.API_TOKEN, permissions=frozenset(Permission))

    services = {
        "lumetry.containers.v1.ContainerService": (
            pb_grpc.add_ContainerServiceServicer_to_server,
            ContainerServicer(world.database, world.clock, 90, world.link),
        ),
        "lumetry.containers.v1.ContainerLogService": (
            logs_grpc.add_ContainerLogServiceServicer_to_server,
            ContainerLogServicer(world.database, world.clock, world.link),
        ),
    }
    built = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield Client(channel)
    await built.server.stop(None)


async def failure_of(call: Any) -> tuple[grpc.StatusCode, str]:
    """Code of the call, and the code in its metadata."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    trailing = raised.value.trailing_metadata() or ()
    text = b"".join(value if isinstance(value, bytes) else value.encode() for key, value in trailing if key == "grpc-status-details-bin")
    named = next((name for name in (b"container_running", b"runtime_unavailable", b"logs_unavailable") if name in text), b"")
    return raised.value.code(), named.decode()


async def test_list_groups(world: World, client: Client) -> None:
    """Containers are grouped by label, else by project, else together; groups and containers come by name."""
    world.engine.run("shop", labels={"lumetry.group": "web"})
    world.engine.run("db", labels={"com.docker.compose.project": "store", "com.docker.compose.service": "db"})
    world.engine.run("app", labels={"com.docker.compose.project": "store", "com.docker.compose.service": "app"})
    world.engine.run("task", labels={"com.docker.swarm.service.name": "task", "com.docker.stack.namespace": "swarm"})
    world.engine.create("lone")
    world.engine.run("hidden", labels={"lumetry.ignore": "1"})
    old = world.engine.run("old")
    async with world.watching():
        world.engine.remove(old)
        await world.until(lambda found: any(each.is_archived for each in found))

    async def shown(**wanted: Any) -> tuple[list[tuple[str, str, list[str]]], int]:
        reply = await client.containers.ListContainers(pb.ListContainersRequest(**wanted), metadata=CREDENTIAL)
        return [(each.name, each.source, [one.name for one in each.containers]) for each in reply.groups], reply.archived_count

    everything = [
        ("Ungrouped", "default", ["lone"]),
        ("store", "compose", ["app", "db"]),
        ("swarm", "orchestration", ["task"]),
        ("web", "label", ["shop"]),
    ]
    assert await shown() == (everything, 1)
    assert await shown(archived=True) == ([("Ungrouped", "default", ["lone", "old"]), *everything[1:]], 1)
    assert await shown(group="store") == ([everything[1]], 1)
    assert await shown(state=container_pb2.CONTAINER_STATE_CREATED) == ([everything[0]], 1)
    assert await shown(group="none") == ([], 1)


async def test_get_with_uptime(world: World, client: Client) -> None:
    """A container tells its uptime by window, of the time since it was first seen."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.advance(minutes=3)
        world.engine.die(shop, 1)
        await world.until(lambda found: found[0].state is ContainerState.EXITED)
        world.advance(minutes=1)
    reply = await client.containers.GetContainer(pb.GetContainerRequest(id=1), metadata=CREDENTIAL)
    assert (reply.container.name, reply.container.exit_code) == ("shop", 1)
    assert dict(reply.uptime) == {"24h": 75.0, "7d": 75.0, "30d": 75.0, "90d": 75.0}


async def test_get_of_stranger(world: World, client: Client) -> None:
    """An unknown container, and one of another organization, do not exist."""
    world.engine.run("shop")
    async with world.watching():
        pass
    stranger = (("authorization", "Bearer stranger"),)
    for number, credential in ((2, CREDENTIAL), (1, stranger)):
        for call in (
            client.containers.GetContainer(pb.GetContainerRequest(id=number), metadata=credential),
            client.containers.DeleteContainer(pb.DeleteContainerRequest(id=number), metadata=credential),
            client.containers.ListContainerTransitions(
                pb.ListContainerTransitionsRequest(container_id=number, limit=1), metadata=credential
            ),
            client.logs.GetContainerLogs(logs_pb.GetContainerLogsRequest(container_id=number, lines=1), metadata=credential),
        ):
            assert await failure_of(call) == (grpc.StatusCode.NOT_FOUND, "")


async def test_page_transitions(world: World, client: Client) -> None:
    """Transitions come newest first, page by page, between two times."""
    shop = world.engine.run("shop")
    async with world.watching():
        for state in (ContainerState.PAUSED, ContainerState.RUNNING, ContainerState.PAUSED):
            world.advance(minutes=1)
            (world.engine.pause if state is ContainerState.PAUSED else world.engine.unpause)(shop)
            await world.until(lambda found, state=state: found[0].state is state)  # type: ignore[misc]

    async def page(**wanted: Any) -> tuple[list[int], int]:
        asked = pb.ListContainerTransitionsRequest(container_id=1, **wanted)
        reply = await client.containers.ListContainerTransitions(asked, metadata=CREDENTIAL)
        return [each.id for each in reply.transitions], reply.total

    assert await page(limit=2) == ([4, 3], 4)
    assert await page(limit=2, offset=2) == ([2, 1], 4)
    assert await page(limit=9, since=encode_time(world.clock.now())) == ([4], 1)
    assert await page(limit=9, until=encode_time(EPOCH)) == ([], 0)
    assert await failure_of(
        client.containers.ListContainerTransitions(pb.ListContainerTransitionsRequest(container_id=1, limit=501), metadata=CREDENTIAL)
    ) == (grpc.StatusCode.INVALID_ARGUMENT, "")


async def test_delete_record(world: World, client: Client) -> None:
    """The record of a container that runs stays; that of one that ended goes with its history."""
    shop = world.engine.run("shop")
    delete = pb.DeleteContainerRequest(id=1)
    async with world.watching():
        call = client.containers.DeleteContainer(delete, metadata=CREDENTIAL)
        assert await failure_of(call) == (grpc.StatusCode.FAILED_PRECONDITION, "container_running")
        world.engine.die(shop, 1)
        await world.until(lambda found: found[0].state is ContainerState.EXITED)
    await client.containers.DeleteContainer(delete, metadata=CREDENTIAL)
    assert (await world.containers(), await world.transitions(1)) == ([], [])
    assert (await world.told())[-1][0] == "container.archived"


async def test_read_logs(world: World, client: Client) -> None:
    """The last lines of both streams, with their times, from a moment on."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.engine.write(shop, "one")
        world.advance(seconds=5)
        world.engine.write(shop, "two", stream="stderr")
        world.engine.write(shop, "three")
        request = logs_pb.GetContainerLogsRequest(container_id=1, lines=2)
        reply = await client.logs.GetContainerLogs(request, metadata=CREDENTIAL)
        assert reply.container_name == "shop"
        assert [(each.text, each.stream, each.spelled_time) for each in reply.lines] == [
            ("two", "stderr", "2026-06-01T08:00:05.000000000Z"),
            ("three", "stdout", "2026-06-01T08:00:05.000000000Z"),
        ]
        request = logs_pb.GetContainerLogsRequest(container_id=1, lines=500, since=encode_time(world.clock.now()))
        reply = await client.logs.GetContainerLogs(request, metadata=CREDENTIAL)
        assert [each.text for each in reply.lines] == ["two", "three"]
        world.engine.refusals["/logs"] = (501, "configured logging driver does not support reading")
        call = client.logs.GetContainerLogs(request, metadata=CREDENTIAL)
        assert await failure_of(call) == (grpc.StatusCode.FAILED_PRECONDITION, "logs_unavailable")
        world.engine.remove(shop)
        del world.engine.refusals["/logs"]
        call = client.logs.GetContainerLogs(request, metadata=CREDENTIAL)
        assert await failure_of(call) == (grpc.StatusCode.FAILED_PRECONDITION, "logs_unavailable")


async def test_read_logs_without_runtime(world: World, client: Client) -> None:
    """Without a connection there are no logs, and whoever asks is told so before a stream begins."""
    world.engine.run("shop")
    async with world.watching():
        world.engine.refusals["/version"] = (503, "starting")
        world.engine.drop_connections()
        await world.link.until(lambda link: link.engine is None)
        calls = (
            client.logs.GetContainerLogs(logs_pb.GetContainerLogsRequest(container_id=1, lines=1), metadata=CREDENTIAL),
            client.logs.FollowContainerLogs(logs_pb.FollowContainerLogsRequest(container_id=1), metadata=CREDENTIAL).read(),
        )
        for call in calls:
            assert await failure_of(call) == (grpc.StatusCode.FAILED_PRECONDITION, "runtime_unavailable")


async def test_follow_logs_until_container_stops(world: World, client: Client) -> None:
    """A stream begins with what there is, goes on with what is written, and ends with the container."""
    shop = world.engine.run("shop", tty=True)
    async with world.watching():
        world.engine.write(shop, "old", "one")
        following = client.logs.FollowContainerLogs(logs_pb.FollowContainerLogsRequest(container_id=1, lines=1), metadata=CREDENTIAL)
        assert (await following.read()).line.text == "one"
        world.engine.write(shop, "two")
        assert (await following.read()).line.text == "two"
        world.engine.die(shop, 0)
        last = await following.read()
        assert (last.end, last.HasField("line")) == (logs_pb.LOG_END_CONTAINER_STOPPED, False)
        assert await following.read() is grpc.aio.EOF


async def test_follow_logs_until_connection_breaks(world: World, client: Client) -> None:
    """A stream whose runtime goes away says so."""
    shop = world.engine.run("shop")
    async with world.watching():
        world.engine.write(shop, "one")
        following = client.logs.FollowContainerLogs(logs_pb.FollowContainerLogsRequest(container_id=1, lines=1), metadata=CREDENTIAL)
        assert (await following.read()).line.text == "one"
        world.engine.refusals["/version"] = (503, "starting")
        world.engine.refusals["/json"] = (503, "starting")
        world.engine.drop_connections()
        assert (await following.read()).end == logs_pb.LOG_END_RUNTIME_DISCONNECTED
        assert await following.read() is grpc.aio.EOF

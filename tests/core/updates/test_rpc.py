from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.updates.v1 import update_service_pb2 as pb
from lumetry.updates.v1.update_service_pb2_grpc import UpdateServiceStub, add_UpdateServiceServicer_to_server
from lumetry_core.containers.places import RuntimeStatus
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.updates.rpc import UpdateServicer
from tests.core.updates.building import World, seen

ADMIN = (("authorization", "Bearer admin"),)
VIEWER = (("authorization", "Bearer viewer"),)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Any]:
    """A client of a running server whose users are an administrator and a viewer."""

    async def authenticate(origin: Origin) -> Caller:
        permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_INFRASTRUCTURE} if origin.secret == "admin" else set())
        return Caller(world.caller.organization_id, CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))

    servicer = UpdateServicer(world.database, world.clock, world.link)
    services = {"lumetry.updates.v1.UpdateService": (add_UpdateServiceServicer_to_server, servicer)}
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield UpdateServiceStub(channel)
    await server.server.stop(None)


def code_of(error: grpc.aio.AioRpcError) -> str:
    """What the family calls a failure."""
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    assert status is not None
    status.details[0].Unpack(info)
    return info.metadata.get("code", info.reason)


async def test_scan_and_read(client: Any, world: World) -> None:
    """A scan is started, followed, and what it found is listed, counted and shown with its commands."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    image = world.image("acme/api")
    await world.run(seen("api", f"{image}:1.0.0", **{"tag-include": "1.*"}), seen("local", "tool:latest"))
    started = (await client.StartScan(pb.StartScanRequest(), metadata=ADMIN)).scan
    assert started.status == "running"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.StartScan(pb.StartScanRequest(), metadata=ADMIN)
    assert code_of(caught.value) == "scan_in_progress"
    assert await world.scanner.tick(world.clock.now())
    done = (await client.GetScan(pb.GetScanRequest(id=started.id), metadata=VIEWER)).scan
    assert (done.status, done.scanned_count, done.found_count, done.error_count) == ("completed", 1, 1, 0)
    [update] = (await client.ListUpdates(pb.ListUpdatesRequest(), metadata=VIEWER)).updates
    assert (update.container_name, update.latest_tag, update.status) == ("api", "1.1.0", "available")
    summary = await client.SummarizeUpdates(pb.SummarizeUpdatesRequest(), metadata=VIEWER)
    assert (summary.scan_status, summary.recommended_count, summary.untracked_count) == ("completed", 1, 1)
    detail = await client.GetContainerUpdate(pb.GetContainerUpdateRequest(container=update.container_id), metadata=VIEWER)
    assert (detail.pinned, detail.tag_include, detail.HasField("tag_exclude")) == (False, "1.*", False)
    preview = await client.PreviewScan(pb.PreviewScanRequest(), metadata=VIEWER)
    assert [(each.container_name, each.skip_reason) for each in preview.would_check] == [("api", ""), ("local", "local_image")]
    assert [each.id for each in preview.would_update] == [update.id]


async def test_pin_and_exclude(client: Any, world: World) -> None:
    """Pins and exclusions are made, told as stored, and ended."""
    ids = await world.run(seen("api", "nginx:1.27"))
    pinned = await client.PinContainer(pb.PinContainerRequest(container=str(ids["api"]), reason="why"), metadata=ADMIN)
    assert MessageToDict(pinned.pin) == {
        "containerId": "id-api-nginx:1.27",
        "pinnedTag": "1.27",
        "reason": "why",
        "pinTime": "2026-06-01T08:00:00Z",
    }
    await client.UnpinContainer(pb.UnpinContainerRequest(container=str(ids["api"])), metadata=ADMIN)
    made = await client.CreateUpdateExclusion(pb.CreateUpdateExclusionRequest(pattern="a*", pattern_type="tag"), metadata=ADMIN)
    listed = await client.ListUpdateExclusions(pb.ListUpdateExclusionsRequest(), metadata=VIEWER)
    assert list(listed.exclusions) == [made.exclusion]
    await client.DeleteUpdateExclusion(pb.DeleteUpdateExclusionRequest(id=made.exclusion.id), metadata=ADMIN)


async def test_scan_nothing_without_a_runtime(client: Any, world: World) -> None:
    """Without a container runtime no scan is started."""
    world.link.disconnect(RuntimeStatus(None, "", None, message="gone"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.StartScan(pb.StartScanRequest(), metadata=ADMIN)
    assert code_of(caught.value) == "runtime_unavailable"


async def test_refuse_viewers(client: Any) -> None:
    """Who may only look starts no scan."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.StartScan(pb.StartScanRequest(), metadata=VIEWER)
    assert code_of(caught.value) == "PERMISSION_DENIED"

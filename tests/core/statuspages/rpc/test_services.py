from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from lumetry.statuspages.v1 import status_admin_service_pb2 as pb
from lumetry.statuspages.v1 import status_component_pb2 as component_pb
from lumetry.statuspages.v1 import status_page_service_pb2 as page_pb
from lumetry.statuspages.v1.status_admin_service_pb2_grpc import StatusAdminServiceStub, add_StatusAdminServiceServicer_to_server
from lumetry.statuspages.v1.status_page_service_pb2_grpc import StatusPageServiceStub, add_StatusPageServiceServicer_to_server
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.statuspages.rpc.admin import StatusAdminServicer
from lumetry_core.statuspages.rpc.page import StatusPageServicer
from lumetry_core.statuspages.service.organization import PublicOrganization
from tests.core.statuspages.building import NOW, SECRET, World

PACKAGE = "lumetry.statuspages.v1"
ADMIN = (("authorization", "Bearer admin"),)
VIEWER = (("authorization", "Bearer viewer"),)


@dataclass
class Client:
    """Stubs of a running server."""

    admin: Any
    page: Any


@pytest.fixture
async def client(world: World, wakeups: Wakeups) -> AsyncIterator[Client]:
    """A client of a running server whose users are an administrator and a viewer."""

    async def authenticate(origin: Origin) -> Caller:
        if origin.secret not in ("admin", "viewer"):
            raise LumetryError(Reason.UNAUTHENTICATED, "No usable credential.")
        permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_INTEGRATIONS} if origin.secret == "admin" else set())
        return Caller(
            organization_id=world.caller.organization_id,
            kind=CredentialKind.INTERACTIVE,
            user_id=42,
            permissions=frozenset(permissions),
        )

    services = {
        f"{PACKAGE}.StatusAdminService": (
            add_StatusAdminServiceServicer_to_server,
            StatusAdminServicer(world.database, world.clock),
        ),
        f"{PACKAGE}.StatusPageService": (
            add_StatusPageServiceServicer_to_server,
            StatusPageServicer(world.database, world.clock, wakeups, PublicOrganization("")),
        ),
    }
    built = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield Client(StatusAdminServiceStub(channel), StatusPageServiceStub(channel))
    await built.server.stop(None)


async def test_manage_groups(client: Client) -> None:
    """A group is made, listed, changed and deleted."""
    made = await client.admin.CreateStatusGroup(pb.CreateStatusGroupRequest(name="Web", display_order=2), metadata=ADMIN)
    group = component_pb.StatusGroup(id=made.group.id, name="Web", display_order=2, create_time=encode_time(NOW))
    assert made.group == group
    changed = await client.admin.UpdateStatusGroup(pb.UpdateStatusGroupRequest(id=group.id, name="Shop"), metadata=ADMIN)
    group.name = "Shop"
    assert changed.group == group
    assert list((await client.admin.ListStatusGroups(pb.ListStatusGroupsRequest(), metadata=VIEWER)).groups) == [group]
    await client.admin.DeleteStatusGroup(pb.DeleteStatusGroupRequest(id=group.id), metadata=ADMIN)
    assert (await client.admin.ListStatusGroups(pb.ListStatusGroupsRequest(), metadata=VIEWER)).groups == []


async def test_manage_components(world: World, client: Client) -> None:
    """A component is made, listed, changed and deleted; each answer has all of it."""
    monitor = await world.monitor()
    group = (await client.admin.CreateStatusGroup(pb.CreateStatusGroupRequest(name="Web"), metadata=ADMIN)).group
    asked = pb.CreateStatusComponentRequest(
        monitor_kind=component_pb.MONITOR_KIND_HEARTBEAT,
        monitor_id=monitor.id,
        display_name="Backup",
        group_id=group.id,
        status_override=component_pb.COMPONENT_STATUS_DEGRADED,
        auto_incident=True,
    )
    made = (await client.admin.CreateStatusComponent(asked, metadata=ADMIN)).component
    expected = component_pb.StatusComponent(
        id=made.id,
        monitor_kind=component_pb.MONITOR_KIND_HEARTBEAT,
        monitor_id=monitor.id,
        monitor_name=SECRET,
        display_name="Backup",
        group_id=group.id,
        group_name="Web",
        visible=True,
        derived_status=component_pb.COMPONENT_STATUS_OPERATIONAL,
        status_override=component_pb.COMPONENT_STATUS_DEGRADED,
        effective_status=component_pb.COMPONENT_STATUS_DEGRADED,
        auto_incident=True,
        create_time=encode_time(NOW),
        update_time=encode_time(NOW),
    )
    assert made == expected
    cleared = pb.UpdateStatusComponentRequest(
        id=made.id, group_id=0, status_override=component_pb.COMPONENT_STATUS_UNSPECIFIED, visible=False
    )
    changed = (await client.admin.UpdateStatusComponent(cleared, metadata=ADMIN)).component
    expected.ClearField("group_id")
    expected.group_name, expected.visible = "", False
    expected.status_override = component_pb.COMPONENT_STATUS_UNSPECIFIED
    expected.effective_status = component_pb.COMPONENT_STATUS_OPERATIONAL
    assert changed == expected
    assert list((await client.admin.ListStatusComponents(pb.ListStatusComponentsRequest(), metadata=VIEWER)).components) == [expected]
    await client.admin.DeleteStatusComponent(pb.DeleteStatusComponentRequest(id=made.id), metadata=ADMIN)
    assert (await client.admin.ListStatusComponents(pb.ListStatusComponentsRequest(), metadata=VIEWER)).components == []


async def test_refuse_who_may_not_write(client: Client) -> None:
    """Reading is not writing."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.admin.CreateStatusGroup(pb.CreateStatusGroupRequest(name="Web"), metadata=VIEWER)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_read_page_without_credential(world: World, client: Client) -> None:
    """Everybody may read the page, and finds no private name in it."""
    shown = await world.show(await world.monitor(), "Shop")
    page = await client.page.GetStatusPage(page_pb.GetStatusPageRequest(with_days=True))
    [group] = page.groups
    [component] = group.components
    assert (page.global_message, group.name, component.id, component.name, len(component.days)) == (
        "All Systems Operational",
        "Other",
        shown.component.id,
        "Shop",
        90,
    )
    assert (component.uptime, component.days[0].percent, component.days[1].HasField("percent")) == (100.0, 100.0, False)
    assert SECRET not in str(page)


async def test_watch_page_without_credential(world: World, client: Client) -> None:
    """Everybody may follow the page: a start, what is kept, and what happens."""
    monitor = await world.monitor()
    shown = await world.show(monitor, "Shop", override=None)
    await world.work()
    call = client.page.WatchStatusPage(page_pb.WatchStatusPageRequest(), timeout=60)
    start = await call.read()
    assert start.WhichOneof("event") == "start"
    await world.forget(monitor)
    other = await world.show(await world.monitor("b"), "Mail")
    await world.work()
    event = await call.read()
    changed = page_pb.ComponentChanged(
        component_id=other.component.id, name="Mail", status=component_pb.COMPONENT_STATUS_OPERATIONAL, group="Other"
    )
    assert event == page_pb.WatchStatusPageResponse(id=event.id, create_time=encode_time(NOW), component_changed=changed)
    assert event.id > start.start.latest_id
    assert shown.component.id != other.component.id
    call.cancel()

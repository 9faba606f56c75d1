"""`lumetry.statuspages.v1.StatusAdminService`."""

from typing import Any

import grpc

from lumetry.statuspages.v1 import status_admin_service_pb2 as pb
from lumetry.statuspages.v1.status_admin_service_pb2_grpc import StatusAdminServiceServicer
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.statuspages.drafts import ComponentDraft, GroupDraft
from lumetry_core.statuspages.rpc.messages import KIND_OF, STATUS_OF, encode_group, encode_standing
from lumetry_core.statuspages.service import components, groups

Context = grpc.aio.ServicerContext[Any, Any]


class StatusAdminServicer(StatusAdminServiceServicer):
    """Serves the managing of groups and components."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListStatusGroups(self, request: pb.ListStatusGroupsRequest, context: Context) -> pb.ListStatusGroupsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await groups.list_groups(tx, current_caller())
        return pb.ListStatusGroupsResponse(groups=[encode_group(group, count) for group, count in found])

    async def CreateStatusGroup(self, request: pb.CreateStatusGroupRequest, context: Context) -> pb.CreateStatusGroupResponse:
        """See the proto."""
        draft = GroupDraft(name=request.name, display_order=request.display_order)
        async with self._database.write() as tx:
            created = await groups.create_group(tx, current_caller(), draft, self._clock.now())
        return pb.CreateStatusGroupResponse(group=encode_group(created, 0))

    async def UpdateStatusGroup(self, request: pb.UpdateStatusGroupRequest, context: Context) -> pb.UpdateStatusGroupResponse:
        """See the proto."""
        draft = GroupDraft(
            name=request.name if request.HasField("name") else None,
            display_order=request.display_order if request.HasField("display_order") else None,
        )
        async with self._database.write() as tx:
            changed, count = await groups.update_group(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateStatusGroupResponse(group=encode_group(changed, count))

    async def DeleteStatusGroup(self, request: pb.DeleteStatusGroupRequest, context: Context) -> pb.DeleteStatusGroupResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await groups.delete_group(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteStatusGroupResponse()

    async def ListStatusComponents(self, request: pb.ListStatusComponentsRequest, context: Context) -> pb.ListStatusComponentsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await components.list_components(tx, current_caller(), self._clock.now())
        return pb.ListStatusComponentsResponse(components=[encode_standing(standing) for standing in found])

    async def CreateStatusComponent(self, request: pb.CreateStatusComponentRequest, context: Context) -> pb.CreateStatusComponentResponse:
        """See the proto."""
        draft = ComponentDraft(
            monitor_kind=KIND_OF.get(request.monitor_kind),
            monitor_id=request.monitor_id,
            display_name=request.display_name,
            group_id=request.group_id,
            display_order=request.display_order,
            is_visible=request.visible if request.HasField("visible") else None,
            auto_incident=request.auto_incident,
            override=STATUS_OF.get(request.status_override),
        )
        async with self._database.write() as tx:
            created = await components.create_component(tx, current_caller(), draft, self._clock.now())
        return pb.CreateStatusComponentResponse(component=encode_standing(created))

    async def UpdateStatusComponent(self, request: pb.UpdateStatusComponentRequest, context: Context) -> pb.UpdateStatusComponentResponse:
        """See the proto."""
        draft = ComponentDraft(
            display_name=request.display_name if request.HasField("display_name") else None,
            group_id=request.group_id if request.HasField("group_id") else None,
            display_order=request.display_order if request.HasField("display_order") else None,
            is_visible=request.visible if request.HasField("visible") else None,
            auto_incident=request.auto_incident if request.HasField("auto_incident") else None,
            overrides=request.HasField("status_override"),
            override=STATUS_OF.get(request.status_override),
        )
        async with self._database.write() as tx:
            changed = await components.update_component(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateStatusComponentResponse(component=encode_standing(changed))

    async def DeleteStatusComponent(self, request: pb.DeleteStatusComponentRequest, context: Context) -> pb.DeleteStatusComponentResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await components.delete_component(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteStatusComponentResponse()

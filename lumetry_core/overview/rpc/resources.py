"""`lumetry.overview.v1.ProjectResourceService`."""

from typing import Any

import grpc

from lumetry.overview.v1 import project_resource_service_pb2 as pb
from lumetry.overview.v1 import project_resources_pb2
from lumetry.overview.v1.project_resource_service_pb2_grpc import ProjectResourceServiceServicer
from lumetry_core.overview.resources import ResourceDraft, Resources, read_draft
from lumetry_core.overview.service import resources as service
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class ProjectResourceServicer(ProjectResourceServiceServicer):
    """Serves what belongs to projects."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def GetProjectResources(self, request: pb.GetProjectResourcesRequest, context: Context) -> pb.GetProjectResourcesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await service.get_resources(tx, current_caller(), request.id)
        return pb.GetProjectResourcesResponse(resources=encode_resources(found))

    async def ReplaceProjectResources(
        self, request: pb.ReplaceProjectResourcesRequest, context: Context
    ) -> pb.ReplaceProjectResourcesResponse:
        """See the proto."""
        draft = decode_draft(request)
        if request.validate_only:
            read_draft(draft)
            return pb.ReplaceProjectResourcesResponse()
        async with self._database.write() as tx:
            stored = await service.replace_resources(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.ReplaceProjectResourcesResponse(resources=encode_resources(stored))


def decode_draft(request: pb.ReplaceProjectResourcesRequest) -> ResourceDraft:
    """The lists that were sent."""
    monitors = tuple((monitor.type, monitor.id) for monitor in request.monitors.values)
    return ResourceDraft(
        monitors=monitors if request.HasField("monitors") else None,
        node_ids=tuple(request.node_ids.values) if request.HasField("node_ids") else None,
        metric_keys=tuple(request.metric_keys.values) if request.HasField("metric_keys") else None,
    )


def encode_resources(resources: Resources) -> project_resources_pb2.ProjectResources:
    """What belongs to a project."""
    return project_resources_pb2.ProjectResources(
        monitors=[
            project_resources_pb2.LinkedMonitor(type=monitor.type.value, id=monitor.id, name=monitor.name) for monitor in resources.monitors
        ],
        nodes=[project_resources_pb2.LinkedNode(id=node.id, name=node.name, node_type=node.node_type) for node in resources.nodes],
        metric_keys=resources.metric_keys,
        log_key_count=resources.log_key_count,
    )

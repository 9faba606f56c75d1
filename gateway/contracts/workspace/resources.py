"""What belongs to a project (contract workspace 4, resources)."""

from typing import Any

import msgspec
from aiohttp import web

from gateway.contracts.workspace.values import Success, read_identity, read_object
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from lumetry.overview.v1 import project_resource_service_pb2 as pb
from lumetry.overview.v1 import project_resources_pb2

GET = find_rpc(pb.DESCRIPTOR, "ProjectResourceService", "GetProjectResources")
REPLACE = find_rpc(pb.DESCRIPTOR, "ProjectResourceService", "ReplaceProjectResources")
LARGEST_INT64 = 2**63 - 1


class MonitorReference(msgspec.Struct):
    """A monitor to be linked."""

    type: str
    id: int


class ResourceBody(msgspec.Struct, rename="camel"):
    """Lists, each replaced whole; one that is absent stays."""

    monitors: list[MonitorReference] | None = None
    topology_node_ids: list[int] | None = None
    metric_keys: list[str] | None = None


class Monitor(msgspec.Struct):
    """A monitor of a project."""

    type: str
    id: int
    name: str


class Node(msgspec.Struct, rename="camel"):
    """A topology node of a project."""

    id: int
    name: str
    node_type: str


class Resources(msgspec.Struct, rename="camel"):
    """What belongs to a project."""

    monitors: list[Monitor]
    topology_nodes: list[Node]
    metric_keys: list[str]
    log_keys: int


def decode_get_resources(request: Request) -> pb.GetProjectResourcesRequest:
    """4 `GET /projects/{id}/resources`."""
    return pb.GetProjectResourcesRequest(id=read_identity(request))


def encode_get_resources(reply: pb.GetProjectResourcesResponse, _asked: object) -> Success[Resources]:
    """4 what belongs to the project."""
    return Success(encode_resources(reply.resources))


async def answer_replace_resources(request: Request) -> web.StreamResponse:
    """4 `PUT /projects/{id}/resources`: what appears is replaced whole."""
    data, faults = await read_object(request), list[Fault]()
    asked = read_lists(data, faults)
    asked.id = read_identity(request)
    asked.validate_only = bool(faults)
    try:
        reply: pb.ReplaceProjectResourcesResponse = await request.core.call(REPLACE, asked, request.metadata, rates=request.rates)
    except Failure as failure:
        if not faults or failure.reason is not Reason.VALIDATION_FAILED:
            raise
        faults = [*faults, *failure.faults]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), from_core=True)
    return json_response(Success(encode_resources(reply.resources)))


def read_lists(data: dict[str, Any], faults: list[Fault]) -> pb.ReplaceProjectResourcesRequest:
    """The lists of a body; those that cannot be read are noted and left out."""
    names = [field.encode_name for field in msgspec.structs.fields(ResourceBody)]
    faults.extend(Fault(name, "must not be null") for name in names if name in data and data[name] is None)
    body = read_body(ResourceBody, data, faults)
    asked = pb.ReplaceProjectResourcesRequest()
    if body.monitors is not None:
        linked = [project_resources_pb2.LinkedMonitor(type=monitor.type, id=narrow(monitor.id)) for monitor in body.monitors]
        asked.monitors.CopyFrom(pb.MonitorList(values=linked))
    if body.topology_node_ids is not None:
        asked.node_ids.CopyFrom(pb.NumberList(values=[narrow(number) for number in body.topology_node_ids]))
    if body.metric_keys is not None:
        asked.metric_keys.CopyFrom(pb.KeyList(values=body.metric_keys))
    return asked


def narrow(number: int) -> int:
    """A number as the wire carries it; one that is larger names nothing either way."""
    return max(-LARGEST_INT64, min(number, LARGEST_INT64))


def encode_resources(resources: project_resources_pb2.ProjectResources) -> Resources:
    """4 the lists with names."""
    return Resources(
        monitors=[Monitor(monitor.type, monitor.id, monitor.name) for monitor in resources.monitors],
        topology_nodes=[Node(node.id, node.name, node.node_type) for node in resources.nodes],
        metric_keys=list(resources.metric_keys),
        log_keys=resources.log_key_count,
    )

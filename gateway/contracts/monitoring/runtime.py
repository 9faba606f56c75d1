"""Health, the container runtime and the edition (contract monitoring 3)."""

import importlib.metadata
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.containers.v1 import runtime_service_pb2
from lumetry.runtime.v1 import status_service_pb2

GET_READINESS = find_rpc(status_service_pb2.DESCRIPTOR, "StatusService", "GetReadiness")
GET_RUNTIME_STATUS = find_rpc(runtime_service_pb2.DESCRIPTOR, "RuntimeService", "GetRuntimeStatus")
COUNT_MONITORS = find_rpc(runtime_service_pb2.DESCRIPTOR, "RuntimeService", "CountMonitors")

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
HEALTH_SECONDS = 5.0
FEATURES = (
    "cve_enrichment",
    "risk_scoring",
    "changelog",
    "incidents",
    "maintenance_windows",
    "subscribers",
    "smtp",
    "alert_escalation",
    "alert_routing",
    "alert_templates",
    "slack",
    "teams",
    "resource_history",
    "alert_entity_routing",
    "security_posture",
    "swarm_dashboard",
    "k8s_cluster",
    "personalization",
)
"""Nothing is gated."""
UNLIMITED = -1

FaultWord = Literal["disabled", "not_found", "permission_denied", "unreachable", "tls_error"]
FAULT_WORDS: Mapping[int, FaultWord] = {
    runtime_service_pb2.RUNTIME_FAULT_DISABLED: "disabled",
    runtime_service_pb2.RUNTIME_FAULT_NOT_FOUND: "not_found",
    runtime_service_pb2.RUNTIME_FAULT_PERMISSION_DENIED: "permission_denied",
    runtime_service_pb2.RUNTIME_FAULT_UNREACHABLE: "unreachable",
    runtime_service_pb2.RUNTIME_FAULT_TLS_ERROR: "tls_error",
}


class Health(msgspec.Struct):
    """The service answers."""

    status: Literal["ok"]
    version: str


class RuntimeMetadata(msgspec.Struct):
    """What the runtime tells of itself; `reason` and `message` only while it is not connected."""

    engine: str | None
    """`docker`, `podman` or `kubernetes`."""
    engine_version: str | None
    api_version: str | None
    endpoint: str | None
    reason: FaultWord | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET


class RuntimeStatus(msgspec.Struct):
    """Which container runtime is watched."""

    runtime: Literal["docker", "kubernetes"]
    connected: bool
    label: Literal["Containers", "Workloads"]
    context: Literal["docker", "kubernetes"]
    detected_at: Time | None
    metadata: RuntimeMetadata


class Quota(msgspec.Struct):
    """How many there are, and how many there may be; -1 is any number."""

    used: int
    limit: int


class Quotas(msgspec.Struct):
    """One quota per kind of monitor."""

    endpoints: Quota
    heartbeats: Quota
    certificates: Quota
    status_components: Quota


class Edition(msgspec.Struct):
    """What this deployment can do, which is everything."""

    edition: Literal["community"]
    organisation_name: str
    features: dict[str, bool]
    quotas: Quotas


async def answer_health(request: Request) -> web.Response:
    """3 `GET /api/v1/health`: the core can be reached, whatever it says."""
    asked = status_service_pb2.GetReadinessRequest()
    try:
        await request.core.call(GET_READINESS, asked, request.metadata, timeout=HEALTH_SECONDS)
    except Failure as failure:
        raise Failure(Reason.STORE_UNAVAILABLE, "The core cannot be reached now; try again.") from failure
    return json_response(Health("ok", importlib.metadata.version("lumetry")))


def decode_status(_request: Request) -> runtime_service_pb2.GetRuntimeStatusRequest:
    """3 `GET /api/v1/runtime/status`."""
    return runtime_service_pb2.GetRuntimeStatusRequest()


def encode_status(reply: runtime_service_pb2.GetRuntimeStatusResponse, _asked: object) -> RuntimeStatus:
    """3 the runtime; where none is found it would be Docker."""
    metadata = RuntimeMetadata(reply.engine or None, reply.engine_version or None, reply.api_version or None, reply.endpoint or None)
    if not reply.connected:
        metadata.reason = FAULT_WORDS.get(reply.fault, "unreachable")
        metadata.message = reply.message
    is_cluster = reply.runtime_type == "kubernetes"
    return RuntimeStatus(
        runtime="kubernetes" if is_cluster else "docker",
        connected=reply.connected,
        label="Workloads" if is_cluster else "Containers",
        context="kubernetes" if is_cluster else "docker",
        detected_at=format_time(reply.detect_time) if reply.HasField("detect_time") else None,
        metadata=metadata,
    )


async def answer_edition(request: Request) -> web.Response:
    """3 `GET /api/v1/edition`."""
    asked = runtime_service_pb2.CountMonitorsRequest()
    reply = await request.core.call(COUNT_MONITORS, asked, request.metadata, rates=request.rates)
    quotas = Quotas(**{kind: Quota(reply.counts.get(kind, 0), UNLIMITED) for kind in Quotas.__struct_fields__})
    return json_response(Edition("community", request.services.config.organisation_name, dict.fromkeys(FEATURES, True), quotas))

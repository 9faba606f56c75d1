"""The messages as the documented routes write them (contract lumetry 4.1, 16.3, 17.3)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1 import config_pb2, work_pb2
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.runtime.clock import from_ms, spell_time

Json = dict[str, Any]


class PointBody(msgspec.Struct, rename="camel", omit_defaults=True):
    """A point."""

    metric_name: str
    timestamp: str
    value: float
    labels: dict[str, str] = {}
    namespace: str = ""
    source: str = ""


class MetricsBody(msgspec.Struct):
    """A batch."""

    metrics: list[PointBody]


def write_batch(payload: bytes) -> bytes:
    """4.1 `POST /v1/metrics`."""
    spelled: dict[int, str] = {}
    points = []
    for point in metrics_pb.IngestMetricsRequest.FromString(payload).points:
        milliseconds = point.time.ToMilliseconds()
        if milliseconds not in spelled:
            spelled[milliseconds] = spell_time(from_ms(milliseconds))
        points.append(
            PointBody(point.metric_key, spelled[milliseconds], point.value, dict(point.labels), point.namespace, point.source),
        )
    return msgspec.json.encode(MetricsBody(points))


def write_enrollment(request: collectors_pb.EnrollCollectorRequest) -> Json:
    """16.3 `POST /v1/collectors/enroll`."""
    return {
        "installationId": request.installation_id,
        "hostname": request.hostname,
        "version": request.version,
        "capabilities": list(request.capabilities),
    }


def write_heartbeat(request: collectors_pb.SendHeartbeatRequest) -> Json:
    """16.3 `POST /v1/collectors/heartbeat`."""
    body: Json = {
        "instanceId": request.instance_id,
        "version": request.version,
        "queueDepth": request.queue_depth,
        "droppedCount": request.dropped_count,
        "sentAt": spell(request.send_time),
        "configRevisionApplied": request.config_revision_applied,
        "capabilities": list(request.capabilities),
    }
    if request.config_apply_status:
        body["configApplyStatus"] = request.config_apply_status
    if request.config_apply_error:
        body["configApplyError"] = request.config_apply_error
    return body


def write_claim(request: collectors_pb.ClaimWorkRequest) -> Json:
    """16.3 `POST /v1/collectors/claims`."""
    return {"capabilities": list(request.capabilities), "max": request.max_items}


def write_outcome(request: collectors_pb.CompleteWorkRequest) -> Json:
    """16.3 `POST /v1/collectors/claims/{claimId}/complete`; `result` as in contract lumetry 22."""
    outcome = request.outcome
    result: Json = {"ok": outcome.succeeded, "sampleCount": outcome.sample_count, "durationMs": outcome.duration_ms}
    if outcome.samples:
        result["sample"] = [
            {
                "metricKey": sample.metric_key,
                "timestamp": spell(sample.time),
                "labels": dict(sample.labels),
                "value": sample.value,
            }
            for sample in outcome.samples
        ]
    if outcome.status_code:
        result["statusCode"] = outcome.status_code
    if outcome.reached:
        result["reached"] = True
    body: Json = {"claimToken": request.claim_token, "status": "succeeded" if outcome.succeeded else "failed", "result": result}
    return {**body, "error": outcome.error} if outcome.error else body


def write_agent_enrollment(request: agents_pb.EnrollHostAgentRequest) -> Json:
    """17.3 `POST /v1/agents/enroll`."""
    return to_json(request)


def write_agent_heartbeat(request: agents_pb.SendHostAgentHeartbeatRequest) -> Json:
    """17.3 `POST /v1/agents/heartbeat`."""
    body = to_json(request)
    del body["sendTime"]
    return {
        **body,
        "queueDepth": request.queue_depth,
        "droppedCount": request.dropped_count,
        "seriesCount": request.series_count,
        "seriesDropped": request.series_dropped,
        "packs": [{"packId": pack.pack_id, "version": pack.version} for pack in request.packs],
        "detectedSoftware": list(request.detected_software),
        "sentAt": spell(request.send_time),
    }


def write_processes(request: agents_pb.ReportHostProcessesRequest) -> Json:
    """17.3 `POST /v1/agents/process-inventory`."""
    return {
        "collectedAt": spell(request.collect_time),
        "processes": [
            {
                "executable": process.executable,
                "identity": process.identity or process.executable,
                "instanceCount": process.instance_count,
                "cpuPercent": process.cpu_percent,
                "memoryPercent": process.memory_percent,
                "rssBytes": process.rss_bytes,
            }
            for process in request.processes
        ],
    }


def read_into(body: Json, message: Message, names: Mapping[str, str] | None = None) -> None:
    """Fills the message from a body whose names are its own, but for those given as the body's and the message's. Others are ignored.

    Raises:
        ValueError: A value is of the wrong kind.
    """
    renamed = {(names or {}).get(name, name): value for name, value in body.items()}
    try:
        ParseDict(renamed, message, ignore_unknown_fields=True)
    except ParseError as error:
        raise ValueError(str(error)) from error


def read_config(body: Json) -> collectors_pb.FetchCollectorConfigResponse:
    """16.3 `GET /v1/collectors/config`. Raises ValueError."""
    answer = collectors_pb.FetchCollectorConfigResponse()
    read_into({"revision": body.get("revision")}, answer)
    answer.config.CopyFrom(config_pb2.CollectorConfig())
    read_into(body.get("config") or {}, answer.config)
    return answer


def read_work(body: Json) -> collectors_pb.ClaimWorkResponse:
    """16.3 claimed work. An item of a kind that is not known has no payload. Raises ValueError."""
    answer = collectors_pb.ClaimWorkResponse()
    for claimed in body.get("items") or ():
        item = work_pb2.WorkItem()
        names = {"leaseExpiresAt": "leaseExpireTime"}
        payloads: dict[str, Message] = {"poll": item.poll, "source_test": item.source_test, "notification": item.notification}
        payload = payloads.get(str(claimed.get("kind")))
        read_into({name: value for name, value in claimed.items() if name not in ("kind", "payload")}, item, names)
        if payload is not None:
            payload.SetInParent()
            read_into(claimed.get("payload") or {}, payload, {"config": "target"})
        answer.items.append(item)
    return answer


def read_accepted(body: Json) -> agents_pb.ReportHostProcessesResponse:
    """17.3 the answer to an inventory. Raises ValueError."""
    answer = agents_pb.ReportHostProcessesResponse()
    read_into(body, answer, {"accepted": "acceptedCount"})
    return answer


def to_json(message: Message) -> Json:
    """A message without numbers of 64 bits, as its names are."""
    body: Json = MessageToDict(message)
    return body


def spell(moment: Timestamp) -> str:
    """A time as contracts write it."""
    return spell_time(from_ms(moment.ToMilliseconds()))

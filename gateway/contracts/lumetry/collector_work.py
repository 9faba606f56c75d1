"""Work that collectors claim and complete (contract lumetry 16.3)."""

from base64 import b64encode
from typing import Literal

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET, UnsetType

from gateway.contracts.lumetry.values import Count, Int32, Time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import work_pb2

Kind = Literal["poll", "source_test", "notification"]


class ClaimBody(msgspec.Struct, rename="camel"):
    """What a collector can take."""

    capabilities: list[str] | None = None
    max: Int32 = 0


class SampleBody(msgspec.Struct, rename="camel"):
    """A sample that a tested source shows."""

    value: float
    labels: dict[str, str] | None = None
    metric_key: str = ""
    timestamp: Timestamp | None = None


class ResultBody(msgspec.Struct, rename="camel"):
    """What came of work, by its kind."""

    ok: bool = True
    sample_count: Count = 0
    sample: list[SampleBody] | None = None
    duration_ms: Count = 0
    status_code: Int32 = 0
    reached: bool = False
    message: str | None = None


class CompletionBody(msgspec.Struct, rename="camel"):
    """The outcome of claimed work."""

    claim_token: str = ""
    status: Literal["succeeded", "failed"] | None = None
    result: ResultBody | None = None
    error: str | None = None


class SourceConfig(msgspec.Struct, rename="camel"):
    """Where a metric source is and as whom to ask it; empty is what its type does not use."""

    base_url: str
    host: str
    port: int
    database: str
    username: str
    tls: bool


class SourceItem(msgspec.Struct, rename="camel"):
    """One question to a source."""

    metric_key: str
    query: str
    value_column: str
    label_columns: list[str]


class Payload(msgspec.Struct, rename="camel"):
    """What to do. A metric source to ask, of `poll` and `source_test`, or a request to send, of `notification`, whose `body` is base64."""

    source_id: int | UnsetType = UNSET
    type: str | UnsetType = UNSET
    config: SourceConfig | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    items: list[SourceItem] | UnsetType = UNSET
    timeout_ms: int | UnsetType = UNSET
    delivery_id: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    body: str | UnsetType = UNSET


class WorkItem(msgspec.Struct, rename="camel"):
    """Claimed work."""

    claim_id: str
    claim_token: str
    kind: Kind
    lease_expires_at: Time
    budget_ms: int
    payload: Payload


class Claims(msgspec.Struct, rename="camel"):
    """What a claim gives."""

    items: list[WorkItem]


def decode_claim(request: Request) -> pb.ClaimWorkRequest:
    """16.3 `POST /v1/collectors/claims`."""
    body = request.body(ClaimBody)
    return pb.ClaimWorkRequest(capabilities=body.capabilities, max_items=body.max)


def encode_claim(reply: pb.ClaimWorkResponse, _asked: object) -> Claims:
    """16.3 the claimed work."""
    return Claims(items=[encode_item(item) for item in reply.items])


def encode_item(item: work_pb2.WorkItem) -> WorkItem:
    """16.3 one item."""
    kind, payload = encode_payload(item)
    return WorkItem(
        claim_id=item.claim_id,
        claim_token=item.claim_token,
        kind=kind,
        lease_expires_at=format_time(item.lease_expire_time),
        budget_ms=item.budget_ms,
        payload=payload,
    )


def encode_payload(item: work_pb2.WorkItem) -> tuple[Kind, Payload]:
    """16.3 what to do, by kind."""
    if item.HasField("notification"):
        return "notification", encode_notification(item.notification)
    if item.HasField("source_test"):
        return "source_test", encode_source(item.source_test)
    return "poll", encode_source(item.poll)


def encode_source(source: work_pb2.SourceWork) -> Payload:
    """16.3 a source to ask."""
    target = source.target
    return Payload(
        source_id=source.source_id,
        type=source.type,
        config=SourceConfig(
            base_url=target.base_url,
            host=target.host,
            port=target.port,
            database=target.database,
            username=target.username,
            tls=target.tls,
        ),
        secret=source.secret,
        items=[SourceItem(item.metric_key, item.query, item.value_column, list(item.label_columns)) for item in source.items],
        timeout_ms=source.timeout_ms,
    )


def encode_notification(notification: work_pb2.NotificationWork) -> Payload:
    """16.3 a notification to deliver."""
    return Payload(
        delivery_id=notification.delivery_id,
        url=notification.url,
        method=notification.method,
        headers=dict(sorted(notification.headers.items())),
        body=b64encode(notification.body).decode(),
    )


def decode_complete(request: Request) -> pb.CompleteWorkRequest:
    """16.3 `POST /v1/collectors/claims/{claimId}/complete`."""
    body = request.body(CompletionBody)
    outcome = None if body.status is None else decode_outcome(body, body.result or ResultBody())
    return pb.CompleteWorkRequest(claim_id=request.uuid("claimId"), claim_token=body.claim_token, outcome=outcome)


def decode_nothing(request: Request) -> pb.CompleteWorkRequest:
    """A completion that completes nothing, as it has no outcome: refused either way, and with NOT_FOUND where there is no such claim."""
    return pb.CompleteWorkRequest(claim_id=request.uuid("claimId"))


def decode_outcome(body: CompletionBody, result: ResultBody) -> work_pb2.WorkOutcome:
    """16.3 what came of it. A source that a test found not to answer as it should is a failure, too."""
    succeeded = body.status == "succeeded" and result.ok
    return work_pb2.WorkOutcome(
        succeeded=succeeded,
        error="" if succeeded else body.error or result.message or "",
        duration_ms=result.duration_ms,
        sample_count=result.sample_count,
        samples=[
            work_pb2.WorkSample(metric_key=sample.metric_key, time=sample.timestamp, value=sample.value, labels=sample.labels)
            for sample in result.sample or ()
        ],
        status_code=result.status_code,
        reached=result.reached,
    )

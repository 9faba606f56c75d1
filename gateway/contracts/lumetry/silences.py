"""Silences (contract lumetry 19.7)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Id, Limit, Severity, Time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.alerts.v1 import silence_pb2
from lumetry.alerts.v1 import silence_service_pb2 as pb


class SilenceFilters(msgspec.Struct, rename="camel"):
    """Whether they mute now, and how many of the newest."""

    active: bool | None = None
    limit: Limit = 500


class MatchersBody(msgspec.Struct, rename="camel"):
    """What an alert must be, all of it; at least one is given."""

    metric_id: str | None = None
    rule_id: Id | None = None
    severity: Severity | None = None
    source_kind: str | None = None
    service_node_id: Id | None = None
    ci_node_id: Id | None = None
    labels: dict[str, str] | None = None


class SilenceBody(msgspec.Struct, rename="camel"):
    """A silence as written."""

    matchers: MatchersBody | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    reason: str = ""


class Matchers(msgspec.Struct, rename="camel"):
    """What an alert must be, all of it."""

    metric_id: str | None
    rule_id: int | None
    severity: str | None
    source_kind: str | None
    service_node_id: int | None
    ci_node_id: int | None
    labels: dict[str, str] | None


class Silence(msgspec.Struct, rename="camel"):
    """A silence."""

    id: int
    matchers: Matchers
    start_time: Time
    end_time: Time
    reason: str
    is_active: bool
    created_by: int | None
    created_at: Time


def decode_list(request: Request) -> pb.ListSilencesRequest:
    """19.7 `GET`."""
    filters = request.query(SilenceFilters)
    return pb.ListSilencesRequest(active=filters.active, limit=filters.limit)


def encode_list(reply: pb.ListSilencesResponse, _asked: object) -> list[Silence]:
    """19.7 the silences."""
    return [encode_silence(silence) for silence in reply.silences]


def decode_create(request: Request) -> pb.CreateSilenceRequest:
    """19.7 `POST`."""
    body = request.body(SilenceBody)
    return pb.CreateSilenceRequest(
        matchers=decode_matchers(body.matchers or MatchersBody()),
        start_time=body.start_time,
        end_time=body.end_time,
        reason=body.reason,
    )


def decode_matchers(body: MatchersBody) -> silence_pb2.Matchers:
    """19.7 the matchers."""
    return silence_pb2.Matchers(
        metric_key=body.metric_id,
        rule_id=body.rule_id,
        severity=body.severity or "",
        source_kind=body.source_kind or "",
        service_node_id=body.service_node_id,
        ci_node_id=body.ci_node_id,
        labels=body.labels or {},
    )


def encode_create(reply: pb.CreateSilenceResponse, _asked: object) -> Silence:
    """19.7 the new silence."""
    return encode_silence(reply.silence)


def decode_delete(request: Request) -> pb.DeleteSilenceRequest:
    """19.7 `DELETE`."""
    return pb.DeleteSilenceRequest(id=request.number("id"))


def encode_silence(silence: silence_pb2.Silence) -> Silence:
    """19.7 a silence."""
    matchers = silence.matchers
    return Silence(
        id=silence.id,
        matchers=Matchers(
            metric_id=optional_value(matchers, "metric_key"),
            rule_id=optional_value(matchers, "rule_id"),
            severity=matchers.severity or None,
            source_kind=matchers.source_kind or None,
            service_node_id=optional_value(matchers, "service_node_id"),
            ci_node_id=optional_value(matchers, "ci_node_id"),
            labels=dict(sorted(matchers.labels.items())) or None,
        ),
        start_time=format_time(silence.start_time),
        end_time=format_time(silence.end_time),
        reason=silence.reason,
        is_active=silence.is_active,
        created_by=optional_value(silence, "created_by"),
        created_at=format_time(silence.create_time),
    )

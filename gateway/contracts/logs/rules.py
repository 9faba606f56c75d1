"""Log alert rules (contract logs 8)."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.contracts.logs.search import Time
from gateway.contracts.logs.times import format_time
from gateway.transcode.bodies import check_content_type, parse_json, read_bytes
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, malformed_body
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import LARGEST_INTEGER, Request
from lumetry.logrules.v1 import log_alert_rule_pb2
from lumetry.logrules.v1 import log_alert_rule_service_pb2 as pb

CREATE = find_rpc(pb.DESCRIPTOR, "LogAlertRuleService", "CreateLogAlertRule")
UPDATE = find_rpc(pb.DESCRIPTOR, "LogAlertRuleService", "UpdateLogAlertRule")
MAX_BODY_BYTES = 65_536
Asked = pb.CreateLogAlertRuleRequest | pb.UpdateLogAlertRuleRequest


class RuleBody(msgspec.Struct):
    """What may be written of a rule; `null` stands for the default."""

    rule_name: str | None = None
    error_type: str | None = None
    severity: str | None = None
    count_threshold: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    time_window_minutes: Annotated[int, msgspec.Meta(ge=1, le=1_440)] | None = None
    channels: list[int | str] | None = None
    trigger: str | None = None
    min_level: str | None = None
    environment: str | None = None
    project_id: str | None = None
    q: str | None = None
    quiet_minutes: Annotated[int, msgspec.Meta(ge=1, le=10_080)] | None = None
    topology_node_id: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INTEGER)] | None = None
    enabled: bool | None = None


class Rule(msgspec.Struct):
    """A rule."""

    id: int
    rule_name: str
    error_type: str | None
    severity: str
    count_threshold: int | None
    time_window_minutes: int | None
    channels: list[int | str]
    trigger: str
    min_level: str
    environment: str | None
    project_id: str | None
    q: str | None
    quiet_minutes: int
    topology_node_id: int | None
    enabled: bool
    created_at: Time
    updated_at: Time
    created_by: str | None


class RuleDetail(Rule):
    """A rule and what it is doing."""

    open_alert_id: int | None
    last_fired_at: Time | None


class Rules(msgspec.Struct):
    """Rules by id."""

    rules: list[Rule]


NULLABLE = (
    "error_type",
    "count_threshold",
    "time_window_minutes",
    "environment",
    "project_id",
    "q",
    "topology_node_id",
    "created_by",
)


def decode_list(_request: Request) -> pb.ListLogAlertRulesRequest:
    """8.4 `GET /v1/log-alert-rules`."""
    return pb.ListLogAlertRulesRequest()


def encode_list(reply: pb.ListLogAlertRulesResponse, _asked: object) -> Rules:
    """8.4 the rules."""
    return Rules([Rule(**fields_of(rule)) for rule in reply.rules])


def decode_get(request: Request) -> pb.GetLogAlertRuleRequest:
    """8.4 `GET /v1/log-alert-rules/{id}`."""
    return pb.GetLogAlertRuleRequest(id=request.number("id"))


def encode_get(reply: pb.GetLogAlertRuleResponse, _asked: object) -> RuleDetail:
    """8.4 one rule."""
    return RuleDetail(
        **fields_of(reply.rule),
        open_alert_id=reply.open_alert_id if reply.HasField("open_alert_id") else None,
        last_fired_at=format_time(reply.last_fire_time) if reply.HasField("last_fire_time") else None,
    )


async def answer_create(request: Request) -> web.StreamResponse:
    """8.4 `POST /v1/log-alert-rules`."""
    data, faults = await read_object(request), list[Fault]()
    asked = pb.CreateLogAlertRuleRequest(fields=read_fields(data, faults))
    return json_response(await write(request, CREATE, asked, faults), web.HTTPCreated.status_code)


async def answer_update(request: Request) -> web.StreamResponse:
    """8.4 `PUT /v1/log-alert-rules/{id}`: what appears is changed."""
    rule_id = request.number("id")
    data, faults = await read_object(request), list[Fault]()
    named = FieldMask(paths=[name for name in RuleBody.__struct_fields__ if name in data])
    asked = pb.UpdateLogAlertRuleRequest(id=rule_id, fields=read_fields(data, faults), update_mask=named)
    return json_response(await write(request, UPDATE, asked, faults))


def decode_delete(request: Request) -> pb.DeleteLogAlertRuleRequest:
    """8.4 `DELETE /v1/log-alert-rules/{id}`."""
    return pb.DeleteLogAlertRuleRequest(id=request.number("id"))


def encode_delete(_reply: object, _asked: object) -> None:
    """8.4 nothing."""


async def read_object(request: Request) -> dict[str, Any]:
    """The body as an object, in which `null` differs from absence.

    Raises:
        Failure: PAYLOAD_TOO_LARGE, MALFORMED_BODY, UNSUPPORTED_MEDIA_TYPE.
    """
    request.content = await read_bytes(request.http, MAX_BODY_BYTES, gzip=True, bad_encoding=request.family.bad_media)
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    data = parse_json(request.content)
    if not isinstance(data, dict):
        raise malformed_body("The body must be a JSON object.")
    return data


def read_fields(data: dict[str, Any], faults: list[Fault]) -> log_alert_rule_pb2.LogAlertRuleFields:
    """The writable fields of a body; those of a wrong type are noted and left out."""
    body = read_body(RuleBody, {name: value for name, value in data.items() if name != "channels"}, faults)
    given = {name: getattr(body, name) for name in RuleBody.__struct_fields__ if name != "channels"}
    return log_alert_rule_pb2.LogAlertRuleFields(**given, channels=read_channels(data.get("channels"), faults))


def read_channels(value: object, faults: list[Fault]) -> list[log_alert_rule_pb2.LogAlertRuleChannel]:
    """What names channels; anything but numbers and texts is noted."""
    if value is None:
        return []
    if not isinstance(value, list):
        faults.append(Fault("channels", "must be an array"))
        return []
    channels = []
    for position, member in enumerate(value):
        if isinstance(member, str):
            channels.append(log_alert_rule_pb2.LogAlertRuleChannel(name=member.replace("\0", "")))
        elif isinstance(member, int) and not isinstance(member, bool) and 1 <= member <= LARGEST_INTEGER:
            channels.append(log_alert_rule_pb2.LogAlertRuleChannel(id=member))
        else:
            faults.append(Fault(f"channels[{position}]", "must be the id of a channel, its name or a channel type"))
            channels.append(log_alert_rule_pb2.LogAlertRuleChannel())
    return channels


async def write(request: Request, rpc: Rpc, asked: Asked, faults: list[Fault]) -> Rule:
    """Calls the core or, when fields have wrong types, lets it check the others, so that the answer names every fault."""
    asked.validate_only = bool(faults)
    try:
        reply = await request.core.call(rpc, asked, request.metadata, rates=request.rates)
    except Failure as failure:
        if not faults or failure.reason not in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            raise
        known = {fault.path for fault in faults}
        faults = [*faults, *(fault for fault in failure.faults if fault.path not in known)]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), from_core=True)
    return Rule(**fields_of(reply.rule))


def fields_of(rule: log_alert_rule_pb2.LogAlertRule) -> dict[str, Any]:
    """The fields that every answer about a rule has."""
    return {
        "id": rule.id,
        "rule_name": rule.rule_name,
        "severity": rule.severity,
        "channels": [channel.id if channel.WhichOneof("choice") == "id" else channel.name for channel in rule.channels],
        "trigger": rule.trigger,
        "min_level": rule.min_level,
        "quiet_minutes": rule.quiet_minutes,
        "enabled": rule.enabled,
        "created_at": format_time(rule.create_time),
        "updated_at": format_time(rule.update_time),
        **{name: getattr(rule, name) if rule.HasField(name) else None for name in NULLABLE},  # type: ignore[arg-type]
    }

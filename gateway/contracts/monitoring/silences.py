"""Silence rules (contract monitoring 11)."""

from typing import Any

import msgspec

from gateway.contracts.monitoring.values import Time, format_or_none, read_word, value_or_none
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.alerts.v1 import silence_rule_service_pb2 as pb

LIST_RULES = find_rpc(pb.DESCRIPTOR, "SilenceRuleService", "ListSilenceRules")
CREATE_RULE = find_rpc(pb.DESCRIPTOR, "SilenceRuleService", "CreateSilenceRule")
CANCEL_RULE = find_rpc(pb.DESCRIPTOR, "SilenceRuleService", "CancelSilenceRule")

ACTIVE = {"": True, "true": True, "1": True, "false": False, "0": False, "all": None}


class SilenceRule(msgspec.Struct):
    """A rule; what is null matches everything."""

    id: int
    entity_type: str | None
    entity_id: int | None
    source: str | None
    reason: str | None
    starts_at: Time
    duration_seconds: int
    expires_at: Time
    is_active: bool
    cancelled_at: Time | None
    created_at: Time
    created_by: str | None


class SilenceRules(msgspec.Struct):
    """Rules, newest first."""

    rules: list[SilenceRule]


class SilenceQuery(msgspec.Struct):
    """Active ones (`true`, which is the default), those that are over (`false`), or `all`."""

    active: str | None = None


class SilenceRuleBody(msgspec.Struct):
    """A rule that starts now."""

    duration_seconds: int
    entity_type: str | None = None
    entity_id: int | None = None
    source: str | None = None
    reason: str | None = None


def decode_list(request: Request) -> pb.ListSilenceRulesRequest:
    """11 `GET /api/v1/silence`."""
    return pb.ListSilenceRulesRequest(active=ACTIVE[read_word(request.query(SilenceQuery).active, "active", [*ACTIVE][1:])])


def encode_list(reply: pb.ListSilenceRulesResponse, _asked: object) -> SilenceRules:
    """11 rules."""
    return SilenceRules([encode_rule(rule) for rule in reply.rules])


def decode_create(request: Request) -> pb.CreateSilenceRuleRequest:
    """11 `POST /api/v1/silence`."""
    body = request.body(SilenceRuleBody)
    given: dict[str, Any] = {name: getattr(body, name) for name in body.__struct_fields__}
    for name in ("duration_seconds", "entity_id"):
        if given[name] is not None:  # what 64 bits cannot hold is out of every range
            given[name] = max(-1, min(given[name], 2**62))
    return pb.CreateSilenceRuleRequest(**given)


def encode_create(reply: pb.CreateSilenceRuleResponse, _asked: object) -> SilenceRule:
    """11 a rule."""
    return encode_rule(reply.rule)


def decode_cancel(request: Request) -> pb.CancelSilenceRuleRequest:
    """11 `DELETE /api/v1/silence/{id}`."""
    return pb.CancelSilenceRuleRequest(id=request.number("id"))


def encode_rule(rule: pb.SilenceRule) -> SilenceRule:
    """11 a rule."""
    return SilenceRule(
        id=rule.id,
        entity_type=rule.entity_type or None,
        entity_id=value_or_none(rule, "entity_id"),
        source=rule.source or None,
        reason=rule.reason or None,
        starts_at=format_time(rule.start_time),
        duration_seconds=rule.duration_seconds,
        expires_at=format_time(rule.expire_time),
        is_active=rule.is_active,
        cancelled_at=format_or_none(rule, "cancel_time"),
        created_at=format_time(rule.create_time),
        created_by=rule.created_by or None,
    )


def encode_nothing(_reply: pb.CancelSilenceRuleResponse, _asked: object) -> None:
    """11 204."""

"""The members of a metric, compared (contract lumetry 5.5)."""

import msgspec

from gateway.contracts.lumetry.values import Time, optional_time, optional_value, words
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.evaluation.v1 import fleet_service_pb2 as pb

STATUS_OF = words(pb.FleetMemberStatus.items(), "FLEET_MEMBER_STATUS_")


class FleetGroup(msgspec.Struct, rename="camel"):
    """Members that are each other's peers."""

    group: str | None
    peer_count: int
    median: float | None
    mad: float | None
    lower: float | None
    upper: float | None


class FleetMember(msgspec.Struct, rename="camel"):
    """A member at the newest tick."""

    dimension_key: str | None
    group: str | None
    value: float | None
    timestamp: Time | None
    deviation_percent: float | None
    score: float | None
    baseline_expected: float | None
    baseline_score: float | None
    status: str


class Fleet(msgspec.Struct, rename="camel"):
    """The members of a metric at its newest tick."""

    metric_key: str
    timestamp: Time
    analyses: list[str]
    split_dimension: str | None
    groups: list[FleetGroup]
    members: list[FleetMember]


def decode_get_fleet(request: Request) -> pb.GetFleetRequest:
    """5.5 `GET /api/metrics/{id}/fleet`."""
    return pb.GetFleetRequest(metric_key=request.key("id"))


def encode_get_fleet(reply: pb.GetFleetResponse, _asked: object) -> Fleet:
    """5.5 the fleet."""
    return Fleet(
        metric_key=reply.metric_key,
        timestamp=format_time(reply.tick_time),
        analyses=list(reply.analyses),
        split_dimension=optional_value(reply, "split_dimension"),
        groups=[encode_group(group) for group in reply.groups],
        members=[encode_member(member) for member in reply.members],
    )


def encode_group(group: pb.FleetGroup) -> FleetGroup:
    """5.5 a peer group."""
    return FleetGroup(
        group=optional_value(group, "group"),
        peer_count=group.peer_count,
        median=optional_value(group, "median"),
        mad=optional_value(group, "mad"),
        lower=optional_value(group, "lower"),
        upper=optional_value(group, "upper"),
    )


def encode_member(member: pb.FleetMember) -> FleetMember:
    """5.5 a member."""
    return FleetMember(
        dimension_key=optional_value(member, "dimension_key"),
        group=optional_value(member, "group"),
        value=optional_value(member, "value"),
        timestamp=optional_time(member, "time"),
        deviation_percent=optional_value(member, "deviation_percent"),
        score=optional_value(member, "score"),
        baseline_expected=optional_value(member, "baseline_expected"),
        baseline_score=optional_value(member, "baseline_score"),
        status=STATUS_OF[member.status],
    )

"""Incident windows and public holidays (contract lumetry 12.4), which have the same body. Who made one is never read from it."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Int32, Limit, Time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.routes import Decode
from gateway.transcode.times import format_time
from lumetry.baselines.v1 import exclusion_service_pb2 as pb


class ExclusionFilters(msgspec.Struct, rename="camel"):
    """How many of the newest."""

    limit: Limit = 500


class ExclusionBody(msgspec.Struct, rename="camel"):
    """A period as written; without `metricId` it is for all metrics."""

    metric_id: str | None = None
    start_time: Timestamp | None = None
    end_time: Timestamp | None = None
    reason: str = ""


class HolidayImportBody(msgspec.Struct, rename="camel"):
    """Whose holidays; without `timeZone` days are those of the default baseline profile."""

    country: str = ""
    subdivision: str | None = None
    year: Int32 | None = None
    time_zone: str | None = None


class Exclusion(msgspec.Struct, rename="camel"):
    """A period that baselines do not learn from."""

    id: int
    metric_id: str | None
    start_time: Time
    end_time: Time
    reason: str
    created_by: int | None
    created_at: Time


def decode_list(kind: "pb.ExclusionKind.ValueType") -> Decode:
    """12.4 `GET` of a kind."""

    def decode(request: Request) -> pb.ListExclusionsRequest:
        return pb.ListExclusionsRequest(kind=kind, limit=request.query(ExclusionFilters).limit)

    return decode


def decode_create(kind: "pb.ExclusionKind.ValueType") -> Decode:
    """12.4 `POST` of a kind."""

    def decode(request: Request) -> pb.CreateExclusionRequest:
        body = request.body(ExclusionBody)
        return pb.CreateExclusionRequest(
            kind=kind, metric_key=body.metric_id, start_time=body.start_time, end_time=body.end_time, reason=body.reason
        )

    return decode


def decode_delete(kind: "pb.ExclusionKind.ValueType") -> Decode:
    """12.4 `DELETE` of a kind."""

    def decode(request: Request) -> pb.DeleteExclusionRequest:
        return pb.DeleteExclusionRequest(kind=kind, id=request.number("id"))

    return decode


def decode_import(request: Request) -> pb.ImportPublicHolidaysRequest:
    """12.4 `POST /api/public-holidays/import`."""
    body = request.body(HolidayImportBody)
    return pb.ImportPublicHolidaysRequest(
        country=body.country,
        subdivision=body.subdivision or "",
        years=() if body.year is None else (body.year,),
        time_zone=body.time_zone or "",
    )


def encode_list(reply: pb.ListExclusionsResponse | pb.ImportPublicHolidaysResponse, _asked: object) -> list[Exclusion]:
    """12.4 the periods of an answer."""
    return [encode_exclusion(exclusion) for exclusion in reply.exclusions]


def encode_exclusion_reply(reply: pb.CreateExclusionResponse, _asked: object) -> Exclusion:
    """12.4 the new period."""
    return encode_exclusion(reply.exclusion)


def encode_exclusion(exclusion: pb.Exclusion) -> Exclusion:
    """12.4 a period."""
    return Exclusion(
        id=exclusion.id,
        metric_id=optional_value(exclusion, "metric_key"),
        start_time=format_time(exclusion.start_time),
        end_time=format_time(exclusion.end_time),
        reason=exclusion.reason,
        created_by=optional_value(exclusion, "created_by"),
        created_at=format_time(exclusion.create_time),
    )

"""Ingestion of points (contract lumetry 4.1, 4.2)."""

import re
from collections.abc import Iterable, Sequence

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.points import PointBody, Reading, make_columns, read_batch
from gateway.transcode.bodies import MEBIBYTE, check_content_type, read_bytes
from gateway.transcode.failures import Failure, Fault, Reason, internal_failure, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.lanes import Ingestor, Result
from gateway.transcode.request import Request
from gateway.transcode.series import Columns

BATCH_LIMIT = 8 * MEBIBYTE
POINT_PATH = re.compile(r"metrics\[(\d+)\]\.?(.*)", re.ASCII | re.DOTALL)


class Accepted(msgspec.Struct, rename="camel"):
    """A batch that is durable."""

    accepted: int
    batch_id: str


class SinglePointBody(msgspec.Struct, rename="camel"):
    """One point; `metricId` is another name for `metricName`."""

    timestamp: Timestamp
    value: float
    metric_name: str | None = None
    metric_id: str | None = None
    namespace: str | None = None
    source: str | None = None
    labels: dict[str, str] | None = None


class Receipt(msgspec.Struct, rename="camel"):
    """The evaluation job of a point."""

    job_id: int
    status: str


async def ingest_batch(request: Request) -> web.Response:
    """4.1 `POST /v1/metrics`."""
    ingestor: Ingestor = request.services.ingestor
    await ingestor.admit(request.metadata)
    body = await read_bytes(request.http, BATCH_LIMIT, gzip=True)
    check_content_type(request.http)
    reading = read_batch(body, ingestor.book)
    if reading.faults or reading.columns is None:
        raise validation_failure(await all_faults(ingestor, reading, request))
    result = await submit(ingestor, reading.columns, request)
    request.services.figures.points.inc(result.batch.accepted_count)
    return json_response(Accepted(accepted=result.batch.accepted_count, batch_id=result.batch.batch_id), 202)


async def all_faults(ingestor: Ingestor, reading: Reading, request: Request) -> tuple[Fault, ...]:
    """The faults of types together with what the core finds wrong besides, by position."""
    found: Iterable[Fault] = ()
    if reading.columns is not None:
        try:
            found = faults_of(await ingestor.validate(reading.columns, request.metadata))
        except Failure as failure:
            if failure.reason is not Reason.VALIDATION_FAILED:
                raise
            found = failure.faults
    moved = [move_fault(fault, reading.positions) for fault in found]
    return tuple(sorted([*reading.faults, *moved], key=position_of))


async def submit(ingestor: Ingestor, columns: Columns, request: Request) -> Result:
    """Sends a batch.

    Raises:
        Failure: It was not accepted.
    """
    result = await ingestor.submit(columns, request.metadata)
    if result.faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults_of(result)), from_core=True)
    if not result.HasField("batch"):
        raise internal_failure()
    return result


def faults_of(result: Result) -> Iterable[Fault]:
    """What the core found wrong with a batch, by JSON path."""
    for fault in result.faults:
        place = f"metrics[{fault.point_index}]" if fault.point_index >= 0 else "metrics"
        yield Fault(f"{place}.{fault.field}" if fault.field else place, fault.message)


def move_fault(fault: Fault, positions: Sequence[int]) -> Fault:
    """A fault of the points that were sent, under the place where the point stood in the body."""
    match = POINT_PATH.fullmatch(fault.path)
    if match is None or int(match[1]) >= len(positions):
        return fault
    place = f"metrics[{positions[int(match[1])]}]"
    return Fault(f"{place}.{match[2]}" if match[2] else place, fault.message)


def position_of(fault: Fault) -> int:
    """Where a fault is listed: by point, then those of the whole batch."""
    match = POINT_PATH.fullmatch(fault.path)
    return int(match[1]) if match else 2**31


async def ingest_point(request: Request) -> web.Response:
    """4.2 `POST /api/metric-ingestion`."""
    ingestor: Ingestor = request.services.ingestor
    await ingestor.admit(request.metadata)
    request.content = await read_bytes(request.http, MEBIBYTE, gzip=False)
    body = request.body(SinglePointBody, check=check_names)
    name = "metricName" if body.metric_name is not None else "metricId"
    point = PointBody(
        metric_name=body.metric_name or body.metric_id or "",
        timestamp=body.timestamp,
        value=body.value,
        namespace=body.namespace,
        source=body.source,
        labels=body.labels,
    )
    try:
        result = await submit(ingestor, make_columns([point], ingestor.book), request)
    except Failure as failure:
        faults = tuple(alone(fault, name) for fault in failure.faults)
        raise Failure(failure.reason, failure.message, faults=faults, metadata=failure.metadata, from_core=True) from failure
    if not result.batch.job_ids:
        raise Failure(Reason.CONFLICT, "The agent may send no more series; the point was dropped.", from_core=True)
    request.services.figures.points.inc()
    return json_response(Receipt(job_id=result.batch.job_ids[0], status="Queued"), 202)


def check_names(body: SinglePointBody, faults: list[Fault]) -> None:
    """The metric is named, by one name."""
    if any(fault.path in {"metricName", "metricId"} for fault in faults):
        return
    if body.metric_name is None and body.metric_id is None:
        faults.append(Fault("metricName", "is required"))
    elif body.metric_name is not None and body.metric_id is not None and body.metric_name != body.metric_id:
        faults.append(Fault("metricId", "must equal metricName"))


def alone(fault: Fault, name: str) -> Fault:
    """A fault of the only point, without the place in a batch and under the name that the body used for the metric."""
    match = POINT_PATH.fullmatch(fault.path)
    path = match[2] if match else ""
    return Fault(name if path == "metricName" else path, fault.message)

"""Doing one piece of work, and what came of it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from lumetry.collectors.v1 import work_pb2
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.link import KeepsPoints
from lumetry_core.collectors.agent.polling.model import Fetch, Item, ItemResult, Sample, Source, Target
from lumetry_core.collectors.agent.polling.polling import poll_source
from lumetry_core.collectors.agent.polling.wording import summarize

REPORTED_SAMPLES = 5
DEFAULT_TIMEOUT_SECONDS = 10.0
MAX_TIMEOUT_SECONDS = 60.0
NOTIFYING_METHODS = ("POST", "PUT", "PATCH")


async def poll(work: work_pb2.SourceWork, fetch: Fetch, keep: KeepsPoints, now: datetime, seconds: float) -> work_pb2.WorkOutcome:
    """Polls a source; the points are on disk when this returns."""
    results = await poll_source(read_source(work), fetch, now, seconds)
    points = [build_point(each, work.type) for result in results for each in result.samples]
    if points:
        keep(points)
    error = summarize(results)
    return work_pb2.WorkOutcome(succeeded=not error, error=error, sample_count=len(points))


async def test(work: work_pb2.SourceWork, fetch: Fetch, now: datetime, seconds: float) -> work_pb2.WorkOutcome:
    """Asks a source and tells what it shows. Nothing becomes points."""
    results = await poll_source(read_source(work), fetch, now, seconds)
    error = summarize(results)
    shown = choose_samples(results)
    return work_pb2.WorkOutcome(
        succeeded=not error, error=error, sample_count=sum(len(each.samples) for each in results), samples=map(build_sample, shown)
    )


async def notify(work: work_pb2.NotificationWork, fetch: Fetch, seconds: float) -> work_pb2.WorkOutcome:
    """Delivers a notification once."""
    from lumetry_core.runtime.outbound import OutboundError, OutboundRequest  # noqa: PLC0415 -- loads the HTTP client

    method = work.method or NOTIFYING_METHODS[0]
    if method not in NOTIFYING_METHODS:
        return fail(f"notifications are not sent by {method[:20]}")
    try:
        async with asyncio.timeout(seconds):
            answer = await fetch.send(OutboundRequest(method, work.url, dict(work.headers), work.body))
    except TimeoutError:
        return work_pb2.WorkOutcome(error=f"no answer within {round(seconds, 1):g} s", reached=True)
    except OutboundError as error:
        return work_pb2.WorkOutcome(error=error.message, reached=error.reached)
    if 200 <= answer.status < 300:
        return work_pb2.WorkOutcome(succeeded=True, status_code=answer.status)
    told = "a redirect, which is not followed" if 300 <= answer.status < 400 else "no success"
    return work_pb2.WorkOutcome(error=f"the receiver answered {answer.status}: {told}", status_code=answer.status)


def fail(error: str) -> work_pb2.WorkOutcome:
    """The outcome of work that could not be done."""
    return work_pb2.WorkOutcome(error=error)


def read_source(work: work_pb2.SourceWork) -> Source:
    """The source to ask."""
    target = work.target
    seconds = work.timeout_ms / 1000 if work.timeout_ms > 0 else DEFAULT_TIMEOUT_SECONDS
    return Source(
        work.type,
        Target(target.base_url, target.username, target.host, target.port, target.database, target.tls),
        tuple(Item(each.metric_key, each.query, each.value_column, tuple(each.label_columns)) for each in work.items),
        work.secret,
        min(seconds, MAX_TIMEOUT_SECONDS),
    )


def choose_samples(results: Sequence[ItemResult]) -> list[Sample]:
    """A few samples, of as many items as possible."""
    turns = (each.samples[turn] for turn in range(REPORTED_SAMPLES) for each in results if turn < len(each.samples))
    return [each for each, _ in zip(turns, range(REPORTED_SAMPLES), strict=False)]


def build_point(sample: Sample, source_type: str) -> metrics_pb.Point:
    """The point of a sample: it is the source's, not the collector's host's."""
    point = metrics_pb.Point(metric_key=sample.metric_key, value=sample.value, labels=sample.labels, source=source_type)
    point.time.FromDatetime(sample.time)
    return point


def build_sample(sample: Sample) -> work_pb2.WorkSample:
    """A sample to report."""
    built = work_pb2.WorkSample(metric_key=sample.metric_key, value=sample.value, labels=sample.labels)
    built.time.FromDatetime(sample.time)
    return built

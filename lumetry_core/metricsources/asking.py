"""Asks sources: the network side of polls and tests that the core makes."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from lumetry_core.collectors.agent.polling.model import Fetch, ItemResult, Sample
from lumetry_core.collectors.agent.polling.polling import poll_source
from lumetry_core.metrics.definition import DEFAULT_NAMESPACE, define
from lumetry_core.metrics.service.ingestion import Append, PointInput, ingest_points
from lumetry_core.metricsources.model import MAX_TEST_SAMPLES, Definition, Seen, SourceTest, SourceTestStatus
from lumetry_core.metricsources.schedule import poll_budget
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.errors import LumetryError, Reason

MAX_ERROR = 1_000


async def ask(definition: Definition, secret: str, fetch: Fetch, clock: Clock) -> list[ItemResult]:
    """What every item of a source gives now, in their order."""
    budget = poll_budget(definition.timeout_seconds, len(definition.items))
    return await poll_source(definition.asked(secret), fetch, clock.now(), budget)


async def make_test(definition: Definition, secret: str, fetch: Fetch, clock: Clock) -> SourceTest:
    """Tests a source: nothing of what it shows is stored."""
    begin = monotonic()
    results = await ask(definition, secret, fetch, clock)
    duration_ms = int((monotonic() - begin) * 1000)
    errors = [f"items[{position}]: {each.error}" for position, each in enumerate(results) if each.error]
    samples = [Seen(each.metric_key, each.time, each.value, dict(each.labels)) for each in spread(results)]
    return SourceTest(
        status=SourceTestStatus.FAILED if errors else SourceTestStatus.SUCCEEDED,
        duration_ms=duration_ms,
        samples=tuple(samples),
        error="; ".join(errors)[:MAX_ERROR] or None,
    )


def spread(results: Sequence[ItemResult]) -> list[Sample]:
    """So many samples as a test shows: of every item some, in their order."""
    kept: list[list[Sample]] = [[] for _ in results]
    left = MAX_TEST_SAMPLES
    for place in range(MAX_TEST_SAMPLES):
        for position, result in enumerate(results):
            if left and place < len(result.samples):
                kept[position].append(result.samples[place])
                left -= 1
    return [sample for of_item in kept for sample in of_item]


async def store_samples(
    append: Append, clock: Clock, organization_id: int, source_type: str, results: Sequence[ItemResult]
) -> list[tuple[int, str]]:
    """Has what items gave taken as points; the positions of items whose points are refused, and why.

    Each item by itself, so that one that gives what no point can be keeps no other from being stored. Fails as appending does.
    """
    given = [(position, result) for position, result in enumerate(results) if result.samples]
    outcomes = await asyncio.gather(
        *(take(append, clock, organization_id, source_type, result.samples) for _, result in given), return_exceptions=True
    )
    refused = []
    for (position, _), outcome in zip(given, outcomes, strict=True):
        if isinstance(outcome, LumetryError) and outcome.reason is Reason.VALIDATION_FAILED:
            first = outcome.faults[0]
            refused.append((position, f"gives what cannot be stored: {first.path.rpartition('.')[2]} {first.message}"))
        elif isinstance(outcome, BaseException):
            raise outcome
    return refused


async def take(append: Append, clock: Clock, organization_id: int, source_type: str, samples: Sequence[Sample]) -> None:
    """Stores the samples of an item."""
    points = [
        PointInput(
            define(sample.metric_key, sorted(sample.labels.items()), DEFAULT_NAMESPACE, source_type), to_ms(sample.time), sample.value
        )
        for sample in samples
    ]
    await ingest_points(append, clock, system_caller(organization_id), points)

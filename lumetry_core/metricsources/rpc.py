"""`lumetry.metricsources.v1.MetricSourceService`."""

import asyncio
from typing import Any

import grpc

from lumetry.metricsources.v1 import metric_source_service_pb2 as pb
from lumetry.metricsources.v1.metric_source_service_pb2_grpc import MetricSourceServiceServicer
from lumetry_core.collectors.agent.polling.model import Fetch
from lumetry_core.metricsources.asking import make_test
from lumetry_core.metricsources.drafts import ConfigDraft, ItemDraft, SourceDraft
from lumetry_core.metricsources.model import DATABASES, Definition, Source, SourceTest
from lumetry_core.metricsources.sealing import Rules
from lumetry_core.metricsources.service import sources, testing
from lumetry_core.metricsources.service.sources import Chance
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]

TESTS_AT_ONCE = 8
"""In this process; further ones are refused rather than made to wait."""
RETRY_SECONDS = 5


class MetricSourceServicer(MetricSourceServiceServicer):
    """Serves the managing and testing of sources."""

    def __init__(self, database: Database, clock: Clock, rules: Rules, fetch: Fetch, chance: Chance) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._fetch = fetch
        self._chance = chance
        self._tests = asyncio.Semaphore(TESTS_AT_ONCE)

    async def ListMetricSources(self, request: pb.ListMetricSourcesRequest, context: Context) -> pb.ListMetricSourcesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await sources.list_sources(tx, current_caller().organization_id)
        return pb.ListMetricSourcesResponse(sources=[encode_source(source) for source in found])

    async def GetMetricSource(self, request: pb.GetMetricSourceRequest, context: Context) -> pb.GetMetricSourceResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await sources.get_source(tx, current_caller().organization_id, request.id)
        return pb.GetMetricSourceResponse(source=encode_source(found))

    async def CreateMetricSource(self, request: pb.CreateMetricSourceRequest, context: Context) -> pb.CreateMetricSourceResponse:
        """See the proto."""
        draft = decode_draft(request.source)
        async with self._database.write() as tx:
            created = await sources.create_source(tx, current_caller(), draft, self._rules, self._chance, self._clock.now())
        return pb.CreateMetricSourceResponse(source=encode_source(created))

    async def UpdateMetricSource(self, request: pb.UpdateMetricSourceRequest, context: Context) -> pb.UpdateMetricSourceResponse:
        """See the proto."""
        draft = decode_draft(request.source)
        async with self._database.write() as tx:
            after = await sources.update_source(tx, current_caller(), request.id, draft, self._rules, self._chance, self._clock.now())
        return pb.UpdateMetricSourceResponse(source=encode_source(after))

    async def DeleteMetricSource(self, request: pb.DeleteMetricSourceRequest, context: Context) -> pb.DeleteMetricSourceResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await sources.delete_source(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteMetricSourceResponse()

    async def TestMetricSource(self, request: pb.TestMetricSourceRequest, context: Context) -> pb.TestMetricSourceResponse:
        """See the proto."""
        source_id = request.id if request.HasField("id") else None
        draft = decode_draft(request.candidate) if request.HasField("candidate") else None
        async with self._database.write() as tx:
            candidate, test = await testing.begin_test(tx, current_caller(), source_id, draft, self._rules, self._clock.now())
        if test is None:
            if self._tests.locked():
                message = "Too many tests of metric sources run."
                raise LumetryError(Reason.OVERLOADED, message, retry_after_seconds=str(RETRY_SECONDS))
            async with self._tests:
                test = await make_test(candidate.definition, candidate.secret, self._fetch, self._clock)
        return pb.TestMetricSourceResponse(test=encode_test(test))

    async def GetMetricSourceTest(self, request: pb.GetMetricSourceTestRequest, context: Context) -> pb.GetMetricSourceTestResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await testing.get_test(tx, current_caller().organization_id, request.id, self._clock.now())
        return pb.GetMetricSourceTestResponse(test=encode_test(found))


def decode_draft(draft: pb.MetricSourceDraft) -> SourceDraft:
    """A source as it was sent."""
    config = draft.config
    return SourceDraft(
        name=draft.name,
        type=draft.type,
        config=ConfigDraft(
            base_url=config.base_url if config.HasField("base_url") else None,
            username=config.username if config.HasField("username") else None,
            host=config.host if config.HasField("host") else None,
            port=config.port if config.HasField("port") else None,
            database=config.database if config.HasField("database") else None,
            tls=config.tls if config.HasField("tls") else None,
        ),
        secret=draft.secret if draft.HasField("secret") else None,
        items=[
            ItemDraft(
                metric_key=item.metric_key,
                query=item.query,
                value_column=item.value_column if item.HasField("value_column") else None,
                label_columns=tuple(item.label_columns),
                unit=item.unit if item.HasField("unit") else None,
            )
            for item in draft.items
        ],
        poll_interval_seconds=draft.poll_interval_seconds if draft.HasField("poll_interval_seconds") else None,
        timeout_seconds=draft.timeout_seconds if draft.HasField("timeout_seconds") else None,
        collector_id=draft.collector_id if draft.HasField("collector_id") else None,
        is_enabled=draft.is_enabled if draft.HasField("is_enabled") else None,
    )


def encode_source(source: Source) -> pb.MetricSource:
    """A source."""
    definition, standing = source.definition, source.standing
    return pb.MetricSource(
        id=source.id,
        name=definition.name,
        type=definition.type.value,
        config=encode_config(definition),
        has_secret=source.sealed is not None,
        items=[
            pb.MetricSourceItem(
                metric_key=item.metric_key,
                query=item.query,
                value_column=item.value_column or None,
                label_columns=item.label_columns,
                unit=item.unit or None,
            )
            for item in definition.items
        ],
        poll_interval_seconds=definition.poll_interval_seconds,
        timeout_seconds=definition.timeout_seconds,
        collector_id=definition.collector_id,
        is_enabled=definition.is_enabled,
        last_poll_time=encode_time(standing.poll_time),
        last_status=None if standing.status is None else standing.status.value,
        last_error=standing.error,
        create_time=encode_time(source.create_time),
        update_time=encode_time(source.update_time),
    )


def encode_config(definition: Definition) -> pb.MetricSourceConfig:
    """Where a source is."""
    target = definition.target
    username = target.username or None
    if definition.type in DATABASES:
        return pb.MetricSourceConfig(host=target.host, port=target.port, database=target.database, username=username, tls=target.tls)
    return pb.MetricSourceConfig(base_url=target.base_url, username=username)


def encode_test(test: SourceTest) -> pb.MetricSourceTest:
    """A test."""
    return pb.MetricSourceTest(
        id=test.id,
        status=test.status.value,
        duration_ms=test.duration_ms,
        samples=[
            pb.MetricSourceSample(metric_key=each.metric_key, time=encode_time(each.time), value=each.value, labels=each.labels)
            for each in test.samples
        ],
        error=test.error,
    )

"""`lumetry.resources.v1.ResourceService`."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from lumetry.resources.v1 import resource_service_pb2 as pb
from lumetry.resources.v1.resource_service_pb2_grpc import ResourceServiceServicer
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.resources.model import PERIODS, SPANS, VIEWS, Metric, Range, Sample, ThresholdDraft, Thresholds
from lumetry_core.resources.service import reading, thresholds
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]
LARGEST_TOP = 20
RANGES: Mapping[int, Range] = {pb.ResourceRange.Value(f"RESOURCE_RANGE_{view_range.value.upper()}"): view_range for view_range in Range}
METRICS: Mapping[int, Metric] = {pb.CONSUMER_METRIC_CPU: Metric.CPU, pb.CONSUMER_METRIC_MEMORY: Metric.MEMORY}


class ResourceServicer(ResourceServiceServicer):
    """Serves what containers use, and their thresholds."""

    def __init__(self, database: Database, clock: Clock, link: RuntimeLink, data_dir: Path) -> None:
        self._database = database
        self._clock = clock
        self._link = link
        self._data_dir = data_dir

    async def GetCurrentResources(self, request: pb.GetCurrentResourcesRequest, context: Context) -> pb.GetCurrentResourcesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            sample = await reading.get_current(tx, current_caller().organization_id, request.container_id)
        return pb.GetCurrentResourcesResponse(container_id=request.container_id, sample=encode_sample(sample))

    async def ListResourceHistory(self, request: pb.ListResourceHistoryRequest, context: Context) -> pb.ListResourceHistoryResponse:
        """See the proto."""
        faults = Faults()
        faults.check(request.range in RANGES, "range", "is required")
        faults.raise_if_any()
        view_range = RANGES[request.range]
        async with self._database.read() as tx:
            points = await reading.list_history(tx, current_caller().organization_id, request.container_id, view_range, self._clock.now())
        span = SPANS.get(VIEWS[view_range].granularity)
        return pb.ListResourceHistoryResponse(
            container_id=request.container_id,
            span_seconds=int(span.total_seconds()) if span else 0,
            points=[encode_sample(point) for point in points],
        )

    async def GetResourceThresholds(self, request: pb.GetResourceThresholdsRequest, context: Context) -> pb.GetResourceThresholdsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await thresholds.get_thresholds(tx, current_caller().organization_id, request.container_id)
        return pb.GetResourceThresholdsResponse(container_id=request.container_id, thresholds=encode_thresholds(found))

    async def UpdateResourceThresholds(
        self, request: pb.UpdateResourceThresholdsRequest, context: Context
    ) -> pb.UpdateResourceThresholdsResponse:
        """See the proto."""
        draft = ThresholdDraft(
            cpu_threshold=request.cpu_threshold if request.HasField("cpu_threshold") else None,
            memory_threshold=request.memory_threshold if request.HasField("memory_threshold") else None,
            is_enabled=request.enabled if request.HasField("enabled") else None,
        )
        async with self._database.write() as tx:
            changed = await thresholds.update_thresholds(tx, current_caller(), request.container_id, draft, self._clock.now())
        return pb.UpdateResourceThresholdsResponse(container_id=request.container_id, thresholds=encode_thresholds(changed))

    async def GetResourceSummary(self, request: pb.GetResourceSummaryRequest, context: Context) -> pb.GetResourceSummaryResponse:
        """See the proto."""
        now = self._clock.now()
        if self._link.engine is None:
            return pb.GetResourceSummaryResponse(time=encode_time(now))
        disk = await asyncio.to_thread(shutil.disk_usage, self._data_dir)
        async with self._database.read() as tx:
            summary = await reading.summarise(tx, current_caller().organization_id, now)
        return pb.GetResourceSummaryResponse(
            cpu_percent=summary.cpu_percent,
            cpu_count=summary.cpu_count,
            memory_used=summary.memory_used,
            memory_limit=summary.memory_limit,
            net_rx_rate=summary.net_rx_rate,
            net_tx_rate=summary.net_tx_rate,
            container_count=summary.container_count,
            disk_total=disk.total,
            disk_used=disk.used,
            time=encode_time(now),
        )

    async def ListTopConsumers(self, request: pb.ListTopConsumersRequest, context: Context) -> pb.ListTopConsumersResponse:
        """See the proto."""
        faults = Faults()
        period = RANGES.get(request.period)
        faults.check(request.metric in METRICS, "metric", "is required")
        faults.check(period in (None, *PERIODS), "period", f"must be one of {', '.join(PERIODS)}")
        faults.check_range(1 <= request.limit <= LARGEST_TOP, "limit", f"must be from 1 to {LARGEST_TOP}")
        faults.raise_if_any()
        async with self._database.read() as tx:
            found = await reading.list_top(
                tx, current_caller().organization_id, METRICS[request.metric], period, request.limit, self._clock.now()
            )
        return pb.ListTopConsumersResponse(
            consumers=[
                pb.Consumer(container_id=each.container_id, container_name=each.container_name, value=each.value, percent=each.percent)
                for each in found
            ]
        )


def encode_sample(sample: Sample) -> pb.ResourceSample:
    """A sample."""
    return pb.ResourceSample(
        time=encode_time(sample.time),
        cpu_percent=sample.cpu_percent,
        memory_used=sample.memory_used,
        memory_limit=sample.memory_limit,
        net_rx_bytes=sample.net_rx_bytes,
        net_tx_bytes=sample.net_tx_bytes,
        block_read_bytes=sample.block_read_bytes,
        block_write_bytes=sample.block_write_bytes,
    )


def encode_thresholds(found: Thresholds) -> pb.ResourceThresholds:
    """Thresholds, and where their metrics stand."""
    return pb.ResourceThresholds(
        cpu_threshold=found.cpu_threshold,
        memory_threshold=found.memory_threshold,
        enabled=found.is_enabled,
        cpu_alerting=Metric.CPU in found.alerting,
        memory_alerting=Metric.MEMORY in found.alerting,
        last_alert_time=encode_time(found.last_alert_time),
    )

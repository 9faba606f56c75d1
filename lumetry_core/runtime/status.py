"""How the process itself is: readiness with reasons, and its metrics."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Column, Integer, Table

from lumetry.runtime.v1 import status_service_pb2, status_service_pb2_grpc
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Time, Transaction, metadata
from lumetry_core.runtime.errors import LumetryError

PROBE_INTERVAL = timedelta(seconds=2)
"""Readiness writes to the store at most this often."""

write_probes = Table(
    "write_probes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("probe_time", Time, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure about the process; `counter` figures only grow."""

    name: str
    text: str
    value: float
    counter: bool = False


Inspect = Callable[[Transaction], Awaitable[tuple[Sequence[str], Sequence[Measure]]]]
"""Reads what the areas say about themselves: problems that forbid readiness, and figures."""


class StatusServicer(status_service_pb2_grpc.StatusServiceServicer):
    """See `lumetry.runtime.v1.StatusService`."""

    def __init__(self, database: Database, clock: Clock, inspect: Inspect) -> None:
        self._database = database
        self._clock = clock
        self._inspect = inspect
        self._probe_time = clock.now() - PROBE_INTERVAL
        self._draining = False
        self._registry = CollectorRegistry()
        self._registry.register(GC_COLLECTOR)
        self._registry.register(PLATFORM_COLLECTOR)
        ProcessCollector(namespace="lumetry_core", registry=self._registry)

    def drain(self) -> None:
        """From now on the core is not ready."""
        self._draining = True

    async def problems(self) -> list[str]:
        """Why the core does not take work now; empty when it does."""
        if self._draining:
            return ["The core is shutting down."]
        now = self._clock.now()
        try:
            if self._database.write_problem or now - self._probe_time >= PROBE_INTERVAL:
                async with self._database.write() as tx:
                    probe = tx.insert(write_probes).values(id=1, probe_time=now)
                    await tx.execute(probe.on_conflict_do_update(index_elements=["id"], set_={"probe_time": now}))
                self._probe_time = now
            async with self._database.read() as tx:
                found, _measures = await self._inspect(tx)
        except LumetryError as error:
            return [f"The store cannot be written: {self._database.write_problem or error.reason.value}."]
        return list(found)

    async def GetReadiness(
        self,
        request: status_service_pb2.GetReadinessRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> status_service_pb2.GetReadinessResponse:
        """Serves the RPC."""
        problems = await self.problems()
        return status_service_pb2.GetReadinessResponse(ready=not problems, problems=problems)

    async def ReadMetrics(
        self,
        request: status_service_pb2.ReadMetricsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> status_service_pb2.ReadMetricsResponse:
        """Serves the RPC."""
        async with self._database.read() as tx:
            _problems, measures = await self._inspect(tx)
        figures = CollectorRegistry()
        figures.register(MeasureCollector(measures))
        text = generate_latest(self._registry) + generate_latest(figures)
        return status_service_pb2.ReadMetricsResponse(text=text.decode())


class MeasureCollector(Collector):
    """Shows figures to prometheus-client."""

    def __init__(self, measures: Sequence[Measure]) -> None:
        self._measures = measures

    def collect(self) -> Iterable[Metric]:
        """See `Collector.collect`."""
        for measure in self._measures:
            family = CounterMetricFamily if measure.counter else GaugeMetricFamily
            yield family(f"lumetry_core_{measure.name}", measure.text, value=measure.value)

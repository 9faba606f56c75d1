"""What workloads use, from `metrics.k8s.io`, and what the nodes of a cluster have."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import structlog

from lumetry_core.containers.engine import EngineInfo, RefusedError, Stats
from lumetry_core.containers.kubernetes_access import Access
from lumetry_core.containers.kubernetes_objects import NodeList, PodMetrics, PodMetricsList, Thing
from lumetry_core.containers.kubernetes_quantities import read_quantity

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=5)
"""So long an answer for all pods serves; it is asked for once in a round of samples."""
CAPACITY_FRESH = timedelta(minutes=5)
NS_PER_SECOND = 1_000_000_000
METRICS = "/apis/metrics.k8s.io/v1beta1"

pods_decoder = msgspec.json.Decoder(PodMetricsList)
nodes_decoder = msgspec.json.Decoder(NodeList)


class ClusterMetrics:
    """Asks for what pods use, all at once.

    A cluster tells how fast processors are used, and samples are made of sums: the speed is added up over the time between two calls.
    """

    def __init__(self, access: Access, namespaces: Sequence[str], now: Callable[[], datetime]) -> None:
        self._access = access
        self._namespaces = namespaces
        self._now = now
        self._asking = asyncio.Lock()
        self._used: dict[tuple[str, str], PodMetrics] = {}
        self._used_time: datetime | None = None
        self._sums: dict[str, tuple[datetime, int]] = {}
        self._capacity = EngineInfo(0, 0)
        self._capacity_time: datetime | None = None
        self._is_known_missing = False

    async def read_stats(self, external_id: str, pods: Sequence[Thing]) -> Stats | None:
        """What the pods of a workload use together; None when nobody measures them."""
        await self._refresh()
        found = [used for pod in pods if (used := self._used.get((pod.metadata.namespace, pod.metadata.name)))]
        if not found:
            self._sums.pop(external_id, None)
            return None
        usages = [each.usage for used in found for each in used.containers or ()]
        cores = sum((read_quantity(usage.get("cpu", "0")) for usage in usages), Decimal(0))
        memory = sum((read_quantity(usage.get("memory", "0")) for usage in usages), Decimal(0))
        now = self._now()
        time, total = self._sums.get(external_id, (now, 0))
        total += int(cores * Decimal((now - time).total_seconds()) * NS_PER_SECOND)
        self._sums[external_id] = (now, total)
        return Stats(
            time=now,
            cpu_total_ns=total,
            cpu_system_ns=0,
            online_cpus=max((await self.read_capacity()).cpu_count, 1),
            memory_usage=int(memory),
            memory_inactive_file=0,
            memory_limit=sum_limits(pods),
            net_rx_bytes=0,
            net_tx_bytes=0,
            block_read_bytes=0,
            block_write_bytes=0,
        )

    async def read_capacity(self) -> EngineInfo:
        """What all nodes have together; nothing when they may not be listed."""
        if self._capacity_time is None or self._now() - self._capacity_time >= CAPACITY_FRESH:
            self._capacity_time = self._now()
            try:
                nodes = (await self._access.ask(nodes_decoder, "/api/v1/nodes")).items or ()
            except RefusedError as refusal:
                log.debug("the nodes of the cluster cannot be listed", reason=refusal.message)
                nodes = ()
            given = [node.status.allocatable or {} for node in nodes]
            cores = sum((read_quantity(each.get("cpu", "0")) for each in given), Decimal(0))
            memory = sum((read_quantity(each.get("memory", "0")) for each in given), Decimal(0))
            self._capacity = EngineInfo(int(cores), int(memory))
        return self._capacity

    async def _refresh(self) -> None:
        async with self._asking:
            if self._used_time is not None and self._now() - self._used_time < FRESH:
                return
            used: dict[tuple[str, str], PodMetrics] = {}
            try:
                for namespace in self._namespaces or ("",):
                    path = f"{METRICS}/namespaces/{namespace}/pods" if namespace else f"{METRICS}/pods"
                    for each in (await self._access.ask(pods_decoder, path)).items or ():
                        used[each.metadata.namespace, each.metadata.name] = each
                self._is_known_missing = False
            except RefusedError as refusal:
                if not self._is_known_missing:
                    log.info("the cluster does not tell what its pods use", reason=refusal.message)
                self._is_known_missing = True
            self._used, self._used_time = used, self._now()


def sum_limits(pods: Sequence[Thing]) -> int:
    """How much memory the containers of pods may use together; 0 when one of them has no limit."""
    limits = [(each.resources.limits or {}).get("memory") for pod in pods for each in pod.spec.containers or ()]
    return sum(int(read_quantity(limit)) for limit in limits if limit is not None) if all(limit is not None for limit in limits) else 0

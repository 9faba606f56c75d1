"""`lumetry.resources.v1.ResourceService`."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lumetry.resources.v1 import resource_service_pb2 as pb
from lumetry_core.resources import rpc
from lumetry_core.resources.rpc import ResourceServicer
from lumetry_core.runtime.errors import Fault, LumetryError
from lumetry_core.runtime.timestamps import encode_time
from tests.core.resources.building import GIB, World

CONTEXT: Any = None


@pytest.fixture
def service(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResourceServicer:
    monkeypatch.setattr(rpc, "current_caller", lambda: world.caller)
    return ResourceServicer(world.database, world.clock, world.link, tmp_path)


async def test_summary_with_a_runtime(world: World, service: ResourceServicer, tmp_path: Path) -> None:
    """Sums over containers, and the disk that holds the data."""
    await world.run("shop")
    world.engine.percent["ext-shop"] = 50
    await world.sample(2)
    found = await service.GetResourceSummary(pb.GetResourceSummaryRequest(), CONTEXT)
    assert found.disk_total == shutil.disk_usage(tmp_path).total
    assert 0 < found.disk_used <= found.disk_total
    found.ClearField("disk_total")
    found.ClearField("disk_used")
    assert found == pb.GetResourceSummaryResponse(
        cpu_percent=50.0,
        cpu_count=2,
        memory_used=GIB,
        memory_limit=8 * GIB,
        net_rx_rate=1000.0,
        net_tx_rate=10.0,
        container_count=1,
        time=encode_time(world.clock.now()),
    )


async def test_summary_without_a_runtime(world: World, service: ResourceServicer) -> None:
    """Every number is 0."""
    await world.run("shop")
    await world.sample(2)
    world.disconnect()
    found = await service.GetResourceSummary(pb.GetResourceSummaryRequest(), CONTEXT)
    assert found == pb.GetResourceSummaryResponse(time=encode_time(world.clock.now()))


async def test_history_tells_its_span(world: World, service: ResourceServicer) -> None:
    """Single samples have no span; an unspecified range is refused."""
    shop = await world.run("shop")
    await world.sample(2)
    for view_range, seconds in ((pb.RESOURCE_RANGE_1H, 0), (pb.RESOURCE_RANGE_6H, 60), (pb.RESOURCE_RANGE_90D, 86_400)):
        found = await service.ListResourceHistory(pb.ListResourceHistoryRequest(container_id=shop.id, range=view_range), CONTEXT)
        assert (found.container_id, found.span_seconds, len(found.points)) == (shop.id, seconds, 1)
    with pytest.raises(LumetryError) as failed:
        await service.ListResourceHistory(pb.ListResourceHistoryRequest(container_id=shop.id), CONTEXT)
    assert failed.value.faults == (Fault("range", "is required"),)


async def test_top_names_every_fault(service: ResourceServicer) -> None:
    """Metric, period and limit are checked together."""
    with pytest.raises(LumetryError) as failed:
        await service.ListTopConsumers(pb.ListTopConsumersRequest(period=pb.RESOURCE_RANGE_90D, limit=21), CONTEXT)
    assert [fault.path for fault in failed.value.faults] == ["metric", "period", "limit"]


async def test_thresholds_both_ways(world: World, service: ResourceServicer) -> None:
    """What is changed is answered, and read afterwards; what is not given stays."""
    shop = await world.run("shop")
    request = pb.UpdateResourceThresholdsRequest(container_id=shop.id, memory_threshold=70, enabled=True)
    changed = await service.UpdateResourceThresholds(request, CONTEXT)
    assert changed.thresholds == pb.ResourceThresholds(cpu_threshold=90, memory_threshold=70, enabled=True)
    found = await service.GetResourceThresholds(pb.GetResourceThresholdsRequest(container_id=shop.id), CONTEXT)
    assert (found.container_id, found.thresholds) == (shop.id, changed.thresholds)

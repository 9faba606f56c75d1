import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from sqlalchemy import select

from lumetry.runtime.v1 import status_service_pb2, status_service_pb2_grpc
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.status import Measure, StatusServicer, write_probes
from tests.conftest import FakeClock

STATUS = "lumetry.runtime.v1.StatusService"
READY = status_service_pb2.GetReadinessResponse(ready=True)


class Areas:
    """What the areas say of themselves."""

    def __init__(self) -> None:
        self.problems: Sequence[str] = ()

    async def inspect(self, tx: Transaction) -> tuple[Sequence[str], Sequence[Measure]]:
        """See `Inspect`."""
        await tx.execute(select(write_probes))
        waiting = Measure("queued_points", "Points that wait.", 3)
        return self.problems, [waiting, Measure("batches_total", "Batches accepted.", 12, counter=True)]


@pytest.fixture
def areas() -> Areas:
    return Areas()


@pytest.fixture
def servicer(database: Database, clock: FakeClock, areas: Areas) -> StatusServicer:
    return StatusServicer(database, clock, areas.inspect)


@pytest.fixture
async def stub(servicer: StatusServicer) -> AsyncIterator[Any]:
    async def nobody(origin: Origin) -> Caller:
        raise AssertionError("status is public")

    services = {STATUS: (status_service_pb2_grpc.add_StatusServiceServicer_to_server, servicer)}
    server = build_server("127.0.0.1:0", services, read_accesses(services), nobody, reflect=False)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield status_service_pb2_grpc.StatusServiceStub(channel)
    await server.server.stop(None)


async def get_readiness(stub: Any) -> status_service_pb2.GetReadinessResponse:
    response: status_service_pb2.GetReadinessResponse = await stub.GetReadiness(status_service_pb2.GetReadinessRequest(), timeout=10)
    return response


async def test_get_readiness_writes_to_the_store(database: Database, stub: Any, clock: FakeClock) -> None:
    """Ready means that a write was committed, at most two seconds ago."""
    times = []
    for seconds in (0, 1, 1):
        clock.advance(seconds=seconds)
        assert await get_readiness(stub) == READY
        async with database.read() as tx:
            times.append((await tx.execute(select(write_probes.c.probe_time))).scalar_one())
    start = times[0]
    assert [(moment - start).total_seconds() for moment in times] == [0, 0, 2]


async def test_get_readiness_tells_the_problems_of_the_areas(stub: Any, areas: Areas) -> None:
    """Each problem is passed on; without one the core is ready again."""
    areas.problems = ("Evaluation lags.", "Disk is hot.")
    assert await get_readiness(stub) == status_service_pb2.GetReadinessResponse(problems=["Evaluation lags.", "Disk is hot."])
    areas.problems = ()
    assert await get_readiness(stub) == READY


async def test_get_readiness_tells_that_the_core_drains(stub: Any, servicer: StatusServicer) -> None:
    """A core that shuts down is not ready."""
    servicer.drain()
    assert await get_readiness(stub) == status_service_pb2.GetReadinessResponse(problems=["The core is shutting down."])


UNWRITABLE = status_service_pb2.GetReadinessResponse(problems=["The store cannot be written: OperationalError."])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked SQLite database fails soon."""
    monkeypatch.setattr("lumetry_core.runtime.database.SQLITE_BUSY_MS", 50)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_get_readiness_follows_a_store_that_cannot_be_written(database_url: str, stub: Any, clock: FakeClock) -> None:
    """Not ready while writes fail, though reads succeed; ready as soon as one succeeds."""
    assert await get_readiness(stub) == READY
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await get_readiness(stub) == READY
    clock.advance(seconds=2)
    assert await get_readiness(stub) == UNWRITABLE
    assert await get_readiness(stub) == UNWRITABLE
    assert "queued_points" in (await stub.ReadMetrics(status_service_pb2.ReadMetricsRequest(), timeout=10)).text
    other.execute("ROLLBACK")
    other.close()
    assert await get_readiness(stub) == READY


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_get_readiness_probes_at_once_after_a_failed_write(database: Database, stub: Any) -> None:
    """A failed write of anybody is enough: the core is not ready before the next probe would be due."""
    assert await get_readiness(stub) == READY
    database.write_problem = "OperationalError"
    assert await get_readiness(stub) == READY
    assert database.write_problem is None


async def test_read_metrics_gives_prometheus_text(stub: Any) -> None:
    """Figures of the areas and of the process, each with its help and type."""
    response = await stub.ReadMetrics(status_service_pb2.ReadMetricsRequest(), timeout=10)
    lines = response.text.splitlines()
    assert [line for line in lines if "queued_points" in line or "batches" in line] == [
        "# HELP lumetry_core_queued_points Points that wait.",
        "# TYPE lumetry_core_queued_points gauge",
        "lumetry_core_queued_points 3.0",
        "# HELP lumetry_core_batches_total Batches accepted.",
        "# TYPE lumetry_core_batches_total counter",
        "lumetry_core_batches_total 12.0",
    ]
    assert any(line.startswith("lumetry_core_process_resident_memory_bytes ") for line in lines)

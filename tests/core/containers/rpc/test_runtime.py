from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.containers.v1 import runtime_service_pb2 as pb
from lumetry.containers.v1.runtime_service_pb2_grpc import RuntimeServiceStub, add_RuntimeServiceServicer_to_server
from lumetry_core.containers.detection import find_engine
from lumetry_core.containers.docker import connect
from lumetry_core.containers.places import RuntimeSettings
from lumetry_core.containers.rpc.runtime import RuntimeServicer
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock
from tests.core.containers.fake_engine import FakeEngine, serving

SERVICE = "lumetry.containers.v1.RuntimeService"


async def authenticate(origin: Origin) -> Caller:
    """Knows credentials of the form `KIND:permission:scopes`."""
    kind, permission, scopes = (origin.secret or "").split(":", 2)
    return Caller(
        organization_id=7,
        kind=CredentialKind(kind),
        permissions=frozenset({Permission(permission)}),
        scopes=frozenset(scopes.split(",")) if scopes else None,
    )


async def count_endpoints(_tx: Transaction, organization_id: int) -> int:
    return organization_id * 10


@pytest.fixture
def link() -> RuntimeLink:
    return RuntimeLink()


async def look(link: RuntimeLink, folder: Path, clock: FakeClock) -> None:
    """Looks for the engine once, as the watcher does."""
    settings = RuntimeSettings(runtime="docker", docker_host=f"unix://{folder}/engine.sock")
    first_time = link.status.detect_time if link.status else None
    engine, status = await find_engine(settings, connect, clock.now(), first_time)
    if engine is None:
        link.disconnect(status)
    else:
        link.connect(engine, status)
        await engine.close()


@pytest.fixture
async def stub(database: Database, link: RuntimeLink, tmp_path: Path, clock: FakeClock) -> AsyncIterator[RuntimeServiceStub]:
    """A client of a core whose container runtime would be a socket of the test."""
    await look(link, tmp_path, clock)
    servicer = RuntimeServicer(database, link, {"endpoints": count_endpoints})
    services = {SERVICE: (add_RuntimeServiceServicer_to_server, servicer)}
    built = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield RuntimeServiceStub(channel)
    await built.server.stop(None)


def bearer(kind: str = "API_TOKEN", permission: Permission = Permission.VIEW_ALERTS, scopes: str = "") -> Any:
    return (("authorization", f"Bearer {kind}:{permission.value}:{scopes}"),)


async def test_get_status_of_running_engine(stub: RuntimeServiceStub, link: RuntimeLink, clock: FakeClock, tmp_path: Path) -> None:
    """A real socket with an engine behind it is connected; once it is gone the first connection is still known."""
    detected = Timestamp()
    detected.FromDatetime(datetime(2026, 6, 1, 8, 0, tzinfo=UTC))
    async with serving(FakeEngine(), tmp_path / "engine.sock"):
        await look(link, tmp_path, clock)
        assert await stub.GetRuntimeStatus(pb.GetRuntimeStatusRequest(), metadata=bearer()) == pb.GetRuntimeStatusResponse(
            connected=True,
            engine="docker",
            engine_version="27.3.1",
            api_version="1.47",
            endpoint=f"unix://{tmp_path}/engine.sock",
            detect_time=detected,
            runtime_type="docker",
        )
    (tmp_path / "engine.sock").unlink(missing_ok=True)
    clock.advance(seconds=5)
    await look(link, tmp_path, clock)
    endpoint = f"unix://{tmp_path}/engine.sock"
    assert await stub.GetRuntimeStatus(pb.GetRuntimeStatusRequest(), metadata=bearer()) == pb.GetRuntimeStatusResponse(
        endpoint=endpoint,
        detect_time=detected,
        fault=pb.RUNTIME_FAULT_NOT_FOUND,
        message=f"{endpoint} does not exist.",
        runtime_type="docker",
    )


async def test_count_monitors(stub: RuntimeServiceStub) -> None:
    """Each kind of monitor that exists is counted for the caller's organization."""
    assert await stub.CountMonitors(pb.CountMonitorsRequest(), metadata=bearer()) == pb.CountMonitorsResponse(counts={"endpoints": 70})


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        (bearer("INTERACTIVE"), None),
        (bearer("API_TOKEN"), None),
        (bearer("WORKSPACE_KEY", scopes="monitoring:read"), None),
        (bearer("WORKSPACE_KEY", scopes="projects:read"), grpc.StatusCode.PERMISSION_DENIED),
        (bearer("API_TOKEN", Permission.INGEST_METRICS), grpc.StatusCode.PERMISSION_DENIED),
        (bearer("LOG_KEY"), grpc.StatusCode.PERMISSION_DENIED),
        (bearer("COLLECTOR"), grpc.StatusCode.PERMISSION_DENIED),
        (bearer("EXTERNAL_SOURCE"), grpc.StatusCode.PERMISSION_DENIED),
    ],
    ids=["login", "token", "key", "key-of-other-scope", "other-permission", "log-key", "collector", "source"],
)
async def test_ask_with_credential(stub: RuntimeServiceStub, metadata: Any, code: grpc.StatusCode | None) -> None:
    """People's credentials with CanViewAlerts may ask, no machine's may."""
    for ask in (
        lambda: stub.GetRuntimeStatus(pb.GetRuntimeStatusRequest(), metadata=metadata),
        lambda: stub.CountMonitors(pb.CountMonitorsRequest(), metadata=metadata),
    ):
        try:
            await ask()
            answered = None
        except grpc.aio.AioRpcError as error:
            answered = error.code()
        assert answered == code

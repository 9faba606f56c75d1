from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.violations.v1 import violation_pb2
from lumetry.violations.v1 import violation_service_pb2 as pb
from lumetry.violations.v1.violation_service_pb2_grpc import ViolationServiceStub, add_ViolationServiceServicer_to_server
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.violations import service
from lumetry_core.violations.model import NewViolation
from lumetry_core.violations.rpc import ViolationServicer

Build = Callable[..., NewViolation]
SERVICE = "lumetry.violations.v1.ViolationService"
NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


async def authenticate(origin: Origin) -> Caller:
    """Knows one person."""
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, permissions=frozenset({Permission.VIEW_ALERTS}))


@pytest.fixture
async def stub(database: Database) -> AsyncIterator[ViolationServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_ViolationServiceServicer_to_server, ViolationServicer(database))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield ViolationServiceStub(channel)
    await built.server.stop(None)


async def test_list_violations_shows_every_field(stub: ViolationServiceStub, database: Database, breach: Build) -> None:
    """Fields without value are absent; times are exact to the millisecond."""
    new = breach(0.001, lower_threshold=0.0, is_late=True)
    async with database.write() as tx:
        await service.record(tx, 7, [new, breach(-1)])
    found = await stub.ListViolations(pb.ListViolationsRequest(start_time=encode_time(NOW), rule_id=1, dimension_key="host.id=a"))
    assert found == pb.ListViolationsResponse(
        violations=[
            violation_pb2.Violation(
                id=found.violations[0].id,
                rule_id=1,
                metric_key="cpu",
                time=Timestamp(seconds=1780300800, nanos=60_000_000),
                actual_value=95.5,
                lower_threshold=0.0,
                upper_threshold=90.0,
                direction="Above",
                severity="Warning",
                rule_name="CPU high",
                metric_display_name="Processor use",
                detect_time=encode_time(new.detect_time),
                alert_level_id=3,
                dimension_key="host.id=a",
                is_late=True,
            )
        ]
    )


async def test_list_violations_refuses_times_outside_the_calendar(stub: ViolationServiceStub) -> None:
    """A time that no calendar has is the caller's fault."""
    for request in (
        pb.ListViolationsRequest(start_time=Timestamp(seconds=10**12)),
        pb.ListViolationsRequest(end_time=Timestamp(seconds=-(10**18))),
        pb.ListViolationsRequest(limit=-1),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.ListViolations(request)
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT

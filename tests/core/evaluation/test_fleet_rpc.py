"""FleetService over a real server."""

from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import json_format

from lumetry.evaluation.v1 import fleet_service_pb2 as pb
from lumetry.evaluation.v1.fleet_service_pb2_grpc import FleetServiceStub, add_FleetServiceServicer_to_server
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.evaluation.rpc import FleetServicer
from lumetry_core.metrics.service.ingestion import ingest_points
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from tests.core.metrics.feeding import ORGANIZATION, make_caller, make_points, running_appender

SERVICE = "lumetry.evaluation.v1.FleetService"


async def authenticate(origin: Origin) -> Caller:
    """Knows a person who may view alerts, and one who may not."""
    permissions = frozenset({Permission.VIEW_ALERTS} if origin.secret == "viewer" else {Permission.INGEST_METRICS})
    return Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=1, permissions=permissions)


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[FleetServiceStub]:
    """A client of a running server."""
    servicer = FleetServicer(database, clock, 60, OrganizationSettings())
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_FleetServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield FleetServiceStub(channel)
    await built.server.stop(None)


@pytest.fixture
async def fleet(database: Database, clock: Clock) -> None:
    """Disks of four hosts and a single metric, of which points were accepted and nothing was judged so far."""
    points = [("disk", {"host.id": host, "mount": "/var"}, -10.0, value) for host, value in zip("abcd", (42, 42, 44, 89), strict=True)]
    async with running_appender(database, clock) as appender:
        await ingest_points(appender.append, clock, make_caller(), make_points([*points, ("load", {}, -10.0, 1.0)], clock.now()))


def by(secret: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {secret}")]


async def test_get_fleet_shows_members(stub: FleetServiceStub, fleet: None) -> None:
    """Before the first tick that is recorded, members are shown at the newest of the clock; without an analysis nobody deviates."""
    reply = await stub.GetFleet(pb.GetFleetRequest(metric_key="disk"), metadata=by("viewer"))
    members = [
        {
            "dimensionKey": f"host.id={host}|mount=/var",
            "group": "mount=/var",
            "value": value,
            "time": "2026-06-01T07:59:50Z",
            "deviationPercent": deviation,
            "score": pytest.approx((value - 43) * 0.6745),
            "status": "FLEET_MEMBER_STATUS_NORMAL",
        }
        for host, value, deviation in (("a", 42.0, -2.33), ("b", 42.0, -2.33), ("c", 44.0, 2.33), ("d", 89.0, 106.98))
    ]
    assert json_format.MessageToDict(reply) == {
        "metricKey": "disk",
        "tickTime": "2026-06-01T08:00:00Z",
        "splitDimension": "host.id",
        "groups": [
            {
                "group": "mount=/var",
                "peerCount": 4,
                "median": 43.0,
                "mad": 1.0,
                "lower": pytest.approx(34.4),
                "upper": pytest.approx(51.6),
            }
        ],
        "members": members,
    }


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        ("nothing", "viewer", grpc.StatusCode.NOT_FOUND),
        ("load", "viewer", grpc.StatusCode.FAILED_PRECONDITION),
        ("disk", "sender", grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_get_fleet_refuses(stub: FleetServiceStub, fleet: None, key: str, secret: str, code: grpc.StatusCode) -> None:
    """An unknown key, a single metric and a caller without the permission are refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GetFleet(pb.GetFleetRequest(metric_key=key), metadata=by(secret))
    assert refused.value.code() is code

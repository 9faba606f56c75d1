"""ReplayService over a real server."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.replay.v1 import replay_service_pb2 as pb
from lumetry.replay.v1.replay_service_pb2_grpc import ReplayServiceStub, add_ReplayServiceServicer_to_server
from lumetry.rules.v1 import rule_pb2
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.replay.rpc import ReplayServicer
from lumetry_core.replay.service import Settings
from lumetry_core.rules.rpc import decode_draft
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.pipeline.plant import ORGANIZATION, Plant

SERVICE = "lumetry.replay.v1.ReplayService"
METADATA = (("authorization", "Bearer viewer"),)


async def authenticate(origin: Origin) -> Caller:
    """A person who may view alerts, and another who may only manage rules."""
    may = Permission.VIEW_ALERTS if origin.secret == "viewer" else Permission.MANAGE_RULES
    return Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=1, permissions=frozenset({may}))


@pytest.fixture
async def stub(plant: Plant) -> AsyncIterator[ReplayServiceStub]:
    """A client of a running server."""
    servicer = ReplayServicer(plant.database, plant.clock, Settings(60, OrganizationSettings()), decode_draft)
    built = build_server(
        "127.0.0.1:0", {SERVICE: (add_ReplayServiceServicer_to_server, servicer)}, read_accesses([SERVICE]), authenticate, reflect=False
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield ReplayServiceStub(channel)
    await built.server.stop(None)


def above(limit: float, **fields: object) -> rule_pb2.RuleDefinition:
    levels = [rule_pb2.AlertLevel(severity="Warning", recovery_minutes=1), rule_pb2.AlertLevel(severity="Critical", static_upper=50)]
    return rule_pb2.RuleDefinition(
        metric_key="load",
        type="Static",
        direction="Above",
        static_upper=limit,
        alert_levels=levels,
        **fields,  # type: ignore[arg-type]
    )


async def test_preview_carries_everything(stub: ReplayServiceStub, plant: Plant) -> None:
    """Points as columns, violations, alerts and incidents, with refs between them; absent is absent."""
    await plant.send("load", (-120, 11.0), (-60, 99.0), (0, 5.0), **{"host.id": "a"})
    await plant.send("load", (0, 60.0), **{"host.id": "b"})
    reply = await stub.PreviewRule(pb.PreviewRuleRequest(definition=above(10, name="High")), metadata=METADATA)
    assert (reply.start_time, reply.end_time) == (at(plant, -86_400), at(plant, 0))
    points = reply.points
    assert np.frombuffer(points.times, "<i8").tolist() == [to_ms(plant.start) + second * 1000 for second in (-120, -60, 0, 0)]
    assert np.frombuffer(points.values, "<f8").tolist() == [11.0, 99.0, 5.0, 60.0]
    assert np.frombuffer(points.severities, np.int8).tolist() == [0, 1, -1, 1]
    assert np.frombuffer(points.member_indexes, "<u4").tolist() == [0, 0, 0, 1]
    assert list(points.dimension_keys) == ["host.id=a", "host.id=b"]
    assert np.isnan(np.frombuffer(points.expected, "<f8")).all()
    assert np.frombuffer(points.uppers, "<f8").tolist() == [10.0] * 4
    common = {"metric_key": "load", "direction": "Above", "rule_name": "High", "metric_display_name": "load"}
    critical = {"severity": "Critical", "upper_threshold": 50.0, **common}
    assert list(reply.violations) == [
        pb.PreviewViolation(
            time=at(plant, -120), actual_value=11.0, upper_threshold=10.0, severity="Warning", dimension_key="host.id=a", **common
        ),
        pb.PreviewViolation(time=at(plant, -60), actual_value=99.0, dimension_key="host.id=a", **critical),
        pb.PreviewViolation(time=at(plant, 0), actual_value=60.0, dimension_key="host.id=b", **critical),
    ]
    assert list(reply.alerts) == [
        pb.PreviewAlert(
            ref="A1",
            dimension_key="host.id=a",
            severity="Critical",
            start_time=at(plant, -120),
            escalate_time=at(plant, -60),
            trigger_reason="1 violation within 1 minute",
            violation_count=2,
            incident_ref="I1",
        ),
        pb.PreviewAlert(
            ref="A2",
            dimension_key="host.id=b",
            severity="Critical",
            start_time=at(plant, 0),
            trigger_reason="1 violation within 1 minute",
            violation_count=1,
            incident_ref="I2",
        ),
    ]
    assert list(reply.incidents) == [
        pb.PreviewIncident(
            ref=f"I{number}",
            correlation_key=f"host:{host}",
            primary_metric_key="load",
            severity="Critical",
            start_time=at(plant, second),
            alert_refs=[f"A{number}"],
        )
        for number, host, second in ((1, "a", -120), (2, "b", 0))
    ]


async def test_preview_of_a_range(stub: ReplayServiceStub, plant: Plant) -> None:
    """Both ends are included; a rule without a name has none in its violations."""
    await plant.send("load", (-180, 11.0), (-120, 12.0), (-60, 13.0), (0, 14.0), host="a")
    request = pb.PreviewRuleRequest(definition=above(10), start_time=at(plant, -120), end_time=at(plant, -60))
    reply = await stub.PreviewRule(request, metadata=METADATA)
    assert np.frombuffer(reply.points.values, "<f8").tolist() == [12.0, 13.0]
    assert [one.HasField("rule_name") for one in reply.violations] == [False, False]


async def test_preview_fails_by_path_and_permission(stub: ReplayServiceStub, plant: Plant) -> None:
    """A time outside the calendar is a fault of its path; managing rules is not enough."""
    request = pb.PreviewRuleRequest(definition=above(10), end_time={"seconds": 1 << 60})
    with pytest.raises(grpc.aio.AioRpcError) as invalid:
        await stub.PreviewRule(request, metadata=METADATA)
    assert invalid.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as denied:
        await stub.PreviewRule(pb.PreviewRuleRequest(definition=above(10)), metadata=(("authorization", "Bearer engineer"),))
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED


def at(plant: Plant, seconds: float) -> Timestamp:
    """A time relative to the present."""
    return encode_time(plant.start + timedelta(seconds=seconds))

"""ReplayService over a real server."""

from collections.abc import AsyncIterator
from datetime import UTC, timedelta

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Engine, event, select

from lumetry.replay.v1 import replay_service_pb2 as pb
from lumetry.replay.v1.replay_service_pb2_grpc import ReplayServiceStub, add_ReplayServiceServicer_to_server
from lumetry.rules.v1 import rule_pb2
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service.windows import WindowDraft, create_window
from lumetry_core.migrations.tables import metadata
from lumetry_core.notifications.drafts import IntegrationDraft, ProfileDraft
from lumetry_core.notifications.service.integrations import create_integration
from lumetry_core.notifications.service.profiles import create_profile
from lumetry_core.replay.rpc import ReplayServicer
from lumetry_core.replay.settings import Settings
from lumetry_core.rules.rpc import decode_draft
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.notifications.integrating import LAB_RULES
from tests.core.notifications.test_routing import an_integration
from tests.core.topology.building import Graph, push
from tests.pipeline.plant import ORGANIZATION, Plant, person

SERVICE = "lumetry.replay.v1.ReplayService"
METADATA = (("authorization", "Bearer viewer"),)


async def authenticate(origin: Origin) -> Caller:
    """A person who may view alerts, and another who may only manage rules."""
    may = Permission.VIEW_ALERTS if origin.secret == "viewer" else Permission.MANAGE_RULES
    return Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=1, permissions=frozenset({may}))


@pytest.fixture
async def stub(plant: Plant) -> AsyncIterator[ReplayServiceStub]:
    """A client of a running server."""
    servicer = ReplayServicer(plant.database, plant.clock, Settings(60, OrganizationSettings(), an_integration(0)), decode_draft)
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
            incident_ref="I1",
        ),
    ]
    assert list(reply.incidents) == [
        pb.PreviewIncident(
            ref="I1",
            correlation_key="metric:load",
            primary_metric_key="load",
            severity="Critical",
            start_time=at(plant, -120),
            alert_refs=["A1", "A2"],
        )
    ]
    assert list(reply.notifications) == [
        pb.PreviewNotification(alert_ref="A1", transition="open", time=at(plant, -120), outcome="Sent"),
        pb.PreviewNotification(alert_ref="A1", transition="escalate", time=at(plant, -60), outcome="Sent"),
        pb.PreviewNotification(alert_ref="A2", transition="open", time=at(plant, 1), outcome="Sent"),
    ]


async def test_preview_shows_what_is_not_told(stub: ReplayServiceStub, plant: Plant) -> None:
    """Maintenance when it opened, then a repetition of the opening and a disabled integration; records of the preview have its names."""
    graph = Graph(plant.database, plant.start)
    await graph.apply(push(["svc-bank", "app-1", "host-a"], [("svc-bank", "contains", "app-1"), ("app-1", "runs_on", "host-a")]))
    ids = await graph.ids()
    period = {"start_time": plant.start - timedelta(seconds=150), "end_time": plant.start - timedelta(seconds=90)}
    async with plant.database.write() as tx:
        window = WindowDraft(scope_type="Service", scope_node_id=ids["svc-bank"], reason="Planned", **period)
        number = (await create_window(tx, person(), window, plant.start)).window.id
        ops = (await create_integration(tx, person(), an_integration_draft("Ops"), LAB_RULES, plant.start)).id
        off = (await create_integration(tx, person(), an_integration_draft("Off", is_enabled=False), LAB_RULES, plant.start)).id
        profile = (await create_profile(tx, person(), ProfileDraft(name="P", integration_ids=(ops, off)), plant.start)).id
    await plant.send("load", (-120, 11.0), (-100, 99.0), (0, 99.0), **{"host.id": "host-a"})
    reply = await stub.PreviewRule(pb.PreviewRuleRequest(definition=above(10, alerting_profile_id=profile)), metadata=METADATA)
    assert [(one.incident_eligibility, one.incident_ref) for one in reply.alerts] == [("MaintenanceSuppressed", "I1")]
    assert list(reply.incidents) == [
        pb.PreviewIncident(
            ref="I1",
            correlation_key=f"service:{ids['svc-bank']}",
            primary_service_node_id=ids["svc-bank"],
            primary_ci_node_id=ids["host-a"],
            severity="Critical",
            start_time=at(plant, -120),
            alert_refs=["A1"],
        )
    ]
    covered = ("maintenance", "MaintenanceWindow", str(number), "Planned")
    disabled = ("disabledIntegration", "AlertingIntegration", str(off), "Off")
    shown = [
        (
            (one.time.ToDatetime(UTC) - plant.start).total_seconds(),
            one.transition,
            one.integration_id,
            one.outcome,
            (one.reason, one.record_type, one.record_id, one.record_name),
        )
        for one in reply.notifications
    ]
    assert {one.profile_id for one in reply.notifications} == {profile}
    assert shown == [
        (-120.0, "open", ops, "Suppressed", covered),
        (-120.0, "open", off, "Suppressed", covered),
        (-100.0, "escalate", ops, "Suppressed", covered),
        (-100.0, "escalate", off, "Suppressed", covered),
        (-90.0, "open", ops, "Sent", ("", "", "", "")),
        (-90.0, "open", off, "Skipped", disabled),
        (-90.0, "escalate", ops, "Skipped", ("repetition", "Delivery", "A1:open", "")),
        (-90.0, "escalate", off, "Skipped", disabled),
    ]


async def test_preview_writes_and_sends_nothing(stub: ReplayServiceStub, plant: Plant) -> None:
    """Statements read only, and every table holds after it what it held before."""
    await plant.send("load", (-120, 11.0), (-60, 99.0), (0, 5.0), host="a")
    async with plant.database.write() as tx:
        ops = (await create_integration(tx, person(), an_integration_draft("Ops"), LAB_RULES, plant.start)).id
        await create_profile(tx, person(), ProfileDraft(name="P", is_default=True, integration_ids=(ops,)), plant.start)
    before = await read_tables(plant)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement.split(maxsplit=1)[0].upper())

    event.listen(Engine, "before_cursor_execute", note)
    try:
        reply = await stub.PreviewRule(pb.PreviewRuleRequest(definition=above(10)), metadata=METADATA)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert [one.outcome for one in reply.notifications] == ["Sent", "Sent"]
    assert set(statements) - {"BEGIN", "SET"} == {"SELECT"}
    assert await read_tables(plant) == before


async def read_tables(plant: Plant) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    async with plant.database.read() as tx:
        return {table.name: sorted(map(tuple, await tx.execute(select(table))), key=repr) for table in metadata.sorted_tables}


def an_integration_draft(name: str, **fields: object) -> IntegrationDraft:
    return IntegrationDraft(name=name, type="Webhook", endpoint_url="http://127.0.0.1:9/hook", **fields)  # type: ignore[arg-type]


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

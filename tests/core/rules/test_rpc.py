from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.rules.v1 import rule_pb2
from lumetry.rules.v1 import rule_service_pb2 as pb
from lumetry.rules.v1.rule_service_pb2_grpc import RuleServiceStub, add_RuleServiceServicer_to_server
from lumetry_core.metrics.model import DataStatus
from lumetry_core.metrics.store.catalog import metrics as metrics_table
from lumetry_core.rules.rpc import RuleServicer
from lumetry_core.rules.service import knows_none
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time

pytestmark = pytest.mark.usefixtures("metrics")

SERVICE = "lumetry.rules.v1.RuleService"


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may manage rules unless the secret says `viewer`."""
    permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_RULES} if origin.secret != "viewer" else set())
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[RuleServiceStub]:
    """A client of a running server."""
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_RuleServiceServicer_to_server, RuleServicer(database, clock, knows_none))},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield RuleServiceStub(channel)
    await built.server.stop(None)


def definition(**changes: object) -> rule_pb2.RuleDefinition:
    fields = {"name": "CPU high", "metric_key": "cpu", "type": "Static", "direction": "Above", "static_upper": 90.0}
    return rule_pb2.RuleDefinition(**fields | changes)


async def test_rule_is_created_read_listed_and_replaced(stub: RuleServiceStub, clock: Clock) -> None:
    """What was left out comes back with its default, the flat fields as one condition too."""
    level = rule_pb2.AlertLevel(severity="Critical", trigger_count=3, recovery_minutes=0, recovery_upper=0.0)
    sent = definition(static_upper=0.0, scope={"site": "a"}, alert_levels=[level], auto_recover=False)
    created = (await stub.CreateRule(pb.CreateRuleRequest(definition=sent))).rule
    expected = rule_pb2.Rule(
        id=created.id,
        definition=rule_pb2.RuleDefinition(
            name="CPU high",
            alert_name="CPU high",
            status="Active",
            metric_key="cpu",
            type="Static",
            window_minutes=5,
            direction="Above",
            static_upper=0.0,
            scope={"site": "a"},
            condition_operator="All",
            conditions=[rule_pb2.RuleCondition(metric_key="cpu", type="Static", direction="Above", static_upper=0.0, scope={"site": "a"})],
            alert_levels=[
                rule_pb2.AlertLevel(
                    id=created.definition.alert_levels[0].id,
                    severity="Critical",
                    trigger_count=3,
                    trigger_window_minutes=1,
                    recovery_minutes=0,
                    recovery_upper=0.0,
                )
            ],
            auto_recover=False,
        ),
        metric_display_name="Processor use",
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
        created_by=42,
    )
    assert created == expected
    assert (await stub.GetRule(pb.GetRuleRequest(id=created.id))).rule == expected
    assert await stub.ListRules(pb.ListRulesRequest(search="cpu")) == pb.ListRulesResponse(rules=[expected], total_count=1)

    again = pb.UpdateRuleRequest(id=created.id, definition=expected.definition)
    assert (await stub.UpdateRule(again)).rule == expected
    changed = await stub.UpdateRule(pb.UpdateRuleRequest(id=created.id, definition=definition(status="Disabled")))
    assert changed.rule.definition.status == "Disabled"
    assert await stub.SummarizeRules(pb.SummarizeRulesRequest()) == pb.SummarizeRulesResponse(total_count=1, active_count=0)


async def test_compound_rule_comes_back_whole(stub: RuleServiceStub) -> None:
    """All conditions are answered, the first one in the flat fields too, with what a dynamic one waits for."""
    sent = [
        rule_pb2.RuleCondition(metric_key="disk", type="Dynamic", threshold_mode="Envelope", direction="Both", tolerance_percent=0.0),
        rule_pb2.RuleCondition(metric_key="cpu", type="Static", direction="Below", static_lower=0.0, scope={"site": "a"}),
    ]
    asked = rule_pb2.RuleDefinition(name="Both", type="ignored", conditions=sent, condition_operator="Any")
    rule = (await stub.CreateRule(pb.CreateRuleRequest(definition=asked))).rule
    assert list(rule.definition.conditions) == sent
    flat = rule.definition
    assert (flat.metric_key, flat.type, flat.threshold_mode, flat.direction) == ("disk", "Dynamic", "Envelope", "Both")
    assert flat.HasField("tolerance_percent")
    assert not flat.HasField("static_lower")
    assert (flat.condition_operator, rule.metric_display_name, rule.baseline_state) == ("Any", "Disk use", "Learning")
    assert not rule.HasField("pause_reason")
    assert (await stub.GetRule(pb.GetRuleRequest(id=rule.id))).rule == rule
    assert (await stub.UpdateRule(pb.UpdateRuleRequest(id=rule.id, definition=rule.definition))).rule == rule


async def test_rule_on_a_silent_metric_says_so(stub: RuleServiceStub, database: Database) -> None:
    """A paused rule names its reason on every way of reading it."""
    rule = (await stub.CreateRule(pb.CreateRuleRequest(definition=definition()))).rule
    async with database.write() as tx:
        await tx.execute(metrics_table.update().values(data_status=DataStatus.STALE))
    expected = rule_pb2.Rule()
    expected.CopyFrom(rule)
    expected.pause_reason = "metric cpu is STALE"
    assert (await stub.GetRule(pb.GetRuleRequest(id=rule.id))).rule == expected
    assert list((await stub.ListRules(pb.ListRulesRequest())).rules) == [expected]


async def test_create_rule_names_faults_by_path(stub: RuleServiceStub) -> None:
    """Faults travel as field violations."""
    level = rule_pb2.AlertLevel(severity="Warning", trigger_count=0)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.CreateRule(pb.CreateRuleRequest(definition=definition(name="", alert_levels=[level])))
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = error_details_pb2.BadRequest()
    status = rpc_status.from_call(failure.value)
    assert status.details[1].Unpack(details)
    assert [violation.field for violation in details.field_violations] == ["name", "alertLevels[0].triggerCount"]


async def test_writes_need_their_permission(stub: RuleServiceStub) -> None:
    """Who may only look cannot write."""
    viewer = (("authorization", "Bearer viewer"),)
    assert (await stub.ListRules(pb.ListRulesRequest(), metadata=viewer)).total_count == 0
    for call in (stub.CreateRule(pb.CreateRuleRequest(), metadata=viewer), stub.UpdateRule(pb.UpdateRuleRequest(), metadata=viewer)):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from lumetry.metrics.v1 import metric_service_pb2_grpc
from lumetry.metrics.v1.metric_pb2 import Metric
from lumetry.metrics.v1.metric_service_pb2 import ListMetricsResponse
from lumetry.rules.v1 import rule_service_pb2_grpc
from lumetry.rules.v1.rule_pb2 import Rule
from lumetry.rules.v1.rule_service_pb2 import CreateRuleResponse, ListRulesResponse
from lumetry_core.demo.rules import create_rules, starter_rules
from lumetry_core.rules.rpc import decode_draft
from lumetry_core.rules.validation import check_rule
from lumetry_core.runtime.errors import Faults

METADATA = (("authorization", "Bearer demo"),)


class FakeCore:
    """Metrics appear one by one with every look at the catalog."""

    def __init__(self, *appearing: str) -> None:
        self.appearing = list(appearing)
        self.evaluable: list[str] = []
        self.rules: list[Rule] = []

    async def ListMetrics(self, request: Any, context: Any) -> ListMetricsResponse:  # noqa: N802 -- generated names
        assert (request.query, request.is_evaluable) == ("host.", True)
        if self.appearing:
            self.evaluable.append(self.appearing.pop(0))
        return ListMetricsResponse(metrics=[Metric(metric_key=key, is_evaluable=True) for key in self.evaluable])

    async def QuerySeries(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def ListRules(self, request: Any, context: Any) -> ListRulesResponse:  # noqa: N802
        assert dict(context.invocation_metadata())["authorization"] == "Bearer demo"
        return ListRulesResponse(rules=self.rules)

    async def CreateRule(self, request: Any, context: Any) -> CreateRuleResponse:  # noqa: N802
        if request.definition.metric_key not in self.evaluable:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The metric is not evaluable.")
        self.rules.append(Rule(definition=request.definition))
        return CreateRuleResponse(rule=self.rules[-1])

    UpdateRule = GetRule = SummarizeRules = QuerySeries


@pytest.fixture
async def core() -> FakeCore:
    return FakeCore("host.disk.used_percent", "host.cpu.percent", "host.memory.percent", "host.load1")


@pytest.fixture
async def channel(core: FakeCore) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the core."""
    server = grpc.aio.server()
    metric_service_pb2_grpc.add_MetricServiceServicer_to_server(core, server)  # type: ignore[arg-type]
    rule_service_pb2_grpc.add_RuleServiceServicer_to_server(core, server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(None)


@pytest.mark.parametrize("core_count", [1, 2, 64])
def test_starter_rules_are_valid(core_count: int) -> None:
    """What the demo creates passes the checks of rules, and needs three points within a minute."""
    faults = Faults()
    definitions = [check_rule(decode_draft(rule), faults) for rule in starter_rules(core_count)]
    faults.raise_if_any()
    assert {(level.trigger_count, level.trigger_window_minutes) for rule in definitions for level in rule.levels} == {(3, 1)}


async def test_create_rules_waits_for_each_metric(core: FakeCore, channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule is created as soon as its metric has points, never before."""
    monkeypatch.setattr("lumetry_core.demo.rules.POLL_SECONDS", 0.001)
    created = await create_rules(channel, METADATA, starter_rules(2))
    assert created == ["Disk almost full", "High CPU", "High memory use", "High load"]
    assert [rule.definition for rule in core.rules] == [next(rule for rule in starter_rules(2) if rule.name == name) for name in created]


async def test_create_rules_again_changes_nothing(core: FakeCore, channel: grpc.aio.Channel) -> None:
    """Rules that exist, perhaps changed by people, are left alone."""
    core.rules = [Rule(definition=rule) for rule in starter_rules(2)]
    core.rules[0].definition.name = "HIGH CPU"
    assert await create_rules(channel, METADATA, starter_rules(2)) == []
    assert len(core.rules) == 4


async def test_create_rules_does_without_metrics_that_a_host_lacks(core: FakeCore, channel: grpc.aio.Channel) -> None:
    """A container without a disk of its own still gets the other rules."""
    assert await create_rules(channel, METADATA, starter_rules(2), seconds=0) == ["Disk almost full"]

"""Starter rules on what a collector measures of its host."""

import asyncio
from collections.abc import Sequence

import grpc

from lumetry.metrics.v1.metric_service_pb2 import ListMetricsRequest
from lumetry.metrics.v1.metric_service_pb2_grpc import MetricServiceStub
from lumetry.rules.v1.rule_pb2 import AlertLevel, RuleDefinition
from lumetry.rules.v1.rule_service_pb2 import CreateRuleRequest, ListRulesRequest
from lumetry.rules.v1.rule_service_pb2_grpc import RuleServiceStub

POLL_SECONDS = 0.5
CALL_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
PAGE_SIZE = 200
Metadata = Sequence[tuple[str, str]]


def starter_rules(core_count: int) -> list[RuleDefinition]:
    """The rules, for a host with so many cores. They recover within a minute, so that a demo shows an end as well."""
    return [
        above("High CPU", "host.cpu.percent", 80, 95, "The processors of a host have hardly any time left."),
        above("High memory use", "host.memory.percent", 90, 97, "A host is about to run out of memory."),
        above("Disk almost full", "host.disk.used_percent", 90, 97, "A file system is about to run out of space."),
        above("High load", "host.load1", 2 * core_count, 4 * core_count, "More work waits for processors than a host can do."),
    ]


def above(name: str, metric_key: str, warning: float, critical: float, description: str) -> RuleDefinition:
    """A rule that fires when three points within a minute are above a limit."""
    return RuleDefinition(
        name=name,
        description=description,
        metric_key=metric_key,
        type="Static",
        direction="Above",
        static_upper=warning,
        alert_levels=[
            AlertLevel(severity="Warning", trigger_count=3, trigger_window_minutes=1, recovery_minutes=1),
            AlertLevel(severity="Critical", trigger_count=3, trigger_window_minutes=1, recovery_minutes=1, static_upper=critical),
        ],
    )


async def create_rules(
    channel: grpc.aio.Channel, metadata: Metadata, wanted: Sequence[RuleDefinition], seconds: float = PATIENCE_SECONDS
) -> list[str]:
    """Creates those of the rules that do not exist yet, each as soon as its metric has points.

    Args:
        seconds: How long to wait for metrics; a host need not show everything.

    Returns:
        The names of the new ones, in the order of their creation.
    """
    end = asyncio.get_running_loop().time() + seconds
    metrics, rules = MetricServiceStub(channel), RuleServiceStub(channel)
    listed = await rules.ListRules(ListRulesRequest(page_size=PAGE_SIZE), metadata=metadata, timeout=CALL_SECONDS)
    existing = {rule.definition.name.lower() for rule in listed.rules}
    missing = [rule for rule in wanted if rule.name.lower() not in existing]
    created = []
    while missing:
        request = ListMetricsRequest(query="host.", is_evaluable=True, page_size=PAGE_SIZE)
        catalog = await metrics.ListMetrics(request, metadata=metadata, timeout=CALL_SECONDS)
        evaluable = {metric.metric_key for metric in catalog.metrics}
        for rule in [rule for rule in missing if rule.metric_key in evaluable]:
            await rules.CreateRule(CreateRuleRequest(definition=rule), metadata=metadata, timeout=CALL_SECONDS)
            missing.remove(rule)
            created.append(rule.name)
        if missing and asyncio.get_running_loop().time() >= end:
            break
        if missing:
            await asyncio.sleep(POLL_SECONDS)
    return created

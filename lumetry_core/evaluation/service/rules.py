"""What rules and people's decisions mean for evaluation, as of one version of an organization."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.alerts.service import transitions
from lumetry_core.evaluation.compile import compile_rules
from lumetry_core.evaluation.machine import State, Watch
from lumetry_core.evaluation.model import Settings
from lumetry_core.evaluation.restore import restore_alerts
from lumetry_core.evaluation.state import Past
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.rules import service as rules
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.database import Transaction

CLOSINGS_KEPT = timedelta(days=31)
"""How far back closes by people are looked at: no violation from before them still counts."""
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """Rules of an organization, and closes by people.

    Args:
        watches: Rules by number.
        by_partition: For each partition, the rules of each of its metrics by the metric's number.
        closings: When people last closed an alert.
        last_closing: The newest of these.
    """

    version: int
    watches: Mapping[int, Watch]
    by_partition: Mapping[int, Mapping[int, list[Watch]]]
    closings: Mapping[Past, datetime]
    last_closing: datetime

    def detect_time(self, now: datetime) -> datetime:
        """The time at which violations found now are recorded: after every close by people that the rules know of."""
        return max(now, self.last_closing + MILLISECOND)


async def load_rules(tx: Transaction, organization_id: int, settings: Settings, now: datetime) -> CompiledRules:
    """Reads what every change of an organization's version may have changed.

    A rule pauses while its metric is switched off.
    """
    version = await read_evaluation_version(tx, organization_id)
    active = await rules.active_rules(tx, organization_id)
    metrics = await find_metrics(tx, organization_id, {rule.metric_key for rule in active})
    watches: dict[int, Watch] = {}
    by_partition: dict[int, dict[int, list[Watch]]] = {}
    for watch in compile_rules(active, settings.grace_seconds * 1000):
        metric = metrics.get(watch.rule.metric_key)
        if metric is not None and metric.is_active:
            watches[watch.rule.id] = watch
            by_partition.setdefault(metric.partition, {}).setdefault(metric.id, []).append(watch)
    closings = await transitions.manual_closings(tx, organization_id, now - CLOSINGS_KEPT)
    return CompiledRules(version, watches, by_partition, closings, max(closings.values(), default=EPOCH))


async def load_alerting(tx: Transaction, organization_id: int, compiled: CompiledRules, partition: int) -> dict[Past, State]:
    """Reads the states that hold nothing but an active alert, of the rules on metrics of a partition."""
    of_partition = {watch.rule.id: watch for watches in compiled.by_partition.get(partition, {}).values() for watch in watches}
    return restore_alerts(await transitions.active_rule_alerts(tx, organization_id), of_partition) if of_partition else {}

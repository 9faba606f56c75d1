"""How a rule stands at present: whether it is paused, and whether its baselines are learned (contract lumetry 5.2, 22.8)."""

from collections.abc import Collection, Mapping

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.rules.model import BaselineState, Definition, Rule


def find_pause_reason(rule: Rule, metrics: Mapping[str, MetricInfo]) -> str | None:
    """Why an active rule judges nothing: which of its metrics are not evaluable; None while all are, and for other rules.

    Args:
        metrics: Those that exist, by key.
    """
    if not rule.is_active:
        return None
    found = (describe_unevaluable(key, metrics.get(key)) for key in rule.metric_keys)
    return ", ".join(text for text in found if text) or None


def describe_unevaluable(metric_key: str, metric: MetricInfo | None) -> str | None:
    """Why a metric is not evaluable; None when it is."""
    if metric is None:
        return f"metric {metric_key} does not exist"
    if metric.is_evaluable:
        return None
    return f"metric {metric_key} is {metric.data_status if metric.is_active else DataStatus.INACTIVE}"


def list_baselines(definition: Definition, profile: BaselineProfile | None, metrics: Mapping[str, MetricInfo]) -> set[tuple[int, int]]:
    """The baselines that a rule compares with, as numbers of profile and metric; none when its profile is gone.

    Args:
        metrics: Those that exist, by key.
    """
    if profile is None:
        return set()
    return {(profile.id, metrics[key].id) for key in definition.dynamic_metric_keys if key in metrics}


def find_baseline_state(
    definition: Definition, wanted: Collection[tuple[int, int]], built: Collection[tuple[int, int]]
) -> BaselineState | None:
    """Ready when every wanted baseline is built; None for a rule without dynamic conditions."""
    if not definition.dynamic_metric_keys:
        return None
    return BaselineState.READY if wanted and set(wanted) <= set(built) else BaselineState.LEARNING

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.rules.draft import RuleDraft
from lumetry_core.rules.model import BaselineState, Definition
from lumetry_core.rules.standing import describe_unevaluable, find_baseline_state, list_baselines
from lumetry_core.rules.validation import check_rule
from lumetry_core.runtime.errors import Faults

Build = Callable[..., RuleDraft]

THEN = datetime(2026, 6, 1, tzinfo=UTC)
PROFILE = BaselineProfile(3, 7, "Default", 28, 4, "UTC", is_default=True, create_time=THEN, update_time=THEN)
CPU = MetricInfo(
    id=5,
    organization_id=7,
    metric_key="cpu",
    display_name="Processor use",
    description="",
    unit="%",
    metric_type="gauge",
    namespace="",
    source="",
    management_mode="EXTERNALLY_MANAGED",
    catalog_source="api",
    multidimensional=False,
    dimension_keys=(),
    is_active=True,
    data_status=DataStatus.ACTIVE,
    sync_status="SYNCED",
    partition=0,
    create_time=THEN,
    update_time=THEN,
    last_sync_time=None,
    last_ingest_time=None,
)
METRICS = {"cpu": CPU, "disk": replace(CPU, id=6, metric_key="disk"), "static": replace(CPU, id=7, metric_key="static")}


def define(draft: Build, *keys: str) -> Definition:
    """A rule with a dynamic condition for each key and a static one on `static`."""
    dynamic = tuple(draft(metric_key=key, type="Dynamic", threshold_mode="Stddev", stddev_multiplier=3).flat for key in keys)
    return check_rule(draft(conditions=(*dynamic, draft(metric_key="static").flat)), Faults())


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (CPU, None),
        (None, "metric cpu does not exist"),
        (replace(CPU, data_status=DataStatus.PENDING), "metric cpu is PENDING"),
        (replace(CPU, data_status=DataStatus.STALE), "metric cpu is STALE"),
        (replace(CPU, is_active=False), "metric cpu is INACTIVE"),
    ],
)
def test_describe_unevaluable_metric(metric: MetricInfo | None, expected: str | None) -> None:
    """Whatever is not evaluable is named with its status; a metric that is switched off is INACTIVE whatever its data."""
    assert describe_unevaluable("cpu", metric) == expected


def test_list_baselines_of_dynamic_conditions(draft: Build) -> None:
    """Only metrics of dynamic conditions count, each once, and only those that exist."""
    assert list_baselines(define(draft, "cpu", "disk", "cpu", "none"), PROFILE, METRICS) == {(3, 5), (3, 6)}
    assert list_baselines(define(draft), PROFILE, METRICS) == set()
    assert list_baselines(define(draft, "cpu"), None, METRICS) == set()


def test_find_baseline_state_waits_for_all(draft: Build) -> None:
    """A rule is ready when every baseline is built; without dynamic condition it has no state."""
    both = define(draft, "cpu", "disk")
    wanted = list_baselines(both, PROFILE, METRICS)
    assert find_baseline_state(both, wanted, {(3, 5)}) is BaselineState.LEARNING
    assert find_baseline_state(both, wanted, {(3, 5), (3, 6), (3, 9)}) is BaselineState.READY
    assert find_baseline_state(both, set(), {(3, 5)}) is BaselineState.LEARNING
    assert find_baseline_state(define(draft), set(), set()) is None

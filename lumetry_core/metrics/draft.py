"""The definition of a metric as people send it, unchecked. None means absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationDraft:
    """When a member deviates."""

    threshold: float | None = None
    critical_threshold: float | None = None
    min_deviation_percent: float | None = None
    min_absolute_deviation: float | None = None
    direction: str | None = None
    open_ticks: int | None = None
    close_ticks: int | None = None
    baseline_profile_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDraft:
    """How members are compared."""

    analyses: tuple[str, ...] = ()
    split_dimension: str | None = None
    scope: Mapping[str, str] = field(default_factory=dict)
    min_peer_count: int | None = None
    max_cardinality: int | None = None
    peer: DeviationDraft = field(default_factory=DeviationDraft)
    baseline: DeviationDraft = field(default_factory=DeviationDraft)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDraft:
    """A whole definition."""

    metric_key: str | None = None
    display_name: str | None = None
    description: str | None = None
    unit: str | None = None
    metric_type: str | None = None
    namespace: str | None = None
    metadata: str | None = None
    """JSON."""
    entity_type: str | None = None
    entity_identifier: str | None = None
    metric_mode: str | None = None
    dimension_keys: tuple[str, ...] = ()
    is_active: bool | None = None
    fleet: FleetDraft = field(default_factory=FleetDraft)

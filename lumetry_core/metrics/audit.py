"""Definitions and bindings as the audit log shows them: in the contract's words (5.1, 5.7, 6.1)."""

from lumetry_core.metrics.binding import MetricBinding
from lumetry_core.metrics.fleet_contract import DeviationConfig, FleetContract
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.validation import BASELINE_PATHS, PEER_PATHS, MetricMode


def audit_definition(metric: MetricInfo) -> dict[str, object]:
    """The fields of a definition that people decide."""
    return {
        "metricKey": metric.metric_key,
        "displayName": metric.display_name,
        "description": metric.description or None,
        "unit": metric.unit or None,
        "metricType": metric.metric_type,
        "namespace": metric.namespace,
        "metadata": dict(metric.metadata) or None,
        "entityType": metric.entity_type or None,
        "entityIdentifier": metric.entity_identifier or None,
        "catalogSource": metric.catalog_source,
        "metricMode": (MetricMode.MULTIDIMENSIONAL if metric.multidimensional else MetricMode.SINGLE).value,
        "dimensionKeys": list(metric.dimension_keys),
        "isActive": metric.is_active,
        **audit_fleet(metric.fleet),
        "splitDimension": metric.split_dimension,
    }


def audit_fleet(fleet: FleetContract) -> dict[str, object]:
    """The fields of a fleet contract."""
    return {
        "analyses": [analysis.value for analysis in fleet.analyses],
        "scope": dict(fleet.scope) or None,
        "minPeerCount": fleet.min_peer_count,
        "maxCardinality": fleet.max_cardinality,
        "peerConfig": audit_deviation(fleet.peer, PEER_PATHS["threshold"], PEER_PATHS["critical_threshold"]),
        "baselineConfig": {
            **audit_deviation(fleet.baseline, BASELINE_PATHS["threshold"], BASELINE_PATHS["critical_threshold"]),
            "baselineProfileId": fleet.baseline.baseline_profile_id,
        },
    }


def audit_deviation(config: DeviationConfig, threshold: str, critical: str) -> dict[str, object]:
    """The fields that both analyses have, under their names for the thresholds."""
    return {
        threshold: config.threshold,
        critical: config.critical_threshold,
        "minDeviationPercent": config.min_deviation_percent,
        "minAbsoluteDeviation": config.min_absolute_deviation,
        "direction": config.direction.value,
        "openTicks": config.open_ticks,
        "closeTicks": config.close_ticks,
    }


def audit_binding(binding: MetricBinding) -> dict[str, object]:
    """The fields of a binding."""
    return {"metricKey": binding.metric_key, "nodeId": binding.node_id, "labels": dict(binding.labels) or None}


def entity_of(metric: MetricInfo) -> str | None:
    """The identity of what is measured; None when it is not known in full."""
    if not metric.entity_type or not metric.entity_identifier:
        return None
    return f"{metric.entity_type}:{metric.entity_identifier}"


def audit_entity(metric: MetricInfo) -> dict[str, object]:
    """Which metric measures an entity."""
    return {"entityType": metric.entity_type, "entityIdentifier": metric.entity_identifier, "metricKey": metric.metric_key}

"""Sources as the audit log shows them, in the contract's words (5.8)."""

from collections.abc import Mapping

from lumetry_core.metricsources.model import DATABASES, Definition, Source


def audited(source: Source) -> dict[str, object]:
    """What people decide of a source. What is sealed is not shown, only whether there is something."""
    definition = source.definition
    return {
        "name": definition.name,
        "type": definition.type.value,
        "config": dict(config_of(definition)),
        "hasSecret": source.sealed is not None,
        "items": [
            {
                "metricKey": item.metric_key,
                "query": item.query,
                "valueColumn": item.value_column or None,
                "labelColumns": list(item.label_columns),
                "unit": item.unit or None,
            }
            for item in definition.items
        ],
        "pollIntervalSeconds": definition.poll_interval_seconds,
        "timeoutSeconds": definition.timeout_seconds,
        "collectorId": definition.collector_id,
        "isEnabled": definition.is_enabled,
    }


def config_of(definition: Definition) -> Mapping[str, object]:
    """Where a source is, as far as its type has such members."""
    target = definition.target
    username = target.username or None
    if definition.type in DATABASES:
        return {"host": target.host, "port": target.port, "database": target.database, "username": username, "tls": target.tls}
    return {"baseUrl": target.base_url, "username": username}

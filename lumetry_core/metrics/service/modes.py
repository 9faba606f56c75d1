"""The mode of metrics that were defined before their first point (contract 4.3, 5.8)."""

from collections.abc import Mapping

from lumetry_core.metrics.definition import Definition, unpack_labels
from lumetry_core.metrics.managed import managed_dimensions, waits_for_mode
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.store import managed as store
from lumetry_core.runtime.database import Transaction


async def settle_modes(tx: Transaction, metrics: Mapping[str, MetricInfo], firsts: Mapping[str, Definition]) -> None:
    """Makes metrics multidimensional that wait for their first point, where it has labels.

    No rule can name such a metric yet, so evaluation has nothing to derive anew.

    Args:
        metrics: By key.
        firsts: The first series of each, by key.
    """
    for key, metric in sorted(metrics.items()):
        if waits_for_mode(metric) and (dimension_keys := managed_dimensions(unpack_labels(firsts[key].labels))):
            await store.update_dimensions(tx, metric.organization_id, metric.id, dimension_keys)

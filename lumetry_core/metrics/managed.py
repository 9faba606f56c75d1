"""Metrics that the product itself polls: what they are before there are points."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from lumetry_core.metrics.dimension import RESERVED_LABELS
from lumetry_core.metrics.model import MetricInfo

MANAGED = "LUMETRY_MANAGED"


class SyncStatus(StrEnum):
    """How fresh what is known of a metric is (contract 5.2)."""

    SYNCED = "SYNCED"
    PENDING = "PENDING"
    STALE = "STALE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class ManagedMetric:
    """A metric that is to be polled. Empty labels: none, or not known before the first point."""

    metric_key: str
    unit: str = ""
    labels: tuple[str, ...] = ()


def managed_dimensions(labels: Collection[str]) -> tuple[str, ...]:
    """The dimension keys of a polled metric, ascending; empty makes it a single metric.

    Reserved labels other than `host.id` are no dimensions: a metric is the same whether the core polls it or a collector.
    """
    return tuple(name for name in sorted(labels) if name == "host.id" or name not in RESERVED_LABELS)


def waits_for_mode(metric: MetricInfo) -> bool:
    """Whether the first point of a metric still decides its mode: it was defined to be polled, and nobody has touched it since."""
    return (
        metric.management_mode == MANAGED
        and not metric.multidimensional
        and metric.last_ingest_time is None
        and metric.update_time == metric.create_time
    )

"""Bindings of metrics to nodes of the topology (contract 5.7)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.metrics.labels import carries


@dataclass(frozen=True, slots=True)
class MetricBinding:
    """Joins a metric, or the members of it that carry all `labels`, to a node."""

    id: int
    organization_id: int
    metric_key: str
    node_id: int
    labels: Mapping[str, str]
    create_time: datetime


@dataclass(frozen=True, slots=True)
class NewBinding:
    """A binding that has no number yet."""

    metric_key: str
    node_id: int
    labels: Mapping[str, str]


def choose_binding(bindings: Iterable[MetricBinding], labels: Mapping[str, str]) -> MetricBinding | None:
    """The binding that counts for labels among those of their metric: the one with most pairs, then the one with the lowest number."""
    matching = [binding for binding in bindings if carries(labels, binding.labels)]
    return min(matching, key=lambda binding: (-len(binding.labels), binding.id), default=None)

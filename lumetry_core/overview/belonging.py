"""Which projects things belong to (contract workspace 4)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lumetry_core.alerts.figures import Subject
from lumetry_core.projects.links import LinkType, Ref

LOG_RULE = "log_rule"
"""The entity of alerts that log rules raise."""
MONITORS = frozenset(kind.value for kind in (LinkType.CONTAINER, LinkType.ENDPOINT, LinkType.HEARTBEAT, LinkType.CERTIFICATE))


@dataclass(frozen=True, slots=True)
class Belonging:
    """What is known of projects and what belongs to them."""

    order: Mapping[str, int] = field(default_factory=dict)
    """The projects that exist, by when they were made."""
    links: Mapping[Ref, Sequence[str]] = field(default_factory=dict)
    above: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """By node: itself and all nodes above it; nodes that nothing is known of stand alone."""
    of_log_rules: Mapping[int, str] = field(default_factory=dict)
    """The project of each log rule."""

    def projects_of(self, subjects: Iterable[Subject]) -> list[str]:
        """The projects of what is about any of these, in the order of their creation."""
        found = {project_id for subject in subjects for project_id in self._projects_of(subject)}
        return sorted(found & self.order.keys(), key=self.order.__getitem__)

    def projects_of_nodes(self, node_ids: Collection[int]) -> list[str]:
        """The projects of what is on any of these nodes."""
        return self.projects_of([Subject(None, None, None, node_id, None, None) for node_id in node_ids])

    def with_nodes(self, above: Mapping[int, frozenset[int]]) -> "Belonging":
        """The same, knowing more nodes."""
        return replace(self, above={**self.above, **above}) if above else self

    def _projects_of(self, subject: Subject) -> Iterable[str]:
        if subject.entity_type == LOG_RULE and subject.entity_id is not None and subject.entity_id in self.of_log_rules:
            yield self.of_log_rules[subject.entity_id]
        if subject.entity_type in MONITORS and subject.entity_id is not None:
            yield from self.links.get((LinkType(subject.entity_type), str(subject.entity_id)), ())
        if subject.metric_key is not None:
            yield from self.links.get((LinkType.METRIC, subject.metric_key), ())
        for node_id in subject.node_ids:
            for above in self.above.get(node_id, frozenset({node_id})):
                yield from self.links.get((LinkType.TOPOLOGY_NODE, str(above)), ())

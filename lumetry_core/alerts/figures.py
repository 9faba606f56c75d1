"""Alerts as figures know them: how grave, from where, and what they are about."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.rules.model import Severity


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about, which decides the projects that it belongs to."""

    entity_type: str | None
    entity_id: int | None
    metric_key: str | None
    topology_node_id: int | None
    related_ci_id: int | None
    related_service_id: int | None

    @property
    def node_ids(self) -> frozenset[int]:
        """The nodes that it is on."""
        return frozenset(node for node in (self.topology_node_id, self.related_ci_id, self.related_service_id) if node is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An active alert."""

    id: int
    severity: Severity
    source: str
    """The kind of source; of what monitors opened the kind of watching."""
    dimension_key: str
    incident_id: int | None
    is_silenced: bool
    subject: Subject


@dataclass(frozen=True, slots=True)
class FiredCount:
    """How many alerts about the same started in a UTC hour."""

    hour: datetime
    subject: Subject
    count: int

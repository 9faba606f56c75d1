"""Silences: which notifications they mute and when (contracts lumetry 19.7, monitoring 11)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.alerts.model import Alert, SourceKind
from lumetry_core.alerts.spelling import entity_id_of, entity_type_of, source_of
from lumetry_core.metrics.dimension import labels_of_member
from lumetry_core.rules.model import Severity

LONGEST = timedelta(days=30)


class SilenceFamily(StrEnum):
    """Whose contract a silence follows; it mutes alerts of both."""

    LUMETRY = "lumetry"
    MONITORING = "monitoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matchers:
    """What an alert must be for a silence to mute it; None and no labels match all.

    The last three are the words of contract monitoring 9.1, the others those of the `lumetry` family, whose silences have at least one.
    """

    metric_key: str | None = None
    rule_id: int | None = None
    severity: Severity | None = None
    source_kind: SourceKind | None = None
    service_node_id: int | None = None
    ci_node_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    entity_type: str | None = None
    entity_id: int | None = None
    source: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no matcher is given."""
        return self == Matchers()


@dataclass(frozen=True, slots=True)
class Silence:
    """A period in which no notifications are sent of alerts that match. `delete_time`: it was removed then."""

    id: int
    organization_id: int
    matchers: Matchers
    start_time: datetime
    end_time: datetime
    reason: str
    create_time: datetime
    created_by: int | None
    delete_time: datetime | None = None
    family: SilenceFamily = SilenceFamily.LUMETRY
    created_by_name: str | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether it mutes at a time."""
        return self.delete_time is None and self.start_time <= now < self.end_time


def matches(silence: Silence, alert: Alert) -> bool:
    """Whether an alert fulfils all matchers of a silence, whatever the time."""
    wanted = silence.matchers
    pairs = (
        (wanted.metric_key, alert.metric_key),
        (wanted.rule_id, alert.rule_id),
        (wanted.severity, alert.severity),
        (wanted.source_kind, alert.source_kind),
        (wanted.service_node_id, alert.related_service_id),
        (wanted.ci_node_id, alert.related_ci_id),
        (wanted.entity_type, entity_type_of(alert)),
        (wanted.entity_id, entity_id_of(alert)),
        (wanted.source, source_of(alert)),
    )
    if any(want is not None and want != has for want, has in pairs):
        return False
    if not wanted.labels:
        return True
    labels = labels_of(alert)
    return all(labels.get(key) == value for key, value in wanted.labels.items())


def labels_of(alert: Alert) -> Mapping[str, str]:
    """The labels of an alert: those that its source sent, else the pairs of its dimension key."""
    if alert.labels is not None:
        return alert.labels
    return labels_of_member(alert.dimension_key)

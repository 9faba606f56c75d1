"""What alerts must share to be about one thing (contract lumetry 11.4): pure decisions."""

from dataclasses import dataclass, field
from enum import StrEnum

from lumetry_core.alerts.model import Alert


class KeyKind(StrEnum):
    """What a correlation key names, as the contract calls it."""

    SERVICE = "Service"
    CI = "Ci"
    METRIC = "Metric"
    MONITOR = "Monitor"


@dataclass(frozen=True, slots=True)
class CorrelationKey:
    """What an alert is about. The value is the number of a node, a metric key, or `{kind}:{id}` of a monitor; the name is for people."""

    kind: KeyKind
    value: str
    name: str | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """How it is stored and compared, such as `service:42`."""
        return f"{self.kind.lower()}:{self.value}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a still active member shares with an alert that joins it outside the window: the configuration item, else the metric."""

    ci_node_id: int | None
    metric_key: str | None


def key_of(alert: Alert) -> CorrelationKey | None:
    """The service, without one the configuration item, without both the metric, else the monitor; None when nothing is known."""
    if alert.related_service_id is not None:
        return CorrelationKey(KeyKind.SERVICE, str(alert.related_service_id), alert.related_service_name)
    if alert.related_ci_id is not None:
        return CorrelationKey(KeyKind.CI, str(alert.related_ci_id), alert.related_ci_name)
    if alert.metric_key:
        return CorrelationKey(KeyKind.METRIC, alert.metric_key, alert.metric_display_name)
    if alert.subject_type and alert.subject_id:
        return CorrelationKey(KeyKind.MONITOR, f"{alert.subject_type}:{alert.subject_id}", alert.subject_name)
    return None


def correlation_key_of(alert: Alert) -> str | None:
    """The stored form of an alert's key; None: it belongs with no other."""
    key = key_of(alert)
    return None if key is None else key.text


def anchor_of(ci_node_id: int | None, metric_key: str | None) -> Anchor | None:
    """The anchor of an alert or a member; None when neither is known, which nothing matches."""
    if ci_node_id is not None:
        return Anchor(ci_node_id, None)
    return Anchor(None, metric_key) if metric_key else None

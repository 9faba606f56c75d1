"""The webhook bodies of Prometheus Alertmanager (version 4) and of Grafana Alerting, which took over its shape.

Of the times of an alert that fires only its start counts: `endsAt` is then the year 1, or a guess. An alert that goes on firing is sent
again with the same start, so it is the same event, a duplicate.
"""

from collections.abc import Mapping
from typing import Any

from lumetry_core.external.model import Transition, TransitionState
from lumetry_core.external.providers.reading import (
    MAX_DESCRIPTION,
    MAX_TITLE,
    cut,
    read_key,
    read_list,
    read_object,
    read_text,
    read_texts,
    read_time,
    read_word,
)
from lumetry_core.runtime.errors import Faults

STATES = {"firing": TransitionState.FIRING, "resolved": TransitionState.RESOLVED}
ALERTMANAGER_VERSION = "4"
GRAFANA_RULE = "__alert_rule_uid__"


def read_alertmanager(data: Mapping[str, Any], faults: Faults) -> list[Transition]:
    """The transitions of a body of Alertmanager."""
    version = data.get("version", ALERTMANAGER_VERSION)
    faults.check(version == ALERTMANAGER_VERSION, "version", f"must be {ALERTMANAGER_VERSION}")
    return read_alerts(data, "alertname", faults)


def read_grafana(data: Mapping[str, Any], faults: Faults) -> list[Transition]:
    """The transitions of a body of Grafana."""
    return read_alerts(data, GRAFANA_RULE, faults)


def read_alerts(data: Mapping[str, Any], name: str, faults: Faults) -> list[Transition]:
    """The transitions of `alerts`.

    Args:
        name: The label that tells the definition; where it is absent, `alertname` does.
    """
    alerts = read_list(data, "alerts", faults)
    return [read_alert(raw, name, f"alerts[{number}]", faults) for number, raw in enumerate(alerts)]


def read_alert(raw: object, name: str, place: str, faults: Faults) -> Transition:
    """The transition of one alert."""
    alert = read_object(raw, place, faults)
    labels = read_texts(alert, "labels", place, faults)
    annotations = read_texts(alert, "annotations", place, faults)
    fingerprint = read_key(alert, "fingerprint", place, faults)
    state = read_word(alert, "status", STATES, place, faults) or TransitionState.FIRING
    start_ms = read_time(alert, "startsAt", place, faults)
    return Transition(
        definition_key=read_key(labels, name if labels.get(name) else "alertname", f"{place}.labels", faults) or "",
        instance_key=fingerprint,
        occurrence_key=f"{fingerprint}@{alert.get('startsAt')}",
        event_id=None,
        state=state,
        severity=read_text(labels, "severity", f"{place}.labels", Faults()) or None,
        title=cut(of(annotations, "summary"), MAX_TITLE),
        description=cut(of(annotations, "description"), MAX_DESCRIPTION),
        occurred_ms=start_ms if state is TransitionState.FIRING else read_time(alert, "endsAt", place, faults),
        labels=labels,
    )


def of(texts: Mapping[str, Any], name: str) -> str | None:
    """A text of a map whose faults are noted already."""
    value = texts.get(name)
    return value if isinstance(value, str) else None

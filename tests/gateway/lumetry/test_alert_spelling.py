"""The core spells alerts and incidents for receivers; the gateway spells them for the API. Both must be the same."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.contracts.lumetry import alerts, incidents
from lumetry_core.alerts.model import Alert, AlertState, Eligibility, SourceKind
from lumetry_core.alerts.rpc.alerts import encode_alert
from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.incidents.rpc.encoding import encode_incident
from lumetry_core.notifications.payload import spell_alert, spell_incident
from lumetry_core.rules.model import Severity
from tests.core.notifications.integrating import ALERT, NOW

CLOSED = replace(
    ALERT,
    state=AlertState.CLOSED,
    start_time=NOW + timedelta(milliseconds=7),
    end_time=NOW + timedelta(seconds=90),
    acknowledge_time=NOW + timedelta(milliseconds=1500),
    incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED,
    last_resolved_incident_id=4,
    maintenance_window_id=3,
)
WATCHED = replace(ALERT, incident_eligibility=Eligibility.POST_RESOLUTION_WATCH, watch_start_time=NOW, severity=Severity.WARNING)
BARE = replace(
    ALERT,
    rule_id=None,
    metric_key=None,
    metric_display_name=None,
    dimension_key=None,
    alert_level_id=None,
    incident_id=None,
    related_service_id=None,
    related_service_name=None,
    related_ci_id=None,
    related_ci_name=None,
)
EXTERNAL = replace(
    BARE,
    source_kind=SourceKind.EXTERNAL,
    topology_node_id=51,
    title="Disk full",
    description="On /var",
    labels={"a": "b"},
    external_source_id=2,
    external_source_name="Prometheus",
    external_definition_id=6,
    external_definition_key="DiskFull",
    external_instance_key="db1",
    external_occurrence_key="x",
)
MONITOR = replace(BARE, source_kind=SourceKind.MONITOR, title="Down", entity_type="endpoint", entity_id=1, entity_name="Shop")


@pytest.mark.parametrize("alert", [ALERT, CLOSED, WATCHED, BARE, EXTERNAL, MONITOR])
def test_spell_alert_spells_as_the_api_does(alert: Alert) -> None:
    """Every field, in the same order, for every kind of alert."""
    shown = msgspec.json.encode(alerts.encode_alert(encode_alert(alert)))
    assert msgspec.json.encode(spell_alert(alert)) == shown


def test_spell_alert_has_the_fields_of_the_contract() -> None:
    """None is missing and none is added, whatever the gateway does."""
    fields = [name.encode_name for name in msgspec.structs.fields(alerts.Alert)]
    assert list(spell_alert(ALERT)) == fields


@pytest.mark.parametrize("state", list(IncidentState))
def test_spell_incident_spells_as_the_api_does(state: IncidentState) -> None:
    """What a notification tells of an incident is what the API says of it."""
    fields: dict[str, Any] = {"id": 5, "organization_id": 7, "number": 12, "correlation_key": None, "severity": Severity.CRITICAL}
    fields |= {"state": state, "start_time": NOW, "newest_alert_id": 1, "newest_alert_time": NOW, "create_time": NOW, "update_time": NOW}
    incident = Incident(**fields)
    shown = msgspec.to_builtins(incidents.encode_incident(encode_incident(incident, NOW)))
    spelled = spell_incident(incident)
    assert spelled == {name: shown[name] for name in ("id", "incidentKey", "status", "severity")}

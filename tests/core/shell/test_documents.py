import msgspec
from google.protobuf.message import Message

from gateway.contracts.lumetry import alerts as alert_contract
from gateway.contracts.lumetry import incidents as incident_contract
from gateway.contracts.lumetry.system_alerts import encode_system_alert
from lumetry.alerts.v1.alert_pb2 import ALERT_STATE_CLOSED, Alert, Decision, Monitor, SystemAlert
from lumetry.alerts.v1.alert_service_pb2 import ExplainAlertResponse
from lumetry.incidents.v1.incident_pb2 import (
    INCIDENT_STATE_RESOLVED,
    CorrelationKey,
    ExplainedMember,
    Incident,
    IncidentMetric,
    PathStep,
    TimelineEntry,
)
from lumetry.incidents.v1.incident_service_pb2 import ExplainIncidentResponse, ListIncidentMetricsResponse, ListIncidentTimelineResponse
from lumetry_core.shell import documents
from tests.core.shell.building import an_alert, an_incident
from tests.core.shell.conftest import at


def filled(message: Message) -> None:
    """Gives every field of a message a value that is its own."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None or field.enum_type is not None:
            continue
        text = field.cpp_type == field.CPPTYPE_STRING
        setattr(message, field.name, field.name if text else field.type == field.TYPE_BOOL or field.number)


def a_full_alert() -> Alert:
    alert = Alert(state=ALERT_STATE_CLOSED, start_time=at(), end_time=at(minute=3, microsecond=250_000), monitor=Monitor(kind="LogRule"))
    filled(alert)
    alert.source_kind = "External"
    alert.acknowledge_time.CopyFrom(at(minute=1))
    alert.watch_start_time.CopyFrom(at(minute=2))
    return alert


def a_full_incident() -> Incident:
    incident = Incident(state=INCIDENT_STATE_RESOLVED, start_time=at(), end_time=at(hour=9))
    filled(incident)
    for name in ("acknowledge_time", "resolve_time", "last_reopen_time"):
        getattr(incident, name).CopyFrom(at(minute=7))
    return incident


def as_answered(answer: object) -> object:
    """What the gateway would send."""
    return msgspec.to_builtins(answer)


def test_documents_are_those_of_the_http_contract() -> None:
    """Alerts and incidents, with every field and with hardly any, are spelled as the gateway spells them, in its order."""
    for alert in (a_full_alert(), an_alert()):
        expected = as_answered(alert_contract.encode_alert(alert))
        assert (documents.document_of_alert(alert), list(documents.document_of_alert(alert))) == (expected, list(expected))
    for incident in (a_full_incident(), an_incident()):
        expected = as_answered(incident_contract.encode_incident(incident))
        assert (documents.document_of_incident(incident), list(documents.document_of_incident(incident))) == (expected, list(expected))


def test_documents_of_parts_are_those_of_the_http_contract() -> None:
    """So are timelines, metrics, traces and system alerts."""
    entry, metric = TimelineEntry(create_time=at()), IncidentMetric(metric_key="cpu", metric_display_name="CPU")
    filled(entry)
    timeline = ListIncidentTimelineResponse(entries=[entry, TimelineEntry(create_time=at())])
    metrics = ListIncidentMetricsResponse(metrics=[metric, IncidentMetric(unit="ms")])
    gates = [
        Decision(order=4, gate="Maintenance", verdict="Held", reason="Covered", record_type="MaintenanceWindow", record_id="12", time=at()),
        Decision(order=9, gate="Delivery", verdict="NotReached", details_json='{"targets": [{"attempts": 3}]}'),
    ]
    trace = ExplainAlertResponse(alert_id=7, transition="open", outcome="NotPaged", summary="Held back", gates=gates)
    fault = SystemAlert(first_seen_time=at(), last_seen_time=at(minute=1))
    filled(fault)
    assert [documents.document_of_entry(one) for one in timeline.entries] == as_answered(
        incident_contract.encode_list_incident_timeline(timeline, None)
    )
    assert [documents.document_of_metric(one) for one in metrics.metrics] == as_answered(
        incident_contract.encode_list_incident_metrics(metrics, None)
    )
    assert documents.document_of_decisions(trace) == as_answered(alert_contract.encode_explain_alert(trace, None))
    assert documents.document_of_system_alert(fault) == as_answered(encode_system_alert(fault))


def test_document_of_an_explanation_is_that_of_the_http_contract() -> None:
    """A member with everything, and one with hardly anything."""
    full = ExplainedMember(
        join_time=at(), leave_time=at(minute=2), correlation_key=CorrelationKey(), path=[PathStep(), PathStep(node_id=7)]
    )
    for part in (full, full.correlation_key, full.path[0], full.time_window):
        filled(part)
    full.time_window.reference_time.CopyFrom(at(minute=1))
    for answer in (
        ExplainIncidentResponse(incident_id=1, incident_key="INC-000001", follow_up_of_incident_id=4, members=[full]),
        ExplainIncidentResponse(incident_id=1, members=[ExplainedMember(alert_id=9, join_time=at())]),
    ):
        assert documents.document_of_explanation(answer) == as_answered(incident_contract.encode_explain_incident(answer, None))


def test_state_of_a_newer_server_is_its_number() -> None:
    """A state that this version does not know does not end the command."""
    assert documents.state_of(an_alert(state=9)) == "9"

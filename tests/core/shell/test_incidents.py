import json
from datetime import timedelta

import pytest

from lumetry.incidents.v1 import incident_service_pb2 as pb
from lumetry.incidents.v1.incident_pb2 import (
    INCIDENT_STATE_ACKNOWLEDGED,
    INCIDENT_STATE_RESOLVED,
    ExplainedMember,
    IncidentMetric,
    TimelineEntry,
)
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.shell import incidents as commands
from lumetry_core.shell.documents import (
    document_of_alert,
    document_of_entry,
    document_of_explanation,
    document_of_incident,
    document_of_metric,
)
from tests.core.shell.building import an_alert, an_incident
from tests.core.shell.conftest import NOW, FakeCore, Run, at


async def test_list_asks_for_what_the_options_say(core: FakeCore, run: Run) -> None:
    """And shows a table."""
    core.answers = {"ListIncidents": lambda _: pb.ListIncidentsResponse(incidents=[an_incident()])}
    result = await run("incidents", "list", "--status", "open", "--service", "42", "--ci", "7", "--from", "2026-06-01 08:00Z", "--utc")
    lines = result.output.splitlines()
    assert [line.split()[:3] for line in lines] == [["INCIDENT", "SEVERITY", "STATUS"], ["INC-000001", "Critical", "Open"]]
    assert core.asked == [pb.ListIncidentsRequest(status="Open", service_node_id=42, ci_node_id=7, start_time=at(), limit=100)]


async def test_show_gathers_all_parts(core: FakeCore, run: Run) -> None:
    """The document is the incident with its alerts, metrics and timeline."""
    entry = TimelineEntry(id=1, incident_id=1, entry_type="IncidentOpened", source_type="Alert", source_id=12, create_time=at())
    metric = IncidentMetric(metric_key="shop.latency", metric_display_name="Latency")
    core.answers = {
        "GetIncident": lambda _: pb.GetIncidentResponse(incident=an_incident()),
        "ListIncidentAlerts": lambda _: pb.ListIncidentAlertsResponse(alerts=[an_alert()]),
        "ListIncidentMetrics": lambda _: pb.ListIncidentMetricsResponse(metrics=[metric]),
        "ListIncidentTimeline": lambda _: pb.ListIncidentTimelineResponse(entries=[entry]),
    }
    shown = await run("incidents", "show", "1", "--utc")
    assert [line for line in shown.output.splitlines() if not line.startswith(" ")] == [
        "INC-000001  Critical  Open  Mobile Banking",
        "",
        "Alerts",
        "",
        "Metrics",
        "",
        "Timeline",
    ]
    assert json.loads((await run("incidents", "show", "1", "--json")).stdout) == document_of_incident(an_incident()) | {
        "alerts": [document_of_alert(an_alert())],
        "metrics": [document_of_metric(metric)],
        "timeline": [document_of_entry(entry)],
    }


async def test_key_is_looked_for_from_the_newest_incident_on(core: FakeCore, run: Run) -> None:
    """Page by page, each from where the one before ended; a key that nothing has is refused as an unknown number is."""
    incidents = [an_incident(number, start_time=encode_time(NOW + timedelta(seconds=number))) for number in range(1, 301)]

    def list_incidents(request: pb.ListIncidentsRequest) -> pb.ListIncidentsResponse:
        bound = request.end_time.seconds if request.HasField("end_time") else 2**40
        page = [incident for incident in reversed(incidents) if incident.start_time.seconds <= bound]
        return pb.ListIncidentsResponse(incidents=page[: request.limit])

    core.answers = {
        "ListIncidents": list_incidents,
        "AcknowledgeIncident": lambda request: pb.AcknowledgeIncidentResponse(
            incident=an_incident(request.id, state=INCIDENT_STATE_ACKNOWLEDGED)
        ),
    }
    assert (await run("incidents", "ack", "inc-17", "--note", "mine")).output == "INC-000017 is Acknowledged\n"
    assert core.asked == [
        pb.ListIncidentsRequest(limit=100),
        pb.ListIncidentsRequest(limit=5000, end_time=encode_time(NOW + timedelta(seconds=201))),
        pb.AcknowledgeIncidentRequest(id=17, note="mine"),
    ]
    missing = await run("incidents", "ack", "INC-000301")
    assert (missing.exit_code, missing.stdout, missing.stderr) == (1, "", "Error: Incident INC-000301 does not exist.\n")


async def test_why_explains_each_member(core: FakeCore, run: Run) -> None:
    """As people read it, and as the HTTP contract has it."""
    answer = pb.ExplainIncidentResponse(incident_id=1, incident_key="INC-000001", members=[ExplainedMember(alert_id=12, join_time=at())])
    core.answers = {"ExplainIncident": lambda _: answer}
    assert (await run("incidents", "why", "1")).output.startswith("INC-000001  1 alert\n\nAlert 12  ")
    assert json.loads((await run("incidents", "why", "1", "--json")).stdout) == document_of_explanation(answer)
    assert core.asked == [pb.ExplainIncidentRequest(id=1)] * 2


@pytest.fixture
def resolving(core: FakeCore) -> FakeCore:
    """A core on which two alerts of the resolved incident are still active."""
    resolved = an_incident(state=INCIDENT_STATE_RESOLVED, active_alert_count_at_resolution=2)
    core.answers = {"ResolveIncident": lambda _: pb.ResolveIncidentResponse(incident=resolved)}
    return core


async def test_resolve_takes_classification_and_note(resolving: FakeCore, run: Run) -> None:
    """The classification in any case; what stays active is told."""
    result = await run("incidents", "resolve", "1", "--classification", "noimpact", "--note", "A test.")
    assert (result.exit_code, result.stdout) == (0, "INC-000001 is Resolved\n")
    assert result.stderr == "2 of its alerts are still active; should that last, the incident comes back.\n"
    assert resolving.asked == [pb.ResolveIncidentRequest(id=1, note="A test.", resolution_classification="NoImpact")]


async def test_resolve_asks_on_a_terminal(resolving: FakeCore, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what the options leave open, with the choices, until the answer can be used; standard output is for the result."""
    monkeypatch.setattr(commands, "is_terminal", lambda: True)
    result = await run("incidents", "resolve", "1", stdin="Whatever\nduplicate\nAs INC-000004.\n")
    assert (result.exit_code, result.stdout) == (0, "INC-000001 is Resolved\n")
    assert "Classification (Resolved, NoImpact, FalsePositive, Duplicate, Maintenance, AcceptedRisk, Transferred): " in result.stderr
    assert resolving.asked == [pb.ResolveIncidentRequest(id=1, note="As INC-000004.", resolution_classification="Duplicate")]


@pytest.mark.parametrize("given", [[], ["--classification", "Resolved"], ["--note", "x"], ["--classification", "Fine", "--note", "x"]])
async def test_resolve_needs_both_in_a_script(resolving: FakeCore, run: Run, given: list[str]) -> None:
    """Nobody is asked when nobody is there."""
    result = await run("incidents", "resolve", "1", *given)
    assert (result.exit_code, result.stdout, resolving.asked) == (2, "", [])

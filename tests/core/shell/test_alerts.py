import json

import grpc
import pytest

from lumetry.alerts.v1 import alert_service_pb2 as pb
from lumetry.alerts.v1.alert_pb2 import ALERT_STATE_ACKNOWLEDGED, ALERT_STATE_CLOSED
from lumetry.incidents.v1.incident_service_pb2 import ListIncidentsRequest, ListIncidentsResponse
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.shell.documents import document_of_alert
from lumetry_core.shell.failures import CREDENTIAL_HINT
from tests.core.shell.building import an_alert, an_incident
from tests.core.shell.conftest import FakeCore, Run, at


async def test_list_asks_for_what_the_options_say(core: FakeCore, run: Run) -> None:
    """Words in any case, an incident by its key, times with an offset or in the zone in which times are shown."""
    core.answers = {
        "ListIncidents": lambda _: ListIncidentsResponse(incidents=[an_incident(71, incident_key="INC-000004")]),
        "ListAlerts": lambda _: pb.ListAlertsResponse(alerts=[an_alert()]),
    }
    selection = ["--status", "open", "--severity", "CRITICAL", "--metric", "shop.latency", "--rule", "17", "--incident", "inc-4"]
    span = ["--source", "metricrule", "--from", "2026-06-01T10:00+02:00", "--to", "2026-06-01T09:00", "--limit", "5"]
    result = await run("alerts", "list", "--json", "--utc", *selection, *span)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == [document_of_alert(an_alert())]
    assert core.asked == [
        ListIncidentsRequest(limit=100),
        pb.ListAlertsRequest(
            status="Open",
            severity="Critical",
            metric_key="shop.latency",
            rule_id=17,
            incident_id=71,
            source_kind="MetricRule",
            start_time=at(),
            end_time=at(hour=9),
            limit=5,
        ),
    ]


async def test_list_says_when_there_is_nothing_or_more(core: FakeCore, run: Run) -> None:
    """On standard error, so that a pipe gets rows alone."""
    core.answers = {"ListAlerts": lambda _: pb.ListAlertsResponse()}
    result = await run("alerts", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No alert matches.\n")
    assert (await run("alerts", "list", "--json")).output == "[]\n"
    core.answers = {"ListAlerts": lambda request: pb.ListAlertsResponse(alerts=map(an_alert, range(request.limit)))}
    result = await run("alerts", "list", "--limit", "2")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ID", "0", "1"]
    assert result.stderr == "2 alerts, the newest; --limit shows more.\n"


async def test_show_acknowledge_and_close_an_alert(core: FakeCore, run: Run) -> None:
    """Each action is told in a line, or as the alert that it is then."""
    core.answers = {
        "GetAlert": lambda _: pb.GetAlertResponse(alert=an_alert()),
        "AcknowledgeAlert": lambda _: pb.AcknowledgeAlertResponse(alert=an_alert(state=ALERT_STATE_ACKNOWLEDGED)),
        "CloseAlert": lambda _: pb.CloseAlertResponse(alert=an_alert(state=ALERT_STATE_CLOSED)),
    }
    results = [
        await run("alerts", "show", "12", "--utc"),
        await run("alerts", "ack", "12", "--note", "on it"),
        await run("alerts", "close", "12"),
        await run("alerts", "close", "12", "--json"),
    ]
    assert [result.exit_code for result in results] == [0, 0, 0, 0]
    assert results[0].stdout.startswith("Alert 12  Critical  Open  Slow shop\n  opened      2026-06-01 08:00:00Z, ")
    assert [result.output for result in results[1:3]] == ["Alert 12 is Acknowledged: Slow shop\n", "Alert 12 is Closed: Slow shop\n"]
    assert json.loads(results[3].stdout) == document_of_alert(an_alert(state=ALERT_STATE_CLOSED))
    assert core.asked == [
        pb.GetAlertRequest(id=12),
        pb.AcknowledgeAlertRequest(id=12, note="on it"),
        pb.CloseAlertRequest(id=12),
        pb.CloseAlertRequest(id=12),
    ]


async def test_why_shows_the_transition(core: FakeCore, run: Run) -> None:
    """As people read it, and as the HTTP contract has it."""
    answer = pb.ExplainAlertResponse(alert_id=12, transition="close", outcome="NotOccurred", summary="The alert has not closed")
    core.answers = {"ExplainAlert": lambda _: answer}
    assert (await run("alerts", "why", "12", "--transition", "CLOSE")).output == "Alert 12  close  NotOccurred\nThe alert has not closed\n"
    assert json.loads((await run("alerts", "why", "12", "--json")).stdout) == {
        "alertId": 12,
        "transition": "close",
        "outcome": "NotOccurred",
        "summary": "The alert has not closed",
        "gates": [],
    }
    assert core.asked == [pb.ExplainAlertRequest(id=12, transition="close"), pb.ExplainAlertRequest(id=12, transition="open")]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (LumetryError(Reason.NOT_FOUND, "Alert 12 does not exist.", type="Alert", id="12"), 1, "Error: Alert 12 does not exist.\n"),
        (
            LumetryError(Reason.VALIDATION_FAILED, "No.", faults=(Fault("note", "is too long\x1b[2J"), Fault("", "and more"))),
            1,
            "Error: No.\n  note: is too long?[2J\n  and more\n",
        ),
        (
            LumetryError(Reason.UNAUTHENTICATED, "The credential ended."),
            1,
            f"Error: The credential ended.\n  {CREDENTIAL_HINT}\n",
        ),
        (LumetryError(Reason.STORE_UNAVAILABLE, "The store is busy."), 1, "Error: The store is busy.\n"),
        (grpc.StatusCode.UNAVAILABLE, 3, "Error: cannot reach the server at {place}: The transport says no.\n"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 3, "Error: the server at {place} did not answer in time\n"),
        (grpc.StatusCode.UNIMPLEMENTED, 1, "Error: the server at {place} does not know this call; is it older than this command?\n"),
        (grpc.StatusCode.DATA_LOSS, 1, "Error: DATA_LOSS: The transport says no.\n"),
    ],
)
async def test_ack_tells_why_it_failed(core: FakeCore, run: Run, answer: LumetryError | grpc.StatusCode, code: int, said: str) -> None:
    """The server's refusal with each fault is code 1, a server that cannot be reached code 3; nothing is on standard output."""
    core.answers = {"AcknowledgeAlert": answer}
    result = await run("alerts", "ack", "12")
    place = f"{core.address} (--server or LUMETRY_SERVER)"
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", said.format(place=place))


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "x"],
        ["show", "0"],
        ["show", "9007199254740992"],
        ["list", "--status", "open-ish"],
        ["list", "--from", "yesterday"],
        ["list", "--incident", "INC-"],
        ["list", "--limit", "5001"],
        ["why", "12", "--transition", "reopen"],
        ["watch", "--topic", "weather"],
    ],
)
async def test_usage_is_checked_before_anything_is_asked(core: FakeCore, run: Run, arguments: list[str]) -> None:
    """What cannot be meant is code 2."""
    result = await run("alerts", *arguments)
    assert (result.exit_code, result.stdout, core.asked) == (2, "", [])
    assert "Error: Invalid value for " in result.stderr


async def test_a_credential_is_needed(core: FakeCore, run: Run) -> None:
    """The message tells how to make one."""
    result = await run("alerts", "list", LUMETRY_TOKEN="")
    assert (result.exit_code, core.asked) == (2, [])
    assert "export LUMETRY_TOKEN=$(lumetry token create --name shell)" in result.stderr

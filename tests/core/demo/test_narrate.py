import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from lumetry.alerts.v1.alert_pb2 import ALERT_STATE_CLOSED, ALERT_STATE_OPEN, Alert, AlertState
from lumetry.incidents.v1 import event_service_pb2_grpc
from lumetry.incidents.v1.event_service_pb2 import WatchEventsResponse
from lumetry.incidents.v1.incident_pb2 import Incident
from lumetry.violations.v1 import violation_service_pb2_grpc
from lumetry.violations.v1.violation_pb2 import Violation
from lumetry.violations.v1.violation_service_pb2 import ListViolationsResponse
from lumetry_core.demo.narrate import Story, narrate
from lumetry_core.runtime.clock import Clock

METADATA = (("authorization", "Bearer demo"),)


def violation(number: int) -> Violation:
    return Violation(
        id=number, metric_key="host.cpu.percent", actual_value=99.87, upper_threshold=95, severity="Critical", rule_name="High CPU"
    )


def alert(state: AlertState, severity: str = "Critical") -> Alert:
    return Alert(
        id=4,
        state=state,
        severity=severity,
        alert_name="High CPU",
        trigger_reason="3 violations within 1 minute",
        dimension_key="host.id=h",
    )


def event(number: int, subject: Alert | Incident) -> WatchEventsResponse:
    packed = AnyMessage()
    packed.Pack(subject)
    return WatchEventsResponse(id=number, subject=packed)


INCIDENT = Incident(id=1, incident_key="INC-000001", severity="Critical")
OPENED = "alert 4       Critical: “High CPU”, 3 violations within 1 minute, host.id=h"
GROUPED = "incident      INC-000001 (Critical) groups what belongs together, with a timeline"
CLOSED = "alert 4 closed  “High CPU” is clear again"


def test_story_tells_everything_once() -> None:
    """Repeated events and violations beyond the first few add no line; the end is when all alerts have closed."""
    story = Story()
    assert [story.of_violation(violation(number)) for number in (1, 1, 2, 3, 4)] == [
        "violation     host.cpu.percent = 99.9, above 95 (Critical, rule “High CPU”)",
        None,
        "violation     host.cpu.percent = 99.9, above 95 (Critical, rule “High CPU”)",
        "violation     host.cpu.percent = 99.9, above 95 (Critical, rule “High CPU”)",
        None,
    ]
    assert story.of_event(WatchEventsResponse(event="reset")) is None
    assert story.of_event(event(1, alert(ALERT_STATE_OPEN, "Warning"))) == OPENED.replace("Critical", "Warning")
    assert story.of_event(event(2, alert(ALERT_STATE_OPEN))) == "alert 4       is Critical now: 3 violations within 1 minute"
    assert story.of_event(event(2, alert(ALERT_STATE_OPEN))) is None
    assert story.of_event(event(3, INCIDENT)) == GROUPED
    assert story.of_event(event(4, INCIDENT)) is None
    assert not story.is_over.is_set()
    assert story.of_event(event(5, alert(ALERT_STATE_CLOSED))) == CLOSED
    assert story.of_event(event(6, alert(ALERT_STATE_CLOSED))) is None
    assert story.is_over.is_set()


class FakeCore:
    """Breaks the stream of events once in the middle."""

    def __init__(self) -> None:
        self.resumed_after: list[int] = []

    async def ListViolations(self, request: Any, context: Any) -> ListViolationsResponse:  # noqa: N802 -- generated names
        return ListViolationsResponse(violations=[violation(1)])

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[WatchEventsResponse]:  # noqa: N802
        self.resumed_after.append(request.after_id)
        if not request.after_id:
            yield event(7, alert(ALERT_STATE_OPEN))
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The server restarts.")
        yield event(8, INCIDENT)
        yield event(9, alert(ALERT_STATE_CLOSED))
        await asyncio.Event().wait()


@pytest.fixture
async def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def channel(core: FakeCore) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the core."""
    server = grpc.aio.server()
    event_service_pb2_grpc.add_EventServiceServicer_to_server(core, server)  # type: ignore[arg-type]
    violation_service_pb2_grpc.add_ViolationServiceServicer_to_server(core, server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(None)


async def test_narrate_tells_the_story_across_a_restart(
    core: FakeCore, channel: grpc.aio.Channel, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line comes once, in order, and the stream resumes where it broke."""
    monkeypatch.setattr("lumetry_core.demo.narrate.POLL_SECONDS", 0.001)
    lines: list[str] = []
    story = await narrate(channel, METADATA, clock, lines.append, 30)
    assert story.is_over.is_set()
    told = [line.split(" s  ", 1)[1] for line in lines]
    assert [line for line in told if not line.startswith("violation")] == [OPENED, GROUPED, CLOSED]
    assert core.resumed_after == [0, 7]


async def test_narrate_ends_in_time(channel: grpc.aio.Channel, clock: Clock, core: FakeCore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A story without end is left alone; a quiet host is explained."""
    monkeypatch.setattr("lumetry_core.demo.narrate.QUIET_SECONDS", 0.0)
    monkeypatch.setattr(core, "ListViolations", None)
    lines: list[str] = []
    story = await narrate(channel, METADATA, clock, lines.append, 0.05)
    assert not story.is_over.is_set()
    assert any("does not get busy" in line for line in lines)
    assert "goes on without words" in lines[-1]

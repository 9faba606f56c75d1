"""Tells in plain lines what becomes of a spike: violation, alert, incident, recovery."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import grpc

from lumetry.alerts.v1.alert_pb2 import ALERT_STATE_CLOSED, Alert
from lumetry.incidents.v1.event_service_pb2 import WatchEventsRequest, WatchEventsResponse
from lumetry.incidents.v1.event_service_pb2_grpc import EventServiceStub
from lumetry.incidents.v1.incident_pb2 import Incident
from lumetry.violations.v1.violation_pb2 import Violation
from lumetry.violations.v1.violation_service_pb2 import ListViolationsRequest
from lumetry.violations.v1.violation_service_pb2_grpc import ViolationServiceStub
from lumetry_core.demo.rules import CALL_SECONDS, Metadata
from lumetry_core.runtime.clock import Clock

Tell = Callable[[str], None]
Say = Callable[[str | None], None]
"""Takes a line, or None for nothing to say."""

POLL_SECONDS = 1.0
SHOWN_VIOLATIONS = 3
LISTED_VIOLATIONS = 50
QUIET_SECONDS = 30.0
"""Without a violation for so long, the host does not get busy."""


@dataclass(slots=True)
class Story:
    """What has been told so far, so that nothing is told twice."""

    violations: set[int] = field(default_factory=set)
    open_alerts: dict[int, str] = field(default_factory=dict)
    """Severity by number."""
    closed_alerts: set[int] = field(default_factory=set)
    incidents: set[int] = field(default_factory=set)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when an incident was told of and every alert that opened has closed."""

    def of_violation(self, violation: Violation) -> str | None:
        """The line for a violation; the first few are enough."""
        if violation.id in self.violations:
            return None
        self.violations.add(violation.id)
        if len(self.violations) > SHOWN_VIOLATIONS:
            return None
        return (
            f"violation     {violation.metric_key} = {violation.actual_value:.1f}, above {violation.upper_threshold:g}"
            f" ({violation.severity}, rule “{violation.rule_name}”)"
        )

    def of_event(self, event: WatchEventsResponse) -> str | None:
        """The line for an event; None when it adds nothing."""
        alert, incident = Alert(), Incident()
        if event.subject.Unpack(alert):
            return self.of_alert(alert)
        if event.subject.Unpack(incident):
            return self.of_incident(incident)
        return None

    def of_alert(self, alert: Alert) -> str | None:
        """The line for an alert when it is first seen, when it gets worse, and when it closes."""
        if alert.state == ALERT_STATE_CLOSED:
            if alert.id in self.closed_alerts:
                return None
            self.closed_alerts.add(alert.id)
            self.open_alerts.pop(alert.id, None)
            self._look_for_end()
            return f"alert {alert.id} closed  “{alert.alert_name}” is clear again"
        known = self.open_alerts.get(alert.id)
        if known == alert.severity:
            return None
        self.open_alerts[alert.id] = alert.severity
        if known is not None:
            return f"alert {alert.id}       is {alert.severity} now: {alert.trigger_reason}"
        member = f", {alert.dimension_key}" if alert.HasField("dimension_key") else ""
        return f"alert {alert.id}       {alert.severity}: “{alert.alert_name}”, {alert.trigger_reason}{member}"

    def of_incident(self, incident: Incident) -> str | None:
        """The line for an incident when it is first seen."""
        if incident.id in self.incidents:
            return None
        self.incidents.add(incident.id)
        self._look_for_end()
        return f"incident      {incident.incident_key} ({incident.severity}) groups what belongs together, with a timeline"

    def _look_for_end(self) -> None:
        if self.incidents and self.closed_alerts and not self.open_alerts:
            self.is_over.set()


async def narrate(channel: grpc.aio.Channel, metadata: Metadata, clock: Clock, tell: Tell, seconds: float) -> Story:
    """Tells what happens from now on, until it is over or so much time has passed. Gives what was told."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    story = Story()

    def say(line: str | None) -> None:
        if line is not None:
            tell(f"  +{loop.time() - start:5.1f} s  {line}")

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
            followers = [
                tasks.create_task(follow_violations(ViolationServiceStub(channel), metadata, clock.now(), story, say)),
                tasks.create_task(follow_events(EventServiceStub(channel), metadata, story, say)),
                tasks.create_task(hint_when_quiet(story, say)),
            ]
            await story.is_over.wait()
            for follower in followers:
                follower.cancel()
    except TimeoutError:
        say("the story goes on without words from here")
    return story


async def follow_violations(stub: ViolationServiceStub, metadata: Metadata, start: datetime, story: Story, say: Say) -> None:
    """Says the first violations from `start` on, until the story is over."""
    request = ListViolationsRequest(limit=LISTED_VIOLATIONS)
    request.start_time.FromDatetime(start)
    while not story.is_over.is_set():
        with suppress(grpc.aio.AioRpcError):  # the server restarts, or is busier than a call may last: asked again
            answer = await stub.ListViolations(request, metadata=metadata, timeout=CALL_SECONDS)
            for violation in reversed(answer.violations):
                say(story.of_violation(violation))
        await asyncio.sleep(POLL_SECONDS)


async def follow_events(stub: EventServiceStub, metadata: Metadata, story: Story, say: Say) -> None:
    """Says what events tell, until the story is over."""
    request = WatchEventsRequest(topics=["alerts", "incidents"])
    while not story.is_over.is_set():
        with suppress(grpc.aio.AioRpcError):  # the server restarts; what it kept meanwhile is sent again
            async for event in stub.WatchEvents(request, metadata=metadata):
                if event.id:
                    request.after_id = event.id
                say(story.of_event(event))
        await asyncio.sleep(POLL_SECONDS)


async def hint_when_quiet(story: Story, say: Say) -> None:
    """Says what to do when the host does not get busy."""
    await asyncio.sleep(QUIET_SECONDS)
    if not story.violations and not story.open_alerts:
        say("nothing yet   this host does not get busy (a container's CPU limit?); pretend to be a host as shown above")

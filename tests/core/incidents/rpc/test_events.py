import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from lumetry.alerts.v1 import alert_pb2
from lumetry.incidents.v1 import event_service_pb2 as pb
from lumetry.incidents.v1 import incident_pb2
from lumetry.incidents.v1.event_service_pb2_grpc import EventServiceStub, add_EventServiceServicer_to_server
from lumetry_core.alerts.rpc.alerts import encode_alert, encode_system_alert
from lumetry_core.alerts.service.system_alerts import raise_system_alert
from lumetry_core.incidents.rpc.encoding import encode_incident
from lumetry_core.incidents.rpc.events import CHECK_INTERVAL, EventServicer
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import channel, publish
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock
from tests.core.incidents.building import NOW, an_alert, an_incident

SERVICE = "lumetry.incidents.v1.EventService"
VIEWER = (("authorization", "Bearer viewer"),)


class Door:
    """Knows the credential `viewer` of organization 7, until it is revoked or loses its permission."""

    def __init__(self) -> None:
        self.permissions: frozenset[Permission] | None = frozenset({Permission.VIEW_ALERTS})
        self.calls = 0

    async def __call__(self, origin: Origin) -> Caller:
        """See `Authenticate`."""
        self.calls += 1
        if origin.secret != "viewer" or self.permissions is None:
            raise LumetryError(Reason.UNAUTHENTICATED, "No.")
        return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, permissions=self.permissions)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def stub(database: Database, clock: FakeClock, wakeups: Wakeups, door: Door) -> AsyncIterator[EventServiceStub]:
    """A client of a running server."""
    servicer = EventServicer(database, clock, wakeups, door, {"alerts": encode_alert, "systemAlerts": encode_system_alert})
    built = build_server(
        "127.0.0.1:0", {SERVICE: (add_EventServiceServicer_to_server, servicer)}, read_accesses([SERVICE]), door, reflect=False
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as opened:
        yield EventServiceStub(opened)
    await built.server.stop(None)


async def watch(stub: EventServiceStub, *topics: str, after_id: int | None = None) -> Any:
    """A call that misses nothing from now on."""
    call = stub.WatchEvents(pb.WatchEventsRequest(topics=topics, after_id=after_id), metadata=VIEWER, timeout=60)
    await call.initial_metadata()
    return call


async def write(database: Database, *changes: tuple[str, str, Any], organization_id: int = 7) -> None:
    async with database.write() as tx:
        await publish(tx, organization_id, changes, NOW)


async def fail(call: Any) -> tuple[grpc.StatusCode, str]:
    """Code and message with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert rpc_status.from_call(caught.value) is not None
    return caught.value.code(), caught.value.details() or ""


async def test_watch_events_carries_each_subject(stub: EventServiceStub, database: Database) -> None:
    """Alerts, incidents and system alerts come packed as their messages, in the order of their commits."""
    call = await watch(stub)
    await write(database, ("alerts", "alert.opened", an_alert(9012)), ("incidents", "incident.opened", an_incident(3)))
    async with database.write() as tx:
        fault = await raise_system_alert(tx, 7, "EvaluationJobFailed", Severity.CRITICAL, "Job 4 failed", "Job", "4", NOW)
    alert, incident, system_alert = alert_pb2.Alert(), incident_pb2.Incident(), alert_pb2.SystemAlert()
    received = [await call.read() for _ in range(3)]
    for response, message in zip(received, (alert, incident, system_alert), strict=True):
        assert response.subject.Unpack(message)
    assert [(response.id, response.event) for response in received] == [
        (1, "alert.opened"),
        (2, "incident.opened"),
        (3, "systemAlert.opened"),
    ]
    assert (alert, incident, system_alert) == (
        encode_alert(an_alert(9012)),
        encode_incident(an_incident(3), NOW),
        encode_system_alert(fault),
    )


async def test_watch_events_wakes_every_stream(stub: EventServiceStub, database: Database) -> None:
    """Several streams of one organization hear every event; one of another topic or organization hears nothing of it."""
    calls = [await watch(stub), await watch(stub, "incidents"), await watch(stub, "incidents", "alerts")]
    await write(database, ("incidents", "incident.opened", an_incident(1)), organization_id=8)
    for number in range(1, 4):
        await write(database, ("alerts", "alert.opened", an_alert(number)))
        await write(database, ("incidents", "incident.updated", an_incident(number)))
    received = [[(await call.read()).id for _ in range(count)] for call, count in zip(calls, (6, 3, 6), strict=True)]
    assert received == [[1, 2, 3, 4, 5, 6], [2, 4, 6], [1, 2, 3, 4, 5, 6]]


async def test_watch_events_resumes(stub: EventServiceStub, database: Database) -> None:
    """The stream goes on right after the given event."""
    await write(database, *[("alerts", "alert.opened", an_alert(number)) for number in range(1, 5)])
    call = await watch(stub, after_id=2)
    assert [(await call.read()).id for _ in range(2)] == [3, 4]


async def test_watch_events_resets_after_a_gap(stub: EventServiceStub, database: Database) -> None:
    """The reset has neither number nor subject and comes first, whatever the topics."""
    call = await watch(stub, "systemAlerts", after_id=77)
    assert await call.read() == pb.WatchEventsResponse(event="reset")


async def test_watch_events_refuses_unknown_topics(stub: EventServiceStub) -> None:
    """Topics are spelled as in the contract."""
    call = stub.WatchEvents(pb.WatchEventsRequest(topics=["alerts", "Alerts"]), metadata=VIEWER)
    assert (await fail(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_watch_events_ends_with_its_credential(
    stub: EventServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups, door: Door
) -> None:
    """A revoked credential is noticed five seconds later at the latest, whether or not events come."""
    call = await watch(stub)
    await write(database, ("alerts", "alert.opened", an_alert(1)))
    assert (await call.read()).id == 1
    assert door.calls == 1
    clock.moment += CHECK_INTERVAL
    await write(database, ("alerts", "alert.opened", an_alert(2)))
    assert (await call.read()).id == 2
    assert door.calls == 2
    door.permissions = None
    clock.moment += CHECK_INTERVAL - timedelta(milliseconds=1)
    await write(database, ("alerts", "alert.opened", an_alert(3)))
    assert (await call.read()).id == 3
    clock.moment += timedelta(milliseconds=1)
    wakeups.wake(channel(7))
    assert await fail(call) == (grpc.StatusCode.UNAUTHENTICATED, "No.")


async def test_watch_events_ends_with_its_permission(stub: EventServiceStub, clock: FakeClock, wakeups: Wakeups, door: Door) -> None:
    """A caller who may no longer view alerts gets none."""
    call = await watch(stub)
    door.permissions = frozenset()
    clock.moment += CHECK_INTERVAL
    wakeups.wake(channel(7))
    assert await fail(call) == (grpc.StatusCode.PERMISSION_DENIED, "The permission CanViewAlerts is missing.")


async def test_watch_events_needs_the_permission(stub: EventServiceStub, door: Door) -> None:
    """Without it the stream does not start."""
    door.permissions = frozenset()
    call = stub.WatchEvents(pb.WatchEventsRequest(), metadata=VIEWER)
    assert (await fail(call))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_watch_events_forgets_streams_that_left(stub: EventServiceStub, database: Database) -> None:
    """A cancelled stream leaves the others alone."""
    leaving, staying = await watch(stub), await watch(stub)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving.read()
    await write(database, ("alerts", "alert.opened", an_alert(1)))
    assert (await staying.read()).id == 1

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from lumetry_core.alerts.detections import DetectedEnd, DetectedRise, Detection, Detector, new_detected_alert
from lumetry_core.alerts.model import AlertState, CloseCause
from lumetry_core.alerts.service import detections
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import claim

DETECTOR = Detector(5, "cpu", "CPU load")


@pytest.fixture
def detection(clock: Clock) -> Callable[..., Detection]:
    """Builds a detection; keywords replace fields."""

    def build(**changes: Any) -> Detection:
        fields = {
            "detector": DETECTOR,
            "dimension_key": "host.id=a",
            "analysis": "Peer deviation",
            "ticks": 3,
            "needed": 3,
            "alert_name": "CPU load deviates from peers",
            "trigger_reason": "Peer deviation for 3 ticks: 89 vs median 42",
            "severity": Severity.WARNING,
            "start_time": clock.now(),
            "violation_count": 3,
            "first_violation_time": clock.now(),
        }
        return Detection(**fields | changes)

    return build


async def test_open_detected_opens_one_alert_for_each_member(database: Database, clock: Clock, detection: Callable[..., Detection]) -> None:
    """Members of several metrics have alerts side by side; a second active one for a metric and member is refused."""
    given = [detection(), detection(dimension_key=None), detection(detector=Detector(6, "load", "Load"))]
    async with database.write() as tx:
        opened = await detections.open_detected(tx, 7, given, clock.now())
    assert [replace(alert, id=0) for alert in opened] == [new_detected_alert(7, each, clock.now()) for each in given]
    with pytest.raises(IntegrityError):
        async with database.write() as tx:
            await detections.open_detected(tx, 7, [detection()], clock.now())
    async with database.read() as tx:
        assert await detections.active_detected(tx, 7) == opened
        assert await detections.active_detected(tx, 8) == []


async def test_raise_detected_raises_once(database: Database, clock: Clock, detection: Callable[..., Detection]) -> None:
    """An alert becomes critical with the reason for it; one that is critical or closed stays as it is."""
    given = [detection(), detection(dimension_key="host.id=b", severity=Severity.CRITICAL), detection(dimension_key="host.id=c")]
    reason = "Peer deviation for 4 ticks: 200 vs median 42"
    async with database.write() as tx:
        opened = await detections.open_detected(tx, 7, given, clock.now())
        await detections.end_detected(tx, 7, [DetectedEnd(opened[2].id, DETECTOR, CloseCause.RECOVERY, "", clock.now())], clock.now())
        rises = [DetectedRise(alert.id, DETECTOR, "Peer deviation", 4, reason) for alert in opened]
        raised = await detections.raise_detected(tx, 7, rises, clock.now())
    assert raised == [replace(opened[0], severity=Severity.CRITICAL, trigger_reason=reason, escalate_time=clock.now())]


async def test_end_detected_closes_for_a_cause(database: Database, clock: Clock, detection: Callable[..., Detection]) -> None:
    """Each alert closes at its time and for its cause, and is handed to correlation; closed ones stay as they are."""
    async with database.write() as tx:
        opened = await detections.open_detected(tx, 7, [detection(), detection(dimension_key="host.id=b")], clock.now())
        late = clock.now() + timedelta(minutes=3)
        ends = [
            DetectedEnd(opened[0].id, DETECTOR, CloseCause.MEMBER_GONE, "gone", late),
            DetectedEnd(opened[1].id, DETECTOR, CloseCause.RECOVERY, "normal", clock.now()),
        ]
        closed = await detections.end_detected(tx, 7, ends, clock.now())
        again = await detections.end_detected(tx, 7, ends, clock.now())
    assert {(alert.id, alert.state, alert.end_time, alert.close_cause) for alert in closed} == {
        (opened[0].id, AlertState.CLOSED, late, CloseCause.MEMBER_GONE),
        (opened[1].id, AlertState.CLOSED, clock.now(), CloseCause.RECOVERY),
    }
    assert again == []
    async with database.write() as tx:
        assert [item.kind for item in await claim(tx, "correlation")] == ["alert_opened"] * 2 + ["alert_closed"] * 2

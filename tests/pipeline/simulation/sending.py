"""Sending in lists: lanes, leases and attempts, settled by the product's own pure functions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.notifications.delivering import LANE_WIDTH
from lumetry_core.notifications.delivery import Delivery, DeliveryStatus, Lane
from lumetry_core.notifications.model import SendResult
from lumetry_core.notifications.retries import OUT_OF_REACH_LIMIT, Attempt, follow_lane, settle
from lumetry_core.notifications.service.outbox import follow_ups, give_up, still_counts
from lumetry_core.notifications.service.recording import LEASE
from lumetry_core.notifications.store.lanes import STRICT_RUN
from tests.pipeline.simulation.script import Mood
from tests.pipeline.simulation.state import Arrival, State
from tests.pipeline.simulation.telling import OWNER

ANSWERS = {
    Mood.WELL: SendResult(ok=True, status_code=200),
    Mood.DOWN: SendResult(ok=False, error="connection refused", reached=False),
    Mood.BROKEN: SendResult(ok=False, status_code=500, error="answered 500"),
    Mood.MUTE: SendResult(ok=False, error="no answer within 10 s"),
    Mood.REFUSING: SendResult(ok=False, status_code=410, error="answered 410", is_final=True),
}
ARRIVES = frozenset({Mood.WELL, Mood.MUTE})


def claim_due(state: State, now: datetime) -> list[tuple[Delivery, bool]]:
    """Leases what is due and waits for nothing earlier; True: its lane is strict."""
    claimed: list[tuple[Delivery, bool]] = []
    for lane in list(state.lanes.values()):
        waiting = [row for row in sorted_rows(state) if row.integration_id == lane.integration_id and row.status is DeliveryStatus.PENDING]
        due = [row for row in waiting if is_due(row, now)]
        if not due or (lane.outage_time is not None and (lane.probe_time is None or lane.probe_time > now)):
            continue
        limit = strict_limit(state, lane, waiting, now) if lane.is_strict else LANE_WIDTH
        free = [row for row in due if not any(waits_for(row, other, lane, now) for other in waiting)]
        for row in free[:limit]:
            leased = state.deliveries[row.id] = replace(row, lease_owner=OWNER, lease_time=now + LEASE)
            claimed.append((leased, lane.is_strict))
    return claimed


def sorted_rows(state: State) -> list[Delivery]:
    """All deliveries, oldest first."""
    return [state.deliveries[number] for number in sorted(state.deliveries)]


def is_due(row: Delivery, now: datetime) -> bool:
    """Whether a waiting delivery may be sent now."""
    return row.next_attempt_time is not None and row.next_attempt_time <= now and (row.lease_time is None or row.lease_time <= now)


def strict_limit(state: State, lane: Lane, waiting: Sequence[Delivery], now: datetime) -> int:
    """How many may be claimed in a lane where order counts."""
    if any(row.lease_time is not None and row.lease_time > now for row in waiting):
        return 0
    if lane.outage_time is not None:
        return 1
    if not any(row.id <= lane.strict_through and not row.failures for row in waiting):
        state.lanes[lane.integration_id] = Lane(lane.organization_id, lane.integration_id, lane.failures)
    return STRICT_RUN


def waits_for(row: Delivery, other: Delivery, lane: Lane, now: datetime) -> bool:
    """Whether a delivery must wait for another one of its alert."""
    if other.alert_id != row.alert_id or other.id >= row.id:
        return False
    if not lane.is_strict:
        return True
    return (other.next_attempt_time is not None and other.next_attempt_time > now) or (
        other.lease_time is not None and other.lease_time > now
    )


def send_all(
    claimed: Sequence[tuple[Delivery, bool]], moods: dict[int, Mood], arrivals: list[Arrival], now: datetime
) -> tuple[list[Attempt], list[Delivery]]:
    """Sends what is leased; answers the attempts, and what was not begun because one before it failed."""
    attempts: list[Attempt] = []
    returned: list[Delivery] = []
    stopped: set[int] = set()
    for row, is_strict in claimed:
        if row.integration_id in stopped:
            returned.append(row)
            continue
        mood = moods[row.integration_id]
        if mood in ARRIVES:
            arrivals.append(Arrival(now, row.integration_id, row.alert_id, row.transition))
        attempts.append(Attempt(row, ANSWERS[mood], now))
        if is_strict and not ANSWERS[mood].ok:
            stopped.add(row.integration_id)
    return attempts, returned


def record(state: State, attempts: Sequence[Attempt], returned: Sequence[Delivery], now: datetime) -> None:
    """Keeps what attempts came to."""
    valid = [
        replace(each, delivery=state.deliveries[each.delivery.id])
        for each in attempts
        if still_counts(each, state.deliveries[each.delivery.id])
    ]
    settled = {each.delivery.id: settle(each) for each in valid}
    of_alerts = {each.delivery.alert_id for each in attempts}
    changed = settled | {row.id: row for row in follow_ups([row for row in sorted_rows(state) if row.alert_id in of_alerts], settled)}
    for integration_id, before in list(state.lanes.items()):
        lane = before
        for each in valid:
            if each.delivery.integration_id == integration_id:
                lane = follow_lane(lane, each, last_waiting(state, integration_id) if before.outage_time is not None else 0)
        state.lanes[integration_id] = lane
        if lane.outage_time is not None and now - lane.outage_time >= OUT_OF_REACH_LIMIT:
            for row in sorted_rows(state):
                is_here = row.integration_id == integration_id and row.status is DeliveryStatus.PENDING
                if is_here and row.create_time <= now - OUT_OF_REACH_LIMIT and row.id not in settled:
                    changed[row.id] = give_up(row, None)
    state.deliveries |= changed
    for row in returned:
        state.deliveries[row.id] = replace(state.deliveries[row.id], lease_time=now)


def last_waiting(state: State, integration_id: int) -> int:
    """The newest delivery that waits in a lane."""
    waiting = (row.id for row in state.deliveries.values() if row.integration_id == integration_id and row.status is DeliveryStatus.PENDING)
    return max(waiting, default=0)

"""What holds of deliveries, and of what reached the receivers (contract lumetry 14.4, ADR 0013)."""

from collections import Counter
from dataclasses import replace

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import Eligibility
from lumetry_core.alerts.silences import matches
from lumetry_core.notifications.delivery import DeliveryStatus
from tests.pipeline.simulation.state import View

ORDER = {Transition.OPEN: 0, Transition.ESCALATE: 1, Transition.CLOSE: 2}

Key = tuple[int, int, Transition]
"""Integration, alert and transition."""


def check_rows(view: View) -> None:
    """A transition has one delivery at each integration."""
    keys = Counter((row.integration_id, row.alert_id, row.transition) for row in view.deliveries.values())
    assert all(count == 1 for count in keys.values()), f"deliveries with two numbers: {[key for key, count in keys.items() if count > 1]}"


def check_arrivals(view: View, *, has_lost: bool) -> None:
    """What counts as delivered has arrived, in order, and a close after its opening; what was never to be sent has not.

    Args:
        has_lost: Whether something may have arrived of which nobody learnt.
    """
    arrived: set[Key] = set()
    for arrival in view.arrivals:
        alert = (arrival.integration_id, arrival.alert_id)
        if (*alert, arrival.transition) in arrived:
            continue
        later = [each for each in Transition if ORDER[each] > ORDER[arrival.transition] and (*alert, each) in arrived]
        assert not later, f"alert {arrival.alert_id} at integration {arrival.integration_id}: {arrival.transition} came after {later}"
        arrived.add((*alert, arrival.transition))
        if arrival.transition is Transition.CLOSE:
            assert (*alert, Transition.OPEN) in arrived, f"alert {arrival.alert_id} closed before it opened"
    for row in view.deliveries.values():
        is_there = (row.integration_id, row.alert_id, row.transition) in arrived
        name = f"delivery {row.id} ({row.transition} of alert {row.alert_id})"
        if row.status is DeliveryStatus.SUCCESS:
            assert is_there, f"{name} has succeeded and never arrived"
        elif row.status in (DeliveryStatus.SUPPRESSED, DeliveryStatus.SKIPPED) and not has_lost:
            assert not is_there, f"{name} is {row.status} and has arrived"


def check_covered(before: View, after: View) -> None:
    """A round of routing sends nothing new of alerts that are covered or silenced, closes apart."""
    for row in after.deliveries.values():
        earlier = before.deliveries.get(row.id)
        is_new = row.status is DeliveryStatus.PENDING and (earlier is None or earlier.status is not DeliveryStatus.PENDING)
        if not is_new or row.transition is Transition.CLOSE:
            continue
        alert = replace(after.alerts[row.alert_id], severity=row.severity)
        name = f"delivery {row.id} ({row.transition} of alert {row.alert_id})"
        assert alert.incident_eligibility is not Eligibility.MAINTENANCE_SUPPRESSED, f"{name} is sent under maintenance"
        assert alert.watch_start_time is None, f"{name} is sent in the watch"
        muting = [silence.id for silence in after.silences if silence.is_active(after.now) and matches(silence, alert)]
        assert not muting, f"{name} is sent in spite of silences {muting}"


def check_pages(before: View, after: View, alert_ids: frozenset[int]) -> None:
    """Of alerts that were a storm each integration is told once for each incident."""
    told: Counter[tuple[int | None, int]] = Counter()
    for row in after.deliveries.values():
        earlier = before.deliveries.get(row.id)
        if row.alert_id in alert_ids and row.transition is Transition.OPEN and row.is_told and (earlier is None or not earlier.is_told):
            told[row.incident_id, row.integration_id] += 1
    assert all(count == 1 for count in told.values()), f"pages by incident and integration: {dict(told)}"


def check_finished(view: View) -> None:
    """Once receivers are well again nothing waits for ever, and nobody was last told of anything but the newest."""
    waiting = [row.id for row in view.deliveries.values() if row.status is DeliveryStatus.PENDING]
    assert not waiting, f"deliveries {waiting} wait for ever"
    last: dict[tuple[int, int], Transition] = {}
    newest: dict[tuple[int, int], Transition] = {}
    for arrival in view.arrivals:
        alert = (arrival.integration_id, arrival.alert_id)
        last[alert] = arrival.transition
        newest[alert] = max(newest.get(alert, arrival.transition), arrival.transition, key=ORDER.__getitem__)
    assert last == newest, f"told last of what is over: {[alert for alert in last if last[alert] is not newest[alert]]}"


def check_deliveries(view: View, *, has_lost: bool) -> None:
    """All that holds of deliveries once every stage has caught up."""
    check_rows(view)
    check_arrivals(view, has_lost=has_lost)

"""What follows of a replay's alerts in the course of time: maintenance, incidents, notifications (contract lumetry 19.3). Pure.

Event time is the clock. All that happens at one time is worked off together, as live when it comes together.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, Eligibility, SourceKind
from lumetry_core.alerts.service.admission import relate
from lumetry_core.alerts.service.transitions import end_alert
from lumetry_core.notifications.service.walk import STORM_WAIT
from lumetry_core.replay.correlating import Correlation, ReplayedIncident
from lumetry_core.replay.covering import Maintenance
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.replay.surroundings import Surroundings
from lumetry_core.replay.telling import Notification, Telling
from lumetry_core.rules.model import Rule
from lumetry_core.runtime.clock import from_ms
from lumetry_core.topology.service.context import NO_CONTEXT

Change = tuple[int, Transition]
"""The place of an alert and what happens to it."""
ORDER = {transition: order for order, transition in enumerate(Transition)}
"""Of what happens at one time alerts open first and close last, as live."""


@dataclass(frozen=True, slots=True)
class Course:
    """What followed of alerts, which are named by their places.

    Args:
        incidents: In the order of their opening.
        notifications: In the order of their decisions.
        suppressed: Alerts that maintenance covered when they opened.
    """

    incidents: Sequence[ReplayedIncident] = ()
    notifications: Sequence[Notification] = ()
    suppressed: frozenset[int] = frozenset()


def follow_alerts(rule: Rule, alerts: Sequence[ReplayedAlert], surroundings: Surroundings, end: datetime) -> Course:
    """Finds out what follows of alerts until a time; what waits a moment then to see whether its incident is a storm is decided still."""
    if not alerts:
        return Course()
    changes: dict[datetime, list[Change]] = defaultdict(list)
    listed = [(time, place, transition) for place, alert in enumerate(alerts) for time, transition in list_transitions(alert)]
    for time, place, transition in sorted(listed, key=lambda one: ORDER[one[2]]):
        changes[from_ms(time)].append((place, transition))
    times = sorted(changes, reverse=True)
    flow = Flow(rule, alerts, surroundings, times[-1], end + STORM_WAIT)
    while True:
        now = min((time for time in (times[-1] if times else None, flow.next_time) if time is not None), default=None)
        if now is None or now > end + STORM_WAIT:
            return flow.course
        if times and times[-1] == now:
            times.pop()
        flow.pass_time(now, changes.get(now, ()))


class Flow:
    """Alerts, and what follows of them, as they are at the time that was reached. An alert's number is its place."""

    def __init__(self, rule: Rule, replayed: Sequence[ReplayedAlert], surroundings: Surroundings, start: datetime, end: datetime) -> None:
        self._replayed = replayed
        self._contexts = surroundings.contexts
        self._maintenance = Maintenance(surroundings.windows, surroundings.covering, start, end)
        self._correlation = Correlation(surroundings.correlation_window, surroundings.resolve_after)
        self._alerts: dict[int, Alert] = {}
        self._active: set[int] = set()
        self._suppressed: set[int] = set()
        self._telling = Telling(rule, self._alerts, surroundings, start)

    @property
    def next_time(self) -> datetime | None:
        """When something happens next of which alerts are not the cause; None: nothing will."""
        times = (self._maintenance.periods.next_change, self._telling.next_time)
        return min((time for time in times if time is not None), default=None)

    @property
    def course(self) -> Course:
        """What has followed until now."""
        return Course(self._correlation.incidents, self._telling.notifications, frozenset(self._suppressed))

    def pass_time(self, now: datetime, changes: Sequence[Change]) -> None:
        """Works off what happens at a time."""
        is_judged_anew = self._maintenance.periods.advance(now)
        for place, transition in changes:
            self._change(place, transition, now)
        released = self._judge_anew(now) if is_judged_anew else []
        for place, transition in changes:
            if transition is not Transition.OPEN:
                self._correlation.follow(self._alerts[place], now)
        self._correlate([place for place, transition in changes if transition is Transition.OPEN] + released, now)
        self._telling.pass_time(now, changes, released, self._maintenance.periods.lasting)

    def _change(self, place: int, transition: Transition, now: datetime) -> None:
        replayed = self._replayed[place]
        if transition is Transition.OPEN:
            alert = relate(new_alert(place, replayed), self._contexts.get(replayed.dimension_key, NO_CONTEXT))
            window = self._maintenance.find(alert)
            if window is not None:
                alert = replace(alert, incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED, maintenance_window_id=window.id)
                self._suppressed.add(place)
            self._alerts[place] = alert
            self._active.add(place)
        elif transition is Transition.ESCALATE:
            self._alerts[place] = replace(
                self._alerts[place], severity=replayed.severity, trigger_reason=replayed.trigger.reason, update_time=now
            )
        else:
            ended = end_alert(self._alerts[place], now, CloseCause.RECOVERY, now)
            self._alerts[place] = replace(ended, violation_count=replayed.violation_count)
            self._active.discard(place)

    def _judge_anew(self, now: datetime) -> list[int]:
        """Marks active alerts that windows cover, and answers those that none covers any more."""
        released = []
        for place in sorted(self._active):
            alert = self._alerts[place]
            window = self._maintenance.find(alert)
            number = None if window is None else window.id
            if number == alert.maintenance_window_id:
                continue
            eligibility = None if window is None else Eligibility.MAINTENANCE_SUPPRESSED
            self._alerts[place] = replace(alert, incident_eligibility=eligibility, maintenance_window_id=number, update_time=now)
            if window is None:
                released.append(place)
        return released

    def _correlate(self, places: Iterable[int], now: datetime) -> None:
        waiting = [self._alerts[place] for place in places if self._alerts[place].incident_id is None]
        for place, incident in self._correlation.place(waiting, now).items():
            self._alerts[place] = replace(self._alerts[place], incident_id=incident.id)
            self._telling.meet(incident)


def list_transitions(replayed: ReplayedAlert) -> list[tuple[int, Transition]]:
    """What happens to an alert, in order, with its times."""
    transitions = [(replayed.start, Transition.OPEN)]
    escalate_time = replayed.escalate_time
    if escalate_time is not None:
        transitions.append((escalate_time, Transition.ESCALATE))
    if replayed.end is not None:
        transitions.append((replayed.end, Transition.CLOSE))
    return transitions


def new_alert(place: int, replayed: ReplayedAlert) -> Alert:
    """An alert as it opens."""
    start = from_ms(replayed.start)
    return Alert(
        id=place,
        organization_id=replayed.rule.organization_id,
        rule_id=replayed.rule.id,
        rule_epoch=replayed.rule.counting_epoch,
        metric_key=replayed.rule.metric_key,
        metric_display_name=replayed.rule.metric_display_name,
        dimension_key=replayed.dimension_key,
        alert_name=replayed.rule.alert_name,
        source_kind=SourceKind.METRIC_RULE,
        state=AlertState.OPEN,
        severity=replayed.first_severity,
        alert_level_id=replayed.opened.level.id,
        trigger_reason=replayed.opening_trigger.reason,
        violation_count=replayed.opening_trigger.count,
        start_time=start,
        first_violation_time=from_ms(replayed.first_violation),
        create_time=start,
        update_time=start,
    )
